"""The record of a model: accepted steps chain from any layout of which files exist to the one of today.

Layouts are the nodes of a graph, by their digests, and steps its arrows; a merge has two arrows that lead to it. What
the steps say of keys is composed along the shortest way. A record may be edited by anyone: what it says is tried on the
keys at hand before it is used, and proved only where both layouts are there to prove it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from modelint.keys.situation import Recorded
from modelint.layout import manifest, prove, release, step
from modelint.layout.document import DocumentError
from modelint.layout.layout import Layout
from modelint.layout.step import Step

FOLDER = "steps"
#: So many characters of a digest name a layout.
_SHORT = 8


class Record(NamedTuple):
    steps: tuple[Step, ...]
    #: Files that cannot be used, in words.
    wrong: tuple[str, ...] = ()


class Route(NamedTuple):
    """What a way through the record does to the keys of its first layout."""

    #: Old key -> new key.
    renames: Mapping[str, str]
    #: Keys that went without a new name.
    dropped: frozenset[str] = frozenset()


class NoRoute(Exception):
    """Why the record leads to no end: one line."""


class Known(NamedTuple):
    """What the record says of files that are to be loaded into one layout."""

    recorded: tuple[Recorded, ...] = ()
    #: What is wrong with the record, a line each.
    notes: tuple[str, ...] = ()


def read(home: str) -> Record:
    """The steps of the model whose manifest is in the folder ``home``."""
    folder = os.path.join(home, FOLDER)
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".json"))
    except OSError:
        return Record(())
    steps: list[Step] = []
    wrong: list[str] = []
    for name in names:
        path = os.path.join(folder, name)
        try:
            steps.append(step.read(path))
        except DocumentError as error:
            wrong.append(f"{os.path.relpath(path)}:{error.line}: {error.reason}")
        except OSError as error:
            wrong.append(f"{os.path.relpath(path)}: cannot be read: {error.strerror}")
    return Record(tuple(steps), tuple(wrong))


def way(steps: Iterable[Step], start: str, end: str) -> list[Step]:
    """The shortest one. Raises NoRoute."""
    onwards: dict[str, list[Step]] = {}
    for each in steps:
        onwards.setdefault(each.before, []).append(each)
    came: dict[str, Step | None] = {start: None}
    queue = [start]
    for at in queue:  # grows
        if at == end:
            break
        for each in onwards.get(at, ()):
            if each.after not in came:
                came[each.after] = each
                queue.append(each.after)
    else:
        raise NoRoute(_why(queue, onwards))
    found: list[Step] = []
    last = came[end]
    while last is not None:
        found.insert(0, last)
        last = came[last.before]
    return found


def _why(reached: Sequence[str], onwards: Mapping[str, Sequence[Step]]) -> str:
    ends = [each for each in reached if each not in onwards]
    if ends:
        return f"no step leads on from layout {ends[0][:_SHORT]}"
    return f"the steps go round in a circle of {len(reached)} layouts"


def composed(steps: Iterable[Step]) -> Route:
    """What they do to keys, one after the other."""
    renames: dict[str, str] = {}
    dropped: set[str] = set()
    for each in steps:
        came = set(renames.values())
        gone = set(each.dropped)
        after = {old: each.renames.get(now, now) for old, now in renames.items() if now not in gone}
        dropped.update(old for old, now in renames.items() if now in gone)
        # A name that was free, and that a later layout took again, is not the one of the first layout.
        taken = renames.keys() | after.keys()
        after.update((old, now) for old, now in each.renames.items() if old not in came and old not in taken)
        dropped.update(key for key in gone if key not in came and key not in renames)
        renames = {old: now for old, now in after.items() if old not in dropped}
    return Route({old: now for old, now in renames.items() if old != now}, frozenset(dropped))


def known(home: str, new: Layout, old: Layout | None) -> Known:
    """What the record says of files of ``old``, or of any file, that are to load into ``new``."""
    record = read(home)
    if not record.steps:
        return Known(notes=record.wrong)
    end = _end(home, record, new)
    recorded: list[Recorded] = []
    notes = list(record.wrong)
    told: set[str] = set()
    for name, layout in _starts(home, old):
        start = manifest.digest(layout)
        told.add(start)
        try:
            steps = way(record.steps, start, end)
        except NoRoute as error:
            notes.append(f"{os.path.relpath(os.path.join(home, FOLDER))}: no way from {name} to today: {error}")
            continue
        route = composed(steps)
        if route.renames or route.dropped:
            proved = prove.holds(layout, new, route.renames)
            recorded.append(Recorded(f"{name} -> today", layout.keys, *route, proved))
    if old is None:
        recorded += _suffixes(record, end, told)
    return Known(tuple(recorded), tuple(notes))


def _end(home: str, record: Record, new: Layout) -> str:
    """The layout that the files are to fit; where it is not on record yet, the one before it: the manifest's."""
    own = manifest.digest(new)
    if any(own in (each.before, each.after) for each in record.steps):
        return own
    try:
        return manifest.digest(manifest.read(os.path.join(home, "layout.json")).layout)
    except (manifest.ManifestError, OSError):
        return own


def _starts(home: str, old: Layout | None) -> Iterator[tuple[str, Layout]]:
    """Releases, the retired ones included: their files are still out there. What is given counts alone."""
    wanted = None if old is None else manifest.digest(old)
    for name in reversed(release.names(home)):
        try:
            layout = manifest.read(release.path(home, name)).layout
        except (manifest.ManifestError, OSError):
            continue  # `modelint check` tells
        if wanted is None or manifest.digest(layout) == wanted:
            yield name, layout
            if wanted is not None:
                return
    if old is not None and wanted is not None:
        yield f"layout {wanted[:_SHORT]}", old


def _suffixes(record: Record, end: str, told: set[str]) -> Iterator[Recorded]:
    """From every other layout on record, the farthest first: of these the keys alone are known that were renamed."""
    ways: list[tuple[int, str, Route]] = []
    for start in {each.before for each in record.steps} - told - {end}:
        try:
            steps = way(record.steps, start, end)
        except NoRoute:
            continue
        ways.append((-len(steps), start, composed(steps)))
    for _, start, route in sorted(ways, key=lambda each: each[:2]):
        if route.renames or route.dropped:
            yield Recorded(f"layout {start[:_SHORT]} -> today", None, *route)
