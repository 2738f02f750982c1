"""The data flow of one forward: nodes that carry the hash of what they compute, and its numbering of slots."""

from __future__ import annotations

import hashlib
from typing import Any


def digest(data: bytes, size: int = 8) -> bytes:
    return hashlib.blake2b(data, digest_size=size).digest()


class Node:
    """One value. ``anon`` is the hash of all that leads to it, with child modules and tensors left nameless; in
    ``strict`` they count with their paths: two nodes with the same one are the same value."""

    __slots__ = ("_strict", "anon", "args", "key", "like", "op", "rank")

    def __init__(self, op: str, args: tuple[Any, ...] = ()) -> None:
        self.op = op
        self.args = args
        self._strict: bytes | None = None
        #: Dimensions, where something else than ``args`` tells how many; no part of the hash.
        self.rank: int | None = None
        #: Of a call of a module that was traced: where that trace is remembered.
        self.key: Any = None
        #: Of a call of a layer: which of its axes are those of its input, and the input.
        self.like: tuple[str, Any] | None = None
        if op == SLOT:
            self.anon = digest(b"slot " + args[0].encode())
            self._strict = digest(b"slot " + args[0].encode() + b" " + args[1].encode())
        else:
            self.anon = digest(op.encode() + b"\0" + encode(args))

    @property
    def strict(self) -> bytes:
        if self._strict is None:
            done: dict[int, bytes] = {}
            stack = [self]
            while stack:
                node = stack[-1]
                if node._strict is not None:
                    done[id(node)] = node._strict
                    stack.pop()
                    continue
                below = children(node.args, [])
                missing = [each for each in below if id(each) not in done]
                if missing:
                    stack.extend(missing)
                    continue
                node._strict = digest(node.op.encode() + b"\0" + encode(node.args, done))
            return done[id(self)]
        return self._strict


#: ``args``: what it is (module, tensor), its path below the module that is traced.
SLOT = "slot"


def encode(value: Any, numbered: dict[int, bytes] | None = None) -> bytes:
    """Canonical bytes of an argument. ``numbered``: hashes to use for nodes instead of the nameless ones."""
    kind = type(value)
    if kind is Node:
        return b"N" + (value.anon if numbered is None else numbered[id(value)])
    if kind is tuple:
        return b"(" + b",".join([encode(each, numbered) for each in value]) + b")"
    if kind is str:
        data = value.encode("utf-8", "surrogatepass")
        return b"s%d:%s" % (len(data), data)
    if value is None or kind is bool:
        return b"%r" % value
    if isinstance(value, (float, int)):
        return number(value).encode()
    raise TypeError(kind.__name__)


def number(value: Any) -> str:
    """2 and 2.0 are one; the last digits, which depend on how a constant was worked out, do not count."""
    try:
        if value == int(value) and abs(value) < 2**53:
            return str(int(value))
    except (OverflowError, ValueError):
        return repr(float(value))  # inf, nan
    return str(value) if isinstance(value, int) else format(value, ".12g")


def children(args: Any, found: list[Node]) -> list[Node]:
    for each in args:
        if isinstance(each, Node):
            found.append(each)
        elif isinstance(each, tuple):
            children(each, found)
    return found


def paths(node: Node, known: dict[int, tuple[str, ...]]) -> tuple[str, ...]:
    """Sorted paths of the slots that a node depends on."""
    stack = [node]
    while stack:
        top = stack[-1]
        if id(top) in known:
            stack.pop()
            continue
        below = children(top.args, [])
        missing = [each for each in below if id(each) not in known]
        if missing:
            stack.extend(missing)
            continue
        if top.op == SLOT:
            known[id(top)] = (top.args[1],)
        else:
            known[id(top)] = tuple(sorted({path for each in below for path in known[id(each)]}))
        stack.pop()
    return known[id(node)]


#: Operations whose arguments have no order.
UNORDERED = frozenset(
    "add mul eq ne maximum minimum logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor set".split()
)


def order(node: Node, known: dict[int, tuple[str, ...]]) -> tuple[Any, ...]:
    """The arguments in canonical order: by nameless hash, then by paths: a rename changes no more than the pairing."""
    if node.op not in UNORDERED:
        return node.args
    items = list(node.args)
    items.sort(key=lambda each: (encode(each), paths(each, known) if isinstance(each, Node) else ()))
    return tuple(items)


def finish(root: Node, names: list[str]) -> bytes:
    """The digest of ``root`` with slots numbered by first use; ``names`` is extended by what new slots stand for."""
    known: dict[int, tuple[str, ...]] = {}
    numbers = {name: index for index, name in enumerate(names)}
    ordered: dict[int, tuple[Any, ...]] = {}
    done: dict[int, bytes] = {}
    stack: list[tuple[Node, bool]] = [(root, False)]
    while stack:
        node, ready = stack.pop()
        if id(node) in done:
            continue
        if node.op == SLOT:
            path = node.args[1]
            if path not in numbers:
                numbers[path] = len(names)
                names.append(path)
            done[id(node)] = digest(b"slot %s %d" % (node.args[0].encode(), numbers[path]))
        elif ready:
            done[id(node)] = digest(node.op.encode() + b"\0" + encode(ordered[id(node)], done))
        else:
            args = ordered[id(node)] = order(node, known)
            stack.append((node, True))
            stack.extend((each, False) for each in reversed(children(args, [])))
    return done[id(root)]


#: So many pairs of arguments are tried.
_TRIED = 64
#: Slots by number, and those that they may trade places with.
Exchange = tuple[list[int], list[int]]


def exchangeable(roots: list[Node], names: list[str]) -> list[Exchange]:
    """Slots that trade places without a change of what is computed, as the branches of a sum do: their order in
    ``names`` says nothing. A trade must leave every one of ``roots`` what it is."""
    numbers = {name: index for index, name in enumerate(names)}
    found: list[Exchange] = []
    known: dict[int, tuple[str, ...]] = {}
    plain = [named(root, {}) for root in roots]
    for one, other in _ties(roots[0], known)[:_TRIED]:
        pairs = {(first, second) for first, second in zip(_slots(one, known), _slots(other, known)) if first != second}
        trade = dict([*pairs, *((second, first) for first, second in pairs)])
        if len(trade) == 2 * len(pairs) and plain == [named(root, trade) for root in roots]:
            trades = sorted((numbers[first], numbers[second]) for first, second in pairs)
            found.append(([first for first, _ in trades], [second for _, second in trades]))
    return found


def _ties(root: Node, known: dict[int, tuple[str, ...]]) -> list[tuple[Node, Node]]:
    """Neighbours among arguments without an order that differ in their names alone."""
    found: list[tuple[Node, Node]] = []
    seen: set[int] = set()
    stack = [root]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        args = order(node, known) if node.op in UNORDERED else ()
        for one, other in zip(args, args[1:]):
            alike = isinstance(one, Node) and isinstance(other, Node) and one.anon == other.anon
            if alike and paths(one, known) != paths(other, known):
                found.append((one, other))
        stack.extend(children(node.args, []))
    return found


def _slots(root: Node, known: dict[int, tuple[str, ...]]) -> list[str]:
    """By first use."""
    found: dict[str, None] = {}
    seen: set[int] = set()
    stack = [root]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if node.op == SLOT:
            found[node.args[1]] = None
        stack.extend(reversed(children(order(node, known), [])))
    return list(found)


def named(root: Node, trade: dict[str, str]) -> bytes:
    """What it computes, and with which slots, some of them called otherwise."""
    done: dict[int, bytes] = {}
    stack: list[tuple[Node, bool]] = [(root, False)]
    while stack:
        node, ready = stack.pop()
        if id(node) in done:
            continue
        if node.op == SLOT:
            done[id(node)] = digest(f"{node.args[0]} {trade.get(node.args[1], node.args[1])}".encode())
        elif ready:
            args = [encode(each, done) for each in node.args]
            data = b",".join(sorted(args) if node.op in UNORDERED else args)
            done[id(node)] = digest(node.op.encode() + b"\0" + data)
        else:
            stack.append((node, True))
            stack.extend((each, False) for each in children(node.args, []))
    return done[id(root)]
