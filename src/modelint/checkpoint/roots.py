"""Which state dict of a file is meant: the largest dict from names to tensors within three levels, or a whole module.

The others are kept beside it. What optimizers hold, and lists of tensors, are no state dicts of a model: each such
group is one root, and comes after all others.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from modelint.checkpoint import limits, modules
from modelint.checkpoint.contents import Root, Stored
from modelint.checkpoint.facts import WholeModule
from modelint.checkpoint.limits import Budget
from modelint.checkpoint.nodes import Pairs, items_of, named, pairs_of, state_of, type_name, words
from modelint.checkpoint.pickle_values import Call, DictNode, ListNode, TupleNode
from modelint.checkpoint.tensors import Tensors

#: Names longer than this lead to no state dict.
_NAME = 200
#: So many values are looked at more than once, where they are shared; from then on once.
_SHARED = 100_000
#: Nothing else holds a state dict.
_LEADING = (Call, DictNode, ListNode, TupleNode)
_COPIES = ("ema", "teacher", "average", "shadow", "best")


class Found(NamedTuple):
    """The roots, the one that is meant first; what else stands beside them; the whole modules among them."""

    roots: tuple[Root, ...]
    entries: dict[str, str]
    modules: tuple[WholeModule, ...]


class _Candidate(NamedTuple):
    #: Lower comes first: state dicts before groups, larger before smaller, copies later, else as in the file.
    rank: tuple[int, int, int, int]
    path: str
    #: Of a module: its keys.
    node: object
    kind: str
    #: Of a module: its class.
    cls: str


def find(value: object, tensors: Tensors, budget: Budget) -> Found:
    """The state dicts in what a file holds. Raises Refused if there is too much of it."""
    search = _Search(tensors, budget, value)
    search.run(limits.LEVELS + 1)
    if not search.candidates:
        search.run(limits.LEVELS)
    chosen = sorted(search.candidates)[: limits.ROOTS]
    whole = [WholeModule(each.cls) for each in chosen if each.kind == "module"]
    roots = tuple(_root(each, tensors, budget) for each in chosen)
    return Found(roots, search.entries, tuple(dict.fromkeys(whole)))


def _root(candidate: _Candidate, tensors: Tensors, budget: Budget) -> Root:
    path, node = candidate.path or "/", candidate.node
    if candidate.kind == "module" and isinstance(node, dict):
        return Root(path, node)
    if candidate.kind == "group":
        return Root(path, {key: tensors.read(value, key) for key, value in _group(node, tensors, budget)})
    found: dict[str, Stored] = {}
    extra: dict[str, str] = {}
    for key, value in named(_dict_of(node) or []).items():
        if tensors.is_tensor(value):
            found[key] = tensors.read(value, key)
        elif len(extra) < limits.TENSORS:
            extra[key] = type_name(value)
    return Root(path, found, extra)


class _Search:
    """Level by level, so that the shortest path to a state dict is the one that is told."""

    def __init__(self, tensors: Tensors, budget: Budget, value: object) -> None:
        self.tensors = tensors
        self.budget = budget
        #: What is to be looked at next.
        self._level = [("", value)]
        self.candidates: list[_Candidate] = []
        self.entries: dict[str, str] = {}
        self._seen: set[int] = set()
        self._visits = 0

    def run(self, levels: int) -> None:
        """So many levels more."""
        for _ in range(levels):
            following: list[tuple[str, object]] = []
            for path, node in self._level:
                self._visits += 1
                if self._visits > _SHARED and id(node) in self._seen:
                    continue
                self._seen.add(id(node))
                following.extend(self._visit(path, node))
            self._level = following

    def _visit(self, path: str, node: object) -> list[tuple[str, object]]:
        """What lies one level below."""
        if modules.attributes(node) is not None:
            found = modules.keys(node, self.tensors, self.budget)
            self._add(path, found, "module", len(found), node.name if isinstance(node, Call) else "")
            return []
        if self.tensors.is_tensor(node):
            if not path:
                self._add(path, TupleNode([node]), "group", 1)
            return []
        pairs = _dict_of(node)
        if pairs is None:
            return self._visit_items(path, items_of(node) or ())
        self._pay(len(pairs))
        if _is_group(path, pairs):
            self._add(path, node, "group", 0)
            return []
        held = named(pairs)
        count = sum(map(self.tensors.is_tensor, held.values()))
        if count:
            self._add(path, node, "dict", count)
        below = []
        left = limits.ENTRIES_TOLD - len(self.entries) if 2 * count < len(held) else 0
        for key, value in held.items():
            leads = isinstance(value, _LEADING)
            if not (leads or left > 0) or self.tensors.is_tensor(value) or len(key) > _NAME:
                continue
            if leads:
                below.append((f"{path}/{key}", value))
            if left > 0:
                left -= 1
                self.entries[f"{path}/{key}"] = words(value)
        return below

    def _visit_items(self, path: str, items: Iterable[object]) -> list[tuple[str, object]]:
        items = list(items)
        self._pay(len(items))
        if any(map(self.tensors.is_tensor, items)):
            self._add(path, TupleNode(items), "group", 0)
        below = []
        for number, item in enumerate(items):
            if _dict_of(item) is not None or items_of(item) is not None or modules.attributes(item) is not None:
                below.append((f"{path}/{number}", item))
        return below

    def _add(self, path: str, node: object, kind: str, count: int, cls: str = "") -> None:
        if kind == "group":
            count = sum(1 for _ in _group(node, self.tensors, self.budget))
        if count:
            copy = any(word in path.lower() for word in _COPIES)
            rank = (kind == "group", -count, copy, len(self.candidates))
            self.candidates.append(_Candidate(rank, path, node, kind, cls))

    def _pay(self, values: int) -> None:
        self.budget.containers -= values
        self.budget.keep(80 * values)


def _dict_of(node: object) -> Pairs | None:
    pairs = pairs_of(node)
    return state_of(node) if pairs is None else pairs


def _is_group(path: str, pairs: Pairs) -> bool:
    """An optimizer's state, or a dict by number, as optimizers have."""
    keys = {key for key, _ in pairs if type(key) is str}
    if {"state", "param_groups"} <= keys or "optim" in path.rpartition("/")[2].lower():
        return True
    return any(type(key) is int for key, _ in pairs)


def _group(node: object, tensors: Tensors, budget: Budget) -> Iterable[tuple[str, object]]:
    """All tensors below, by the path that leads to each, with dots."""
    todo: list[tuple[str, object, int]] = [("", node, 0)]
    while todo:
        prefix, each, depth = todo.pop()
        if tensors.is_tensor(each):
            yield prefix[1:], each
            continue
        if depth > 2 * limits.LEVELS:
            continue
        pairs = _dict_of(each)
        below: list[tuple[object, object]] = list(enumerate(items_of(each) or ())) if pairs is None else pairs
        budget.containers -= len(below)
        budget.keep(80 * len(below))
        for key, value in reversed(below):
            if type(key) is int or (type(key) is str and len(key) <= _NAME):
                todo.append((f"{prefix}.{key}", value, depth + 1))
