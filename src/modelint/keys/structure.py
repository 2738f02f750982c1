"""Renames by structure: two models that are built alike, whatever their parts are called.

Both sides are seen as trees of modules. A part that holds the same tensors on both sides, and is the only one of its
kind where it stands, is the same part, and its inside is compared in turn. Parts of one kind are told apart by their
numbers, where on both sides nothing but numbers tells them apart, or by what their names mean. The rest stays open.
Nothing is said unless nearly all that differs fits: models that share a few shapes are not alike.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import NamedTuple

from modelint.keys.likeness import Names, leaf_word, place, role, told_apart
from modelint.keys.table import KeyTable
from modelint.keys.tables import COUNTER

#: So much of what differs must stand in parts that both sides have.
_ALIKE = 0.9
_NUMBER = re.compile(r"\d+")
#: More families of one kind than these are not compared by their names.
_MOST_FAMILIES = 32
_MASK = (1 << 64) - 1


class _Node:
    """A module, or a tensor that stands beside modules. ``atom``: the tensors of a module that holds nothing else."""

    __slots__ = ("_ranks", "atom", "children", "kind", "open", "path", "size")

    def __init__(self, path: Names) -> None:
        self.path = path
        self.children: dict[str, _Node] = {}
        self.atom: tuple[str, ...] = ()
        self.kind = 0
        self.size = 0
        #: How many of its tensors have no new name yet.
        self.open = 0
        self._ranks: dict[str, tuple[int, int]] | None = None

    def rank(self, name: str) -> tuple[int, int]:
        """Of a child with a number: how many of its kin have lower ones, and how many there are."""
        if self._ranks is None:
            kin: dict[str, list[str]] = {}
            for each in self.children:
                kin.setdefault(_NUMBER.sub("#", each), []).append(each)
            for names in kin.values():
                names.sort(key=lambda each: [int(number) for number in _NUMBER.findall(each)[:8]])
            self._ranks = {each: (at, len(names)) for names in kin.values() for at, each in enumerate(names)}
        return self._ranks[name]


class _Atom(NamedTuple):
    keys: tuple[str, ...]
    kind: int
    open: int


class _Family(NamedTuple):
    """Parts that stand under the same names but for their numbers; these are in order."""

    names: Names
    members: list[_Node]


class _Pair(NamedTuple):
    old: _Node
    new: _Node


class _Class(NamedTuple):
    olds: list[_Node]
    news: list[_Node]


#: Side, what stands before the number, the name with it, and what stands behind.
_Kin = tuple[int, Names, str, Names] | None


def aligned(
    old: KeyTable, new: KeyTable, gone: Iterable[str], came: Iterable[str], known: Mapping[str, str]
) -> dict[str, str]:
    """New names for keys of ``gone`` among ``came``. ``known``: the new names that other keys have already."""
    settled = {key: key for key in old.specs if key in new.specs} | dict(known)
    olds = _atoms(old, gone, settled)
    news = _atoms(new, came, {name: name for name in settled.values()})
    counts, others = (Counter(atom.kind for atom in atoms.values()) for atoms in (olds, news))
    both = {kind for kind, count in counts.items() if others[kind] == count}
    walk = _Walk(old, new)
    walk.match(_Pair(_tree(olds, both), _tree(news, both)))
    most = max(sum(atom.open for atom in atoms.values()) for atoms in (olds, news))
    return walk.found if walk.fitting + len(known) >= _ALIKE * (most + len(known)) else {}


def _atoms(table: KeyTable, open_: Iterable[str], settled: Mapping[str, str]) -> dict[str, _Atom]:
    """Of the open keys, by the path of their module, or by key where modules stand beside them; and the settled ones."""
    inner: dict[str, list[str]] = {}
    for key in open_:
        inner.setdefault(key.rpartition(".")[0], []).append(key)
    parents: set[str] = {""}
    for path in {key.rpartition(".")[0] for key in table.specs}:
        while path and (path := path.rpartition(".")[0]) not in parents:
            parents.add(path)
    found = {
        key: _Atom((key,), hash(("settled", settled[key])), 0)
        for key in table.specs
        if key in settled and not key.endswith(COUNTER)
    }
    for path, keys in inner.items():
        for place_, members in [(key, [key]) for key in keys] if path in parents else [(path, keys)]:
            shapes = sorted(table.specs[key].shape or () for key in members if not key.endswith(COUNTER))
            if shapes:
                found[place_] = _Atom(tuple(members), hash(tuple(shapes)), len(shapes))
    return found


def _tree(atoms: Mapping[str, _Atom], kinds: set[int]) -> _Node:
    """The kind of a module is the sum of those in it: what it holds, however it is nested."""
    root = _Node(())
    for place_, atom in atoms.items():
        if atom.kind not in kinds:
            continue
        path = tuple(place_.split("."))
        here, way = root, [root]
        for at, name in enumerate(path):
            if name not in here.children:
                here.children[name] = _Node(path[: at + 1])
            here = here.children[name]
            way.append(here)
        here.atom = atom.keys
        for node in way:
            node.kind = (node.kind + atom.kind) & _MASK
            node.size += 1
            node.open += atom.open
    return root


class _Walk:
    """From the roots down. ``fitting``: how many open tensors stand in parts of both sides, told apart or not."""

    def __init__(self, old: KeyTable, new: KeyTable) -> None:
        self._old = old
        self._new = new
        #: What stood under these names in one part stood under those in the other; ``None``: under several.
        self._learned: dict[Names, Names | None] = {}
        self.found: dict[str, str] = {}
        self.fitting = 0

    def match(self, roots: _Pair) -> None:
        todo = [roots]
        while todo:
            pair = todo.pop()
            if not (pair.old.children or pair.new.children):
                self._tensors(pair)
                continue
            classes = _classes(pair)
            sure = _seconded(pair, [_Pair(olds[0], news[0]) for olds, news in classes if len(olds) == 1])
            for each in sure:
                self._learn(_inside(each.old, pair.old), _inside(each.new, pair.new))
            for olds, news in classes:
                if len(olds) > 1:
                    resolved = self._resolved(pair, olds, news, sure)
                    self.fitting += sum(node.open for node in olds) - sum(each.old.open for each in resolved)
                    todo += resolved
            todo += [each for each in sure if each.old.open]

    def _learn(self, before: Names, after: Names) -> None:
        if self._learned.setdefault(before, after) != after:
            self._learned[before] = None

    def _tensors(self, pair: _Pair) -> None:
        """The tensors of one module, by what they are called."""
        self.fitting += pair.old.open
        if not pair.old.open:
            return
        words = {leaf_word(key.rpartition(".")[2]): key for key in pair.old.atom}
        others = {leaf_word(key.rpartition(".")[2]): key for key in pair.new.atom}
        if len(words) < len(pair.old.atom) or len(others) < len(pair.new.atom):
            return
        left = [key for word, key in words.items() if word not in others]
        rest = [key for word, key in others.items() if word not in words]
        pairs = [(key, others[word]) for word, key in words.items() if word in others]
        if len(left) == len(rest) == 1:
            pairs.append((left[0], rest[0]))
        if all(self._old.specs[key].shape == self._new.specs[name].shape for key, name in pairs):
            self.found.update(pairs)

    def _resolved(self, at: _Pair, olds: Sequence[_Node], news: Sequence[_Node], sure: Sequence[_Pair]) -> list[_Pair]:
        """Which of the parts of one kind is which, as far as numbers or names tell."""
        families, others = _families(olds, at.old), _families(news, at.new)
        found: list[_Pair] = []
        for one, other in self._related(at, families, others):
            if len(one.members) == len(other.members):
                found += _in_order(one, other, [each for each in sure if _is_like(each, one, other, at)])
        return found

    def _related(
        self, at: _Pair, olds: Sequence[_Family], news: Sequence[_Family]
    ) -> Iterator[tuple[_Family, _Family]]:
        """Families of both sides that are the same one."""
        if len(olds) == len(news) == 1:
            yield olds[0], news[0]
            return
        if len(olds) != len(news):
            olds, news = _singly(olds, at.old), _singly(news, at.new)
        if len(olds) != len(news) or len(olds) > _MOST_FAMILIES:
            return
        found: dict[int, int] = {}
        learned = [self._learned.get(_text(at.old.path) + family.names) for family in olds]
        others = [_text(at.new.path) + family.names for family in news]
        for one, names in enumerate(learned):
            if names is not None and learned.count(names) == others.count(names) == 1:
                found[one] = others.index(names)
        found |= _by_role(
            {one: olds[one].names for one in range(len(olds)) if one not in found},
            {other: news[other].names for other in range(len(news)) if other not in found.values()},
        )
        befores = [one for one in range(len(olds)) if one not in found]
        afters = [other for other in range(len(news)) if other not in found.values()]
        names, new_names = [olds[one].names for one in befores], [news[other].names for other in afters]
        if len(befores) > 1:
            told = dict(told_apart(names, new_names)) or _by_place(names, new_names)
            found |= {befores[one]: afters[other] for one, other in told.items()}
        elif befores:
            found[befores[0]] = afters[0]
        if len(found) == len(olds) - 1 > 1:
            (last,), (other,) = set(range(len(olds))) - set(found), set(range(len(news))) - set(found.values())
            found[last] = other
        for one, other in found.items():
            yield olds[one], news[other]


def _by_role(befores: Mapping[int, Names], afters: Mapping[int, Names]) -> dict[int, int]:
    """Queries, keys and values, where there is one of each; the one that is left stands beside them."""
    roles, others = ({at: role(names) for at, names in side.items()} for side in (befores, afters))
    counts, new_counts = Counter(roles.values()), Counter(others.values())
    if counts != new_counts or any(count > 1 for part, count in counts.items() if part):
        return {}
    at = {part: other for other, part in others.items()}
    return {one: at[part] for one, part in roles.items() if part}


def _by_place(befores: Sequence[Names], afters: Sequence[Names]) -> dict[int, int]:
    """Normalisations, by where in their layer they stand: ``norm1, norm2`` -> ``layernorm_before, layernorm_after``."""
    places, others = [place(names) for names in befores], [place(names) for names in afters]
    orders = []
    for side in (places, others):
        known = {each for each in side if each is not None}
        if len(known) < len(side) or len({by_number for by_number, _ in known}) > 1:
            return {}
        orders.append(sorted(range(len(side)), key=lambda at: side[at] or (False, 0)))
    return dict(zip(*orders, strict=True))


def _classes(pair: _Pair) -> list[_Class]:
    """Parts below both that are of one kind, as many on one side as on the other; the largest that there are.

    Where one of several numbered modules has nothing like it on the other side, those that have are so by chance: the
    last part of each stage, say, has become the first part of the next one.
    """
    open_: set[_Kin] = set()
    while True:
        found, apart = _fitting(pair, open_)
        if apart <= open_:
            return found
        open_ |= apart


def _fitting(pair: _Pair, open_: Set[_Kin]) -> tuple[list[_Class], set[_Kin]]:
    """Without modules of the kin in ``open_``; and the kin of which some, but not all, have been found."""
    waiting: dict[int, tuple[list[_Node], list[_Node]]] = {}
    sizes: list[int] = []
    classes: list[_Class] = []
    without: set[_Kin] = set()

    def put(node: _Node, side: int) -> None:
        for child in node.children.values() or (node,):
            while len(child.children) == 1:  # a module around another one is the same part
                (child,) = child.children.values()
            if child.size not in waiting:
                waiting[child.size] = ([], [])
                heapq.heappush(sizes, -child.size)
            waiting[child.size][side].append(child)

    put(pair.old, 0)
    put(pair.new, 1)
    while sizes:
        here = waiting.pop(-heapq.heappop(sizes))
        kinds: dict[int, tuple[list[_Node], list[_Node]]] = {}
        for side, nodes in enumerate(here):
            for node in nodes:
                kinds.setdefault(node.kind, ([], []))[side].append(node)
        for olds, news in kinds.values():
            kin = {_kin(node, side) for side, nodes in enumerate((olds, news)) for node in nodes} - {None}
            if len(olds) == len(news) and open_.isdisjoint(kin):
                if not (len(olds) == 1 and _is_displaced(pair, _Pair(olds[0], news[0]))):
                    classes.append(_Class(olds, news))
                    continue
            without |= kin
            for side, nodes in enumerate((olds, news)):
                for node in nodes:
                    if node.children:
                        put(node, side)
    found = {_kin(node, side) for each in classes for side, nodes in enumerate(each) for node in nodes}
    return classes, found & without


def _kin(node: _Node, side: int) -> _Kin:
    """Modules of modules that stand beside each other under numbers."""
    if not any(child.children for child in node.children.values()):
        return None
    at = max((at for at, name in enumerate(node.path) if _NUMBER.search(name)), default=None)
    return None if at is None else (side, node.path[:at], _NUMBER.sub("#", node.path[at]), node.path[at + 1 :])


def _is_displaced(at: _Pair, pair: _Pair) -> bool:
    """Whether a part would be the second of four on one side and the last of four on the other: its like by chance."""
    return _is_turned(at, pair) and not _is_reversed(_ranks(at.old, pair.old), _ranks(at.new, pair.new))


def _seconded(at: _Pair, pairs: Sequence[_Pair]) -> list[_Pair]:
    """Without the one that would have its order turned, where it is alone with that."""
    turned = [pair for pair in pairs if pair.old.open and _is_turned(at, pair)]
    return [pair for pair in pairs if pair is not turned[0]] if len(turned) == 1 else list(pairs)


def _is_turned(at: _Pair, pair: _Pair) -> bool:
    ranks, others = _ranks(at.old, pair.old), _ranks(at.new, pair.new)
    return ranks != others and [count for _, count in ranks] == [count for _, count in others]


def _ranks(at: _Node, node: _Node) -> list[tuple[int, int]]:
    found = []
    here = at
    for name in _below(node, at):
        if _NUMBER.search(name):
            found.append(here.rank(name))
        here = here.children[name]
    return found


def _is_reversed(ranks: Sequence[tuple[int, int]], others: Sequence[tuple[int, int]]) -> bool:
    return all(other == (count - 1 - rank, count) for (rank, count), other in zip(ranks, others, strict=True))


def _below(node: _Node, at: _Node) -> Names:
    return node.path[len(at.path) :]


def _inside(node: _Node, at: _Node) -> Names:
    """Where a part stands in one like ``at``, whatever the numbers of that."""
    return _text(at.path) + _below(node, at)


def _text(names: Names) -> Names:
    return tuple(_NUMBER.sub("#", name) for name in names)


def _numbers(node: _Node, at: _Node) -> tuple[int, ...]:
    return tuple(int(number) for name in _below(node, at) for number in _NUMBER.findall(name)[:8])


def _families(nodes: Iterable[_Node], at: _Node) -> list[_Family]:
    found: dict[Names, list[_Node]] = {}
    for node in nodes:
        found.setdefault(_text(_below(node, at)), []).append(node)
    return [
        _Family(text if len(members) > 1 else _below(members[0], at), sorted(members, key=lambda node: _numbers(node, at)))
        for text, members in found.items()
    ]


def _singly(families: Iterable[_Family], at: _Node) -> list[_Family]:
    return [_Family(_below(node, at), [node]) for family in families for node in family.members]


def _is_like(pair: _Pair, one: _Family, other: _Family, at: _Pair) -> bool:
    return (_text(_below(pair.old, at.old)), _text(_below(pair.new, at.new))) == (_text(one.names), _text(other.names))


def _in_order(one: _Family, other: _Family, sure: Sequence[_Pair]) -> list[_Pair]:
    """By their numbers, in the order or the reverse order of those that are sure; none where these are in neither."""
    pairs = [_Pair(*each) for each in zip(one.members, other.members, strict=True)]
    if len(pairs) == 1:
        return pairs
    backwards = [_Pair(*each) for each in zip(one.members, reversed(other.members), strict=True)]
    for found, step in ((pairs, 1), (backwards, -1)):
        whole = sorted((*found, *sure), key=lambda pair: _all_numbers(pair.old))
        numbers = [_all_numbers(pair.new) for pair in whole][::step]
        if numbers == sorted(numbers):
            return found
    return []


def _all_numbers(node: _Node) -> tuple[int, ...]:
    return tuple(int(number) for name in node.path for number in _NUMBER.findall(name)[:8])
