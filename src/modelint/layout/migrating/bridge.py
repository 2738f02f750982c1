"""From an old layout to the model of today, key by key: what became of each tensor. Where classes stand is not asked.

The causes that `modelint diff` knows explain what names and shapes tell; what is left over was dropped, added, or is
of another size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import NamedTuple

from modelint import catalogue
from modelint.keys import steps
from modelint.keys.cause import Explanation, explain
from modelint.keys.diff import diff
from modelint.keys.rename import Ambiguous, detect
from modelint.keys.situation import Around, Shape, Situation
from modelint.keys.table import KeyTable
from modelint.keys.tables import is_embedding
from modelint.layout import owners, prove
from modelint.layout.layout import Layout
from modelint.layout.migrating import naming, pairing, renaming, siblings
from modelint.layout.migrating.migration import (
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
from modelint.layout.migrating.siblings import Way
from modelint.rule import CauseRule

#: Causes that an edit of the code can have. The others are about how a file was saved.
_OF_CODE = frozenset(
    "MDL831 MDL832 MDL833 MDL834 MDL835 MDL837 MDL838 MDL839 MDL841 MDL842 MDL844 MDL847 MDL852 MDL853 MDL854 MDL855 "
    "MDL856".split()
)
#: Of the keys of the smaller side so many must have a counterpart: with fewer it is another architecture.
_LEAST = 0.5
#: Said of keys of which no name tells; without them, so that what is alike in all layers is one choice.
_RIVALS = "the shapes agree, and nothing decides which is which"
#: So many ways in which siblings may belong to each other are tried.
_MOST_WAYS = 24
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
    olds = old.keys.specs.keys() | old.keys.extra.keys()
    own = prove.told(old, new)
    taken = set(own.values())
    for names in ({key: name for key, name in known.items() if key in olds}, pairing.moved_keys(old, new)):
        more = {key: name for key, name in names.items() if key not in own and name not in taken}
        own |= more
        taken |= set(more.values())
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
        self._known = known
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
        for found in self._explanation.causes:
            if found.cause.perhaps:
                for rivals in found.cause.ambiguous:
                    self._fused(rivals, found.cause.perhaps)
        self._other_names()
        self._doubt()
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
                target = naming.later(module + whole, later)
                beside = naming.beside(module + whole, target)
                pieces = tuple(beside(module + part) for part in parts)
                for part, piece in zip(parts, pieces, strict=True):
                    self._put(cells[module + part].sources[0], piece)
                self._say(Joined(pieces, target), target)
        elif isinstance(step, steps.Split):
            for module, parts, whole in step.groups:
                targets = tuple(naming.later(module + part, later) for part in parts)
                name = naming.beside(module + parts[0], targets[0])(module + whole)
                self._put(cells[module + whole].sources[0], name)
                self._say(Split(name, targets, _lengths(before, module, parts)), *targets)
        elif isinstance(step, steps.Multiply | steps.Divide):
            for names in step.groups:
                self._norm(names, before, later, divide=isinstance(step, steps.Divide))
        elif isinstance(step, steps.Permute):
            for key in step.keys:
                target = naming.later(key, later)
                shape = cells[key].spec.shape or ()
                self._put(cells[key].sources[0], target, target)
                self._say(Permuted(target, step.axes, shape, tuple(shape[axis] for axis in step.axes)))
        elif isinstance(step, steps.Copy):
            for source, target in step.pairs:
                self._say(Copied(naming.later(source, later), target), target)
        elif isinstance(step, steps.Rows | steps.Own):
            for key in step.keys:
                if key in cells and key in before.reshaped:
                    name = naming.later(key, later)
                    self._put(cells[key].sources[0], name, name)
                    self._resized[name] = before.reshaped[key]
        elif isinstance(step, steps.Choose):
            self._squares([each for each in step.options[0].steps if isinstance(each, steps.Permute)], before)

    def _squares(self, turned: Sequence[steps.Permute], before: Situation) -> None:
        """Square weights that may be transposed: they are where their class changed as that of the others did."""
        kinds = {self._classes(each.name) for each in self._changes if isinstance(each, Permuted)}
        for step in turned:
            for key in step.keys:
                self._put(before.cells[key].sources[0], key, key)
                pair = self._classes(key)
                if pair in kinds and pair[0] != pair[1]:
                    shape = before.cells[key].spec.shape or ()
                    self._say(Permuted(key, step.axes, shape, shape))
                elif pair in kinds or pair[0] != pair[1]:
                    raise Unbridged(f"weights are transposed, and {key} is square: nothing tells whether it is, too")

    def _classes(self, key: str) -> tuple[str | None, str | None]:
        """Of the module whose tensor it is: the class that it had, and the one that it has."""
        back = {name: before for before, name in self._names.items()}
        before, after = (name.rpartition(".")[0] for name in (back.get(key, key), key))
        return owners.class_at(self._old, before), owners.class_at(self._new, after)

    def _norm(self, names: steps.Normed, before: Situation, later: Sequence[steps.Step], *, divide: bool) -> None:
        pair: tuple[str, ...] = (names.length, names.direction)
        olds, news = ((names.weight,), pair) if divide else (pair, (names.weight,))
        beside = naming.beside(news[0], naming.later(news[0], later))
        for key in olds:
            self._put(before.cells[key].sources[0], beside(key))
        length, direction, weight = map(beside, names)
        self._say(Normed(length, direction, weight, divide), *map(beside, news))

    def _fused(self, rivals: Ambiguous, perhaps: Sequence[steps.Step]) -> None:
        """Projections of which no shape says in which order they stand in one."""
        for key in rivals.old:
            self._put(self._source(key), key)
        self._made.update(rivals.new)
        changes: list[Change] = []
        for step in perhaps:
            for module, parts, whole in step.groups if isinstance(step, steps.Join | steps.Split) else ():
                pieces = tuple(module + part for part in parts)
                if isinstance(step, steps.Join):
                    changes.append(Joined(pieces, module + whole))
                else:
                    changes.append(Split(module + whole, pieces, _lengths(self._end, module, parts)))
        self._leave_open(rivals.why, rivals.old, [Option("one after the other", tuple(changes))])

    def _other_names(self) -> None:
        """What else may have another name. It has, where that accounts for all, or the forward says so."""
        old = KeyTable({key: cell.spec for key, cell in self._end.cells.items() if self._is_left(key)})
        new = KeyTable({key: spec for key, spec in self._end.new.items() if key not in self._made})
        found = detect(old, new, diff(old, new))
        places = self._old.modules, self._new.modules
        ways = [
            list(siblings.ways(each.old, each.new, old.specs, new.specs))
            or list(siblings.by_place(each.old, each.new, old.specs, new.specs, places))
            for each in found.ambiguous
        ]
        decided = self._by_forward(found.renames, ways)
        if decided is None and found.renames.keys() == old.specs.keys() and len(found.renames) == len(new.specs):
            decided = found.renames
        if decided is not None:
            for key, name in decided.items():
                self._put(self._source(key), name, name)
            return
        open_ones = [(_RIVALS, [*each.old], [*each.new], way) for each, way in zip(found.ambiguous, ways, strict=True)]
        if found.renames:
            why = "other names fit, and there is more that differs"
            open_ones.append((why, [*found.renames], [*found.renames.values()], [found.renames]))
        for why, olds, news, choices in open_ones:
            for key in olds:
                self._put(self._source(key), key)
            self._made.update(news)
            self._leave_open(why, olds, [_option(way) for way in choices])

    def _by_forward(self, sure: Way, rivals: Sequence[Sequence[Way]]) -> Way | None:
        """Of all ways together the one that leaves the forward as it was; without rivals: whether ``sure`` does."""
        if not all(rivals) or math.prod(map(len, rivals)) > _MOST_WAYS:
            return None
        choices: list[Way] = [
            {key: name for way in (sure, *ways) for key, name in way.items()} for ways in product(*rivals)
        ]
        if len(choices) == 1:
            choices.append({})
        named = [{self._origin(self._source(key)): name for key, name in way.items()} for way in choices]
        chosen = siblings.by_forward(self._old, self._new, self._names, named)
        return None if chosen is None else choices[named.index(dict(chosen))] or None

    def _doubt(self) -> None:
        """What names and shapes alone propose is left open where the forward does not bear it out."""
        moved = {key: name for key, name in self._names.items() if key != name}
        if not moved:
            return
        right = siblings.corrected(self._old, self._new, moved)
        self._names.update(right)
        plain = {key: name for key, name in right.items() if name in self._made and name != self._known.get(key)}
        doubtful = siblings.doubtful(self._old, self._new, right, plain)
        sure = owners.moved_modules({key: name for key, name in right.items() if key not in doubtful})
        names = {naming.translated(key, sure): name for key, name in doubtful.items()}
        for key in doubtful:
            self._names[key] = naming.translated(key, sure)
        if names:
            option = Option("under the new names", tuple(Renamed(*pair) for pair in names.items()))
            self._leave_open("names and shapes fit, and something else is computed with them", names, [option])

    def _leave_open(self, why: str, names: Iterable[str], options: Sequence[Option]) -> None:
        """Each layer by itself: what is alike in all of them is to be one choice of one class."""
        layers: dict[tuple[str, ...], list[str]] = {}
        for name in names:
            layers.setdefault(naming.layer(name), []).append(name)
        for layer, keys in layers.items():
            ways = []
            for label, changes in options:
                here = tuple(change for change in changes if naming.layer(renaming.names(change)[0]) == layer)
                ways.append(Option(label, here))
            self._say(Undecided(tuple(keys), why, tuple(way for way in ways if way.changes)))

    def _is_left(self, key: str) -> bool:
        cell = self._end.cells[key]
        return bool(cell.plain and cell.sources and self._origin(cell.sources[0]) not in self._used)

    def _source(self, name: str) -> str:
        return self._end.cells[name].sources[0]

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
            if len(old) > 1 and _is_rows(old, new) and new[0] > old[0] and is_embedding(key)
        }
        open_ones: dict[str, tuple[Shape, Shape]] = {}
        for key, (old, new) in sized.items():
            if [size for size in old if size != 1] == [size for size in new if size != 1]:
                self._say(Reshaped(key, old, new))
            elif _is_rows(old, new) and (old[0], new[0]) in grown:
                self._say(Resized(key))
            else:
                open_ones[key] = old, new
        for key, sizes in open_ones.items():
            ways = [Option("keep the rows that both have", (Resized(key),))] if _is_rows(*sizes) else []
            self._say(
                Undecided((key,), "the model has another size for it", (*ways, Option("start anew", (Reset(key),))))
            )

    def _ends(self) -> None:
        """What is left on either side."""
        moved = owners.moved_modules(self._names)
        for key in (*self._old.keys.specs, *self._old.keys.extra):
            if key not in self._used:
                self._names[key] = name = naming.translated(key, moved)
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
    return Option("", tuple(Renamed(*pair) for pair in way.items()))


def _lengths(at: Situation, module: str, parts: Iterable[str]) -> tuple[int, ...]:
    return tuple((at.new[module + part].shape or (0,))[0] for part in parts)
