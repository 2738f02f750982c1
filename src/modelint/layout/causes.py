"""Causes: what differs between the keys of two layouts, by the place that makes it differ.

All that one attribute of one class does to the keys of a model is one cause, in however many layers it stands. Widths
that change together in several places are one cause, too.
"""

from __future__ import annotations

from collections.abc import Iterable

from modelint.keys.diff import Change, KeyDiff
from modelint.keys.rename import Renames
from modelint.keys.table import TensorSpec
from modelint.layout import owners
from modelint.layout.facts import Load, Symbol
from modelint.layout.layout import Layout

#: The nearest class and its attribute; None: no class of the user is near.
Where = tuple[str, str] | None


def where(symbol: Symbol) -> Where:
    return symbol.owners[0] if symbol.owners else None


class Cause:
    """What one place does to the keys."""

    def __init__(self, at: Symbol) -> None:
        self.places = [at]
        self.removed: list[str] = []
        self.added: list[str] = []
        self.reshaped: list[Change] = []
        self.renamed: dict[str, str] = {}
        self.persistence: list[str] = []
        #: Its keys fit each other, and nothing says which is which.
        self.undecided = False
        #: What a strict load of an old file says of it; nothing: it loads.
        self.missing: list[str] = []
        self.unexpected: list[str] = []
        self.misfits: list[Change] = []

    @property
    def breaks(self) -> bool:
        return bool(self.missing or self.unexpected or self.misfits)

    @property
    def renames_only(self) -> bool:
        """Whether each key is where it was, under other names: of another nesting the forwards cannot be compared."""
        others = self.removed or self.added or self.reshaped
        return not others and all(old.count(".") == new.count(".") for old, new in self.renamed.items())

    def judge(self, missing: Iterable[str], unexpected: Iterable[str], reshaped: Iterable[str]) -> None:
        """Keep what is among the keys at which a load stops."""
        lacks, refuses, differs = set(missing), set(unexpected), set(reshaped)
        self.missing = [key for key in (*self.added, *self.renamed.values()) if key in lacks]
        self.unexpected = [key for key in (*self.removed, *self.renamed) if key in refuses]
        self.misfits = [change for change in self.reshaped if change.key in differs]

    def dimensions(self) -> set[tuple[int, int]]:
        """The sizes that changed, where sizes are all that changed."""
        if self.removed or self.added or self.renamed:
            return set()
        return {
            pair
            for change in self.reshaped
            for pair in zip(change.old.shape or (), change.new.shape or (), strict=False)
            if len(change.old.shape or ()) == len(change.new.shape or ()) and pair[0] != pair[1]
        }

    def join(self, other: Cause) -> None:
        self.places += other.places
        self.reshaped += other.reshaped


def of_keys(old: Layout, new: Layout, diff: KeyDiff, found: Renames, load: Load) -> list[Cause]:
    """The causes; ``load`` may name keys that the tables do not (hooks see to that), and these count, too."""
    renames = found.renames
    moved = owners.moved_modules(renames)
    came = {after: before for before, after in moved.items()}
    renamed = set(renames.values())
    causes: dict[Where, Cause] = {}
    undecided: dict[str, Symbol] = {}

    def at(symbol: Symbol) -> Cause:
        return causes.setdefault(where(symbol), Cause(symbol))

    for rivals in found.ambiguous:
        symbol = owners.of_new_key(old, new, rivals.new[0], came)
        undecided |= dict.fromkeys((*rivals.old, *rivals.new), symbol)
        at(symbol).undecided = True

    for before, after in renames.items():
        at(owners.of_rename(old, new, before, after)).renamed[before] = after
    for change in _reshaped(diff, load):
        at(owners.of_new_key(old, new, change.key, came)).reshaped.append(change)
    for key in dict.fromkeys((*diff.unexpected, *load.unexpected)):
        if key not in renames:
            at(undecided.get(key) or owners.of_old_key(old, new, key, moved)).removed.append(key)
    for key in dict.fromkeys((*diff.missing, *load.missing)):
        if key not in renamed:
            at(undecided.get(key) or owners.of_new_key(old, new, key, came)).added.append(key)
    for cause in causes.values():
        cause.persistence = [key for key in diff.persistence if key in cause.added or key in cause.removed]
    joined = _joined(list(causes.values()))
    _judge(joined, diff, load)
    return joined


def _reshaped(diff: KeyDiff, load: Load) -> Iterable[Change]:
    known = {change.key: change for change in diff.reshaped}
    more = (Change(key, TensorSpec("", old), TensorSpec("", new)) for key, old, new in load.reshaped)
    return (*known.values(), *(change for change in more if change.key not in known))


def _joined(causes: list[Cause]) -> list[Cause]:
    """Causes that share a change of size become one: 768 -> 1024 is one edit, in however many places it shows."""
    kept: list[tuple[Cause, set[tuple[int, int]]]] = []
    for cause in causes:
        sizes = cause.dimensions()
        sharing = [each for each in kept if each[1] & sizes]
        if not sharing:
            kept.append((cause, sizes))
            continue
        first, known = sharing[0]
        first.join(cause)
        known |= sizes
        for each in sharing[1:]:
            first.join(each[0])
            known |= each[1]
            kept.remove(each)
    return [cause for cause, _ in kept]


def _judge(causes: list[Cause], diff: KeyDiff, load: Load) -> None:
    if load.loads:
        return
    everything = (diff.missing, diff.unexpected, [change.key for change in diff.reshaped])
    if load.proved:
        for cause in causes:
            cause.judge(load.missing, load.unexpected, [misfit.key for misfit in load.reshaped])
    if not any(cause.breaks for cause in causes):
        for cause in causes:
            cause.judge(*everything)
