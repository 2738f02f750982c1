"""How many dimensions a value has, where what made it tells: so that an axis has one number."""

from __future__ import annotations

from typing import Any

from .graph import Node

#: Operations whose result has as many dimensions as their first argument.
KEEPS = frozenset(
    "transpose softmax log_softmax relu gelu silu sigmoid tanh dropout masked_fill tril triu to exp abs sqrt roll flip "
    "normalize cumsum scaled_dot_product_attention pow sin cos log clamp leaky_relu elu pad chunk split layer_norm "
    "linear conv1d conv2d conv3d batch_norm group_norm interpolate".split()
)
BROADCASTS = frozenset("add mul matmul where maximum minimum lt le gt ge eq ne bitwise_and bitwise_or".split())
#: Past them the search ends.
MOST_STEPS = 64


def rank(value: Any, steps: int = MOST_STEPS) -> int | None:
    if not isinstance(value, Node) or steps == 0:
        return None
    if value.rank is None:
        value.rank = _rank(value, steps)
    return value.rank


def _rank(value: Node, steps: int) -> int | None:
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
        if value.op == "matmul" and 1 in known:
            return None
        return max(known) if known and len(known) == len(found) else None
    if value.op == "cat" and isinstance(args[0], tuple) and args[0]:
        return rank(args[0][0], steps - 1)
    if value.op in ("unsqueeze", "embedding"):
        inner = rank(args[0], steps - 1)
        return None if inner is None else inner + 1
    if value.op == "getitem" and isinstance(args[1], tuple):
        return _of_item(args[0], args[1], steps)
    if value.op in ("rearrange", "repeat", "reduce") and isinstance(args[1], str):
        return _groups(args[1].partition(">")[2])
    if value.op == "einsum" and isinstance(args[0], str) and "..." not in args[0]:
        return len(args[0].partition("->")[2])
    return None


def _of_item(base: Any, index: tuple[Any, ...], steps: int) -> int | None:
    if isinstance(base, Node) and base.op in ("chunk", "split"):
        return rank(base, steps - 1)
    inner = rank(base, steps - 1)
    if inner is None or not all(
        each is None or each == "..." or _is_slice(each) or type(each) is int for each in index
    ):
        return None
    return inner + index.count(None) - sum(type(each) is int for each in index)


def _is_slice(part: Any) -> bool:
    return isinstance(part, tuple) and part[:1] == ("slice",)


def axis(number: Any, count: int | None) -> Any:
    """The last of ``count`` dimensions is -1, others are counted from the front."""
    if count is None or type(number) is not int or not -count <= number < count:
        return number
    return -1 if number % count == count - 1 else number % count


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
