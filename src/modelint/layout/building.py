"""Having models built: which interpreter each project has, and one run of the tracer for all that share one."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from modelint.layout.affected import Uses, Verdicts, file_stamp
from modelint.layout.declare import Declaration, Project

if TYPE_CHECKING:
    from modelint.layout.client import Servers
    from modelint.layout.interpreter import Found
    from modelint.layout.layout import Layout
    from modelint.layout.traced import Failure, Request, Result
    from modelint.layout.traced import Numbers as Told

#: Seconds for a model whose configuration gives none.
TIMEOUT = 120.0

#: So many of the last lines that a model printed are shown where it failed.
TAIL = 3

#: Of the environment, what the search for an interpreter looks at.
_VARIABLES = (
    "MODELINT_PYTHON VIRTUAL_ENV CONDA_PREFIX CONDA_DEFAULT_ENV CONDA_EXE CONDA_PYTHON_EXE UV_PROJECT_ENVIRONMENT "
    "PIXI_PROJECT_ROOT PYENV_VERSION PYENV_ROOT PATH HOME"
).split()
#: What, once it is there, the search may find.
_PLACES = (
    ".venv/pyvenv.cfg venv/pyvenv.cfg .pixi/envs/default poetry.lock pdm.lock .pdm-python hatch.toml .python-version"
).split()


class Progress(Protocol):
    """Told how far the building is."""

    def __call__(self, name: str, done: int, total: int) -> None:
        """The model at hand, how many are done, and how many there are."""

    def stop(self) -> None:
        """Nothing more is built."""


class Wish(NamedTuple):
    """A model to build, and the layouts that are to be loaded into it, by the name of each."""

    declaration: Declaration
    olds: Mapping[str, Layout]


class NotBuilt(NamedTuple):
    """Why nothing could be built: no interpreter, or one that cannot be used."""

    reason: str
    #: Where was looked, a line for each place.
    trail: tuple[str, ...]


class Interpreters:
    """The interpreter of each project. A search that would look at the same things again is not made again."""

    def __init__(self, given: str | None) -> None:
        self._given = given
        self._found: dict[str, Found] = {}

    def known(self, project: Project, verdicts: Verdicts) -> str | None:
        """That of the last run, if a search would find it again. No process is started."""
        kept = verdicts.recall("interpreter")
        try:
            same = kept["key"] == self._key(project) and all(file_stamp(path) == stamp for path, stamp in kept["trail"])
            return str(kept["python"]) if same else None
        except (TypeError, KeyError, ValueError):
            return None

    def find(self, project: Project, verdicts: Verdicts) -> Found:
        """What the search finds now."""
        from modelint.layout import interpreter

        found = self._found.get(project.folder)
        if found is None:
            found = interpreter.find(project.folder, given=self._given, configured=project.settings.python)
            self._found[project.folder] = found
            if found.python is not None:
                places = sorted({step.path for step in found.trail if step.path} | {found.python})
                trail = [[path, file_stamp(path)] for path in places]
                verdicts.remember("interpreter", {"key": self._key(project), "python": found.python, "trail": trail})
        return found

    def _key(self, project: Project) -> str:
        parts = [
            self._given,
            project.settings.python,
            os.getcwd(),
            sys.prefix,
            [os.environ.get(name) for name in _VARIABLES],
            [os.path.join(root, name) for root in _roots(project.folder) for name in _present(root)],
        ]
        return hashlib.blake2b(json.dumps(parts).encode(), digest_size=10).hexdigest()


def build(
    wishes: Mapping[str, Sequence[Wish]],
    *,
    jobs: int,
    progress: Progress | None = None,
    servers: Servers | None = None,
) -> Iterator[tuple[Declaration, Result | Failure | NotBuilt]]:
    """Build the models wished for, by interpreter; yields them as they are done. Ctrl-C ends every process."""
    total = sum(map(len, wishes.values()))
    try:
        for done, built in enumerate(_build(wishes, jobs, servers), 1):
            if progress is not None:
                progress(built[0].shown, done, total)
            yield built
    finally:
        if progress is not None:
            progress.stop()


def _build(
    wishes: Mapping[str, Sequence[Wish]], jobs: int, servers: Servers | None
) -> Iterator[tuple[Declaration, Result | Failure | NotBuilt]]:
    from modelint.layout import client

    for python, all_of_it in wishes.items():
        groups: dict[tuple[float | None, int | None], list[Wish]] = {}
        for wish in all_of_it:
            groups.setdefault((wish.declaration.timeout, wish.declaration.memory), []).append(wish)
        for (timeout, memory), group in groups.items():
            by_id = {wish.declaration.shown: wish.declaration for wish in group}
            requests = [_request(wish) for wish in group]
            try:
                for built in client.trace(
                    python, requests, timeout=timeout or TIMEOUT, memory=memory, jobs=jobs, servers=servers
                ):
                    yield by_id.pop(built.id), built
            except client.Unusable as error:
                missed = NotBuilt(unusable_words(python, error.reason, error.detail), ())
                for declaration in by_id.values():
                    yield declaration, missed


def _request(wish: Wish) -> Request:
    from modelint.layout.traced import Old, Request

    declaration = wish.declaration
    inputs = (declaration.inputs,) if isinstance(declaration.inputs, str) else declaration.inputs
    return Request(
        id=declaration.shown,
        factory=declaration.factory,
        args=declaration.args,
        kwargs=declaration.kwargs,
        inputs=inputs,
        folder=declaration.folder,
        path=declaration.pythonpath,
        olds=[Old(name, layout) for name, layout in wish.olds.items()],
    )


def uses_of(built: Result | Told | Failure) -> Uses:
    """What a building or a run used, as verdicts keep it."""
    from modelint.layout.traced import Failure

    uses = built.uses
    # A file that Python cannot parse is never imported.
    failed = (built.where.path,) if isinstance(built, Failure) and built.where is not None else ()
    packages = tuple(each.at for each in uses.packages.values())
    return Uses((*uses.python, *failed), tuple(uses.data), tuple(uses.missing), packages)


def unusable_words(python: str, reason: str, detail: str) -> str:
    """Why an interpreter cannot be used, and what to do."""
    words = {
        "no-torch": "has no torch",
        "old-torch": "has a torch that is too old (2.2 or newer is needed)",
        "old-python": "is too old (Python 3.9 or newer is needed)",
        "broken-torch": "cannot import its torch",
    }
    return f"{python} {words.get(reason, reason)}" + (f": {detail}" if detail else "")


def missing_words(found: Found) -> NotBuilt:
    """That no interpreter was found, with the trail of the search."""
    trail = tuple(f"{step.source}: {step.path or '-'}: {step.verdict}" for step in found.trail)
    return NotBuilt("no Python with torch was found in which the models could be built", trail)


def by_interpreter(wishes: Iterable[tuple[str, Wish]]) -> dict[str, list[Wish]]:
    """The wishes, grouped by their interpreter."""
    grouped: dict[str, list[Wish]] = {}
    for python, wish in wishes:
        grouped.setdefault(python, []).append(wish)
    return grouped


def _roots(folder: str) -> Iterator[str]:
    """The folder, and those above it up to the root of the repository."""
    while True:
        yield folder
        parent = os.path.dirname(folder)
        if parent == folder or os.path.lexists(os.path.join(folder, ".git")):
            return
        folder = parent


def _present(root: str) -> Iterator[str]:
    return (name for name in _PLACES if os.path.lexists(os.path.join(root, name)))
