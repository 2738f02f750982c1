"""The functions by which torch rebuilds tensors from a pickle, read as what they would give.

A function that is not known, and is named like one, gives a tensor of unknown shape: its key is never dropped. Neither
is a key whose function is known, and given what torch would not take: that is a fact of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NoReturn

from modelint.checkpoint import dtypes, limits
from modelint.checkpoint.contents import Refused, Stored
from modelint.checkpoint.facts import BadShape, BadTensor
from modelint.checkpoint.nodes import items_of
from modelint.checkpoint.pickle_values import Call, Global, TupleNode
from modelint.checkpoint.storages import Odd, Storage, Storages
from modelint.keys.table import Kind, TensorSpec

#: Functions of torch -> how many arguments they take, at least and at most.
_ARGUMENTS = {
    "_rebuild_tensor": (4, 4),
    "_rebuild_tensor_v2": (6, 7),
    "_rebuild_tensor_v3": (7, 8),
    "_rebuild_parameter": (3, 3),
    "_rebuild_parameter_with_state": (4, 4),
    "_rebuild_from_type": (4, 4),
    "_rebuild_from_type_v2": (4, 4),
    "_rebuild_qtensor": (7, 7),
    "_rebuild_sparse_tensor": (2, 2),
    "_rebuild_nested_tensor": (4, 4),
    "_rebuild_meta_tensor_no_storage": (4, 4),
    "_rebuild_wrapper_subclass": (8, 8),
    "_rebuild_device_tensor_from_cpu_tensor": (4, 4),
    "_rebuild_device_tensor_from_numpy": (4, 4),
    "_rebuild_xla_tensor": (4, 4),
}

#: Classes that are called with a tensor, or, where they have no shape yet, without -> the kind they are.
_PARAMETERS: dict[str, Kind] = {
    "Parameter": "parameter",
    "Variable": "unknown",
    "Buffer": "buffer",
    "UninitializedParameter": "parameter",
    "UninitializedBuffer": "buffer",
}

#: Second names of dtypes.
_ALIASES = {
    "half": "float16",
    "float": "float32",
    "double": "float64",
    "short": "int16",
    "int": "int32",
    "long": "int64",
    "chalf": "complex32",
    "cfloat": "complex64",
    "cdouble": "complex128",
}

_UNKNOWN = Stored(TensorSpec(dtypes.UNKNOWN, None))
#: Tensors in tensors: values and indices of sparse ones, parameters of subclasses of subclasses.
_NESTED = 8
#: Shapes that are shared between tensors, and the largest number in one: larger ones can be made to hash alike.
_SHARED = 1000
_LARGEST = 1 << 40
_TOLD = 1000


class Tensors:
    """Reads the tensors of one file."""

    def __init__(self, storages: Storages, resolve: Callable[[object], Storage] | None = None) -> None:
        self.storages = storages
        #: What is odd about some of them: BadShape and BadTensor.
        self.bad: list[BadShape | BadTensor] = []
        self._resolve = resolve or storages.of
        self._rebuilds: dict[Global, bool] = {}
        self._count = 0
        self._depth = 0
        self._numbers: dict[tuple[int, ...], tuple[int, ...]] = {}
        self._specs: dict[tuple[str, tuple[int, ...]], TensorSpec] = {}
        self._functions: dict[str, Callable[[tuple[object, ...]], Stored]] = {
            "_rebuild_tensor": self._dense,
            "_rebuild_tensor_v2": self._dense,
            "_rebuild_tensor_v3": self._typed,
            "_rebuild_qtensor": self._quantized,
            "_rebuild_sparse_tensor": self._sparse,
            "_rebuild_nested_tensor": self._nested,
            "_rebuild_meta_tensor_no_storage": self._meta,
            "_rebuild_wrapper_subclass": self._wrapper,
            "_rebuild_device_tensor_from_cpu_tensor": self._moved,
            "_rebuild_device_tensor_from_numpy": self._moved,
            "_rebuild_xla_tensor": self._moved,
        }

    def is_tensor(self, node: object) -> bool:
        """Whether a load would make a tensor of it."""
        if type(node) is not Call:
            return False
        function = node.function
        if type(function) is not Global:
            return False
        known = self._rebuilds.get(function)
        if known is None:
            known = function.last.startswith("_rebuild_") or (
                function.module.startswith("torch") and function.last in _PARAMETERS
            )
            self._rebuilds[function] = known
        return known

    def read(self, node: object, key: str, kind: Kind = "unknown") -> Stored:
        """The tensor that ``is_tensor`` saw. Raises Refused if there are too many of them."""
        return self.guarded(partial(self._read, node, kind), key, kind)

    def guarded(self, read: Callable[[], Stored], key: str, kind: Kind) -> Stored:
        """What ``read`` gives; where that is odd, a tensor of which nothing is known, and a fact."""
        self._count += 1
        if self._count > limits.TENSORS:
            raise Refused(f"holds more than {limits.TENSORS:,} tensors; modelint reads no more")
        try:
            return read()
        except Odd as odd:
            self._depth = 0
            if len(self.bad) < _TOLD:
                why = str(odd)
                self.bad.append(BadTensor(key, why) if odd.shape is None else BadShape(key, odd.shape, why))
            return _of_kind(_UNKNOWN, kind)

    def _read(self, node: object, kind: Kind) -> Stored:
        self._depth += 1
        if self._depth > _NESTED:
            raise Odd("it is made of tensors that are made of tensors, and so on")
        stored = self._inner(node, kind)
        self._depth -= 1
        return stored

    def _inner(self, node: object, kind: Kind) -> Stored:
        subclass = ""
        for _ in range(_NESTED):
            if not isinstance(node, Call):
                raise Odd("it is made from what is no tensor")
            name = node.last
            args = _arguments(node, name)
            if name in ("_rebuild_parameter", "_rebuild_parameter_with_state"):
                kind = "parameter" if kind == "unknown" else kind
                node = args[0]
            elif name in ("_rebuild_from_type_v2", "_rebuild_from_type"):
                subclass = subclass or _subclass(args[1])
                inner = items_of(args[2])
                if inner is None:
                    _wrong(node)
                node = Call(args[0], TupleNode(inner))
            elif name in _PARAMETERS:
                kind = _PARAMETERS[name] if kind == "unknown" else kind
                if name.startswith("Uninitialized") or not args or not self.is_tensor(args[0]):
                    return _of_kind(_UNKNOWN, kind)
                node = args[0]
            else:
                read = self._functions.get(name)
                stored = self._unknown(name, args) if read is None else read(args)
                return _of_kind(stored._replace(form=subclass) if subclass and not stored.form else stored, kind)
        raise Odd("it is a parameter of a parameter, and so on")

    # One method for each function; ``args`` as in torch/_utils.py.

    def _dense(self, args: tuple[object, ...], dtype: str = "") -> Stored:
        where = self._resolve(args[0])
        offset = args[1]
        if type(offset) is not int or not 0 <= offset < limits.NUMBER:
            raise Odd("its offset in its storage is no such number")
        # Bytes without a dtype are those of uint8.
        spec, stride = self._shaped(dtype or where.dtype or "uint8", args[2], args[3])
        return Stored(spec, where.name, offset + where.offset, stride)

    def _typed(self, args: tuple[object, ...]) -> Stored:
        return self._dense(args, dtype_of(args[6]))

    def _quantized(self, args: tuple[object, ...]) -> Stored:
        return self._dense(args)._replace(form="quantized")

    def _sparse(self, args: tuple[object, ...]) -> Stored:
        data = items_of(args[1]) or ()
        if not 3 <= len(data) <= 4:
            raise Odd("a sparse tensor without its parts")
        # indices, values, size, is_coalesced; or two kinds of indices, values, size.
        values, size = (data[1], data[2]) if _layout(args[0]) == "torch.sparse_coo" else (data[-2], data[-1])
        return Stored(self._shaped(self._read(values, "unknown").spec.dtype, size)[0], form="sparse")

    def _nested(self, args: tuple[object, ...]) -> Stored:
        return Stored(TensorSpec(self._read(args[0], "unknown").spec.dtype, None), form="nested")

    def _meta(self, args: tuple[object, ...]) -> Stored:
        spec, stride = self._shaped(dtype_of(args[0]), args[1], args[2])
        return Stored(spec, stride=stride)

    def _wrapper(self, args: tuple[object, ...]) -> Stored:
        spec, stride = self._shaped(dtype_of(args[1]), args[2], args[3])
        return Stored(spec, stride=stride, form=_subclass(args[0]) or "subclass")

    def _moved(self, args: tuple[object, ...]) -> Stored:
        dtype = dtype_of(args[1])
        if not self.is_tensor(args[0]):
            # An array of numpy.
            return Stored(TensorSpec(dtype, None))
        stored = self._read(args[0], "unknown")
        return Stored(stored.spec._replace(dtype=dtype))

    def _unknown(self, name: str, args: tuple[object, ...]) -> Stored:
        form = "nested" if name == "_rebuild_njt" else f"rebuilt by {name[:100]}"
        try:
            where = self._resolve(args[0]) if args else None
        except Odd:
            where = None
        if where is None:
            return _UNKNOWN._replace(form=form)
        return Stored(TensorSpec(where.dtype or dtypes.UNKNOWN, None), where.name, form=form)

    # Their parts.

    def _shaped(self, dtype: str, size: object, stride: object = None) -> tuple[TensorSpec, tuple[int, ...] | None]:
        shape = self.numbers(size)
        if shape is None:
            raise Odd("its sizes are no numbers that a tensor can have", _plain_numbers(size))
        spec = self._specs.get((dtype, shape))
        if spec is None:
            spec = TensorSpec(dtype, shape)
            if shape in self._numbers:
                self._specs[dtype, shape] = spec
        strides = None if stride is None else self.numbers(stride)
        if stride is not None and (strides is None or len(strides) != len(shape)):
            raise Odd("its strides are not one number for each dimension", shape)
        return spec, strides

    def numbers(self, node: object) -> tuple[int, ...] | None:
        """Sizes or strides; None for what is none."""
        if type(node) is Call and node.name == "torch.Size":
            node = node.args[0] if isinstance(node.args, TupleNode) and node.args else None
        items = node if type(node) is TupleNode else items_of(node)
        if items is None or len(items) > limits.DIMENSIONS:
            return None
        largest = 0
        for item in items:
            if type(item) is not int or item < 0:
                return None
            if item > largest:
                largest = item
        if largest >= limits.NUMBER:
            return None
        found: tuple[int, ...] = tuple(items)  # type: ignore[arg-type]
        if largest > _LARGEST or len(self._numbers) > _SHARED:
            return found
        return self._numbers.setdefault(found, found)


def dtype_of(node: object) -> str:
    """The dtype that ``torch.float32`` names in a pickle. Raises Odd for what is none."""
    if not isinstance(node, Global) or node.module != "torch":
        raise Odd("its dtype is none")
    name = _ALIASES.get(node.name, node.name)
    return name if name in dtypes.BITS else dtypes.UNKNOWN


def _arguments(call: Call, name: str) -> tuple[object, ...]:
    """Those of a function of torch, as many as it takes. Raises Odd."""
    known = _ARGUMENTS.get(name)
    if not isinstance(call.args, TupleNode):
        if known:
            _wrong(call)
        return ()
    if known and (not known[0] <= len(call.args) <= known[1] or call.kwargs is not None or call.state is not None):
        _wrong(call)
    return call.args


def _wrong(call: Call) -> NoReturn:
    raise Odd(f"{call.name[:100]} is not called as torch calls it")


def _of_kind(stored: Stored, kind: Kind) -> Stored:
    return stored if kind == "unknown" else stored._replace(spec=stored.spec._replace(kind=kind))


def _subclass(node: object) -> str:
    if not isinstance(node, Global) or node.said in ("torch.Tensor", "torch.nn.parameter.Parameter"):
        return ""
    name = node.name.rpartition(".")[2]
    if name in ("DTensor", "ShardedTensor"):
        return "sharded"
    return "nested" if name == "NestedTensor" else f"subclass {name[:100]}"


def _layout(node: object) -> object:
    """As ``torch.serialization._get_layout`` is called, or the name itself."""
    if isinstance(node, Call):
        return node.args[0] if isinstance(node.args, TupleNode) and node.args else None
    return node.said if isinstance(node, Global) else node


def _plain_numbers(node: object) -> tuple[int, ...]:
    items = items_of(node) or ()
    return tuple(item for item in items[:16] if type(item) is int and abs(item) < 1 << 64)
