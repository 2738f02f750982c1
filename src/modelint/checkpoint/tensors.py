"""The functions by which torch rebuilds tensors from a pickle, read as what they would give.

A function that is not known, and is named like one, gives a tensor of unknown shape: its key is never dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from modelint.checkpoint import dtypes, limits
from modelint.checkpoint.contents import Refused, Stored
from modelint.checkpoint.facts import BadShape
from modelint.checkpoint.nodes import items_of
from modelint.checkpoint.pickle_values import Call, Global, Persistent, TupleNode
from modelint.keys.table import Kind, TensorSpec


class Storage(NamedTuple):
    """Where the numbers of a tensor are: the name of the storage, the dtype that it says, where a view of it begins."""

    name: str
    #: "" for bytes without a dtype.
    dtype: str
    #: In elements; only in files of old versions, which saved views of storages.
    offset: int = 0


#: Storage class -> dtype.
STORAGES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "QInt8Storage": "qint8",
    "QUInt8Storage": "quint8",
    "QInt32Storage": "qint32",
    "QUInt4x2Storage": "quint4x2",
    "QUInt2x4Storage": "quint2x4",
    "UntypedStorage": "",
    "_UntypedStorage": "",
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


class Tensors:
    """Reads the tensors of one file, and keeps what their storages say of themselves."""

    def __init__(self, resolve: Callable[[object], Storage | None] | None = None) -> None:
        #: Storage -> the bytes that its first mention says it has; None where the dtype is not known.
        self.declared: dict[str, int | None] = {}
        #: Storage -> the bytes of one of its elements, where that is known.
        self.widths: dict[str, int] = {}
        self.bad: list[BadShape] = []
        self._resolve = resolve or self.storage_of
        self._count = 0
        self._depth = 0
        self._numbers: dict[tuple[int, ...], tuple[int, ...]] = {}
        self._specs: dict[tuple[str, tuple[int, ...]], TensorSpec] = {}
        self._dense = {
            "_rebuild_tensor": self._plain,
            "_rebuild_tensor_v2": self._plain,
            "_rebuild_tensor_v3": self._typed,
        }
        self._others: dict[str, Callable[[tuple[object, ...]], Stored]] = {
            "_rebuild_qtensor": self._quantized,
            "_rebuild_sparse_tensor": self._sparse,
            "_rebuild_sparse_csr_tensor": self._sparse,
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
        last = function.name.rpartition(".")[2]
        if last.startswith("_rebuild_"):
            return True
        return function.module.startswith("torch") and last in _PARAMETERS

    def read(self, node: object, key: str, kind: Kind = "unknown") -> Stored:
        """The tensor that ``is_tensor`` saw. Raises Refused if there are too many of them."""
        self._begin(key)
        return self._read(node, kind)

    def _begin(self, key: str) -> None:
        self._count += 1
        if self._count > limits.TENSORS:
            raise Refused(f"holds more than {limits.TENSORS:,} tensors; modelint reads no more")
        self._key = key

    def _read(self, node: object, kind: Kind) -> Stored:
        # Tensors can hold tensors: values and indices, what was moved to a device.
        self._depth += 1
        try:
            return self._inner(node, kind) if self._depth < 8 else _UNKNOWN
        finally:
            self._depth -= 1

    def _inner(self, node: object, kind: Kind) -> Stored:
        subclass = ""
        # A parameter of a subclass of a subclass: a handful of steps, and no more than that whatever the file says.
        for _ in range(8):
            if not isinstance(node, Call):
                break
            args = node.args if isinstance(node.args, TupleNode) else ()
            name = node.name.rpartition(".")[2]
            if name in ("_rebuild_parameter", "_rebuild_parameter_with_state"):
                kind = "parameter" if kind == "unknown" else kind
                node = args[0] if args else None
            elif name in ("_rebuild_from_type_v2", "_rebuild_from_type") and len(args) > 2:
                subclass = subclass or _subclass(args[1])
                node = Call(args[0], args[2])
            elif name in _PARAMETERS:
                kind = _PARAMETERS[name] if kind == "unknown" else kind
                if not name.startswith("Uninitialized") and args and self.is_tensor(args[0]):
                    node = args[0]
                else:
                    return _of_kind(_UNKNOWN, kind)
            else:
                return _of_kind(self._rebuilt(name, args, subclass), kind)
        return _of_kind(_UNKNOWN._replace(form=subclass), kind)

    def _rebuilt(self, name: str, args: tuple[object, ...], subclass: str) -> Stored:
        dense = self._dense.get(name)
        if dense is not None and len(args) >= 4:
            stored = dense(args)
        elif name in self._others:
            try:
                stored = self._others[name](args)
            except IndexError:
                stored = _UNKNOWN._replace(form=f"rebuilt by {name}")
        else:
            stored = self._unknown(name, args)
        return stored._replace(form=subclass) if subclass and not stored.form else stored

    # One method for each function; ``args`` as in torch/_utils.py.

    def _plain(self, args: tuple[object, ...], dtype: str = "") -> Stored:
        where = self._resolve(args[0])
        if where is None:
            return self._shaped(dtype or dtypes.UNKNOWN, args[2], args[3])
        dtype = dtype or where.dtype or dtypes.UNKNOWN
        stored = self._shaped(dtype, args[2], args[3])
        offset = args[1]
        if type(offset) is not int or not 0 <= offset < limits.NUMBER:
            self._complain(stored.spec.shape or (), f"its offset is {_shown(offset)}")
            return stored._replace(storage=where.name, stride=None)
        return Stored(stored.spec, where.name, offset + where.offset, stored.stride)

    def _typed(self, args: tuple[object, ...]) -> Stored:
        return self._plain(args, dtype_of(args[6]) if len(args) > 6 else dtypes.UNKNOWN)

    def _quantized(self, args: tuple[object, ...]) -> Stored:
        return self._plain(args)._replace(form="quantized")

    def _sparse(self, args: tuple[object, ...]) -> Stored:
        data = items_of(args[1]) or ()
        # indices, values, size, is_coalesced; or two kinds of indices, values, size.
        values, size = (data[1], data[2]) if _layout(args[0]) == "torch.sparse_coo" else (data[2], data[3])
        return self._shaped(self._dtype_of_tensor(values), size, None)._replace(form="sparse")

    def _nested(self, args: tuple[object, ...]) -> Stored:
        return Stored(TensorSpec(self._dtype_of_tensor(args[0]), None), form="nested")

    def _meta(self, args: tuple[object, ...]) -> Stored:
        return self._shaped(dtype_of(args[0]), args[1], args[2])

    def _wrapper(self, args: tuple[object, ...]) -> Stored:
        form = _subclass(args[0])
        return self._shaped(dtype_of(args[1]), args[2], args[3])._replace(form=form or "subclass")

    def _moved(self, args: tuple[object, ...]) -> Stored:
        if not self.is_tensor(args[0]):
            return Stored(TensorSpec(dtype_of(args[1]), None))
        stored = self._read(args[0], "unknown")
        return stored._replace(spec=stored.spec._replace(dtype=dtype_of(args[1])))

    def _unknown(self, name: str, args: tuple[object, ...]) -> Stored:
        form = "nested" if name == "_rebuild_njt" else f"rebuilt by {name[:100]}"
        where = self._resolve(args[0]) if args else None
        if where is None:
            return _UNKNOWN._replace(form=form)
        return Stored(TensorSpec(where.dtype or dtypes.UNKNOWN, None), where.name, form=form)

    # Their parts.

    def _dtype_of_tensor(self, node: object) -> str:
        return self._read(node, "unknown").spec.dtype if self.is_tensor(node) else dtypes.UNKNOWN

    def storage_of(self, node: object) -> Storage | None:
        """The storage of a persistent id: ("storage", class, name, device, elements, view of another or None)."""
        if type(node) is not Persistent or not isinstance(node.id, TupleNode):
            return None
        items = node.id
        if len(items) < 5 or items[0] != "storage" or not isinstance(items[1], Global):
            return None
        name, elements = items[2], items[4]
        if type(name) is int:
            name = str(name)
        if type(name) is not str or len(name) > limits.NAME:
            return None
        dtype = STORAGES.get(items[1].name.rpartition(".")[2], dtypes.UNKNOWN)
        self.declare(name, dtype, elements)
        offset = 0
        if len(items) > 5 and isinstance(items[5], TupleNode) and len(items[5]) == 3:
            offset = items[5][1] if type(items[5][1]) is int and 0 <= items[5][1] < limits.NUMBER else 0
        return Storage(name, dtype, offset)

    def declare(self, name: str, dtype: str, elements: object) -> None:
        """A storage is mentioned; the first mention counts, as for torch."""
        if name in self.declared:
            return
        bits = 8 if dtype == "" else dtypes.BITS.get(dtype)
        if bits is None:
            self.declared[name] = None
            return
        self.widths[name] = bits // 8
        known = type(elements) is int and 0 <= elements < limits.NUMBER
        self.declared[name] = elements * bits // 8 if known else None  # type: ignore[operator]

    def declare_all(self, persistents: Iterable[Persistent]) -> None:
        """All storages that a pickle mentions, those of no tensor too."""
        for each in persistents:
            self.storage_of(each)

    def _shaped(self, dtype: str, size: object, stride: object) -> Stored:
        shape = self._tuple(size)
        if shape is None:
            self._complain(_plain_numbers(size), "its sizes are no such numbers as a tensor can have")
            return Stored(TensorSpec(dtype, None))
        spec = self._specs.get((dtype, shape))
        if spec is None:
            spec = self._specs[dtype, shape] = TensorSpec(dtype, shape)
        strides = None if stride is None else self._tuple(stride)
        if stride is not None and (strides is None or len(strides) != len(shape)):
            self._complain(shape, "its strides are not one number for each dimension")
            strides = None
        return Stored(spec, None, 0, strides)

    def _tuple(self, node: object) -> tuple[int, ...] | None:
        if type(node) is Call and node.name == "torch.Size":
            node = node.args[0] if isinstance(node.args, TupleNode) and node.args else None
        items = items_of(node)
        if items is None or len(items) > limits.DIMENSIONS:
            return None
        for item in items:
            if type(item) is not int or not 0 <= item < limits.NUMBER:
                return None
        numbers: tuple[int, ...] = tuple(items)  # type: ignore[arg-type]
        return self._numbers.setdefault(numbers, numbers)

    def _complain(self, shape: tuple[int, ...], why: str) -> None:
        if self.bad and len(self.bad) >= 1000:
            self.bad[-1] = self.bad[-1]._replace(others=self.bad[-1].others + 1)
        else:
            self.bad.append(BadShape(self._key, shape, why))


#: Classes that are called with a tensor, or, where they have no shape yet, without -> the kind they are.
_PARAMETERS: dict[str, Kind] = {
    "Parameter": "parameter",
    "Variable": "unknown",
    "Buffer": "buffer",
    "UninitializedParameter": "parameter",
    "UninitializedBuffer": "buffer",
}


def dtype_of(node: object) -> str:
    """The dtype that ``torch.float32`` names in a pickle."""
    if not isinstance(node, Global) or node.module != "torch":
        return dtypes.UNKNOWN
    name = _ALIASES.get(node.name, node.name)
    return name if name in dtypes.BITS else dtypes.UNKNOWN


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


def _shown(value: object) -> str:
    return str(value) if type(value) is int and abs(value) < limits.NUMBER else "no number that fits"
