"""A program saved by ``torch.export.save`` (.pt2): a table in JSON says what each of its weights is."""

from __future__ import annotations

import json
from typing import Any

from modelint.checkpoint import damage, dtypes, limits
from modelint.checkpoint.archive import Archive
from modelint.checkpoint.contents import Contents, Refused, Root, Stored
from modelint.checkpoint.facts import TrailingBytes
from modelint.keys.table import Kind, TensorSpec

FORMAT = "torch.export"
_WEIGHTS = b"data/weights/"
_TABLE = b"weights_config.json"
_JSON = 64 << 20

#: The numbers of torch/_export/serde/schema.py.
_DTYPES = {
    1: "uint8",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    6: "float16",
    7: "float32",
    8: "float64",
    9: "complex32",
    10: "complex64",
    11: "complex128",
    12: "bool",
    13: "bfloat16",
    28: "uint16",
    29: "float8_e4m3fn",
    30: "float8_e5m2",
    31: "float8_e4m3fnuz",
    32: "float8_e5m2fnuz",
    33: "float8_e8m0fnu",
    34: "uint32",
    35: "uint64",
}


def tables(archive: Archive) -> list[bytes]:
    """The records that describe weights: one for each model of the archive."""
    return [name for name in archive.entries if name.startswith(_WEIGHTS) and name.endswith(_TABLE)]


def read(archive: Archive, path: str, size: int) -> Contents:
    """The contents of an archive that has such tables. Raises Refused."""
    names = tables(archive)
    roots = []
    for name in names[: limits.ROOTS]:
        label = name[len(_WEIGHTS) : -len(_TABLE)].decode("utf-8", "replace").rstrip("_")
        roots.append(Root("/" if len(names) == 1 else f"/{label}", _keys(archive, name)))
    declared: dict[str, int] = {}
    for root in roots:
        for stored in root.tensors.values():
            if stored.storage is not None:
                needs = damage.reach(stored)
                declared[stored.storage] = max(declared.get(stored.storage, 0), needs or 0)
    there = {}
    for storage in declared:
        entry = archive.find(_WEIGHTS + storage.encode("utf-8", "surrogatepass"))
        if entry is not None:
            there[storage] = archive.available(entry)
    facts = damage.records(roots, declared, there, lambda storage: f"data/weights/{storage}")
    if archive.trailing > 0:
        facts.append(TrailingBytes(archive.trailing))
    roots.sort(key=lambda root: -len(root.tensors))
    return Contents(path, FORMAT, tuple(roots), {}, there, (), tuple(facts), size)


def _keys(archive: Archive, name: bytes) -> dict[str, Stored]:
    data = archive.read(name, _JSON)
    # What json makes of it, in bytes, at most.
    archive.budget.keep(150 * (data.count(b"{") + data.count(b"[")) + 60 * data.count(b",") + len(data))
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise Refused(f"damaged: its table of weights, {name.decode('latin-1')!a}, is no JSON") from None
    table = document.get("config") if isinstance(document, dict) else None
    if not isinstance(table, dict):
        raise Refused("damaged: its table of weights has no weights")
    if len(table) > limits.TENSORS:
        raise Refused(f"holds more than {limits.TENSORS:,} tensors; modelint reads no more")
    return {key: _stored(entry) for key, entry in table.items()}


def _stored(entry: Any) -> Stored:
    if not isinstance(entry, dict):
        return Stored(TensorSpec(dtypes.UNKNOWN, None))
    is_param = entry.get("is_param")
    kind: Kind = "parameter" if is_param is True else "buffer" if is_param is False else "unknown"
    storage = entry.get("path_name")
    meta = entry.get("tensor_meta")
    if not isinstance(meta, dict):
        meta = {}
    number = meta.get("dtype")
    dtype = _DTYPES.get(number, dtypes.UNKNOWN) if type(number) is int else dtypes.UNKNOWN
    stride = _numbers(meta.get("strides"))
    shape = _numbers(meta.get("sizes"))
    offset = _number(meta.get("storage_offset"))
    if shape is None or stride is None or len(stride) != len(shape):
        stride = None
    if not isinstance(storage, str) or entry.get("use_pickle") is True:
        storage, stride = None, None
    return Stored(TensorSpec(dtype, shape, kind), storage, offset or 0, stride)


def _numbers(value: Any) -> tuple[int, ...] | None:
    if not isinstance(value, list) or len(value) > limits.DIMENSIONS:
        return None
    numbers = tuple(map(_number, value))
    return None if None in numbers else tuple(number for number in numbers if number is not None)


def _number(value: Any) -> int | None:
    """A size as the table has it: ``{"as_int": 3}``; symbols are not known."""
    found = value.get("as_int") if isinstance(value, dict) else None
    return found if type(found) is int and 0 <= found < limits.NUMBER else None
