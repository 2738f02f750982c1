"""PATHs to the Python files below them, as git and the configuration see the tree.

On the path of a hook with nothing to say (files only): pathspec is imported when there are patterns to match.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from modelint.config import Config, Configs
from modelint.diagnostics import NotAnalysed

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

SUFFIXES = (".py", ".pyi")

#: Folders that hold no code of the project. A folder with a pyvenv.cfg is left out under any name.
EXCLUDED = frozenset(
    ".bzr .direnv .eggs .git .git-rewrite .hg .ipynb_checkpoints .mypy_cache .nox .pants.d .pixi .pyenv .pytest_cache "
    ".pytype .ruff_cache .svn .tox .venv .vscode __pycache__ __pypackages__ _build buck-out build dist external "
    "node_modules site-packages third_party vendor venv".split()
)

#: What marks the root of a project.
MARKERS = (".git", "modelint.toml", "pyproject.toml")


class NoSuchPath(Exception):
    """A path named on the command line that does not exist."""


class Target(NamedTuple):
    """A file to look at, and the folder whose Python files may be read for its imports."""

    path: str
    root: str


class Found(NamedTuple):
    targets: list[Target]
    #: Folders that cannot be listed.
    not_analysed: list[NotAnalysed]
    #: The projects of which every file is among the targets.
    whole: frozenset[str] = frozenset()


class Patterns(NamedTuple):
    """The patterns of one file, and the folder that they are relative to."""

    folder: str
    spec: GitIgnoreSpec

    def verdict(self, path: str, is_folder: bool) -> bool | None:
        """True: left out. False: taken back by a `!pattern`. None: no pattern speaks of it."""
        if path == self.folder or not is_inside(path, self.folder):
            return None
        relative = path[len(self.folder.rstrip(os.sep)) + 1 :].replace(os.sep, "/")
        return self.spec.check_file(relative + "/" if is_folder else relative).include


def find(paths: list[str], cwd: str, configs: Configs) -> Found:
    """The files that ``paths`` name, each once, in the order of the paths and by name below them."""
    found = Found([], [])
    seen: set[str] = set()
    roots = _Roots(cwd)
    excludes = Excludes()
    folders: list[str] = []
    for path in paths:
        # normpath would take `link/..` for nothing; os.path.join keeps what the user named.
        absolute = os.path.normpath(os.path.join(cwd, path))
        refuse_missing([path], cwd)
        if not os.path.isdir(absolute):
            config = configs.of_file(absolute)
            if config.force_exclude and excludes.hold(absolute, config):
                continue
            real = os.path.realpath(absolute)
            if real not in seen:
                seen.add(real)
                found.targets.append(Target(absolute, roots.of(os.path.dirname(absolute))))
            continue
        folders.append(absolute)
        root = roots.of(absolute)
        real = os.path.realpath(absolute)
        for file in _Walk(configs, excludes, found.not_analysed).below(absolute):
            key = real + file[len(absolute) :]
            if key not in seen:
                seen.add(key)
                found.targets.append(Target(file, root))
    targets = _in_outermost_roots(found.targets)
    projects = {target.root for target in targets}
    whole = frozenset(p for p in projects if any(is_inside(p, folder) for folder in folders))
    return Found(targets, found.not_analysed, whole)


def refuse_missing(paths: list[str], cwd: str) -> None:
    """Raises NoSuchPath for the first that does not exist."""
    for path in paths:
        if not path or not os.path.lexists(os.path.normpath(os.path.join(cwd, path))):
            raise NoSuchPath(f"{path or repr(path)}: no such file or folder")


def stdin_target(path: str, cwd: str, configs: Configs) -> Found:
    """The file whose text comes on stdin: it stands where ``path`` says, and need not exist."""
    config = configs.of_file(path)
    if config.force_exclude and Excludes().hold(path, config):
        return Found([], [])
    return Found([Target(path, _Roots(cwd).of(os.path.dirname(path)))], [])


def repository(cwd: str) -> str:
    """The root of the repository around ``cwd``; ``cwd`` itself where there is none."""
    folder = cwd
    while not os.path.lexists(os.path.join(folder, ".git")):
        parent = os.path.dirname(folder)
        if parent == folder:
            return cwd
        folder = parent
    return folder


class _Roots:
    """The project of a folder: the nearest folder with a marker; without one the working directory around it."""

    def __init__(self, cwd: str) -> None:
        self._cwd = cwd
        self._known: dict[str, str | None] = {}

    def of(self, folder: str) -> str:
        marked = self._marked(folder)
        if marked is not None:
            return marked
        return self._cwd if is_inside(folder, self._cwd) else folder

    def _marked(self, folder: str) -> str | None:
        if folder not in self._known:
            parent = os.path.dirname(folder)
            if any(os.path.lexists(os.path.join(folder, name)) for name in MARKERS):
                self._known[folder] = folder
            else:
                self._known[folder] = None if parent == folder else self._marked(parent)
        return self._known[folder]


def _in_outermost_roots(targets: list[Target]) -> list[Target]:
    """A project inside another that is looked at too belongs to it: imports go from one to the other."""
    outermost: dict[str, str] = {}
    for root in sorted({target.root for target in targets}):
        outer = next((each for each in outermost.values() if is_inside(root, each)), root)
        outermost[root] = outer
    return [Target(target.path, outermost[target.root]) for target in targets]


def is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


class Excludes:
    """The extend-exclude patterns of configurations, compiled once."""

    def __init__(self) -> None:
        self._compiled: dict[tuple[str, tuple[str, ...]], Patterns] = {}

    def patterns(self, config: Config) -> Patterns | None:
        if not config.extend_exclude:
            return None
        key = (config.folder, config.extend_exclude)
        if key not in self._compiled:
            self._compiled[key] = Patterns(config.folder, compile_patterns(config.extend_exclude))
        return self._compiled[key]

    def hold(self, path: str, config: Config) -> bool:
        """Whether a file named on the command line is excluded, itself or with a folder above it."""
        patterns = self.patterns(config)
        verdict = patterns.verdict(path, is_folder=False) if patterns else None
        if verdict is not None:
            return verdict
        relative = os.path.relpath(os.path.dirname(path), config.folder)
        return not EXCLUDED.isdisjoint(relative.split(os.sep))


class _Walk:
    """One walk below a folder. It follows no links: what they lead to is looked at where it stands."""

    def __init__(self, configs: Configs, excludes: Excludes, not_analysed: list[NotAnalysed]) -> None:
        self._configs = configs
        self._excludes = excludes
        self._not_analysed = not_analysed

    def below(self, top: str) -> Iterator[str]:
        config = self._configs.of_folder(top)
        own = self._excludes.patterns(config)
        if config.force_exclude and (
            (own and own.verdict(top, is_folder=True)) or self._excludes.hold(os.path.join(top, "_"), config)
        ):
            return
        # A folder named on the command line is looked at even where the patterns above it leave it out.
        spared = own if own and own.verdict(top, is_folder=True) else None
        ignores = [each for each in _ignores_above(top) if not each.verdict(top, is_folder=True)]
        stack: list[tuple[str, list[Patterns]]] = [(top, ignores)]
        while stack:
            folder, above = stack.pop()
            try:
                with os.scandir(folder) as entries:
                    listed = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                reason = (error.strerror or "cannot be listed").lower()
                self._not_analysed.append(NotAnalysed(folder, f"folder left out: {reason}"))
                continue
            names = {entry.name for entry in listed}
            if folder != top and "pyvenv.cfg" in names:
                continue
            if ".git" in names and folder != top:
                above = []  # a repository of its own, as git sees it
            if ".gitignore" in names and (patterns := _read_patterns(os.path.join(folder, ".gitignore"), folder)):
                above = [patterns, *above]
            config = self._configs.of_folder(folder)
            own = self._excludes.patterns(config)
            folders: list[str] = []
            for entry in listed:
                is_folder = entry.is_dir(follow_symlinks=False)
                if not is_folder and not (entry.name.endswith(SUFFIXES) and entry.is_file(follow_symlinks=False)):
                    continue
                if not _left_out(entry, is_folder, own if own is not spared else None, above):
                    if is_folder:
                        folders.append(entry.path)
                    else:
                        yield entry.path
            stack.extend((path, above) for path in reversed(folders))


def _left_out(entry: os.DirEntry[str], is_folder: bool, own: Patterns | None, above: list[Patterns]) -> bool:
    if own is not None and (verdict := own.verdict(entry.path, is_folder)) is not None:
        return verdict
    if is_folder and entry.name in EXCLUDED:
        return True
    # The nearest .gitignore that speaks of it decides.
    return next((v for each in above if (v := each.verdict(entry.path, is_folder)) is not None), False)


def _ignores_above(top: str) -> list[Patterns]:
    """The patterns of the folders above ``top`` up to the root of its repository, the nearest first."""
    found: list[Patterns] = []
    folder = top
    while True:
        if folder != top and (patterns := _read_patterns(os.path.join(folder, ".gitignore"), folder)):
            found.append(patterns)
        if os.path.lexists(os.path.join(folder, ".git")):
            if patterns := _read_patterns(os.path.join(folder, ".git", "info", "exclude"), folder):
                found.append(patterns)
            return found
        parent = os.path.dirname(folder)
        if parent == folder:
            return []  # in no repository: ignore files above are none of ours
        folder = parent


def _read_patterns(path: str, folder: str) -> Patterns | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.rstrip("\n") for line in file]
    except OSError:
        return None
    if not any(line.strip() and not line.startswith("#") for line in lines):
        return None
    return Patterns(folder, compile_patterns(tuple(lines)))


def compile_patterns(lines: tuple[str, ...]) -> GitIgnoreSpec:
    """gitignore patterns; a line that is none is passed over, as git does."""
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError:
        return GitIgnoreSpec.from_lines([line for line in lines if _is_pattern(line)])


def _is_pattern(line: str) -> bool:
    from pathspec import GitIgnoreSpec

    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True
