"""The tracked models of one run of `modelint check`: which are asked for, and what nothing tracks.

On the path of a hook with nothing to say.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from modelint import catalogue, projects, selection
from modelint.config import Config, Configs
from modelint.lint.triage import MAY_DEFINE

if TYPE_CHECKING:
    from modelint.layout.building import Progress
    from modelint.layout.run import LayoutRun

#: The codes of this engine.
PREFIX = "MDL7"
#: A hint names at most so many models.
_MOST_MODELS = 3
_TESTS = frozenset({"test", "tests", "testing"})


class Wanted(NamedTuple):
    """What the command line says."""

    layers: tuple[selection.Layer, ...]
    preview: bool
    python: str | None
    jobs: int
    cache: str | None
    progress: Callable[[], Progress | None] | None
    #: ``--hook``: what git knows is enough.
    staged: bool


class Looked(NamedTuple):
    run: LayoutRun
    #: Nothing is declared, and there is no configuration at all.
    unconfigured: bool


def look(paths: Sequence[str] | None, cwd: str, configs: Configs, wanted: Wanted) -> Looked | None:
    """Check the tracked models that ``paths`` (None: all) can affect; None where no code of layout is selected."""
    asked = None if paths is None else tuple(os.path.normpath(os.path.join(cwd, path)) for path in paths)
    below = projects.find(cwd, configs, staged=wanted.staged, named=asked or ())
    found = [each for each in below if _is_selected(each.folder, configs, wanted)]
    if not found:
        return None
    declared = projects.declared(found, cwd)
    from modelint.layout.run import Options, check_models

    if asked is not None and cwd in asked:
        asked = None
    options = Options(
        python=wanted.python,
        jobs=wanted.jobs,
        cache=wanted.cache,
        paths=asked,
        declares=None if configs.is_given else projects.declares,
        progress=wanted.progress,
    )
    return Looked(check_models(found, declared, options), not declared and not any(each.path for each in found))


def _is_selected(folder: str, configs: Configs, wanted: Wanted) -> bool:
    """Is any code of layout reported there?"""
    config: Config = configs.of_folder(folder)
    layers = [selection.Layer(config.select, config.extend_select, config.ignore), *wanted.layers]
    if all(layer.select is None and not layer.ignore for layer in layers):
        return True
    preview = wanted.preview or config.preview
    return any(
        selection.selects(code, "on", layers, preview=preview) for code in catalogue.codes() if code.startswith(PREFIX)
    )


def untracked(run: LayoutRun, changed: Iterable[str], read: Callable[[str], bytes | None]) -> int:
    """How many of the changed files define models that nothing tracks."""
    count = 0
    for path in changed:
        if path in run.tracked or _is_test(path):
            continue
        data = read(path)
        count += data is not None and MAY_DEFINE.search(data) is not None
    return count


def changed_files(cwd: str) -> list[str]:
    """The Python files that differ from the last commit, and those that git does not know yet."""
    import subprocess

    command = [
        "git",
        "--no-optional-locks",
        "status",
        "--porcelain=v1",
        "-z",
        "--no-renames",
        "--untracked-files=all",
        "--",
        ":(glob)**/*.py",
    ]
    try:
        top = subprocess.run(["git", "rev-parse", "--show-toplevel"], cwd=cwd, capture_output=True, check=True).stdout
        listed = subprocess.run(command, cwd=cwd, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    root = os.fsdecode(top.rstrip(b"\n"))
    return [
        os.path.join(root, os.fsdecode(each[3:])) for each in listed.split(b"\0") if each[3:] and b"D" not in each[:2]
    ]


def hint(files: Iterable[tuple[str, bytes]], cwd: str) -> list[str]:
    """The lines that would track the models that were seen in ``files``; none where none were."""
    from modelint.layout import discover

    seen = [(path, data) for path, data in files if not _is_test(path)]
    found = discover.candidates(seen, (cwd, os.path.join(cwd, "src")))[:_MOST_MODELS]
    if not found:
        return []
    lines = [
        "hint: no model is tracked; these lines in pyproject.toml, and `modelint lock`, have every commit checked:"
    ]
    names: list[str] = []
    for each in found:
        names.append(discover.model_name(each.name, names))
        lines += discover.table(names[-1], each.factory).splitlines()
        if each.needs:
            lines.append(f"kwargs = {{}}  # its constructor needs {', '.join(each.needs)}")
    return [*lines, "`modelint init --dry-run` tries which of the models can be built."]


def _is_test(path: str) -> bool:
    name = os.path.basename(path)
    return name.startswith(("test_", "conftest.")) or not _TESTS.isdisjoint(path.split(os.sep)[-4:-1])
