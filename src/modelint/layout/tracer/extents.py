"""The length of one axis, asked of the value that it comes from: ``x`` and ``self.norm(x)`` have the same."""

from __future__ import annotations

from typing import Any

from .algebra import FULL, is_number
from .graph import Node
from .rank import axis, rank

#: Their results have the shape of their first argument.
SAME = frozenset(
    "softmax log_softmax relu gelu silu sigmoid tanh dropout exp abs sqrt sin cos log roll flip normalize cumsum clamp "
    "tril triu leaky_relu elu to layer_norm batch_norm group_norm".split()
)
MOST_STEPS = 64


def extent(shape: Node, index: int) -> Any:
    """``shape[index]``: a number or the argument that says it where it is known, else of the value farthest back."""
    value = shape.args[0]
    for _ in range(MOST_STEPS):
        index = axis(index, rank(value))
        found = _before(value, index) if isinstance(value, Node) else None
        if found is None:
            break
        value, at = found
        if at is None:
            return value
        index = at
    return Node("getitem", (shape if value is shape.args[0] else Node("shape", (value,)), (index,)))


def _before(value: Node, index: int) -> tuple[Any, int | None] | None:
    """The value and its axis, or the length and None; None: it ends here."""
    args = [each[1] if isinstance(each, tuple) and len(each) == 2 and isinstance(each[0], str) else each
            for each in value.args]  # fmt: skip
    if value.like is not None:
        return _of_layer(*value.like, index)
    if value.op in SAME:
        return args[0], index
    if value.op in ("add", "mul", "pow"):
        values = [each for each in args if not is_number(each)]
        return (values[0], index) if len(values) == 1 else None
    handler = HANDLERS.get(value.op)
    return handler(args, index) if handler is not None else None


def _of_layer(kind: str, value: Any, index: int) -> tuple[Any, int | None] | None:
    if kind == "same" or (kind == "last" and (index < -1 or index == 0)) or (kind == "batch" and index == 0):
        return value, index
    known = rank(value) is not None
    return (value, index) if known and kind == "last" and index > 0 else None


def _transposed(args: list[Any], index: int) -> tuple[Any, int | None] | None:
    dims, count = args[1], rank(args[0])
    if not isinstance(dims, tuple) or not all(type(each) is int for each in dims):
        return None
    if count is not None:
        dims, index = tuple(each % count for each in dims), index % count
    if any((each < 0) != (index < 0) for each in dims):
        return None
    return args[0], dims[1 - dims.index(index)] if index in dims else index


def _permuted(args: list[Any], index: int) -> tuple[Any, int | None] | None:
    dims = args[1]
    if (
        not isinstance(dims, tuple)
        or not all(type(each) is int for each in dims)
        or not -len(dims) <= index < len(dims)
    ):
        return None
    return args[0], dims[index]


def _unsqueezed(args: list[Any], index: int) -> tuple[Any, int | None] | None:
    dim, count = args[1], rank(args[0])
    if type(dim) is not int:
        return None
    if count is not None:
        dim, index = dim % (count + 1), index % (count + 1)
    if (dim < 0) != (index < 0):
        return None
    if dim == index:
        return 1, None
    if dim < 0:
        return args[0], index + 1 if index < dim else index
    return args[0], index - 1 if index > dim else index


def _reshaped(args: list[Any], index: int) -> tuple[Any, int | None] | None:
    sizes = args[1] if len(args) > 1 else None
    if not isinstance(sizes, tuple) or not -len(sizes) <= index < len(sizes):
        return None
    passed = sizes[: index + 1] if index >= 0 else sizes[index:]
    if any(isinstance(each, Node) and each.op == "each" for each in passed):
        return None
    size = sizes[index]
    return (size, None) if isinstance(size, Node) or (type(size) is int and size > 0) else None


def _item(args: list[Any], index: int) -> tuple[Any, int | None] | None:
    parts = args[1]
    slices = isinstance(parts, tuple) and all(isinstance(each, tuple) and each[:1] == ("slice",) for each in parts)
    if not slices or index < 0 or (isinstance(args[0], Node) and args[0].op == "shape"):
        return None
    return (args[0], index) if index >= len(parts) or parts[index] == FULL else None


def _joined(args: list[Any], index: int) -> tuple[Any, int | None] | None:
    dim = args[1] if len(args) > 1 else 0
    if not isinstance(args[0], tuple) or not args[0] or type(dim) is not int:
        return None
    count = rank(args[0][0])
    if count is not None:
        dim, index = dim % count, index % count
    return (args[0][0], index) if (dim < 0) == (index < 0) and dim != index else None


def _product(args: list[Any], index: int) -> tuple[Any, int | None] | None:
    return (args[1], -1) if index == -1 else (args[0], -2) if index == -2 else None


def _rearranged(args: list[Any], index: int) -> tuple[Any, int | None] | None:
    left, _, right = args[1].partition(">")
    before, after = _axes(left), _axes(right)
    if "..." in before or "..." in after or not -len(after) <= index < len(after):
        return None
    name, sizes = after[index], dict(args[3])
    if name in sizes:
        return sizes[name], None
    return (args[0], before.index(name)) if name in before and name != "1" and " " not in name else None


def _axes(pattern: str) -> list[str]:
    """What stands in brackets is one axis."""
    found: list[str] = []
    depth = 0
    for each in pattern.split():
        if each == "(":
            found.append("")
        elif each != ")":
            if depth:
                found[-1] += " " + each
            else:
                found.append(each)
        depth += (each == "(") - (each == ")")
    return found


HANDLERS = {
    "transpose": _transposed, "permute": _permuted, "unsqueeze": _unsqueezed, "reshape": _reshaped, "getitem": _item,
    "cat": _joined, "matmul": _product, "rearrange": _rearranged,
}  # fmt: skip
