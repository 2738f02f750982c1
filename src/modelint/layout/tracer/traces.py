"""What the tracing of one call of a module found, and how the runs of it become one node."""

from __future__ import annotations

from typing import Any, NamedTuple

from .graph import Node, children


class Traced(NamedTuple):
    """What one call of a module computes."""

    node: Node | None
    partial: bool
    #: How it was called, and which of the modules that it called could not be traced.
    tag: str
    #: The containers it returned, for the caller.
    result: Any
    captured: tuple[Any, ...]
    trains: bool
    #: Arguments that were written to, by number.
    written: tuple[int, ...]
    #: Keys of the traces of the modules that it calls.
    called: tuple[Any, ...]
    error: BaseException | None = None
    #: By the decisions of each run: its results in the order of ``result``, and what it does besides.
    runs: tuple[tuple[tuple[tuple[Node, bool], ...], tuple[Node, ...], tuple[Any, ...]], ...] = ()
    #: It, or a module that it calls, is another one in training.
    trains_below: bool = True

    def constants(self) -> dict[int, Node]:
        """Results, by number, that are the same whatever it is called with."""
        counts = {len(results) for _, results, _ in self.runs}
        if counts in ({0}, {1}) or len(counts) != 1:
            return {}
        columns = enumerate(zip(*(results for _, results, _ in self.runs)))
        return {
            index: nodes[0]
            for index, nodes in columns
            if len({each.strict for each in nodes}) == 1 and closed(nodes[0])
        }


def tree(runs: list[tuple[list[tuple[Node, bool]], Node]], depth: int) -> Node:
    """One node for all runs: a decision whose branches agree, or of which one only ends well, is none."""
    if len(runs) == 1 or all(len(decisions) <= depth for decisions, _ in runs):
        return runs[0][1]
    condition = runs[0][0][depth][0]
    yes = [each for each in runs if each[0][depth][1]]
    no = [each for each in runs if not each[0][depth][1]]
    if not yes or not no:
        return tree(yes or no, depth + 1)
    one, other = tree(yes, depth + 1), tree(no, depth + 1)
    if one.strict == other.strict:
        return one
    return Node("branch", (condition, one, other))


def combined(nodes: list[Node]) -> Node:
    """The traces of several calls of one module."""
    ordered = sorted({each.strict: each for each in nodes}.values(), key=lambda each: (each.anon, each.strict))
    return ordered[0] if len(ordered) == 1 else Node("calls", tuple(ordered))


#: What gives other numbers each time.
_RANDOM = ("rand", "normal", "bernoulli", "multinomial", "empty", "dropout", "uniform", "exponential", "hook")


def closed(node: Node) -> bool:
    """Numbers that hang on no input and no weight: the caller may as well make them."""
    stack, steps = [node], 0
    while stack:
        each = stack.pop()
        steps += 1
        if each.op in ("input", "slot", "captured", "call") or each.op.startswith(_RANDOM) or steps > 100:
            return False
        stack.extend(children(each.args, []))
    return True
