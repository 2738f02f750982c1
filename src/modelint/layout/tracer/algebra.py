"""Sums, products and powers, in one form however they are bracketed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .graph import SLOT, Node

FULL = ("slice", None, None, None)


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def flat(op: str, operands: Sequence[Any]) -> Any:
    """Sums and products without brackets, their constants gathered into one."""
    items: list[Any] = []
    total: Any = 0 if op == "add" else 1
    for each in operands:
        inner = each.args if isinstance(each, Node) and each.op == op else (each,)
        for one in inner:
            if is_number(one):
                total = total + one if op == "add" else total * one
            else:
                items.append(one)
    if len(items) > 1:
        items = [each for each in items if not _is_nothing(op, each)] or items[:1]
    if op == "add":
        items = [broadcast(each, items) for each in items]
    if op == "mul" and len(items) == 2 and _same(items[0], items[1]):
        items = [power(items[0], 2)]
    if total != (0 if op == "add" else 1) or not items:
        if not items:
            return total
        items.append(total)
    return items[0] if len(items) == 1 else Node(op, tuple(items))


def _is_nothing(op: str, value: Any) -> bool:
    """One element that changes none of the others: ``torch.ones(1)`` in a product."""
    if not isinstance(value, Node) or value.op != ("zeros" if op == "add" else "ones"):
        return False
    size = value.args[0][1] if len(value.args) == 1 and isinstance(value.args[0], tuple) else None
    return size in (1, (), (1,))


def _same(one: Any, other: Any) -> bool:
    return isinstance(one, Node) and isinstance(other, Node) and one.anon == other.anon and one.strict == other.strict


def power(base: Any, exponent: Any) -> Any:
    if is_number(base) and is_number(exponent):
        try:
            return base**exponent
        except (ArithmeticError, ValueError):
            return Node("pow", (base, exponent))
    if isinstance(base, Node) and base.op == "pow" and is_number(exponent) and base.args[1] in (0.5, -0.5, -1):
        return power(base.args[0], base.args[1] * exponent)
    if is_number(exponent) and (exponent == 1 or _is_nothing("mul", base)):
        return base
    return Node("pow", (base, exponent))


#: Operations that move values, and change none.
MOVES = frozenset("getitem transpose permute unsqueeze reshape expand rearrange repeat".split())


def scaled(value: Any) -> tuple[Any, Any]:
    """The number that a value is multiplied with, and the rest; None: there is none."""
    if isinstance(value, Node) and value.op == "mul" and is_number(value.args[-1]):
        return value.args[-1], flat("mul", value.args[:-1])
    return None, value


POWERS = {"square": 2, "sqrt": 0.5, "rsqrt": -0.5, "reciprocal": -1}


def broadcast(value: Any, items: Sequence[Any]) -> Any:
    """A term without what the sum does anyway: a first dimension of length 1 before an embedding, and the cut to the
    length of the others."""
    if not isinstance(value, Node) or not any(_is_data(each) for each in items if each is not value):
        return value
    if value.op == "unsqueeze" and value.args[1] == ("dim", 0):
        inner = value.args[0][1]
        if isinstance(inner, Node) and (inner.op in ("call", SLOT) or _cut(inner)):
            value = inner
    return value.args[0] if _cut(value) else value


def _is_data(value: Any) -> bool:
    """Of the full length and rank: no parameter, and no position either."""
    return isinstance(value, Node) and value.op not in (SLOT, "unsqueeze", "getitem")


def _cut(value: Node) -> bool:
    """``self.pos[:, :n]``: from the start, up to what is only known when it runs."""
    if value.op != "getitem" or not isinstance(value.args[0], Node) or value.args[0].op != SLOT:
        return False
    cuts = [each for each in value.args[1] if each not in (FULL, "...")]
    return bool(cuts) and all(map(_is_cut, cuts))


def _is_cut(part: Any) -> bool:
    is_slice = isinstance(part, tuple) and part[:1] == ("slice",)
    return is_slice and part[1] in (None, 0) and isinstance(part[2], Node) and part[3] is None
