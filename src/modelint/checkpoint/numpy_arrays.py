"""Arrays of numpy in a pickle: dtype, shape, and how many bytes there are."""

from __future__ import annotations

from typing import NamedTuple

from modelint.checkpoint import dtypes
from modelint.checkpoint.pickle_values import Blob, Call, TupleNode

#: numpy's letters -> dtype.
_DTYPES = {
    "b1": "bool",
    "?": "bool",
    "i1": "int8",
    "i2": "int16",
    "i4": "int32",
    "i8": "int64",
    "u1": "uint8",
    "u2": "uint16",
    "u4": "uint32",
    "u8": "uint64",
    "f2": "float16",
    "f4": "float32",
    "f8": "float64",
    "c8": "complex64",
    "c16": "complex128",
}


class Array(NamedTuple):
    """An array of numbers: the node of its shape, the bytes of an element, those in the file if they are known."""

    dtype: str
    shape: object
    width: int
    bytes: int | None


def array_of(node: object) -> Array | None:
    """The array that a load would make; None for what is none, and for arrays of text or objects."""
    if type(node) is not Call or not node.name.startswith("numpy"):
        return None
    args = node.args if isinstance(node.args, TupleNode) else TupleNode()
    name, shape, data = node.name, None, None
    if name.endswith("multiarray._reconstruct") and isinstance(node.state, TupleNode) and len(node.state) >= 5:
        # version, shape, dtype, in Fortran's order, data
        _, shape, described, _, data = node.state[:5]
    elif name.endswith("numeric._frombuffer") and len(args) >= 3:
        data, described, shape = args[:3]
    else:
        return None
    dtype = _dtype(described)
    return None if dtype is None else Array(dtype, shape, dtypes.BITS[dtype] // 8, _size(data))


def _dtype(node: object) -> str | None:
    if (
        not isinstance(node, Call)
        or node.name != "numpy.dtype"
        or not isinstance(node.args, TupleNode)
        or not node.args
    ):
        return None
    letters = node.args[0]
    return _DTYPES.get(letters.lstrip("<>|=")) if isinstance(letters, str) else None


def _size(data: object) -> int | None:
    if isinstance(data, Blob):
        return None if data.text else data.size
    if isinstance(data, bytes | str):
        return len(data)
    if isinstance(data, Call) and data.name == "_codecs.encode" and isinstance(data.args, TupleNode) and data.args:
        text = data.args[0]
        return len(text) if isinstance(text, str) else None
    return None
