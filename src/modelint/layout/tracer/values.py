"""What a forward is run with: values that stand for tensors, numbers and sizes, and record what is done to them."""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterator
from typing import Any, Callable

import torch
import torch.fx

from .graph import Node

EMPTY = torch.empty(0, device="meta")
CPU = torch.device("cpu")


class Untraceable(TypeError):
    """The forward asks for something that only a real tensor has. A TypeError, so that ``(*shape, 1)`` takes a missing
    length for what it is."""


class Run:
    """What records: set by scopes.py while a forward runs. See there for the methods."""

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        raise NotImplementedError

    def decide(self, value: Any) -> bool:
        raise NotImplementedError

    def length(self, value: Any, known: int | None) -> int | None:
        raise NotImplementedError

    def unpacked(self, value: Any, count: int) -> None:
        raise NotImplementedError


class State:
    run: Any = None
    training = False


STATE = State()


def call(name: str, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> Any:
    if STATE.run is None:
        raise Untraceable("a value outlived its trace")
    return STATE.run.call(name, args, kwargs or {})


class Value:
    """``node`` is what it is now (an in-place operation changes it); ``owner`` the run that made it; ``base`` what it
    is a view of."""

    node: Any
    owner: Any
    base: Any = None


def look_ahead(depth: int) -> tuple[int, int] | None:
    """How many values the calling frame is about to unpack: (before, after) a starred name, or (n, -1)."""
    frame = sys._getframe(depth)
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back  # type: ignore[assignment]
    offset, code = frame.f_lasti, frame.f_code
    for instruction in instructions(code):
        if instruction[0] < offset:
            continue
        name = instruction[1]
        if name == "UNPACK_SEQUENCE":
            return (instruction[2], -1)
        if name == "UNPACK_EX":
            return (instruction[2] & 255, instruction[2] >> 8)
        if instruction[0] > offset and not name.startswith(("CALL", "PRECALL", "GET_ITER", "CACHE", "NOP", "EXTENDED")):
            return None
    return None


_decoded: dict[Any, list[tuple[int, str, int]]] = {}


def instructions(code: Any) -> list[tuple[int, str, int]]:
    found = _decoded.get(code)
    if found is None:
        found = _decoded[code] = [(each.offset, each.opname, each.arg or 0) for each in dis.get_instructions(code)]
    return found


class TensorValue(torch.Tensor, torch.fx.Proxy, Value):  # type: ignore[misc]
    """A real (empty, meta) tensor to isinstance and to torch's own argument checks; libraries that are careful with
    torch.fx see a Proxy."""

    #: The tensor it is, if it is one of the model's own: shape and dtype are known.
    own: Any = None
    #: How many items it has, if it stands for a sequence of them.
    count: int | None = None
    #: Whether it may be something else than a tensor: what an untraceable module returned.
    vague = False

    def __new__(cls, node: Node, owner: Any) -> Any:
        made = torch.Tensor._make_subclass(cls, EMPTY)
        made.node = node  # type: ignore[assignment]
        made.owner = owner
        return made

    def __init__(self, *args: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if self.vague and not name.startswith("__"):
            return call("attribute", (self, name))
        raise AttributeError(name)

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return torch_call(function, args, kwargs or {})

    def __iter__(self) -> Iterator[Any]:
        return iter(items(self, self.count))

    def __bool__(self) -> bool:
        return bool(STATE.run.decide(self))

    def __repr__(self, *, tensor_contents: Any = None) -> Any:  # type: ignore[override]
        return "<tensor>"

    def __format__(self, _: str) -> str:
        return "<tensor>"

    def __hash__(self) -> int:
        return id(self)

    def __len__(self) -> int:
        raise Untraceable("len() of a tensor")

    def _no(self, *_: Any) -> Any:
        raise Untraceable("the number in a tensor")

    __int__ = __index__ = __float__ = __complex__ = __array__ = _no

    def __deepcopy__(self, memo: Any) -> Any:
        return call("clone", (self,))

    def __copy__(self) -> Any:
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return call("call value", (self, *args), kwargs)


def items(value: Any, known: int | None) -> list[Any]:
    """A value, unpacked: its items where their number is known or can be told from what follows, else one item that
    stands for all of them."""
    ahead = None if known is not None else look_ahead(2)
    count = known
    if ahead is not None:
        if ahead[1] >= 0:
            before, after = ahead
            rest = call("getitem", (value, slice(before, -after if after else None)))
            return (
                [value[index] for index in range(before)]
                + [splat(rest)]
                + [value[index - after] for index in range(after)]
            )
        count = ahead[0]
        STATE.run.unpacked(value, count)
    count = STATE.run.length(value, count)
    if count is None:
        return [splat(value)]
    return [value[index] for index in range(count)]


def splat(value: Any) -> Any:
    return call("each", (value,))


class Scalar(Value):
    """A number, a dtype, an unknown thing."""

    def __init__(self, node: Node, owner: Any) -> None:
        self.node = node
        self.owner = owner

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return torch_call(function, args, kwargs or {})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return call("attribute", (self, name))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return call("call value", (self, *args), kwargs)

    def __bool__(self) -> bool:
        return bool(STATE.run.decide(self))

    def __iter__(self) -> Iterator[Any]:
        return iter(items(self, None))

    def __getitem__(self, index: Any) -> Any:
        return call("getitem", (self, index))

    def __setitem__(self, index: Any, value: Any) -> None:
        call("setitem", (self, index, value))

    def __contains__(self, other: Any) -> bool:
        return bool(call("contains", (self, other)))

    def __repr__(self) -> str:
        return "<value>"

    def __hash__(self) -> int:
        return id(self)

    def __format__(self, _: str) -> str:
        return "<value>"

    def __len__(self) -> int:
        raise Untraceable("len() of a value")

    def __int__(self) -> int:
        raise Untraceable("int() of a value")

    def __float__(self) -> float:
        raise Untraceable("float() of a value")

    def __index__(self) -> int:
        raise Untraceable("a value as an index")

    def __array_ufunc__(self, function: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        return call("numpy." + function.__name__, args)


class Sizes(tuple, Value):  # type: ignore[type-arg]
    """``x.shape``: a tuple whose length is not known; its only item stands for all of them."""

    def __new__(cls, node: Node, owner: Any) -> Any:
        star = Scalar(Node("each", (node,)), owner)
        made = super().__new__(cls, (star,))
        made.node = node
        made.owner = owner
        return made

    def __getitem__(self, index: Any) -> Any:
        return call("getitem", (self, index))

    def __iter__(self) -> Iterator[Any]:
        return iter(items(self, None))

    def __len__(self) -> int:
        raise Untraceable("len() of a shape")

    def __eq__(self, other: Any) -> Any:
        return call("eq", (self, other))

    def __ne__(self, other: Any) -> Any:
        return call("ne", (self, other))

    def __hash__(self) -> int:
        return id(self)

    def __add__(self, other: Any) -> Any:
        return (splat(self), *other)

    def __radd__(self, other: Any) -> Any:
        return (*other, splat(self))

    def __contains__(self, other: Any) -> bool:
        return bool(call("contains", (self, other)))

    def numel(self) -> Any:
        return call("numel of size", (self,))


BINARY = (
    "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift divmod eq ne lt le gt ge "
    "iadd isub imul itruediv ifloordiv imod ipow imatmul iand ior ixor "
    "radd rsub rmul rtruediv rfloordiv rmod rpow rmatmul rand ror rxor"
).split()
UNARY = "neg pos abs invert ceil floor trunc round".split()


def _binary(name: str) -> Callable[..., Any]:
    name = {"rand": "and", "ror": "or", "rxor": "xor"}.get(name, name)

    def method(self: Any, other: Any) -> Any:
        return call(name, (self, other))

    return method


def _inplace(name: str) -> Callable[..., Any]:
    def method(self: Any, other: Any) -> Any:
        return call(name[1:] + "_", (self, other))

    return method


def _unary(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any) -> Any:
        return call(name, (self, *args))

    return method


def _named(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return call(name, (self, *args), kwargs)

    method.__name__ = name
    return method


#: What stays as torch.Tensor (or Python) has it.
KEPT = frozenset("as_subclass register_hook retain_grad backward storage untyped_storage".split())


def _getter(name: str) -> Any:
    return property(lambda self: call("get " + name, (self,)), lambda self, value: call("set " + name, (self, value)))


def _complete() -> None:
    for name in BINARY:
        setattr(Scalar, f"__{name}__", _binary(name) if name[0] != "i" or name == "invert" else _binary(name[1:]))
        inplace = name[0] == "i"
        setattr(TensorValue, f"__{name}__", _inplace(name) if inplace else _binary(name))
    for name in UNARY:
        setattr(Scalar, f"__{name}__", _unary(name))
        setattr(TensorValue, f"__{name}__", _unary(name))
    for name in ("getitem", "setitem", "contains"):
        setattr(TensorValue, f"__{name}__", _named(name))
    for name in dir(torch.Tensor):
        if name.startswith("__") or name in KEPT or name in TensorValue.__dict__:
            continue
        kind = type(getattr(torch.Tensor, name))
        if kind.__name__ in ("getset_descriptor", "property"):
            setattr(TensorValue, name, _getter(name))
        elif callable(getattr(torch.Tensor, name)) and not name.startswith("_"):
            setattr(TensorValue, name, _named(name))


_complete()

_names: dict[Any, str] = {}
PREFIXES = {"linalg": "linalg.", "fft": "fft.", "special": "special_", "sparse": "sparse."}


def torch_call(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    try:
        name = _names.get(function)
    except TypeError:
        name = None
    if name is None:
        name = str(getattr(function, "__name__", None) or getattr(function, "_qualified_op_name", function))
        if name == "__get__":
            name = "get " + str(getattr(function.__self__, "__name__", "?"))
        for prefix, text in PREFIXES.items():
            if name.startswith(prefix + "_") or str(getattr(function, "__module__", "")).endswith("_C._" + prefix):
                name = text + (name[len(prefix) + 1 :] if name.startswith(prefix + "_") else name)
        if name.startswith("__") and name.endswith("__"):
            name = name[2:-2]
            if name in BINARY and name[0] == "i":
                name = name[1:] + "_"
        _names[function] = name
    return call(name, tuple(args), kwargs)
