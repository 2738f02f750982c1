"""The project interpreter is found in the order that people expect, and the trail says why."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from modelint.layout import interpreter
from modelint.layout.interpreter import Found, find

#: What decides where is looked; none of it may come from the machine.
VARIABLES = "MODELINT_PYTHON VIRTUAL_ENV CONDA_PREFIX CONDA_DEFAULT_ENV UV_PROJECT_ENVIRONMENT PYTHONHOME".split()


@pytest.fixture(autouse=True)
def quiet_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    # Modelint's own environment, which comes last, must not decide a test: here it is one without any Python.
    monkeypatch.setattr(sys, "executable", str(tmp_path / "own" / "bin" / "python"))
    monkeypatch.setattr(interpreter, "_asked", {})


def python(place: Path, torch: str | None = "2.13.0", version: tuple[int, ...] = (3, 11, 7)) -> Path:
    """A program that answers as the Python of an environment does."""
    place.parent.mkdir(parents=True, exist_ok=True)
    said = {"python": list(version), "prefix": str(place.parent.parent), "torch": torch}
    place.write_text(f"#!/bin/sh\necho '{json.dumps(said)}'\n", encoding="utf-8")
    place.chmod(place.stat().st_mode | stat.S_IXUSR)
    return place


def environment(folder: Path, torch: str | None = "2.13.0", version: tuple[int, ...] = (3, 11, 7)) -> Path:
    python(folder / "bin" / "python3", torch, version)
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\n", encoding="utf-8")
    return folder


def sources(found: Found) -> list[str]:
    return [step.source for step in found.trail]


def last(found: Found) -> str:
    return found.trail[-1].verdict


def test_the_environment_in_the_project(tmp_path: Path) -> None:
    project = tmp_path / "project"
    environment(project / ".venv")
    found = find(str(project))
    assert found.python == str(project / ".venv" / "bin" / "python3")
    assert last(found) == "has torch 2.13.0"


def test_an_active_environment_comes_before_that_of_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(tmp_path / "project" / ".venv")
    monkeypatch.setenv("VIRTUAL_ENV", str(environment(tmp_path / "active")))
    found = find(str(tmp_path / "project"))
    assert found.python == str(tmp_path / "active" / "bin" / "python3")
    assert sources(found) == ["VIRTUAL_ENV"]


def test_an_environment_without_torch_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(tmp_path / "project" / "venv")
    monkeypatch.setenv("VIRTUAL_ENV", str(environment(tmp_path / "active", torch=None)))
    found = find(str(tmp_path / "project"))
    assert found.python == str(tmp_path / "project" / "venv" / "bin" / "python3")
    assert found.trail[0].verdict == "Python 3.11.7 without torch"


def test_modelints_own_environment_is_not_taken_for_the_active_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a hook of pre-commit: VIRTUAL_ENV and the head of PATH are modelint's, and torch is there, too."""
    own = environment(tmp_path / "own")
    monkeypatch.setenv("VIRTUAL_ENV", str(own))
    monkeypatch.setenv("PATH", f"{own}/bin:{environment(tmp_path / 'system')}/bin")
    found = find(str(tmp_path / "project"))
    assert found.python == str(tmp_path / "system" / "bin" / "python3")
    assert "left for last" in found.trail[0].verdict


def test_where_modelint_is_installed_beside_torch_that_is_the_last_resort(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = python(tmp_path / "own" / "bin" / "python")
    monkeypatch.setenv("PATH", "")
    assert find(str(tmp_path)).python == str(own)


def test_the_project_may_have_modelint_in_its_own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "project"
    environment(project / ".venv")
    monkeypatch.setattr(sys, "executable", str(project / ".venv" / "bin" / "python3"))
    assert find(str(project)).python == str(project / ".venv" / "bin" / "python3")


@pytest.mark.parametrize("source", ["--python", "MODELINT_PYTHON", "[tool.modelint] python"])
def test_an_interpreter_that_was_named_is_never_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    environment(tmp_path / ".venv")
    named = str(environment(tmp_path / "named", torch=None))
    if source == "MODELINT_PYTHON":
        monkeypatch.setenv(source, named)
    found = find(
        str(tmp_path),
        given=named if source == "--python" else None,
        configured="named" if source.startswith("[") else None,
    )
    assert found.python is None
    assert sources(found) == [source]
    assert last(found) == "Python 3.11.7 without torch"


def test_an_interpreter_that_was_named_and_is_gone(tmp_path: Path) -> None:
    found = find(str(tmp_path), given=str(tmp_path / "gone" / "python"))
    assert found == Found(None, (interpreter.Step("--python", str(tmp_path / "gone" / "python"), "no Python there"),))


def test_a_program_on_path_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python(tmp_path / "tools" / "python3.10", version=(3, 10, 1))
    monkeypatch.setenv("PATH", str(tmp_path / "tools"))
    assert find(str(tmp_path), configured="python3.10").python == str(tmp_path / "tools" / "python3.10")


@pytest.mark.parametrize(
    ("torch", "version", "words"),
    [
        ("2.1.2+cpu", (3, 11, 0), "torch 2.1.2+cpu: the tracer needs 2.2 or newer"),
        ("2.4.1", (3, 8, 18), "Python 3.8.18: the tracer needs 3.9 or newer"),
        (None, (3, 11, 0), "Python 3.11.0 without torch"),
    ],
)
def test_too_old(tmp_path: Path, torch: str | None, version: tuple[int, ...], words: str) -> None:
    found = find(str(tmp_path), given=str(python(tmp_path / "python", torch, version)))
    assert (found.python, last(found)) == (None, words)


def test_a_version_that_says_nothing_is_let_pass(tmp_path: Path) -> None:
    assert find(str(tmp_path), given=str(python(tmp_path / "python", "main-build"))).python is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("#!/bin/sh\nexit 3\n", "does not run: exit code 3"),
        ("#!/bin/sh\necho hello\n", "does not answer as a Python does"),
    ],
)
def test_what_is_no_python(tmp_path: Path, text: str, words: str) -> None:
    program = python(tmp_path / "python")
    program.write_text(text, encoding="utf-8")
    assert last(find(str(tmp_path), given=str(program))) == words


def test_conda_counts_unless_it_is_the_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(tmp_path / "project" / ".venv")
    monkeypatch.setenv("CONDA_PREFIX", str(environment(tmp_path / "conda")))
    monkeypatch.setenv("CONDA_DEFAULT_ENV", "vision")
    assert find(str(tmp_path / "project")).python == str(tmp_path / "conda" / "bin" / "python3")
    monkeypatch.setenv("CONDA_DEFAULT_ENV", "base")
    assert find(str(tmp_path / "project")).python == str(tmp_path / "project" / ".venv" / "bin" / "python3")
    os.rename(tmp_path / "project" / ".venv", tmp_path / "project" / "elsewhere")
    assert find(str(tmp_path / "project")).python == str(tmp_path / "conda" / "bin" / "python3")


def test_the_environment_at_the_root_of_the_repository(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    environment(tmp_path / ".venv")
    inner = tmp_path / "packages" / "vision"
    inner.mkdir(parents=True)
    assert find(str(inner)).python == str(tmp_path / ".venv" / "bin" / "python3")


def test_outside_of_a_repository_only_the_folder_itself_counts(tmp_path: Path) -> None:
    environment(tmp_path / ".venv")
    (tmp_path / "inner").mkdir()
    assert find(str(tmp_path / "inner")).python != str(tmp_path / ".venv" / "bin" / "python3")


def test_a_program_that_manages_environments_is_asked_only_where_the_project_uses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    managed = environment(tmp_path / "managed")
    poetry = python(tmp_path / "tools" / "poetry")
    poetry.write_text(f"#!/bin/sh\necho {managed}/bin/python3\n", encoding="utf-8")
    monkeypatch.setenv("PATH", f"{tmp_path / 'tools'}:/usr/bin:/bin")
    project = tmp_path / "project"
    project.mkdir()
    assert "poetry" not in sources(find(str(project)))
    (project / "poetry.lock").touch()
    found = find(str(project))
    assert found.python == str(managed / "bin" / "python3")
    assert found.trail[-1].source == "poetry"


def test_pixi_and_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(tmp_path / ".pixi" / "envs" / "default")
    assert find(str(tmp_path)).trail[-1].source == ".pixi of the project"
    environment(tmp_path / "other")
    monkeypatch.setenv("UV_PROJECT_ENVIRONMENT", "other")
    assert find(str(tmp_path)).trail[-1].source == "UV_PROJECT_ENVIRONMENT"


def test_the_environment_below_an_ephemeral_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = environment(tmp_path / "project-environment")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "pyvenv.cfg").write_text(f"extends-environment = {project}\n", encoding="utf-8")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "own"))
    assert find(str(tmp_path)).python == str(project / "bin" / "python3")


def test_each_interpreter_is_asked_once(tmp_path: Path) -> None:
    program = python(tmp_path / ".venv" / "bin" / "python3")
    (tmp_path / ".venv" / "pyvenv.cfg").touch()
    find(str(tmp_path))
    program.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    assert find(str(tmp_path)).python == str(program)
