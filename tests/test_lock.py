"""`modelint lock`: all or nothing, conflicts, names, and what cannot be written."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from modelint.cli import main

NET = """
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.last = nn.Linear(8, 2)

    def forward(self, x):
        return self.last(self.first(x))
"""
CONFIG = "[tool.modelint.models.net]\nfactory = 'net:Net'\n"


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    write(folder, "net.py", NET)
    write(folder, "pyproject.toml", CONFIG)
    environment = {**os.environ, "MODELINT_PYTHON": sys.executable}
    command = [sys.executable, "-m", "modelint", "lock"]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return folder


@pytest.fixture
def project(tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    shutil.copytree(template, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MODELINT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("MODELINT_PYTHON", sys.executable)
    return folder


def run(capture: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capture.readouterr()
    code = main(list(arguments))
    out, err = capture.readouterr()
    assert "Traceback" not in err
    return code, out, err


def git(folder: Path, *arguments: str, check: bool = True) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=check, capture_output=True)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_both_sides_of_a_conflict_are_bases(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(project, "init", "-q", "-b", "main")
    git(project, "add", ".")
    git(project, "commit", "-qm", "first")
    text = (project / "net.py").read_text()
    for branch, name in (("one", "head"), ("two", "tail")):
        git(project, "checkout", "-q", "-b", branch, "main")
        write(project, "net.py", text.replace("self.last", f"self.{name}"))
        assert run(capsys, "lock")[0] == 0
        git(project, "add", ".")
        git(project, "commit", "-qm", branch)
    git(project, "merge", "-q", "one", check=False)
    manifest = project / "model-manifests/net/layout.json"
    assert "<<<<<<<" in manifest.read_text()
    write(project, "net.py", text.replace("self.last", "self.end"))
    code, out, _ = run(capsys, "check", "--only", "layout", "--format", "concise")
    assert code == 3 and "MDL733" in out and "modelint lock net" in run(capsys, "check", "--only", "layout")[1]
    code, out, err = run(capsys, "lock")
    assert code == 0 and out.startswith("net: accepted: breaking"), err
    assert "end.weight" in manifest.read_text() and "<<<<<<<" not in manifest.read_text()
    steps = [json.loads(path.read_text()) for path in (project / "model-manifests/net/steps").iterdir()]
    last = json.loads(json.dumps([step["renames"] for step in steps]))
    assert {"head.weight": "end.weight", "head.bias": "end.bias"} in last
    assert {"tail.weight": "end.weight", "tail.bias": "end.bias"} in last
    assert run(capsys, "check", "--only", "layout")[0] == 0


def test_a_conflict_without_git(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = project / "model-manifests/net/layout.json"
    lines = manifest.read_text().split("\n")
    at = next(number for number, line in enumerate(lines) if '"last.weight"' in line)
    other = lines[at].replace("last", "tail")
    lines[at : at + 1] = ["<<<<<<< HEAD", lines[at], "=======", other, ">>>>>>> other"]
    manifest.write_text("\n".join(lines))
    code, out, _ = run(capsys, "lock")
    assert code == 0 and out.startswith("net: accepted: breaking"), out
    (step,) = (project / "model-manifests/net/steps").iterdir()
    assert json.loads(step.read_text())["class"] == "breaking"
    assert run(capsys, "check", "--only", "layout")[0] == 0


def test_a_manifest_of_a_newer_modelint_is_left_alone(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = project / "model-manifests/net/layout.json"
    manifest.write_text(manifest.read_text().replace('"schema": 1', '"schema": 2'))
    before = contents(project)
    code, out, err = run(capsys, "lock")
    assert (code, out) == (2, "") and "newer modelint" in err and err.count("\n") == 1
    assert contents(project) == before


def test_a_manifest_that_was_cut_off_is_written_anew(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = project / "model-manifests/net/layout.json"
    whole = manifest.read_text()
    manifest.write_text(whole[:200])
    assert run(capsys, "lock")[0] == 0
    assert manifest.read_text() == whole


def test_a_folder_that_cannot_be_written(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project, "net.py", NET.replace("self.last", "self.head"))
    before = contents(project)
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode, **more: not mode & os.W_OK and real(path, mode, **more))
    code, out, err = run(capsys, "lock")
    assert (code, out) == (2, "")
    assert err == "modelint: model-manifests/net: cannot be written; the manifest of net stays as it is\n"
    assert contents(project) == before


def test_all_or_nothing(project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full when the manifest itself is written: the step that was written before is taken back."""
    from modelint import atomic

    write(project, "net.py", NET.replace("self.last", "self.head"))
    before = contents(project)
    real = atomic.write

    def fail(path: str, data: bytes) -> None:
        if path.endswith("layout.json"):
            raise OSError(28, "No space left on device")
        real(path, data)

    monkeypatch.setattr("modelint.atomic.write", fail)
    code, out, err = run(capsys, "lock")
    assert (code, out) == (2, "")
    assert err == "modelint: model-manifests/net/layout.json: cannot be written: No space left on device\n"
    assert contents(project) == before
    assert not (project / "model-manifests/net/steps").exists()


def test_a_file_where_the_folder_should_be(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(project / "model-manifests")
    write(project, "model-manifests", "")
    code, _, err = run(capsys, "lock")
    assert code == 2 and "model-manifests: is no folder" in err and err.count("\n") == 1


def test_names(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "lock", "--remove", "net")
    assert (code, err) == (2, "modelint: net is still declared at pyproject.toml:1; remove that first\n")
    code, _, err = run(capsys, "lock", "--rename", "net", "other")
    assert (code, err) == (2, "modelint: net is still declared at pyproject.toml:1; give it the new name there first\n")
    write(project, "pyproject.toml", CONFIG.replace("models.net", "models.other"))
    code, _, err = run(capsys, "lock", "--rename", "net", "../other")
    assert code == 2 and "is no name of a model" in err
    assert run(capsys, "lock", "--rename", "nett", "other")[0] == 2
    assert run(capsys, "lock", "--rename", "net", "other")[:2] == (0, "now model-manifests/other\n")
    assert json.loads((project / "model-manifests/other/layout.json").read_text())["model"] == "other"
    assert run(capsys, "check", "--only", "layout")[0] == 0
    write(project, "pyproject.toml", "[tool.modelint]\n")
    write(project, "model-manifests/other/releases/v1.json", "{}")
    code, _, err = run(capsys, "lock", "--remove", "other")
    assert code == 2 and "1 released layout" in err and "--reason" in err
    assert run(capsys, "lock", "--remove", "other", "--reason", "gone")[:2] == (0, "removed model-manifests/other\n")
    assert os.listdir(project / "model-manifests") == []
    code, _, err = run(capsys, "lock", "--remove", "other")
    assert code == 2 and err.startswith("modelint: other: no manifest of that name")
    assert run(capsys, "lock", "--remove", "other", "--check")[0] == 2


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_behind(project: Path) -> None:
    write(project, "net.py", "import time\nprint('up', flush=True)\ntime.sleep(60)\n" + NET)
    before = contents(project)
    command = [sys.executable, "-m", "modelint", "lock"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen(command, cwd=project, **pipes) as process:  # type: ignore[call-overload]
        time.sleep(8)  # it now imports torch, or the model
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, ""), err
    assert "Traceback" not in err and err.endswith("modelint: interrupted\n")
    assert contents(project) == before
    time.sleep(0.5)
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(project) not in listed


def test_init_shows_what_could_be_tracked(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "init")
    assert (code, out) == (2, "")
    assert err == "modelint: init does not write yet; `modelint init --dry-run` shows the lines to paste\n"
    write(
        project,
        "pkg/more.py",
        """
import dataclasses
from torch import nn


@dataclasses.dataclass
class Config:
    width: int = 3


class Configured(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.line = nn.Linear(config.width, 2)


class Broken(nn.Module):
    def __init__(self):
        super().__init__()
        raise RuntimeError("not like this")


class Empty(nn.Module):
    pass


class Sized(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.line = nn.Linear(size, size)


class Small(Sized):
    def __init__(self):
        super().__init__(3)
""",
    )
    code, out, err = run(capsys, "init", "--dry-run")
    assert code == 0, err
    assert 'factory = "net:Net"' not in out  # it is tracked already
    assert '[tool.modelint.models.small]\nfactory = "pkg.more:Small"\n' in out
    assert "# 2 keys, 12 parameters\n" in out
    assert "def configured():\n    # 2 keys, 8 parameters\n    from pkg.more import Config" in out
    assert "# Broken (pkg/more.py:17) could not be built: " in out and "not like this" in out
    assert "# Empty (pkg/more.py:23) has no weights\n" in out
    assert "# Sized needs size: factory, and args or kwargs\n" in out
    assert err == "2 of 4 models that need no arguments can be tracked\n"
    assert not (project / "modelint_models.py").exists()
    # What it proposes works.
    functions = out.partition("beside pyproject.toml:\n")[2].partition("\n# ")[0]
    write(project, "modelint_models.py", functions)
    assert run(capsys, "lock", "configured")[:2] == (
        0,
        "configured: new, 2 keys in model-manifests/configured/layout.json\n",
    )
