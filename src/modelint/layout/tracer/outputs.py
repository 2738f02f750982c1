"""What the callers of a module take of its results: a forward that returns one thing more, which nobody takes, computes
the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Optional

from .graph import Node, children
from .traces import Traced, tree

#: A call, whether in evaluation or in training.
Call = tuple[Any, Any]
#: Results by number; None: all of them, as they are.
Taken = Optional[set[int]]


class Outputs:
    """Of the calls that ``roots`` make, and those that they make in turn; all results of the roots themselves count."""

    def __init__(self, memo: dict[Any, Traced], roots: Iterable[Any]) -> None:
        self.memo = memo
        self.taken: dict[Call, Taken] = {}
        firsts = [key[:2] for key in roots]
        for call in _ordered(firsts, self.called):
            if call in firsts:
                self.taken[call] = None
            for traced in self.versions(call):
                self.look(traced, self.taken.get(call))

    def versions(self, call: Call) -> Iterator[Traced]:
        for training in (False, True):
            found = self.memo.get((*call, training))
            if found is not None and found.node is not None:
                yield found

    def called(self, call: Call) -> list[Call]:
        return [each[:2] for traced in self.versions(call) for each in traced.called]

    def count(self, call: Call) -> int | None:
        """How many results it has, if it has as many whichever way it goes."""
        counts = {len(results) for traced in self.versions(call) for _, results, _ in traced.runs}
        return counts.pop() if len(counts) == 1 else None

    def look(self, traced: Traced, taken: Taken) -> None:
        if traced.partial:  # what it does on other ways is not known
            self.taken.update((each[:2], None) for each in traced.called)
            return
        seen: set[int] = set()
        stack = [self.restricted(traced, taken)]
        while stack:
            node = stack.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            if node.op == "output" and node.args[0].key is not None:
                self.take(node.args[0].key[:2], node.args[1])
                stack.extend(children(node.args[0].args, []))
                continue
            if node.op == "written by" and node.args[0].key is not None:
                stack.extend(children(node.args[0].args, []))
                continue
            if node.key is not None:
                self.take(node.key[:2], 0 if self.count(node.key[:2]) == 1 else None)
            stack.extend(children(node.args, []))

    def take(self, call: Call, index: int | None) -> None:
        taken = self.taken.setdefault(call, set())
        if index is None or self.count(call) is None:
            self.taken[call] = None
        elif taken is not None:
            taken.add(index)

    def restricted(self, traced: Traced, taken: Taken) -> Node:
        """What it computes, as far as it is taken."""
        assert traced.node is not None
        if taken is None or len({len(results) for _, results, _ in traced.runs}) != 1:
            return traced.node
        numbers = sorted(taken)
        runs = []
        for decisions, results, effects in traced.runs:
            chosen = tuple(results[number] for number in numbers)
            runs.append((list(decisions), Node("forward", (chosen[0] if len(chosen) == 1 else chosen, *effects))))
        return tree(runs, 0)

    def node(self, key: Any, traced: Traced) -> tuple[Node, bool]:
        """What a call computes, with the results that it takes of others by number; and whether all results count,
        as they are."""
        assert traced.node is not None
        made = self.restricted(traced, self.taken.get(key[:2]))
        whole = made is traced.node and len(traced.runs[0][1]) > 1
        return self.renumbered(made), whole

    def renumbered(self, root: Node) -> Node:
        done: dict[int, Node] = {}
        stack = [root]
        while stack:
            node = stack[-1]
            missing = [each for each in children(node.args, []) if id(each) not in done]
            if id(node) in done or missing:
                stack.extend(missing)
                if not missing:
                    stack.pop()
                continue
            stack.pop()
            args = tuple(_replaced(each, done) for each in node.args)
            made = node if all(one is other for one, other in zip(args, node.args)) else Node(node.op, args)
            call = node.args[0].key if node.op == "output" else None
            taken = self.taken.get(call[:2]) if call is not None else None
            if taken is not None:
                number = sorted(taken).index(node.args[1])
                made = args[0] if len(taken) == 1 else Node("output", (args[0], number))
            done[id(node)] = made
        return done[id(root)]


def _replaced(value: Any, done: dict[int, Node]) -> Any:
    if isinstance(value, Node):
        return done[id(value)]
    if not isinstance(value, tuple):
        return value
    items = tuple(_replaced(each, done) for each in value)
    return value if all(one is other for one, other in zip(items, value)) else items


def _ordered(roots: Iterable[Call], below: Any) -> list[Call]:
    """Callers before those that they call."""
    found: list[Call] = []
    done: set[Call] = set()
    stack = [(each, False) for each in roots]
    while stack:
        call, ready = stack.pop()
        if ready:
            found.append(call)
        elif call not in done:
            done.add(call)
            stack.append((call, True))
            stack.extend((each, False) for each in below(call) if each not in done)
    return found[::-1]
