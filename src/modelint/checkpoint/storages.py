"""The storages that a pickle mentions: where the numbers of tensors stand, outside of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from modelint.checkpoint import dtypes, limits
from modelint.checkpoint.pickle_values import Global, Persistent, TupleNode


class Odd(Exception):
    """Something that no version of torch takes, in a few words. ``shape``: as the file has it, if that is odd."""

    def __init__(self, why: str, shape: tuple[int, ...] | None = None) -> None:
        super().__init__(why)
        self.shape = shape


class Storage(NamedTuple):
    """Its name in the file, the dtype that it says, where a view of it begins."""

    name: str
    #: "" for bytes without a dtype.
    dtype: str
    #: In elements; only in files of old versions, which saved views of storages.
    offset: int = 0


#: Class -> dtype.
_CLASSES = {
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
    # torch has this one for float32.
    "Storage": "float32",
    "UntypedStorage": "",
    "_UntypedStorage": "",
}


class Storages:
    """Those of one file. ``lengths``: how many items a persistent id may have in its format."""

    def __init__(self, lengths: tuple[int, ...] = (5,)) -> None:
        #: Storage -> the bytes that its first mention says it has.
        self.declared: dict[str, int] = {}
        #: Storage -> the bytes of one of its elements.
        self.widths: dict[str, int] = {}
        self._lengths = lengths
        self._known: dict[int, Storage] = {}

    def declare_all(self, persistents: Iterable[Persistent]) -> str:
        """All that a pickle mentions, those of no tensor too. What is odd about one of them, if anything is.

        They have to be kept as long as this is asked for one of them.
        """
        odd = ""
        for each in persistents:
            if each.named is None:
                try:
                    self._known[id(each)] = self.of(each)
                except Odd as found:
                    odd = odd or str(found)
        return odd

    def of(self, node: object) -> Storage:
        """The storage of a persistent id: ("storage", class, name, device, elements, view of another or None).

        Raises Odd for what is none.
        """
        known = self._known.get(id(node))
        if known is not None:
            return known
        if type(node) is not Persistent:
            raise Odd("it has no storage")
        items = node.id
        if not isinstance(items, TupleNode) or len(items) not in self._lengths or items[0] != "storage":
            raise Odd("what stands for its storage is not what torch writes")
        dtype = _CLASSES.get(items[1].name.rpartition(".")[2]) if isinstance(items[1], Global) else None
        if dtype is None:
            raise Odd("its storage is of a class that torch does not have")
        name, elements = items[2], items[4]
        if type(name) is int and 0 <= name < limits.NUMBER:
            name = str(name)
        if type(name) is not str or len(name) > limits.NAME:
            raise Odd("its storage is named by something that is no name")
        self.declare(name, dtype, elements)
        return Storage(name, dtype, _offset(items[5]) if len(items) > 5 else 0)

    def declare(self, name: str, dtype: str, elements: object) -> None:
        """A storage is mentioned; the first mention counts, as for torch. Raises Odd."""
        if name in self.declared:
            return
        if type(elements) is not int or not 0 <= elements < limits.NUMBER:
            raise Odd("its storage has no number of elements")
        width = dtypes.BITS[dtype] // 8 if dtype else 1
        self.widths[name] = width
        self.declared[name] = elements * width


def _offset(view: object) -> int:
    """Where a view begins: (name, offset, elements)."""
    if view is None:
        return 0
    if not isinstance(view, TupleNode) or len(view) != 3 or type(view[0]) is not str:
        raise Odd("the view of its storage is not what torch wrote")
    _, offset, elements = view
    for number in (offset, elements):
        if type(number) is not int or not 0 <= number < limits.NUMBER:
            raise Odd("the view of its storage has no numbers")
    return offset if type(offset) is int else 0
