"""The project interpreter: the Python in which the project's models import, and the trail of how it was found.

An interpreter that was named (option, variable, configuration) is used or refused, never passed over. Without one the
first place counts that has torch. Modelint's own environment comes last: pre-commit points VIRTUAL_ENV and PATH at it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

#: What the tracer needs.
OLDEST_PYTHON = (3, 9)
OLDEST_TORCH = (2, 2)

#: Seconds that an interpreter, or a program that manages environments, has to answer.
_PATIENCE = 30

#: Asks an interpreter what it is, without importing torch. Nothing of the folder where it runs is to be seen.
_PROBE = """
import sys
sys.path[:] = [each for each in sys.path if each]
import importlib.util, json
spec = importlib.util.find_spec("torch")
version = None
if spec is not None:
    try:
        from importlib.metadata import version as of
        version = of("torch")
    except Exception:
        version = "?"
print(json.dumps({"python": list(sys.version_info[:3]), "prefix": sys.prefix, "torch": version}))
"""


class Step(NamedTuple):
    """One place that was looked at: what named it, where it led ("" for nowhere), and what was found there."""

    source: str
    path: str
    verdict: str


class Found(NamedTuple):
    """``python`` is None where no interpreter has torch, or where the one that was named cannot be used."""

    python: str | None
    trail: tuple[Step, ...]


class Interpreter(NamedTuple):
    """What an interpreter says of itself; ``fault`` says why it cannot be used."""

    torch: str | None
    fault: str | None


class _Place(NamedTuple):
    source: str
    #: An interpreter, or the folder of an environment; None: there is none, as ``note`` says.
    path: str | None
    note: str = ""
    #: The user named it.
    named: bool = False
    #: It may be modelint's own environment: the project itself says that it is its environment.
    own: bool = False


_asked: dict[str, Interpreter] = {}


def find(folder: str, *, given: str | None = None, configured: str | None = None) -> Found:
    """The interpreter of the project at ``folder``: ``given`` is --python, ``configured`` is `[tool.modelint] python`.

    Each may be an interpreter, the folder of an environment, or the name of a program on PATH.
    """
    trail: list[Step] = []
    seen: set[str] = set()
    for place in _places(folder, given, configured):
        if place.path is None:
            trail.append(Step(place.source, "", place.note))
            continue
        python = executable(place.path)
        if python is None:
            trail.append(Step(place.source, place.path, "no Python there"))
        elif _is_own(python) and not (place.own or place.named):
            trail.append(Step(place.source, python, "modelint's own environment: left for last"))
        elif python in seen:
            continue
        else:
            seen.add(python)
            known = ask(python)
            trail.append(Step(place.source, python, known.fault or f"has torch {known.torch}"))
            if known.fault is None:
                return Found(python, tuple(trail))
        if place.named:
            return Found(None, tuple(trail))
    return Found(None, tuple(trail))


def ask(python: str) -> Interpreter:
    """What the interpreter is and has. Asked once a run; torch is looked for, not imported."""
    if python not in _asked:
        _asked[python] = _ask(python)
    return _asked[python]


def executable(path: str) -> str | None:
    """The interpreter that a path, the folder of an environment, or the name of a program stands for."""
    if os.path.isdir(path):
        names = ("bin/python3", "bin/python", "Scripts/python.exe", "python.exe")
        found = (os.path.join(path, *name.split("/")) for name in names)
        return next((each for each in found if _runs(each)), None)
    if os.sep not in path and not (os.altsep and os.altsep in path):
        return _which(path, os.environ.get("PATH", ""))
    return path if _runs(path) else None


def _ask(python: str) -> Interpreter:
    import json

    output, error = _output([python, "-c", _PROBE])
    if output is None:
        return Interpreter(None, f"does not run: {error}")
    try:
        said: dict[str, Any] = json.loads(output)
        version, torch = tuple(said["python"]), said["torch"]
    except (ValueError, KeyError, TypeError):
        return Interpreter(None, "does not answer as a Python does")
    if version < OLDEST_PYTHON:
        return Interpreter(torch, f"Python {_dotted(version)}: the tracer needs {_dotted(OLDEST_PYTHON)} or newer")
    if torch is None:
        return Interpreter(None, f"Python {_dotted(version)} without torch")
    if (numbers := _numbers(torch)) and numbers < OLDEST_TORCH:
        return Interpreter(torch, f"torch {torch}: the tracer needs {_dotted(OLDEST_TORCH)} or newer")
    return Interpreter(torch, None)


# --- where to look ----------------------------------------------------------------------------------------------------


def _places(folder: str, given: str | None, configured: str | None) -> Iterator[_Place]:
    """In order; lazily, since some of them are told by running a program."""
    if given is not None:
        yield _Place("--python", os.path.expanduser(given), named=True)
    if own := os.environ.get("MODELINT_PYTHON"):
        yield _Place("MODELINT_PYTHON", os.path.expanduser(own), named=True)
    if configured is not None:
        path = os.path.expanduser(configured)
        is_program = os.sep not in path and "/" not in path and not os.path.exists(os.path.join(folder, path))
        yield _Place("[tool.modelint] python", path if is_program else os.path.join(folder, path), named=True)
    yield _variable("VIRTUAL_ENV")
    if (base := _extended_environment()) is not None:
        yield _Place("the environment that modelint's own one extends", base, own=True)
    conda = os.environ.get("CONDA_PREFIX")
    is_base = os.environ.get("CONDA_DEFAULT_ENV") == "base"
    if conda is not None and not is_base:
        yield _variable("CONDA_PREFIX")
    roots = _up_to_the_repository(folder)
    yield from _in_the_project(roots)
    yield from _managed(roots)
    if conda is not None and is_base:
        yield _Place("CONDA_PREFIX (base)", conda)
    yield from _on_path()
    yield _Place("modelint's own Python", sys.executable, own=True)


def _variable(name: str) -> _Place:
    value = os.environ.get(name)
    return _Place(name, value) if value else _Place(name, None, "not set")


def _in_the_project(roots: list[str]) -> Iterator[_Place]:
    for root in roots:
        for name in (".venv", "venv"):
            if os.path.isfile(os.path.join(root, name, "pyvenv.cfg")):
                yield _Place(f"{name} of the project", os.path.join(root, name), own=True)
    if named := os.environ.get("UV_PROJECT_ENVIRONMENT"):
        # uv reads it relative to the root of the workspace; the nearest folder that has it is taken.
        found = (os.path.join(root, named) for root in roots)
        yield _Place("UV_PROJECT_ENVIRONMENT", next(filter(os.path.isdir, found), named), own=True)
    for root in roots:
        if os.path.isdir(place := os.path.join(root, ".pixi", "envs", "default")):
            yield _Place(".pixi of the project", place, own=True)


def _managed(roots: list[str]) -> Iterator[_Place]:
    """What a program that manages environments says; it is asked only where the project uses it."""
    for root in roots:
        settings = _text(os.path.join(root, "pyproject.toml"))
        for program, command, lock in (
            ("poetry", ("env", "info", "-e"), "poetry.lock"),
            ("pdm", ("info", "--python"), "pdm.lock"),
            ("hatch", ("env", "find"), "hatch.toml"),
        ):
            if not (os.path.exists(os.path.join(root, lock)) or f"[tool.{program}" in settings):
                continue
            path = _which(program, os.environ.get("PATH", ""))
            if path is None:
                yield _Place(program, None, "the project uses it, but it is not on PATH")
                continue
            output, error = _output([path, *command], folder=root)
            lines = (output or "").strip().splitlines()
            yield _Place(program, lines[-1].strip(), own=True) if lines else _Place(program, None, error or "no answer")


def _on_path() -> Iterator[_Place]:
    search = os.environ.get("PATH", "")
    for name in ("python3", "python"):
        # Not the first alone: that may be modelint's own, and pre-commit puts it there.
        found = [path for folder in search.split(os.pathsep) if (path := _which(name, folder))]
        others = [path for path in found if not _is_own(path)]
        note = "none but modelint's own" if found else "none"
        yield _Place(f"{name} on PATH", others[0] if others else None, note)


def _up_to_the_repository(folder: str) -> list[str]:
    """``folder`` and those above it, up to the root of the repository; ``folder`` alone outside of one."""
    roots = [folder]
    while not os.path.lexists(os.path.join(roots[-1], ".git")):
        parent = os.path.dirname(roots[-1])
        if parent == roots[-1]:
            return [folder]
        roots.append(parent)
    return roots


def _extended_environment() -> str | None:
    """The environment below an ephemeral one of uv (`uv run --with modelint`)."""
    for line in _text(os.path.join(sys.prefix, "pyvenv.cfg")).splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "extends-environment":
            return value.strip()
    return None


# --- programs ---------------------------------------------------------------------------------------------------------


def _output(command: list[str], folder: str | None = None) -> tuple[str | None, str]:
    """What a program prints, or why it printed nothing, in one line."""
    import subprocess

    # Modelint's own environment is none of its business.
    left_out = {"PYTHONHOME", "__PYVENV_LAUNCHER__"} | ({"VIRTUAL_ENV"} if _is_ours("VIRTUAL_ENV") else set())
    env = {name: value for name, value in os.environ.items() if name not in left_out}
    try:
        ran = subprocess.run(
            command,
            cwd=folder,
            env={**env, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, f"no answer within {_PATIENCE} s"
    except (OSError, ValueError) as error:
        return None, getattr(error, "strerror", None) or str(error)
    if ran.returncode:
        said = ran.stderr.strip().splitlines()
        return None, said[-1] if said else f"exit code {ran.returncode}"
    return ran.stdout, ""


def _is_own(python: str) -> bool:
    """Whether it belongs to modelint's environment. By its folder: the links of all environments lead to one Python."""
    return os.path.realpath(os.path.dirname(python)) == os.path.realpath(os.path.dirname(sys.executable))


def _is_ours(variable: str) -> bool:
    value = os.environ.get(variable)
    return bool(value) and os.path.realpath(str(value)) == os.path.realpath(sys.prefix)


def _which(program: str, search: str) -> str | None:
    from shutil import which

    found = which(program, path=search) if search else None
    return found and os.path.abspath(found)


def _runs(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1_000_000)
    except OSError:
        return ""


def _numbers(version: str) -> tuple[int, ...]:
    """(2, 4) of "2.4.1+cpu"; empty where the version is no such text, which is then let pass."""
    first = version.split(".")[:2]
    return tuple(map(int, first)) if len(first) == 2 and all(each.isdecimal() for each in first) else ()


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
