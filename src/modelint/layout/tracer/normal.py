"""The normal form of one operation: however it was spelled, the same node."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional

from .algebra import FULL, MOVES, POWERS, flat, is_number, power, scaled
from .axes import along, permuted, transposed, unsqueezed
from .extents import extent
from .graph import Node
from .patterns import EINOPS, einops, einsum
from .rank import rank

#: What moves or places data, and changes no value.
PLUMBING = frozenset(
    "device pin_memory non_blocking memory_format layout requires_grad generator copy out inplace "
    "_stacklevel async_op antialias_ recompute_scale_factor_ sparse_grad".split()
)
ALIASES = {
    **dict.fromkeys(("radd", "iadd"), "add"),
    **dict.fromkeys(("multiply", "rmul", "imul"), "mul"),
    **dict.fromkeys(("subtract", "isub"), "sub"),
    **dict.fromkeys(("divide", "true_divide", "truediv", "itruediv"), "div"),
    **dict.fromkeys(("mm", "bmm", "imatmul"), "matmul"),
    **dict.fromkeys(("and", "iand", "rand_", "__and__"), "bitwise_and"),
    **dict.fromkeys(("or", "ior", "ror", "__or__"), "bitwise_or"),
    **dict.fromkeys(("xor", "ixor", "rxor", "__xor__"), "bitwise_xor"),
    **dict.fromkeys(("invert",), "bitwise_not"),
    **dict.fromkeys(("swapaxes", "swapdims"), "transpose"),
    **dict.fromkeys(("concat", "concatenate"), "cat"),
    **dict.fromkeys(("view", "_unsafe_view"), "reshape"),
    **dict.fromkeys(("broadcast_to",), "expand"),
    "negative": "neg", "absolute": "abs", "greater": "gt", "greater_equal": "ge", "less": "lt", "less_equal": "le",
    "not_equal": "ne", "clip": "clamp", "moveaxis": "movedim", "floordiv": "floor_divide", "mod": "remainder",
    "arccos": "acos", "arcsin": "asin", "arctan": "atan", "fix": "trunc", "t": "T", "special_expit": "sigmoid",
    "expit": "sigmoid", "ipow": "pow", "get_item": "getitem", "adaptive_avg_pool1d_": "adaptive_avg_pool1d",
    "concatenate_": "cat", "repeat_interleave_": "repeat_interleave", "row_stack": "vstack", "erf_": "erf",
}  # fmt: skip
FLIPPED = {"gt": "lt", "ge": "le"}
#: Arguments for which one number stands for the same number in each dimension.
SPATIAL = frozenset("kernel_size stride padding dilation output_size output_padding scale_factor size".split())

#: Defaults that no signature tells.
USUAL = (("return_indices", False), ("indexing", "ij"), ("indexing", None))


class Parameter(NamedTuple):
    name: str
    default: Any
    keyword: bool
    is_list: bool
    is_tensor: bool


class _Missing:
    pass


MISSING: Any = _Missing()


def plain(value: Any) -> Any:
    """A default of a signature, as arguments are encoded."""
    if isinstance(value, (list, tuple)):
        return tuple(plain(each) for each in value)
    if isinstance(value, torch.dtype):
        return "dtype " + str(value).replace("torch.", "")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return MISSING


@functools.cache
def schemas(name: str) -> tuple[tuple[Parameter, ...], ...]:
    """The signatures that torch has for an operation; those without ``out`` only."""
    found = []
    try:
        overloads = torch._C._jit_get_schemas_for_operator("aten::" + name)
    except Exception:
        overloads = []
    for schema in overloads:
        if schema.arguments and schema.arguments[0].name == "a":
            continue  # of TorchScript's own numbers
        parameters = []
        for each in schema.arguments:
            text = str(each.type)
            default = plain(each.default_value) if each.has_default_value() else MISSING
            is_list = text.startswith(("List[int]", "Optional[List[int]]", "List[SymInt]", "Optional[List[SymInt]]"))
            parameters.append(Parameter(each.name, default, each.kwarg_only, is_list, text == "Tensor"))
        if not any(each.name.startswith("out") and each.keyword for each in parameters):
            found.append(tuple(parameters))
    found.sort(key=lambda each: (len(each), [one.name for one in each]))
    return tuple(found)


@functools.cache
def functional(name: str) -> tuple[Parameter, ...] | None:
    """The signature of a torch.nn.functional function that is written in Python."""
    function = getattr(torch.nn.functional, name, None) or getattr(torch.functional, name, None)
    if not callable(function):
        return None
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    found = []
    for each in signature.parameters.values():
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
            return None
        default = MISSING if each.default is each.empty else plain(each.default)
        found.append(Parameter(each.name, default, each.kind is each.KEYWORD_ONLY, False, False))
    return tuple(found)


Bound = list[tuple[str, Any]]


def fits(parameters: Sequence[Parameter], args: Sequence[Any], kwargs: dict[str, Any]) -> Bound | None:
    """Arguments by the names of ``parameters``, defaults left out; None: they do not fit."""
    positional = [each for each in parameters if not each.keyword]
    if len(args) > len(positional) or (
        len(args) > 1 and len(positional) > 1 and positional[1].is_list and _gathers(args, positional)
    ):
        if (
            len(positional) < 2
            or not positional[1].is_list
            or (len(positional) > 2 and positional[2].default is MISSING)
        ):
            return None
        args = [args[0], tuple(args[1:])]
    bound: Bound = []
    names = {each.name: each for each in parameters}
    given = {each.name: value for each, value in zip(positional, args)}
    for name, value in kwargs.items():
        name = "self" if name == "input" and "self" in names else name
        if name not in names or name in given:
            return None
        given[name] = value
    for each in parameters:
        if each.name in given:
            value = given[each.name]
            if each.is_tensor and isinstance(value, (bool, int, float, str, tuple)):
                return None
            if each.is_list and not isinstance(value, tuple) and value is not None:
                value = (value,)
            usual = each.default
            if each.is_list:  # one number stands for all
                value, usual = (spread(value), spread(usual)) if spread(value) == spread(usual) else (value, usual)
            if not isinstance(value, Node) and value == usual and type(value) is type(usual):
                continue
            bound.append((each.name, value))
        elif each.default is MISSING:
            return None
    return bound


def _gathers(args: Sequence[Any], positional: Sequence[Parameter]) -> bool:
    """``x.permute(0, 2, 1)``: the numbers are one list."""
    return len(args) > 2 and not isinstance(args[1], tuple) and (len(positional) == 2)


def bind(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Bound:
    kwargs = {key: value for key, value in kwargs.items() if key not in PLUMBING and (key, value) not in USUAL}
    python = functional(name)
    if python is not None:
        bound = fits(python, args, {("input" if key == "self" else key): value for key, value in kwargs.items()})
        if bound is not None:
            bound = [(key, value) for key, value in bound if key not in PLUMBING]
            if python and python[0].name == "input":
                bound = [("self" if key == "input" else key, value) for key, value in bound]
            args, kwargs = (), dict(bound)
    for parameters in schemas(name):
        found = fits(parameters, args, kwargs)
        if found is not None:
            return [(key, value) for key, value in found if key not in PLUMBING]
    if not args and python is not None:
        return list(kwargs.items())
    return [(str(index), value) for index, value in enumerate(args)] + sorted(kwargs.items())


def operation(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """The node, or constant, that stands for calling ``name``."""
    name = ALIASES.get(name, name)
    if name in MOVES and args:
        factor, rest = scaled(args[0])
        if factor is not None:
            return flat("mul", (operation(name, (rest, *args[1:]), kwargs), factor))
    if name == "getitem":
        return item(args[0], args[1])
    if name == "einsum":
        return linear(einsum(args))
    if name == "meshgrid" and not (len(args) == 1 and isinstance(args[0], tuple)):
        args = (tuple(args),)
    if name in EINOPS and len(args) > 1 and isinstance(args[1], str):
        return einops(name, args, kwargs)
    if name.startswith("r") and name[1:] in ("sub", "truediv", "pow", "matmul", "floordiv", "mod", "add", "mul"):
        return operation(name[1:], (args[1], args[0]), {})
    bound = bind(name, args, kwargs)
    values = dict(bound)
    if len(bound) == 2 and name in ("add", "mul", "sub", "div", "pow", "floor_divide"):
        values = {"self": bound[0][1], "other": bound[1][1]}
    one, other = values.get("self"), values.get("other", MISSING)
    if other is not MISSING and _arithmetic(one) and _arithmetic(other) and len(values) <= 3:
        if "alpha" in values:
            other = flat("mul", (other, values["alpha"]))
        if name in ("add", "mul"):
            return flat(name, (one, other))
        if name == "sub":
            return flat("add", (one, flat("mul", (other, -1))))
        if name == "div" and "rounding_mode" not in values:
            return flat("mul", (one, power(other, -1)))
        if name == "pow":
            return power(one, other)
        if name in FLIPPED:
            return Node(FLIPPED[name], (other, one))
        if len(values) == 2:
            return linear(Node(name, (one, other)))
    if len(values) == 1 and one is not None:
        if name in POWERS:
            return power(one, POWERS[name])
        if name == "neg":
            return flat("mul", (one, -1))
    if name == "permute" and len(bound) == 2:
        return permuted(values["self"], bound[1])
    if name == "logspace" and all(is_number(values.get(key, 10)) for key in ("start", "end", "base")):
        # The powers of e, whatever they were written as powers of.
        by = math.log(values.pop("base", 10))
        values.update(start=values["start"] * by, end=values["end"] * by)
        return Node(name, tuple(sorted(values.items())))
    if name == "flatten" and bound[1:] == [("start_dim", 1)] and isinstance(values["self"], Node):
        first = extent(Node("shape", (values["self"],)), 0)
        return operation("reshape", (values["self"], (first, -1)), {})
    if name == "unsqueeze" and len(bound) == 2:
        return unsqueezed(values["self"], values["dim"])
    return Node(name, tuple(along(name, special(name, bound))))


def linear(node: Node) -> Any:
    """A product of matrices with the numbers of its factors before it."""
    if node.op not in ("matmul", "einsum"):
        return node
    factors = [scaled(each) for each in node.args]
    if all(factor is None for factor, _ in factors):
        return node
    rest = Node(node.op, tuple(each for _, each in factors))
    return flat("mul", (rest, *(factor for factor, _ in factors if factor is not None)))


def _arithmetic(value: Any) -> bool:
    return isinstance(value, (Node, int, float))


def special(name: str, bound: Bound) -> Bound:
    values = dict(bound)
    if name == "transpose" and len(bound) == 3 and all(is_number(value) for _, value in bound[1:]):
        dims = transposed(bound[0][1], *(value for _, value in bound[1:])).args[1]
        if (dims[1][0] < 0) == (dims[1][1] < 0):
            return [bound[0], dims]
    if "pool" in name and "stride" in values and spread(values["stride"]) == spread(values.get("kernel_size")):
        bound = [each for each in bound if each[0] != "stride"]
    return [(key, spread(value) if key in SPATIAL and "reshape" not in name else value) for key, value in bound]


def spread(value: Any) -> Any:
    if isinstance(value, tuple) and value and is_number(value[0]) and all(each == value[0] for each in value):
        return value[0]
    return value


def item(base: Any, index: Any) -> Any:
    if isinstance(base, tuple) and isinstance(index, int):
        return base[index]
    if isinstance(base, Node) and base.op == "shape" and type(index) is int:
        return extent(base, index)
    parts = list(index) if isinstance(index, tuple) and index[:1] != ("slice",) else [index]
    if parts.count("...") == 1:
        count = rank(base)
        if count is not None and all(_is_basic(each) for each in parts):
            at, missing = parts.index("..."), count + 1 - sum(each is not None for each in parts)
            parts[at : at + 1] = [FULL] * missing
    if "..." not in parts:
        while len(parts) > 1 and parts[-1] == FULL:
            parts.pop()
    if None in parts and all(part in (None, FULL, "...") for part in parts):
        # x[:, None] is unsqueeze(1); after an ellipsis dimensions count from the end.
        if "..." not in parts:
            for position, part in enumerate(parts):
                if part is None:
                    base = unsqueezed(base, position)
            return base
        if parts[0] == "..." and parts.count("...") == 1 and FULL not in parts:
            for _ in parts[1:]:
                base = unsqueezed(base, -1)
            return base
    return Node("getitem", (base, tuple(parts)))


def _is_basic(part: Any) -> bool:
    return part is None or part == "..." or type(part) is int or (isinstance(part, tuple) and part[:1] == ("slice",))


def cast(node: Any, dtype: Any) -> Any:
    return node if full_precision(dtype) else Node("to", (node, dtype))


def full_precision(dtype: Any) -> bool:
    """Full precision, or that of another value: the numbers are the same, and half precision where asked for is not."""
    if isinstance(dtype, Node):
        return dtype.op in ("dtype", "type")
    return dtype in ("dtype float32", "dtype float64")
