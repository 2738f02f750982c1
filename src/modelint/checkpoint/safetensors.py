"""safetensors: eight bytes of length, a header of JSON, and the data, of which nothing is read.

The header is taken apart by patterns over its bytes, entry by entry: what it costs is bounded by the number of tensors,
however deep, long or odd the JSON is. What the format forbids (a name twice, holes, overlaps) is refused, also where
the safetensors library lets it pass.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from modelint.checkpoint import dtypes, regular
from modelint.checkpoint.contents import Contents, Refused, Root, Stored
from modelint.checkpoint.facts import BadShape, TrailingBytes, Truncated
from modelint.keys.table import TensorSpec

FORMAT = "safetensors"

#: The limit of the library.
MAX_HEADER = 100_000_000
MAX_TENSORS = 400_000
MAX_DIMENSIONS = 64
_MAX_KEY = 1 << 20
_PIECE = 1 << 20
_MAX_NUMBER = 2**64 - 1

DTYPES = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "U16": "uint16",
    "I16": "int16",
    "U32": "uint32",
    "I32": "int32",
    "U64": "uint64",
    "I64": "int64",
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
    "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F6_E2M3": "float6_e2m3",
    "F6_E3M2": "float6_e3m2",
    "F4": "float4_e2m1fn_x2",
}

_METADATA = b"__metadata__"
_SPACE = rb"[ \t\n\r]*+"
_STRING = rb'"((?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*+)"'
_NUMBER = rb"(?:0|[1-9][0-9]{0,19}+)"
_KEY = re.compile(_SPACE + _STRING + _SPACE + b":" + _SPACE)
_PAIR = re.compile(_SPACE + _STRING + _SPACE + b":" + _SPACE + _STRING + _SPACE)
_NEXT = re.compile(_SPACE + b"([,}])")
_END = re.compile(_SPACE + rb"\Z")
#: An entry as every writer writes it, Python's json among them, with its name and what stands behind it.
_ENTRY = re.compile(
    _SPACE
    + rb'"([^"\\\x00-\x1f]*+)": ?'
    + rb'\{"dtype": ?"([A-Z0-9_]{1,20})", ?"shape": ?\[(|%b(?:, ?%b)*+)\], ?"data_offsets": ?\[(%b), ?(%b)\]\}'
    % ((_NUMBER,) * 4)
    + rb"([,}])"
)
#: Any other, with more spaces or in another order.
_OBJECT = re.compile(rb"\{[^{}]{0,20000}+\}")


class Entry(NamedTuple):
    """One tensor as the header has it: dtype in the format's words, offsets in bytes of the data."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


class Header(NamedTuple):
    """The header as a whole; ``length`` in bytes, with the eight before it."""

    entries: dict[str, Entry]
    #: How many pairs ``__metadata__`` has.
    metadata: int
    length: int


def read(path: str) -> Contents:
    """The contents of a safetensors file. Raises Refused where its header is not one, and OSError."""
    with regular.opened(path) as file:
        size = regular.size(file)
        found = header(regular.read(file, 0, 8), lambda length: regular.read(file, 8, length), size)
    _check_coverage(found.entries)
    data = size - found.length
    end = max((entry.end for entry in found.entries.values()), default=0)
    facts: list[object] = []
    if end > data:
        cut = tuple(key for key, entry in found.entries.items() if entry.end > data)
        facts.append(Truncated(size, found.length + end, cut))
    elif end < data:
        facts.append(TrailingBytes(data - end))
    # Not by the shape itself: of numbers that a file chooses, tuples without end have one hash.
    known: dict[tuple[str, int], tuple[Stored, int | None]] = {}
    tensors: dict[str, Stored] = {}
    misfits: list[BadShape] = []
    for key, entry in found.entries.items():
        dtype, shape, begin, end = entry
        each = known.get((dtype, id(shape)))
        if each is None:
            spec = _spec(entry)
            each = known[dtype, id(shape)] = Stored(spec), dtypes.size(spec.dtype, spec.shape)
        tensors[key], needs = each
        if needs is not None and needs != end - begin:
            said = tensors[key].spec.dtype
            why = f"{said} of this shape needs {needs} bytes, and the file has {end - begin}"
            misfits.append(BadShape(key, shape, why))
    if misfits:
        facts.append(misfits[0]._replace(others=len(misfits) - 1))
    entries = {"/__metadata__": f"dict of {found.metadata}"} if found.metadata else {}
    return Contents(path, FORMAT, (Root("/", tensors),), entries=entries, facts=tuple(facts), bytes=size)


def header(prefix: bytes, rest: Any, size: int) -> Header:
    """Parse the header of a file of ``size`` bytes; ``rest(length)`` gives the bytes behind the ``prefix`` of eight."""
    if len(prefix) < 8:
        raise Refused(f"truncated: a safetensors file begins with 8 bytes of length, and this one has {len(prefix)}")
    length = int.from_bytes(prefix, "little")
    if length > size - 8:
        raise Refused(f"truncated: its header should have {length} bytes, and {size - 8} follow; get the file anew")
    if length > MAX_HEADER:
        raise Refused(f"its header has {length} bytes; the safetensors format allows {MAX_HEADER}")
    data = rest(length)
    if len(data) < length:
        raise Refused("truncated while it was read; is it being written?")
    _check_text(data)
    entries, metadata = _parse(data)
    return Header(entries, metadata, 8 + length)


def _check_text(data: bytes) -> None:
    """Refuse what is not UTF-8; in pieces, for as text it may take four times as much memory."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for at in range(0, len(data), _PIECE):
            decoder.decode(data[at : at + _PIECE], final=at + _PIECE >= len(data))
    except UnicodeDecodeError:
        raise Refused("damaged safetensors header: it is not UTF-8") from None


def _parse(data: bytes) -> tuple[dict[str, Entry], int]:
    """The entries in the order of the header, and the number of pairs in ``__metadata__``."""
    if data[:1] != b"{":
        raise Refused("damaged safetensors header: it does not begin with '{'")
    entries: dict[str, Entry] = {}
    metadata: int | None = None
    shapes: dict[bytes, tuple[int, ...]] = {}
    names: dict[bytes, str] = {}
    mark = _NEXT.match(data, 1)
    at, last = (mark.end(), mark[1]) if mark is not None and mark[1] == b"}" else (1, b"")
    as_usual = _ENTRY.match
    while last != b"}":
        match = as_usual(data, at)
        if match is not None:
            raw, dtype, sizes, begin, end, behind = match.groups()
            if raw != _METADATA:
                key = _text(raw, at)
                at, last = match.end(), behind
                if (shape := shapes.get(sizes)) is None:
                    shape = shapes[sizes] = _checked(tuple(map(int, sizes.split(b","))) if sizes else (), key)
                if (name := names.get(dtype)) is None:
                    name = names[dtype] = dtype.decode("ascii")
                _add(entries, key, Entry(name, shape, int(begin), int(end)))
                continue
        key_match = _KEY.match(data, at)
        if key_match is None:
            raise _malformed(data, at, "a name was expected")
        key, at = _text(key_match[1], at), key_match.end()
        if key != _METADATA.decode():
            entry, at = _unusual(data, at, key)
            _add(entries, key, entry)
        elif metadata is None:
            metadata, at = _metadata(data, at)
        else:
            raise Refused("damaged safetensors header: it names '__metadata__' twice")
        mark = _NEXT.match(data, at)
        if mark is None:
            raise _malformed(data, at, "a comma or the end was expected")
        at, last = mark.end(), mark[1]
    if _END.match(data, at) is None:
        raise _malformed(data, at, "something stands behind its end")
    return entries, metadata or 0


def _add(entries: dict[str, Entry], key: str, entry: Entry) -> None:
    if not entry.begin <= entry.end <= _MAX_NUMBER:
        raise Refused(f"damaged safetensors header: {_short(key)} has the data offsets {entry.begin}, {entry.end}")
    if key in entries:
        raise Refused(f"damaged safetensors header: it names {_short(key)} twice, and which counts is not said")
    if len(entries) == MAX_TENSORS:
        raise Refused(f"it holds more than {MAX_TENSORS} tensors; modelint reads no more")
    entries[key] = entry


def _metadata(data: bytes, at: int) -> tuple[int, int]:
    """(number of pairs, place behind) of an object of strings, or of null."""
    if data.startswith(b"null", at):
        return 0, at + 4
    if data[at : at + 1] != b"{":
        raise _malformed(data, at, "__metadata__ is no object of strings")
    pairs, at = 0, at + 1
    mark = _NEXT.match(data, at)
    while mark is None or mark[1] != b"}":
        match = _PAIR.match(data, at)
        if match is None:
            raise _malformed(data, at, "__metadata__ is no object of strings")
        pairs += 1
        mark = _NEXT.match(data, match.end())
        if mark is None:
            raise _malformed(data, match.end(), "a comma or the end was expected")
        at = mark.end()
    return pairs, mark.end()


def _unusual(data: bytes, at: int, key: str) -> tuple[Entry, int]:
    """An entry that is not written as usual, and the place behind it."""
    match = _OBJECT.match(data, at)
    if match is None:
        raise _malformed(data, at, f"the entry of {_short(key)} is no object of dtype, shape and data_offsets")
    try:
        fields = json.loads(match[0], object_pairs_hook=_once, parse_float=_no_number, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise _malformed(data, at, f"the entry of {_short(key)} is not valid JSON") from None
    dtype, shape, offsets = (fields.get(name) for name in ("dtype", "shape", "data_offsets"))
    if not isinstance(dtype, str) or not _are_numbers(shape) or not _are_numbers(offsets) or len(offsets) != 2:
        raise _malformed(
            data, at, f"the entry of {_short(key)} needs a dtype, a shape and two data_offsets, none negative"
        )
    return Entry(dtype[:40], _checked(tuple(shape), key), *offsets), match.end()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError
    return fields


def _no_number(text: str) -> Any:
    raise ValueError


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(type(each) is int and 0 <= each <= _MAX_NUMBER for each in value)


def _checked(shape: tuple[int, ...], key: str) -> tuple[int, ...]:
    if len(shape) > MAX_DIMENSIONS:
        raise Refused(f"damaged safetensors header: {_short(key)} has {len(shape)} dimensions")
    if any(each > _MAX_NUMBER for each in shape):
        raise Refused(f"damaged safetensors header: {_short(key)} has a size of {max(shape)}")
    return shape


def _text(raw: bytes, at: int) -> str:
    """A JSON string without its quotes."""
    if len(raw) > _MAX_KEY:
        raise Refused(f"damaged safetensors header: a name of {len(raw)} bytes")
    try:
        if b"\\" not in raw:
            return raw.decode()
        text: str = json.loads(b'"' + raw + b'"')
        text.encode()  # half of a surrogate pair is no character
        return text
    except ValueError:
        raise Refused(f"damaged safetensors header: the name at byte {8 + at} is not valid text") from None


def _malformed(data: bytes, at: int, why: str) -> Refused:
    return Refused(f"damaged safetensors header: at byte {8 + at} of the file {why}")


def _short(key: str) -> str:
    return ascii(key if len(key) <= 80 else key[:77] + "...")


def _spec(entry: Entry) -> TensorSpec:
    """As torch names it. An unknown dtype stays as the file has it: a newer safetensors wrote it."""
    dtype, shape = DTYPES.get(entry.dtype, entry.dtype), entry.shape
    if entry.dtype == "F4" and shape and shape[-1] % 2 == 0:
        shape = (*shape[:-1], shape[-1] // 2)  # the file counts single values, torch counts pairs
    return TensorSpec(dtype, shape)


def _check_coverage(entries: dict[str, Entry]) -> None:
    """Without holes and overlaps, one tensor behind the other: that is what keeps a file from having two readings."""
    end = 0
    for _, _, begin, behind in entries.values():
        if begin != end:
            break
        end = behind
    else:
        return  # in the order of the file, as they nearly always are
    end, before = 0, ""
    for key, entry in _by_place(entries):
        if entry.begin != end:
            what = "overlaps" if entry.begin < end else "leaves a hole behind"
            after = _short(before) if before else "the header"
            raise Refused(
                f"damaged safetensors header: {_short(key)} begins at byte {entry.begin} of the data and {what} "
                f"{after}, which ends at {end}"
            )
        end, before = entry.end, key


def _by_place(entries: dict[str, Entry]) -> Iterator[tuple[str, Entry]]:
    yield from sorted(entries.items(), key=lambda item: item[1][2:])
