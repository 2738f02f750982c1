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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from modelint.keys.likeness import Names, leaf_word, place, told_apart
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

    __slots__ = ("atom", "children", "kind", "open", "path", "size")

    def __init__(self, path: Names) -> None:
        self.path = path
        self.children: dict[str, _Node] = {}
        self.atom: tuple[str, ...] = ()
        self.kind = 0
        self.size = 0
        #: How many of its tensors have no new name yet.
        self.open = 0


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
            classes = list(_classes(pair))
            sure = [_Pair(olds[0], news[0]) for olds, news in classes if len(olds) == 1]
            for each in sure:
                self._learn(_below(each.old, pair.old), _below(each.new, pair.new))
            for olds, news in classes:
                if len(olds) > 1:
                    resolved = self._resolved(pair, olds, news, sure)
                    self.fitting += sum(node.open for node in olds) - sum(each.old.open for each in resolved)
                    todo += resolved
            todo += [each for each in sure if each.old.open]

    def _learn(self, before: Names, after: Names) -> None:
        one, other = _text(before), _text(after)
        if self._learned.setdefault(one, other) != other:
            self._learned[one] = None

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
        texts = {_text(family.names): other for other, family in enumerate(news)}
        for one, family in enumerate(olds):
            learned = self._learned.get(_text(family.names))
            if learned in texts:
                found[one] = texts[learned]
        if len(set(found.values())) < len(found):
            found = {}
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


def _classes(pair: _Pair) -> Iterator[tuple[list[_Node], list[_Node]]]:
    """Parts below both that are of one kind, as many on one side as on the other; the largest that there are."""
    waiting: dict[int, tuple[list[_Node], list[_Node]]] = {}
    sizes: list[int] = []

    def put(node: _Node, side: int) -> None:
        for child in node.children.values() or (node,):
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
            if len(olds) == len(news):
                yield olds, news
                continue
            for side, nodes in enumerate((olds, news)):
                for node in nodes:
                    if node.children:
                        put(node, side)


def _below(node: _Node, at: _Node) -> Names:
    return node.path[len(at.path) :]


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
