"""Which form a file is of, where a change cannot see by names or shapes what it is for.

Such are keys that old files lack, names that mean another thing now, square matrices. They are for old files only. That
a file is old is told by something else that old files alone have, or by the version of the class.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from modelint.layout.migrating.migration import (
    Added,
    Change,
    Copied,
    Dropped,
    Joined,
    Normed,
    Permuted,
    Renamed,
    Reset,
    Reshaped,
    Resized,
    Split,
    Undecided,
)


class Form(NamedTuple):
    #: Positions of the changes that cannot tell.
    blind: frozenset[int]
    #: Names that only old files have.
    olds: tuple[str, ...]
    #: Keys that have another shape in old files.
    shaped: tuple[str, ...]
    #: Names that only new files have.
    news: tuple[str, ...]
    #: Names that the blind ones look at.
    doubtful: tuple[str, ...]
    #: Of ``news``, those that mislead where a file was completed with the model's own values.
    misleading: tuple[str, ...]

    @property
    def by_version(self) -> bool:
        return bool(self.blind) and not self.olds and not self.shaped


def form_of(changes: Sequence[Change]) -> Form:
    every = list(_flat(changes))
    new = [(at, name) for at, each in every for name in made(each)]
    old = [(at, name) for at, each in every for name in used(each)]
    again = {(at, name) for at, name in old if any(later >= at and touch(name, other) for later, other in new)}
    cannot = {(at, each.name) for at, each in every if isinstance(each, Permuted) and each.old == each.new}
    blind = {at for at, _ in again | cannot} | {at for at, each in every if isinstance(each, Added)}
    shaped = [
        each.name
        for at, each in every
        if isinstance(each, Permuted | Reshaped | Reset | Resized) and (at, each.name) not in cannot
        if not any(earlier < at and touch(each.name, other) for earlier, other in new)
    ]
    olds = [name for at, name in old if (at, name) not in again and not _is_between(at, name, new)]
    news = [name for _, name in new if not any(touch(name, other) for _, other in old)]
    doubtful = [name for at, name in sorted(again | cannot) if not _is_between(at, name, new)]
    told = olds or shaped  # else their being there is all that tells a new file
    kept = [name for _, each in every if isinstance(each, Added) for name in made(each)] if told else []
    misleading = [name for name in news if doubtful and name not in kept]
    unique = [tuple(dict.fromkeys(names)) for names in (olds, shaped, news, doubtful, misleading)]
    return Form(frozenset(blind), *unique)


def _flat(changes: Sequence[Change]) -> Iterator[tuple[int, Change]]:
    """With those of options, all at the position of what asks for them."""
    for at, each in enumerate(changes):
        yield at, each
        if isinstance(each, Undecided):
            yield from ((at, inner) for option in each.options for inner in option.changes)


def used(change: Change) -> tuple[str, ...]:
    """The names that it takes from an old file."""
    match change:
        case Renamed(name, _) | Dropped(name) | Normed(_, _, name, True):
            return (name,)
        case Joined(parts, whole, _):
            return tuple(part for part in parts if part != whole)
        case Split(whole, parts, _, _):
            return (whole,) if whole not in parts else ()
        case Normed(length, direction, _, False):
            return (length, direction)
    return ()


def made(change: Change) -> tuple[str, ...]:
    """The names that it gives to a new one."""
    match change:
        case Renamed(_, name) | Copied(_, name) | Normed(_, _, name, False):
            return (name,)
        case Added(names):
            return names
        case Joined(parts, whole, _):
            return (whole,) if whole not in parts else ()
        case Split(whole, parts, _, _):
            return tuple(part for part in parts if part != whole)
        case Normed(length, direction, _, True):
            return (length, direction)
    return ()


def touch(one: str, other: str) -> bool:
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def _is_between(at: int, name: str, new: Sequence[tuple[int, str]]) -> bool:
    """A name that an earlier change has made: no file has it."""
    return any(earlier < at and f"{name}.".startswith(f"{other}.") for earlier, other in new)
