"""Every project with tracked models under the working directory: its configuration, or a modelint_models.py.

On the path of a hook with nothing to say: git is asked for the few files that matter, and no tree is walked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from modelint.config import FILES, ConfigError, Configs
from modelint.files import EXCLUDED, Excludes, is_inside
from modelint.layout.declare import (
    MANIFESTS,
    MODELS_FILE,
    Declaration,
    DeclarationError,
    Project,
    Settings,
    declarations,
)

_NAMES = (*FILES, MODELS_FILE)


def find(cwd: str, configs: Configs, *, staged: bool, named: Sequence[str] = ()) -> list[Project]:
    """The projects, that of the working directory first. ``staged``: those that git knows are enough.

    What is excluded declares nothing, unless it is among the paths that are ``named`` (absolute).
    """
    if configs.is_given:
        found = configs.of_folder(cwd)
        return [Project(cwd, found.path, found.layout)]
    home = _home(cwd, configs)
    projects = [home]
    excludes = Excludes()
    for folder in sorted({os.path.dirname(path) for path in _candidates(cwd, staged)}):
        if folder == home.folder or not is_inside(folder, cwd):
            continue
        config = configs.of_folder(os.path.dirname(folder))
        spared = not config.force_exclude and any(
            is_inside(folder, path) and excludes.hold(os.path.join(path, "_"), config) for path in named
        )
        if spared or not excludes.hold(os.path.join(folder, "_"), config):
            projects += _of(folder, configs)
    return projects


def declared(projects: list[Project], cwd: str) -> tuple[Declaration, ...]:
    """Their tracked models. Raises ConfigError."""
    try:
        return declarations(projects, cwd)
    except DeclarationError as error:
        raise ConfigError(str(error)) from None


def declares(folder: str, name: str) -> Declaration | None:
    """The model of that name in the project that stands in ``folder`` (absolute); None: it declares none."""
    try:
        found = list(_of(folder, Configs(folder)))
        return next((each for each in declarations(found, folder) if each.name == name), None)
    except (ConfigError, DeclarationError):
        return None


def _home(cwd: str, configs: Configs) -> Project:
    """That of the working directory: the nearest one above counts for what stands here, as it does for lint."""
    found = configs.of_folder(cwd)
    if found.path:
        return Project(found.folder, found.path, found.layout)
    return next(iter(_of(cwd, configs)), Project(cwd, "", Settings()))


def _of(folder: str, configs: Configs) -> Iterator[Project]:
    """What stands in a folder. A modelint_models.py without a configuration beside it is a project of its own."""
    found = configs.of_folder(folder)
    if found.path and found.folder == folder:
        yield Project(folder, found.path, found.layout)
    elif os.path.isfile(path := os.path.join(folder, MODELS_FILE)):
        outer = found.layout
        python = outer.python and os.path.join(found.folder, outer.python)
        yield Project(folder, path, outer._replace(python=python, pythonpath=(), manifests=MANIFESTS, models=()))


def _candidates(cwd: str, staged: bool) -> list[str]:
    """The files below ``cwd`` that may declare models."""
    listed = _from_git(cwd, staged)
    return list(_walk(cwd)) if listed is None else listed


def _from_git(cwd: str, staged: bool) -> list[str] | None:
    """None where git does not answer: no repository, no git."""
    folder = cwd
    while not os.path.lexists(os.path.join(folder, ".git")):
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent
    import subprocess

    names = [f":(glob)**/{name}" for name in _NAMES]
    others = [] if staged else ["--others", "--exclude-standard"]
    command = ["git", "ls-files", "-z", "--cached", *others, "--", *names]
    try:
        ran = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError:
        return None
    if ran.returncode:
        return None
    return [os.path.normpath(os.path.join(cwd, os.fsdecode(name))) for name in ran.stdout.split(b"\0") if name]


def _walk(top: str) -> Iterator[str]:
    stack = [top]
    while stack:
        folder = stack.pop()
        try:
            with os.scandir(folder) as entries:
                listed = list(entries)
        except OSError:
            continue
        if folder != top and any(entry.name == "pyvenv.cfg" for entry in listed):
            continue
        for entry in listed:
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in EXCLUDED:
                    stack.append(entry.path)
            elif entry.name in _NAMES:
                yield entry.path
