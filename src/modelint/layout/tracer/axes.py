"""Operations that move axes, in one spelling: dimensions are counted from the front, and the last one is -1."""

from __future__ import annotations

from typing import Any

from .algebra import is_number
from .graph import Node
from .rank import axis, rank

#: Operations with ``dim``, of their first argument.
ALONG = frozenset(
    "softmax log_softmax sum mean cat stack chunk split cumsum cumprod argmax argmin max min amax amin topk sort norm "
    "std var prod any all logsumexp glu gather index_select flip unbind normalize".split()
)


def permuted(base: Any, dims: tuple[str, Any]) -> Any:
    """Two dimensions that changed places are ``transpose``."""
    count = len(dims[1]) if isinstance(dims[1], tuple) else 0
    if not count or not all(is_number(each) and -count <= each < count for each in dims[1]):
        return Node("permute", (("self", base), dims))
    places = tuple(each % count for each in dims[1])
    if len(set(places)) < count:  # no permutation: it raises
        return Node("permute", (("self", base), dims))
    moved = [index for index, each in enumerate(places) if index != each]
    if not moved:
        return base
    if len(moved) == 2:
        return transposed(base, moved[0], moved[1])
    return Node("permute", (("self", base), (dims[0], places)))


def transposed(base: Any, one: int, other: int) -> Node:
    """Dimensions are counted from the front where their number is known."""
    count = rank(base)
    if count is not None and -count <= min(one, other) and max(one, other) < count:
        one, other = one % count, other % count
    return Node("transpose", (("self", base), ("dims", tuple(sorted((one, other))))))


def unsqueezed(base: Any, dim: Any) -> Node:
    count = rank(base)
    return Node("unsqueeze", (("self", base), ("dim", dim if count is None else axis(dim, count + 1))))


def along(name: str, bound: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """``dim`` in the one spelling, where the number of dimensions is known; the softmax of old has one even if none is
    given."""
    if not bound or name not in ALONG:
        return bound
    first = bound[0][1]
    count = rank(first[0] if isinstance(first, tuple) and first else first)
    if count is None:
        return bound
    if name in ("softmax", "log_softmax") and all(key != "dim" for key, _ in bound):
        bound = [*bound, ("dim", 0 if count in (0, 1, 3) else 1)]
    count += name == "stack"
    return [(key, _spelled(value, count) if key == "dim" else value) for key, value in bound]


def _spelled(dim: Any, count: int) -> Any:
    return tuple(axis(each, count) for each in dim) if isinstance(dim, tuple) else axis(dim, count)
