"""Parts of models: both sides of a comparison as trees of modules, and which parts of two modules hold the same."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import NamedTuple

from modelint.keys.likeness import Names
from modelint.keys.table import KeyTable
from modelint.keys.tables import COUNTER

NUMBER = re.compile(r"\d+")
_MASK = (1 << 64) - 1


class Node:
    """A module, or a tensor that stands beside modules. ``atom``: the tensors of a module that holds nothing else."""

    __slots__ = ("_ranks", "atom", "children", "kind", "open", "path", "size")

    def __init__(self, path: Names) -> None:
        self.path = path
        self.children: dict[str, Node] = {}
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
                kin.setdefault(NUMBER.sub("#", each), []).append(each)
            for names in kin.values():
                names.sort(key=lambda each: [int(number) for number in NUMBER.findall(each)[:8]])
            self._ranks = {each: (at, len(names)) for names in kin.values() for at, each in enumerate(names)}
        return self._ranks[name]


class Atom(NamedTuple):
    keys: tuple[str, ...]
    kind: int
    open: int


class Pair(NamedTuple):
    old: Node
    new: Node


class Class(NamedTuple):
    olds: list[Node]
    news: list[Node]


#: Side, what stands before the number, the name with it, and what stands behind.
_Kin = tuple[int, Names, str, Names] | None


def atoms_of(table: KeyTable, open_: Iterable[str], settled: Mapping[str, str]) -> dict[str, Atom]:
    """Of the open keys, by the path of their module, or by key where modules stand beside them; settled ones too."""
    inner: dict[str, list[str]] = {}
    for key in open_:
        inner.setdefault(key.rpartition(".")[0], []).append(key)
    parents: set[str] = {""}
    for path in {key.rpartition(".")[0] for key in table.specs}:
        while path and (path := path.rpartition(".")[0]) not in parents:
            parents.add(path)
    found = {
        key: Atom((key,), hash(("settled", settled[key])), 0)
        for key in table.specs
        if key in settled and not key.endswith(COUNTER)
    }
    for path, keys in inner.items():
        for place_, members in [(key, [key]) for key in keys] if path in parents else [(path, keys)]:
            shapes = sorted(table.specs[key].shape or () for key in members if not key.endswith(COUNTER))
            if shapes:
                found[place_] = Atom(tuple(members), hash(tuple(shapes)), len(shapes))
    return found


def tree(atoms: Mapping[str, Atom], kinds: set[int]) -> Node:
    """The kind of a module is the sum of those in it: what it holds, however it is nested."""
    root = Node(())
    for place_, atom in atoms.items():
        if atom.kind not in kinds:
            continue
        path = tuple(place_.split("."))
        here, way = root, [root]
        for at, name in enumerate(path):
            if name not in here.children:
                here.children[name] = Node(path[: at + 1])
            here = here.children[name]
            way.append(here)
        here.atom = atom.keys
        for node in way:
            node.kind = (node.kind + atom.kind) & _MASK
            node.size += 1
            node.open += atom.open
    return root


def classes(pair: Pair) -> list[Class]:
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


def _fitting(pair: Pair, open_: Set[_Kin]) -> tuple[list[Class], set[_Kin]]:
    """Without modules of the kin in ``open_``; and the kin of which some, but not all, have been found."""
    waiting: dict[int, tuple[list[Node], list[Node]]] = {}
    sizes: list[int] = []
    found: list[Class] = []
    without: set[_Kin] = set()

    def put(node: Node, side: int) -> None:
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
        kinds: dict[int, tuple[list[Node], list[Node]]] = {}
        for side, nodes in enumerate(here):
            for node in nodes:
                kinds.setdefault(node.kind, ([], []))[side].append(node)
        for olds, news in kinds.values():
            kin = {_kin(node, side) for side, nodes in enumerate((olds, news)) for node in nodes} - {None}
            is_by_chance = len(olds) == len(news) == 1 and _is_displaced(pair, Pair(olds[0], news[0]))
            if len(olds) == len(news) and open_.isdisjoint(kin) and not is_by_chance:
                found.append(Class(olds, news))
                continue
            without |= kin
            for side, nodes in enumerate((olds, news)):
                for node in nodes:
                    if node.children:
                        put(node, side)
    kept = {_kin(node, side) for each in found for side, nodes in enumerate(each) for node in nodes}
    return found, kept & without


def _kin(node: Node, side: int) -> _Kin:
    """Modules of modules that stand beside each other under numbers."""
    if not any(child.children for child in node.children.values()):
        return None
    at = max((at for at, name in enumerate(node.path) if NUMBER.search(name)), default=None)
    return None if at is None else (side, node.path[:at], NUMBER.sub("#", node.path[at]), node.path[at + 1 :])


def _is_displaced(at: Pair, pair: Pair) -> bool:
    """Whether a part would be the second of four on one side and the last of four on the other: its like by chance."""
    return is_turned(at, pair) and not _is_reversed(_ranks(at.old, pair.old), _ranks(at.new, pair.new))


def is_turned(at: Pair, pair: Pair) -> bool:
    ranks, others = _ranks(at.old, pair.old), _ranks(at.new, pair.new)
    return ranks != others and [count for _, count in ranks] == [count for _, count in others]


def _ranks(at: Node, node: Node) -> list[tuple[int, int]]:
    found = []
    here = at
    for name in below(node, at):
        if NUMBER.search(name):
            found.append(here.rank(name))
        here = here.children[name]
    return found


def _is_reversed(ranks: Sequence[tuple[int, int]], others: Sequence[tuple[int, int]]) -> bool:
    return all(other == (count - 1 - rank, count) for (rank, count), other in zip(ranks, others, strict=True))


def below(node: Node, at: Node) -> Names:
    return node.path[len(at.path) :]
