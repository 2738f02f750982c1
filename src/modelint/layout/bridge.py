"""From an old layout to the model of today, key by key: what became of each tensor. Where classes stand is not asked.

The causes that `modelint diff` knows explain what names and shapes tell; what is left over was dropped, added, or is
of another size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from modelint import catalogue
from modelint.keys import steps
from modelint.keys.cause import Explanation, explain
from modelint.keys.diff import diff
from modelint.keys.fold import folded
from modelint.keys.rename import Ambiguous, detect
from modelint.keys.situation import Around, Shape, Situation
from modelint.keys.table import KeyTable
from modelint.keys.tables import is_embedding
from modelint.layout import owners, renaming, siblings
from modelint.layout.layout import Layout
from modelint.layout.migration import (
    Added,
    Change,
    Copied,
    Dropped,
    Joined,
    Normed,
    Option,
    Permuted,
    Renamed,
    Reset,
    Reshaped,
    Resized,
    Split,
    Undecided,
)
from modelint.layout.siblings import Way
from modelint.rule import CauseRule

#: Causes that an edit of the code can have. The others are about how a file was saved.
_OF_CODE = frozenset(
    "MDL831 MDL832 MDL833 MDL834 MDL835 MDL837 MDL838 MDL839 MDL841 MDL842 MDL844 MDL847 MDL852 MDL853 MDL854 MDL855 "
    "MDL856".split()
)
#: Of the keys of the smaller side so many must have a counterpart: with fewer it is another architecture.
_LEAST = 0.5
#: What stops comes first, what fills in comes last.
_ORDER: Mapping[type, int] = {Undecided: 0, Dropped: 1, Copied: 3, Added: 4}


class Unbridged(Exception):
    """Nothing leads from the one to the other: why, and what to do, in one line."""


class Bridge(NamedTuple):
    """What becomes of the keys of one old layout; all names in full."""

    old: KeyTable
    #: Old key -> its name today, or the one beside it to which more is done; only those that change.
    names: Mapping[str, str]
    #: What is done after that, in this order.
    changes: tuple[Change, ...]

    @property
    def renames(self) -> dict[str, str]:
        """Old key -> the key that it is today, where another name is all."""
        other = {name for each in self.changes if not isinstance(each, Added) for name in renaming.names(each)}
        return {key: name for key, name in self.names.items() if name not in other}

    @property
    def dropped(self) -> tuple[str, ...]:
        """Old keys that are left out."""
        gone = {change.name for change in self.changes if isinstance(change, Dropped)}
        return tuple(key for key in (*self.old.specs, *self.old.extra) if self.names.get(key, key) in gone)

    @property
    def built(self) -> frozenset[str]:
        """Keys of the model that keep the values that it was built with."""
        return frozenset(name for change in self.changes if isinstance(change, Added) for name in change.names)


def bridge(old: Layout, new: Layout, known: Mapping[str, str]) -> Bridge:
    """``known``: renames on record, old key -> name today. Raises Unbridged."""
    own = {key: name for key, name in known.items() if key in old.keys.specs or key in old.keys.extra}
    table = KeyTable(
        {own.get(key, key): spec for key, spec in old.keys.specs.items()},
        extra={own.get(key, key): kind for key, kind in old.keys.extra.items()},
    )
    around = Around(unsaved=frozenset(new.buffers), constants=frozenset(new.constants))
    rules = [each for each in catalogue.rules("checkpoint") if isinstance(each, CauseRule) and each.code in _OF_CODE]
    return _Reading(old, new, own, explain(table, new.keys, rules, around)).bridge()


class _Reading:
    """What the steps of an explanation do, in the words of migrations."""

    def __init__(self, old: Layout, new: Layout, known: Mapping[str, str], explanation: Explanation) -> None:
        self._old, self._new = old, new
        self._first = {name: key for key, name in known.items()}
        self._explanation = explanation
        self._end = explanation.after
        self._names: dict[str, str] = {}
        self._changes: list[Change] = []
        #: Keys of the model that something is put under, and keys of the file of which something is made.
        self._made: set[str] = set()
        self._used: set[str] = set()
        #: Keys of other sizes that a step has made fit: the old size and the new one.
        self._resized: dict[str, tuple[Shape, Shape]] = {}

    def bridge(self) -> Bridge:
        situation = self._explanation.before
        every = self._explanation.steps
        for number, step in enumerate(every):
            self._step(step, situation, every[number + 1 :])
            situation = situation.after((step,))
        for key, cell in self._end.cells.items():
            if key in self._end.new and self._is_left(key):
                self._put(cell.sources[0], key, key)
        for rivals in self._explanation.ambiguous:
            self._undecided_names(rivals)
        self._perhaps_renamed()
        self._refuse_other()
        self._sizes()
        self._ends()
        changes = sorted(self._changes, key=lambda change: _ORDER.get(type(change), 2))
        names = {key: name for key, name in self._names.items() if key != name}
        return Bridge(self._old.keys, names, tuple(changes))

    def _origin(self, source: str) -> str:
        """The name that the source of a cell has in the old layout."""
        return self._first.get(source, source)

    def _put(self, source: str, name: str, *made: str) -> None:
        """The tensor ``source`` of the file goes under ``name``."""
        self._names[self._origin(source)] = name
        self._used.add(self._origin(source))
        self._made.update(made)

    def _say(self, change: Change, *made: str) -> None:
        self._changes.append(change)
        self._made.update(made)

    def _step(self, step: steps.Step, before: Situation, later: Sequence[steps.Step]) -> None:
        cells = before.cells
        if isinstance(step, steps.Join):
            for module, parts, whole in step.groups:
                target = _later(module + whole, later)
                beside = _beside(module + whole, target)
                pieces = tuple(beside(module + part) for part in parts)
                for part, piece in zip(parts, pieces, strict=True):
                    self._put(cells[module + part].sources[0], piece)
                self._say(Joined(pieces, target), target)
        elif isinstance(step, steps.Split):
            for module, parts, whole in step.groups:
                targets = tuple(_later(module + part, later) for part in parts)
                name = _beside(module + parts[0], targets[0])(module + whole)
                self._put(cells[module + whole].sources[0], name)
                self._say(Split(name, targets, _lengths(before, module, parts)), *targets)
        elif isinstance(step, steps.Multiply | steps.Divide):
            for names in step.groups:
                self._norm(names, before, later, divide=isinstance(step, steps.Divide))
        elif isinstance(step, steps.Permute):
            for key in step.keys:
                target = _later(key, later)
                shape = cells[key].spec.shape or ()
                self._put(cells[key].sources[0], target, target)
                self._say(Permuted(target, step.axes, shape, tuple(shape[axis] for axis in step.axes)))
        elif isinstance(step, steps.Copy):
            for source, target in step.pairs:
                self._say(Copied(_later(source, later), target), target)
        elif isinstance(step, steps.Rows | steps.Own):
            for key in step.keys:
                if key in cells and key in before.reshaped:
                    name = _later(key, later)
                    self._put(cells[key].sources[0], name, name)
                    self._resized[name] = before.reshaped[key]
        elif isinstance(step, steps.Choose):
            raise Unbridged(
                "weights are transposed, and some of them are square: no shape tells which of those are, nor an old "
                "file from a new one"
            )

    def _norm(self, names: steps.Normed, before: Situation, later: Sequence[steps.Step], *, divide: bool) -> None:
        pair: tuple[str, ...] = (names.length, names.direction)
        olds, news = ((names.weight,), pair) if divide else (pair, (names.weight,))
        beside = _beside(news[0], _later(news[0], later))
        for key in olds:
            self._put(before.cells[key].sources[0], beside(key))
        length, direction, weight = map(beside, names)
        self._say(Normed(length, direction, weight, divide), *map(beside, news))

    def _undecided_names(self, rivals: Ambiguous) -> None:
        """What nothing in the names decides: the forward does, or it is left open."""
        olds = [key for key in rivals.old if key in self._end.cells and key not in self._made]
        news = [key for key in rivals.new if key in self._end.new and key not in self._made]
        if not olds or not news:
            return
        choices = list(siblings.ways(olds, news, self._end.old, self._end.new))
        if not choices and len(olds) == len(news) == 1 and self._end.old[olds[0]].shape == self._end.new[news[0]].shape:
            choices = [{olds[0]: news[0]}]
        traced = [{self._origin(self._source(key)): name for key, name in way.items()} for way in choices]
        chosen = siblings.by_forward(self._old, self._new, self._names, traced)
        if chosen is not None:
            for key, name in choices[traced.index(dict(chosen))].items():
                self._put(self._source(key), name, name)
            return
        for key in olds:
            self._put(self._source(key), key)
        options = (*map(_option, choices), *self._perhaps(rivals), _left_out(olds, news))
        self._say(Undecided(tuple(olds), rivals.why, options), *news)

    def _perhaps_renamed(self) -> None:
        """What might have another name, were there not so much else that differs."""
        old = KeyTable({key: cell.spec for key, cell in self._end.cells.items() if self._is_left(key)})
        new = KeyTable({key: spec for key, spec in self._end.new.items() if key not in self._made})
        found = detect(old, new, diff(old, new))
        way = found.renames
        if way:
            for key in way:
                self._put(self._source(key), key)
            why = f"{siblings.words(way)}: names and shapes fit, and there is more that differs"
            self._say(Undecided(tuple(way), why, (_option(way), _left_out(way, way.values()))), *way.values())
        for rivals in found.ambiguous:
            self._undecided_names(rivals)

    def _is_left(self, key: str) -> bool:
        cell = self._end.cells[key]
        return bool(cell.plain and cell.sources and self._origin(cell.sources[0]) not in self._used)

    def _source(self, name: str) -> str:
        return self._end.cells[name].sources[0]

    def _perhaps(self, rivals: Ambiguous) -> Iterable[Option]:
        """What the cause of it holds for likely."""
        found = [each.cause for each in self._explanation.causes if rivals in each.cause.ambiguous]
        changes: list[Change] = []
        for step in (step for cause in found[:1] for step in cause.perhaps):
            if isinstance(step, steps.Join):
                for module, parts, whole in step.groups:
                    changes.append(Joined(tuple(module + part for part in parts), module + whole))
            elif isinstance(step, steps.Split):
                for module, parts, whole in step.groups:
                    names = tuple(module + part for part in parts)
                    changes.append(Split(module + whole, names, _lengths(self._end, module, parts)))
        return [Option("one after the other", tuple(changes))] if changes else []

    def _refuse_other(self) -> None:
        olds = len(self._old.keys.specs) + len(self._old.keys.extra)
        if len(self._used) < _LEAST * min(olds, len(self._end.new)):
            raise Unbridged(
                f"another architecture: the model has a place for {len(self._used)} of the {olds} keys of old files; "
                "keep both models, or convert the files by a script of your own, and accept the new model"
            )

    def _sizes(self) -> None:
        """Other sizes: the same values in other axes, more rows of a table, else somebody has to decide."""
        sized = {**{key: sizes for key, sizes in self._resized.items() if key not in self._end.reshaped}}
        sized.update(self._end.reshaped)
        grown = {
            (old[0], new[0])
            for key, (old, new) in sized.items()
            if _is_rows(old, new) and new[0] > old[0] and is_embedding(key)
        }
        open_ones: dict[str, tuple[Shape, Shape]] = {}
        for key, (old, new) in sized.items():
            if [size for size in old if size != 1] == [size for size in new if size != 1]:
                self._say(Reshaped(key, old, new))
            elif _is_rows(old, new) and (old[0], new[0]) in grown:
                self._say(Resized(key))
            else:
                open_ones[key] = old, new
        rows = {key: sizes for key, sizes in open_ones.items() if _is_rows(*sizes)}
        if rows.keys() == open_ones.keys():
            self._undecided_sizes(rows, [Option("keep the rows that both have", tuple(map(Resized, rows)))])
        else:
            self._undecided_sizes(open_ones, [])

    def _undecided_sizes(self, sized: Mapping[str, tuple[Shape, Shape]], ways: Sequence[Option]) -> None:
        if sized:
            key, (old, new) = next(iter(sized.items()))
            words = f"{', '.join(folded(sized))}: other sizes ({key} is {list(new)}, was {list(old)})"
            anew = Option("start anew", tuple(map(Reset, sized)))
            self._say(Undecided(tuple(sized), words, (*ways, anew)))

    def _ends(self) -> None:
        """What is left on either side."""
        moved = owners.moved_modules(self._names)
        for key in (*self._old.keys.specs, *self._old.keys.extra):
            if key not in self._used:
                self._names[key] = name = _translated(key, moved)
                if name in self._end.new:
                    raise Unbridged(f"{name} is another tensor than it was: nothing tells an old file from a new one")
                self._say(Dropped(name))
        lacking = tuple(key for key in self._end.new if key not in self._made)
        if lacking:
            self._say(Added(lacking))


def _is_rows(old: Shape, new: Shape) -> bool:
    """Whether the sizes differ in the first axis alone."""
    return len(old) == len(new) > 0 and old[1:] == new[1:]


def _option(way: Way) -> Option:
    return Option(siblings.words(way), tuple(Renamed(*pair) for pair in way.items()))


def _left_out(olds: Iterable[str], news: Iterable[str]) -> Option:
    """The way that loses what was there."""
    changes: list[Change] = [*map(Dropped, olds), *(Added((name,)) for name in news)]
    return Option("neither: the old ones are left out, the new ones stay as the model is built", tuple(changes))


def _lengths(at: Situation, module: str, parts: Iterable[str]) -> tuple[int, ...]:
    return tuple((at.new[module + part].shape or (0,))[0] for part in parts)


def _later(name: str, later: Iterable[steps.Step]) -> str:
    """What a name becomes in the steps that come."""
    for step in later:
        if isinstance(step, steps.Rename):
            name = step.mapping.get(name, name)
        elif isinstance(step, steps.Take) and name.startswith(step.prefix):
            name = step.put + name[len(step.prefix) :]
    return name


def _beside(before: str, after: str) -> Callable[[str], str]:
    """Moves names that stand beside one that has moved as it was moved."""
    olds, news = before.split("."), after.split(".")
    while len(olds) > 1 and len(news) > 1 and olds[-1] == news[-1]:
        del olds[-1], news[-1]
    start, there = ".".join(olds), ".".join(news)
    return lambda name: there + name[len(start) :] if name == start or name.startswith(f"{start}.") else name


def _translated(key: str, moved: Mapping[str, str]) -> str:
    """The name of a key that goes, below the module of today that held it."""
    *path, leaf = key.split(".")
    for end in range(len(path), 0, -1):
        target = moved.get(".".join(path[:end]))
        if target is not None:
            return ".".join((target, *path[end:], leaf))
    return key
