"""What `modelint migrate` would write: which classes get hooks, what these do, and the files with them put in."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from modelint.layout import chain, manifest
from modelint.layout.declare import Declaration
from modelint.layout.hooks import edit as hook_edit
from modelint.layout.layout import Layout
from modelint.layout.lock import Known, shown
from modelint.layout.migrating.bridge import Bridge, bridge
from modelint.layout.migrating.migration import (
    Added,
    Change,
    ClassMigration,
    Dropped,
    Option,
    Reset,
    Resized,
    Undecided,
)
from modelint.layout.migrating.spread import Classes, Hooks, spread
from modelint.layout.place import Finder
from modelint.layout.step import Step

if TYPE_CHECKING:
    from modelint.layout.facts import ClassPlace, Load
    from modelint.layout.traced import Result

#: So many ways of what is undecided are tried by numbers.
_MOST_WAYS = 6
#: The name under which the committed manifest is loaded.
MANIFEST = "manifest"


class Uneditable(Exception):
    """A hook cannot be written: one line, why."""


class Edit(NamedTuple):
    """A file before and after."""

    path: str
    before: bytes
    after: bytes


class Plan(NamedTuple):
    hooks: Hooks
    #: By the name of the old layout.
    bridges: Mapping[str, Bridge]
    #: Of the others the renames on record, old key -> key of the manifest.
    recorded: Mapping[str, Mapping[str, str]]

    @property
    def changes(self) -> list[Change]:
        return [change for changes in self.hooks.values() for change in changes]

    @property
    def is_open(self) -> bool:
        """Somebody has to decide something."""
        return any(isinstance(change, Undecided) for change in self.changes)

    @property
    def is_exact(self) -> bool:
        """Every value of an old file goes into the model, and nothing else does."""
        return all(map(_is_exact, self.changes))

    @property
    def renames(self) -> Mapping[str, str] | None:
        """Old key of the manifest -> the key that it is today, where another name is all; None: its files load."""
        return self.bridges[MANIFEST].renames if MANIFEST in self.bridges else None

    @property
    def built(self) -> frozenset[str]:
        """Keys of the model that keep the values that it was built with."""
        return frozenset(key for each in self.bridges.values() for key in each.built)

    def dropped(self, old: str) -> tuple[str, ...]:
        """Keys of the old layout that are left out."""
        if old in self.bridges:
            return self.bridges[old].dropped
        gone = self.bridges[MANIFEST].dropped if MANIFEST in self.bridges else ()
        back = {name: key for key, name in self.recorded.get(old, {}).items()}
        return tuple(back.get(key, key) for key in gone)

    def decided(self) -> Iterator[tuple[str, Plan]]:
        """Each way of what is undecided that loses nothing, and what it is called; none where they are many."""
        open_ones = [change for change in self.changes if isinstance(change, Undecided)]
        ways = [[each for each in change.options if all(map(_is_exact, each.changes))] for change in open_ones]
        count = 1
        for each in ways:
            count *= len(each)
        for chosen in product(*ways) if open_ones and count <= _MOST_WAYS else ():
            choice = dict(zip(open_ones, chosen, strict=True))
            hooks = {cls: tuple(_chosen(changes, choice)) for cls, changes in self.hooks.items()}
            yield "; ".join(option.title for option in chosen), self._replace(hooks=hooks)


def plan(declaration: Declaration, built: Result, known: Known) -> Plan:
    """How the old layouts that do not load get into the model. Raises Unbridged and Unplaced."""
    new = built.layout
    told = {name: _told(load) for name, load in built.loads.items() if not load.loads}
    bridges: dict[str, Bridge] = {}
    if MANIFEST in told:
        bridges[MANIFEST] = bridge(known.olds[MANIFEST], new, {})
    steps = chain.read(declaration.home).steps
    to = manifest.digest(known.olds[MANIFEST])
    others = [name for name in known.olds if name != MANIFEST]
    recorded = {name: _recorded(steps, manifest.digest(known.olds[name]), to) for name in others}
    later = bridges[MANIFEST].names if MANIFEST in bridges else {}
    for name in others:
        # What stops the manifest's, too: hooks of earlier migrations have done their part.
        if name in told and told[name] != told.get(MANIFEST):
            names = {key: later.get(each, each) for key, each in recorded[name].items()}
            bridges[name] = bridge(known.olds[name], new, names)
    return Plan(spread(list(bridges.values()), new, _classes(built, declaration.folder)), bridges, recorded)


def _recorded(steps: Sequence[Step], before: str, after: str) -> Mapping[str, str]:
    """Renames on record, old key -> key of the manifest."""
    try:
        return chain.composed(chain.way(steps, before, after)).renames
    except chain.NoRoute:
        return {}


def _told(load: Load) -> tuple[object, ...]:
    return load.missing, load.unexpected, load.reshaped, load.error if not (load.missing or load.unexpected) else None


def _classes(built: Result, folder: str) -> Classes:
    finder = Finder(built.classes)
    own = {cls: place for cls, place in built.classes.items() if _is_editable(place, folder)}
    return Classes(own.__contains__, finder.assigner, lambda cls: built.classes[cls].bases if cls in own else ())


def _is_editable(place: ClassPlace, folder: str) -> bool:
    """In the repository of ``folder``, and not in one inside of it; without a repository: in the folder."""
    path = os.path.realpath(place.path)
    root = _repository(folder)
    inside = path.startswith(os.path.join(os.path.realpath(root or folder), ""))
    return inside and _repository(os.path.dirname(path)) == root


def _repository(folder: str) -> str | None:
    folder = os.path.realpath(folder)
    while not os.path.lexists(os.path.join(folder, ".git")):
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent
    return folder


def migrations(hooks: Hooks, built: Result, olds: Mapping[str, Layout]) -> list[ClassMigration]:
    """What is to be put into which class."""
    found = []
    for cls, changes in hooks.items():
        place = built.classes[cls]
        version = max((_version(layout, cls) for layout in olds.values()), default=1)
        found.append(ClassMigration(_qualname(cls, place.path), place.path, place.line, changes, version))
    return found


def _version(layout: Layout, cls: str) -> int:
    """That of the class, as files tell it."""
    return max((each.version or 1 for each in layout.definitions.values() if each.cls == cls), default=1)


def _qualname(cls: str, path: str) -> str:
    """Without the module, whose names the path ends with."""
    parts = cls.split(".")
    stem = path.removesuffix(".py").removesuffix(f"{os.sep}__init__").split(os.sep)
    for end in range(len(parts) - 1, 0, -1):
        if stem[-end:] == parts[:end]:
            return ".".join(parts[end:])
    return ".".join(parts[1:])


def edits(planned: list[ClassMigration]) -> list[Edit]:
    """The files with the hooks put in; none where all stand there already. Raises Uneditable, and writes nothing."""
    by_path: dict[str, list[ClassMigration]] = {}
    for each in planned:
        by_path.setdefault(each.path, []).append(each)
    found = []
    for path, of_file in by_path.items():
        try:
            with open(path, "rb") as file:
                before = after = file.read()
            for each in sorted(of_file, key=lambda one: one.line, reverse=True):
                after = hook_edit.edit(after, each._replace(path=shown(path)))
        except OSError as error:
            raise Uneditable(f"{shown(path)}: cannot be read: {error.strerror}") from None
        except hook_edit.EditError as error:
            raise Uneditable(str(error)) from None
        if not os.access(path, os.W_OK):
            raise Uneditable(f"{shown(path)}: cannot be written")
        if after != before:
            found.append(Edit(path, before, after))
    return found


def _is_exact(change: Change) -> bool:
    return not isinstance(change, Dropped | Added | Resized | Reset | Undecided)


def _chosen(changes: tuple[Change, ...], choice: Mapping[Undecided, Option]) -> Iterator[Change]:
    for change in changes:
        if isinstance(change, Undecided):
            yield from choice[change].changes
        else:
            yield change
