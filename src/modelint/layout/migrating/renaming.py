"""Changes under other names, joined, and in an order that works."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from modelint.layout.migrating.migration import (
    Added,
    Change,
    Copied,
    Dropped,
    Joined,
    Normed,
    Option,
    Renamed,
    Split,
    Undecided,
)

_RANK: Mapping[type, int] = {Renamed: 0, Undecided: 1, Dropped: 2, Copied: 4, Added: 5}


def names(change: Change) -> tuple[str, ...]:
    """All the names of a change."""
    match change:
        case Renamed(before, after):
            return before, after
        case Added(added):
            return added
        case Joined(parts, whole, _) | Split(whole, parts, _, _):
            return (*parts, whole)
        case Copied(source, name):
            return source, name
        case Normed(length, direction, weight, _):
            return length, direction, weight
        case Undecided(open_ones, _, options):
            return (*open_ones, *(name for option in options for each in option.changes for name in names(each)))
    return (change.name,)


def under(change: Change, name_of: Callable[[str], str]) -> Change:
    """The change under other names."""
    match change:
        case Renamed(before, after):
            return Renamed(name_of(before), name_of(after))
        case Added(added):
            return Added(tuple(map(name_of, added)))
        case Joined(parts, whole, axis):
            return Joined(tuple(map(name_of, parts)), name_of(whole), axis)
        case Split(whole, parts, sizes, axis):
            return Split(name_of(whole), tuple(map(name_of, parts)), sizes, axis)
        case Copied(source, name):
            return Copied(name_of(source), name_of(name))
        case Normed(length, direction, weight, divide):
            return Normed(name_of(length), name_of(direction), name_of(weight), divide)
        case Undecided(open_ones, why, options):
            return Undecided(
                tuple(map(name_of, open_ones)),
                why,
                tuple(Option(label, tuple(under(each, name_of) for each in changes)) for label, changes in options),
            )
    return change._replace(name=name_of(change.name))


def assigned(change: Change) -> str | None:
    """A name that the class assigns today; None: it has none any more."""
    match change:
        case Renamed(_, after):
            return after
        case Added(names):
            return names[0]
        case Joined(_, whole, _):
            return whole
        case Split(_, parts, _, _):
            return parts[0]
        case Normed(length, _, weight, divide):
            return length if divide else weight
        case Dropped() | Undecided():
            return None
    return change.name


def merged(changes: Iterable[Change]) -> list[Change]:
    """What old files lack is one change, and so is what is undecided for one reason."""
    found: list[Change] = []
    added: dict[str, None] = {}
    open_ones: dict[str, list[Undecided]] = {}
    for change in changes:
        if isinstance(change, Added):
            added.update(dict.fromkeys(change.names))
        elif isinstance(change, Undecided):
            open_ones.setdefault(change.why, []).append(change)
        else:
            found.append(change)
    return [*map(_together, open_ones.values()), *found, *([Added(tuple(added))] if added else [])]


def _together(open_ones: Sequence[Undecided]) -> Undecided:
    """One choice, with the ways that all of them have."""
    names = tuple(name for each in open_ones for name in each.names)
    options = []
    for label, title in ((each.label, each.title) for each in open_ones[0].options):
        ways = [option.changes for each in open_ones for option in each.options if option.title == title]
        if len(ways) == len(open_ones):
            options.append(Option(label, tuple(ordered(change for way in ways for change in way))))
    return Undecided(names, open_ones[0].why, tuple(options))


def ordered(changes: Iterable[Change]) -> Iterator[Change]:
    """In the order in which they work one after the other: who takes a name comes after who leaves it."""
    left = sorted(changes, key=lambda change: _RANK.get(type(change), 3))
    renames = [change for change in left if isinstance(change, Renamed)]
    while renames:
        free = next((each for each in renames if not _is_taken(each, renames)), renames[0])
        renames.remove(free)
        yield free
    yield from (change for change in left if not isinstance(change, Renamed))


def _is_taken(change: Renamed, renames: Iterable[Renamed]) -> bool:
    """Whether another one has yet to leave the place."""
    place = f"{change.after}."
    return any(other is not change and place.startswith(f"{other.before}.") for other in renames)
