"""How many dimensions a value has, where what made it tells: so that an axis has one number."""

from __future__ import annotations

from typing import Any

from .graph import Node

#: Operations whose result has as many dimensions as their first argument.
KEEPS = frozenset(
    "transpose softmax log_softmax relu gelu silu sigmoid tanh dropout masked_fill tril triu to exp abs sqrt roll flip "
    "normalize cumsum scaled_dot_product_attention".split()
)
BROADCASTS = frozenset("add mul matmul where maximum minimum".split())
#: Past them the search ends.
MOST_STEPS = 64


def rank(value: Any, steps: int = MOST_STEPS) -> int | None:
    if not isinstance(value, Node) or steps == 0:
        return None
    args = [each[1] if _named(each) else each for each in value.args]
    if value.op in ("reshape", "permute"):
        sizes = args[1] if len(args) == 2 and isinstance(args[1], tuple) else ()
        starred = any(isinstance(each, Node) and each.op == "each" for each in sizes)
        return None if starred or not sizes else len(sizes)
    if value.op in KEEPS:
        return rank(args[0], steps - 1)
    if value.op in BROADCASTS:
        found = [rank(each, steps // 2) for each in args if isinstance(each, Node)]
        known = [each for each in found if each is not None]
        return max(known) if known and len(known) == len(found) else None
    if value.op in ("rearrange", "repeat", "reduce") and isinstance(args[1], str):
        return _groups(args[1].partition(">")[2])
    return None


def _named(argument: Any) -> bool:
    return isinstance(argument, tuple) and len(argument) == 2 and isinstance(argument[0], str)


def _groups(pattern: str) -> int | None:
    """Of an einops pattern: what stands in brackets is one axis."""
    if "..." in pattern:
        return None
    count = depth = 0
    for each in pattern.split():
        count += depth == 0 and each != ")"
        depth += (each == "(") - (each == ")")
    return count
