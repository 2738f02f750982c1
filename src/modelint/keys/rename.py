"""Renames: which missing key is an unexpected one under another name. Proposed from names and shapes, never proved.

A pair is proposed where each is the other's only best partner: the same shapes in all layers, and more names in common
on the way than any rival has. Where rivals are left nothing is proposed, since a wrong pair loads without a word and
computes nonsense. The order of keys decides nothing. Fused, split and transposed weights are no renames.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from modelint.keys.diff import KeyDiff
from modelint.keys.fold import MAX_COMPONENTS, folded
from modelint.keys.likeness import Names, Score, Scores, split_number, template, told_apart
from modelint.keys.structure import aligned
from modelint.keys.table import KeyTable, TensorSpec

#: More pairs of one content than these are not compared: hardly anything would tell them apart.
_MOST_PAIRS = 10_000
#: One of several tensors of which torch computes another: the length and the direction of a weight norm.
_COMPUTED = re.compile(r"\.parametrizations\.[^.]+\.original\d+$|\.weight_[gv]$")
#: So many tensors of a unit tell what stands beside it.
_MOST_TENSORS = 8

#: Where a tensor stands in its unit: the numbers of its layer, and its name where the unit is a module.
_Slot = tuple[tuple[str, ...], str]
#: What partners have in common: the shapes, slot by slot.
_Content = tuple[tuple[_Slot, tuple[int, ...] | None], ...]


class Ambiguous(NamedTuple):
    """Keys that fit each other, and nothing says which belongs to which."""

    old: tuple[str, ...]
    new: tuple[str, ...]
    why: str


class Renames(NamedTuple):
    #: Old key -> new key.
    renames: Mapping[str, str]
    ambiguous: tuple[Ambiguous, ...] = ()


class _Unit(NamedTuple):
    """What moves together: the tensors of one module, or one tensor, in all layers or in one."""

    names: Names
    keys: Mapping[_Slot, str]


class _Tables(NamedTuple):
    """Both sides, and the names of the tensors of each module."""

    old: KeyTable
    new: KeyTable
    old_leaves: Mapping[str, frozenset[str]]
    new_leaves: Mapping[str, frozenset[str]]


class _Grain(NamedTuple):
    """What units are made of."""

    modules: bool
    #: Numbers count as names, each layer by itself.
    literal: bool


#: Whole modules before single tensors, all layers together before each by itself.
_GRAINS = (_Grain(True, False), _Grain(False, False), _Grain(True, True), _Grain(False, True))


def detect(old: KeyTable, new: KeyTable, diff: KeyDiff) -> Renames:
    """Renames among what ``diff`` says is unexpected and missing."""
    other = {*diff.persistence, *old.extra, *new.extra}
    gone = {key: old.specs[key] for key in diff.unexpected if key not in other and _is_plain(old.specs[key], key)}
    came = {key: new.specs[key] for key in diff.missing if key not in other and _is_plain(new.specs[key], key)}
    if not gone or not came:
        return Renames({})
    renames: dict[str, str] = {}
    scores = Scores()
    tables = _Tables(old, new, _leaves(old), _leaves(new))
    seen = -1
    for grain in _GRAINS:
        if grain in (_GRAINS[0], _GRAINS[2]) and gone and came and len(renames) != seen:
            for key, name in aligned(old, new, gone, came, renames).items():
                renames[key] = name
                del gone[key], came[name]
            seen = len(renames)
        if grain == _GRAINS[2] and gone and came:
            for key, name in renames.items():
                scores.learn_layers(key, name)
        for before, after in _Matching(gone, came, tables, grain, scores).pairs():
            for slot, key in before.keys.items():
                renames[key] = after.keys[slot]
                del gone[key], came[after.keys[slot]]
    order = {key: at for at, key in enumerate(diff.unexpected)}
    ordered = {key: renames[key] for key in sorted(renames, key=order.__getitem__)}
    return Renames(ordered, tuple(_ambiguous(gone, came, tables, scores)))


def _is_plain(spec: TensorSpec, key: str) -> bool:
    return spec.shape is not None and key.count(".") < MAX_COMPONENTS


def _units(specs: Mapping[str, TensorSpec], table: KeyTable, grain: _Grain) -> dict[_Content, list[_Unit]]:
    """Of the keys of ``specs``, by content. A module counts as one where all its tensors are among them."""
    partial: set[str] = set()
    if grain.modules:
        partial = {key.rpartition(".")[0] for key in table.specs if key not in specs} | {""}
    known: dict[str, tuple[Names, tuple[str, ...]]] = {}
    found: dict[Names, dict[_Slot, str]] = {}
    for key in specs:
        path, _, leaf = key.rpartition(".")
        if grain.modules and path in partial:
            continue
        place = path if grain.modules else key
        if place not in known:
            known[place] = template(place, literal=grain.literal)
        names, index = known[place]
        found.setdefault(names, {})[index, leaf if grain.modules else ""] = key
    units: dict[_Content, list[_Unit]] = {}
    for names, keys in found.items():
        content = tuple(sorted((slot, specs[key].shape) for slot, key in keys.items()))
        units.setdefault(content, []).append(_Unit(names, keys))
    return units


class _Matching:
    """Pairs of one grain: those that the names decide now, and then again, knowing where their modules went."""

    def __init__(
        self,
        gone: Mapping[str, TensorSpec],
        came: Mapping[str, TensorSpec],
        tables: _Tables,
        grain: _Grain,
        scores: Scores,
    ) -> None:
        news = _units(came, tables.new, grain)
        olds = _units(gone, tables.old, grain)
        self._buckets = [(units, news[content]) for content, units in olds.items() if content in news]
        self._tables = tables
        self._grain = grain
        self._scores = scores

    def pairs(self) -> Iterator[tuple[_Unit, _Unit]]:
        found = True
        while found:
            found = False
            for olds, news in self._buckets:
                for before, after in self._decided(olds, news):
                    olds.remove(before)
                    news.remove(after)
                    self._scores.learn(before.names, after.names)
                    found = True
                    yield before, after

    def _decided(self, olds: list[_Unit], news: list[_Unit]) -> list[tuple[_Unit, _Unit]]:
        if not 0 < len(olds) * len(news) <= _MOST_PAIRS:
            return []
        rows = [[self._scores.of(before.names, after.names) for after in news] for before in olds]
        columns = [_best([row[at] for row in rows]) for at in range(len(news))]
        found: dict[int, int] = {}
        for at, row in enumerate(rows):
            best = _best(row)
            if len(best) == 1 and columns[best[0]] == [at]:
                found[at] = best[0]
        found |= self._by_tokens(olds, news, rows, columns)
        pairs = [(olds[at], news[best]) for at, best in found.items() if self._is_credible(olds[at], news[best])]
        return _whole_templates(olds, pairs) if self._grain.literal else pairs

    def _by_tokens(
        self, olds: list[_Unit], news: list[_Unit], rows: Sequence[Sequence[Score]], columns: Sequence[list[int]]
    ) -> dict[int, int]:
        """Rivals whose words tell them apart, among those that hang together."""
        found: dict[int, int] = {}
        for group_olds, group_news in _ties(rows, columns):
            if len(group_olds) != len(group_news) or len(group_olds) < 2:
                continue
            befores, afters = [olds[at].names for at in group_olds], [news[at].names for at in group_news]
            for one, other in told_apart(befores, afters):
                at, best = group_olds[one], group_news[other]
                if best in _best(rows[at]) and at in columns[best]:
                    found[at] = best
        return found

    def _is_credible(self, before: _Unit, after: _Unit) -> bool:
        slot, one = next(iter(before.keys.items()))
        other = after.keys[slot]
        if not self._grain.modules and self._is_torn(one, other):
            return False
        if bool(_COMPUTED.search(one)) != bool(_COMPUTED.search(other)):
            return False
        return not _is_renumbered(before, after, self._tables.old, self._tables.new)

    def _is_torn(self, one: str, other: str) -> bool:
        """Whether the two modules, seen whole, are of two kinds: then one tensor of the same name tells nothing."""
        (path, _, leaf), (new_path, _, new_leaf) = one.rpartition("."), other.rpartition(".")
        tables = self._tables
        leaves, new_leaves = tables.old_leaves[path], tables.new_leaves[new_path]
        if leaf != new_leaf:
            return False
        if leaves != new_leaves:
            return leaf in ("weight", "bias")
        return len(leaves) > 1 and not any(
            _join(path, each) in tables.new.specs or _join(new_path, each) in tables.old.specs for each in leaves
        )


def _join(path: str, leaf: str) -> str:
    return f"{path}.{leaf}" if path else leaf


def _leaves(table: KeyTable) -> dict[str, frozenset[str]]:
    """Module -> the names of its tensors."""
    found: dict[str, set[str]] = {}
    for key in table.specs:
        path, _, leaf = key.rpartition(".")
        found.setdefault(path, set()).add(leaf)
    return {path: frozenset(leaves) for path, leaves in found.items()}


def _best(scores: Sequence[Score]) -> list[int]:
    top = max(scores)
    return [at for at, score in enumerate(scores) if score == top]


def _whole_templates(olds: Iterable[_Unit], pairs: list[tuple[_Unit, _Unit]]) -> list[tuple[_Unit, _Unit]]:
    """Layers by themselves are told by their numbers, and these may all have been shifted: all of them, or none."""
    decided = {before.names for before, _ in pairs}
    open_ones = {template(".".join(unit.names))[0] for unit in olds if unit.names not in decided}
    return [pair for pair in pairs if template(".".join(pair[0].names))[0] not in open_ones]


def _is_renumbered(before: _Unit, after: _Unit, old: KeyTable, new: KeyTable) -> bool:
    """Whether a number is all that changed somewhere (``layer1`` -> ``layer3``, ``2`` -> ``6``), and others of the same
    shapes stand between: these may all have been shifted, under names that are still there.
    """
    pairs = [(key, after.keys[slot]) for slot, key in before.keys.items()][:_MOST_TENSORS]
    olds, news = pairs[0][0].split("."), pairs[0][1].split(".")
    for at, (stem, number) in enumerate(map(split_number, olds)):
        for place in {at, at + len(news) - len(olds)} & set(range(len(news))):
            new_stem, new_number = split_number(news[place])
            if stem != new_stem or number is None or new_number is None or number == new_number:
                continue
            if stem == "" and len(olds) != len(news):
                continue  # numbers of other containers
            low, high = sorted((number, new_number))
            between = range(low + 1, min(high, low + _MOST_PAIRS))
            if _is_among([key for key, _ in pairs], at, stem, between, old):
                return True
            if _is_among([key for _, key in pairs], place, stem, between, new):
                return True
    return False


def _is_among(keys: Sequence[str], at: int, stem: str, numbers: Iterable[int], table: KeyTable) -> bool:
    """Whether all of ``keys`` have their like at one of ``numbers``."""
    split = [(key.split("."), table.specs[key].shape) for key in keys]
    for number in numbers:
        likes = (".".join((*parts[:at], f"{stem}{number}", *parts[at + 1 :])) for parts, _ in split)
        if all(
            like in table.specs and table.specs[like].shape == shape
            for like, (_, shape) in zip(likes, split, strict=True)
        ):
            return True
    return False


def _ties(rows: Sequence[Sequence[Score]], columns: Sequence[list[int]]) -> Iterator[tuple[list[int], list[int]]]:
    """Groups of old and new ones that hang together as best partners."""
    partners = [
        set(_best(row)) | {at for at, best in enumerate(columns) if one in best} for one, row in enumerate(rows)
    ]
    left = dict.fromkeys(range(len(rows)))
    while left:
        olds, news, todo = [], set(), [next(iter(left))]
        del left[todo[0]]
        while todo:
            one = todo.pop()
            olds.append(one)
            news |= partners[one]
            joined = [other for other in left if not news.isdisjoint(partners[other])]
            for other in joined:
                del left[other]
            todo += joined
        yield sorted(olds), sorted(news)


def _ambiguous(
    gone: dict[str, TensorSpec], came: dict[str, TensorSpec], tables: _Tables, scores: Scores
) -> Iterator[Ambiguous]:
    """What is left, and fits: rivals that are as good as each other."""
    for grain in _GRAINS[:2]:
        news = _units(came, tables.new, grain)
        for content, olds in _units(gone, tables.old, grain).items():
            fitting = news.get(content, [])
            if not 0 < len(olds) * len(fitting) <= _MOST_PAIRS:
                continue
            rows = [[scores.of(before.names, after.names) for after in fitting] for before in olds]
            groups: dict[tuple[int, ...], list[_Unit]] = {}
            for before, row in zip(olds, rows, strict=True):
                groups.setdefault(tuple(_best(row)), []).append(before)
            for best, members in groups.items():
                befores = [key for unit in members for key in unit.keys.values() if key in gone]
                afters = [key for at in best for key in fitting[at].keys.values() if key in came]
                if befores and afters:
                    for key in befores:
                        del gone[key]
                    for key in afters:
                        del came[key]
                    yield Ambiguous(tuple(befores), tuple(afters), _why(befores, afters))
    yield from _leftover(gone, came)


def _leftover(gone: Mapping[str, TensorSpec], came: Mapping[str, TensorSpec]) -> Iterator[Ambiguous]:
    """Tensors of one shape, as many on one side as on the other: the same ones, perhaps, under other names."""
    olds: dict[tuple[int, ...] | None, list[str]] = {}
    news: dict[tuple[int, ...] | None, list[str]] = {}
    for keys, specs in ((olds, gone), (news, came)):
        for key, spec in specs.items():
            keys.setdefault(spec.shape, []).append(key)
    for shape, befores in olds.items():
        afters = news.get(shape, [])
        if len(befores) == len(afters):
            yield Ambiguous(tuple(befores), tuple(afters), _why(befores, afters))


def _why(befores: Sequence[str], afters: Sequence[str]) -> str:
    one, other = ", ".join(folded(befores)[:3]), ", ".join(folded(afters)[:3])
    return f"{one} may be {other}: the shapes agree, and nothing decides which is which"
