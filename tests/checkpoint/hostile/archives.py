"""Zip archives written byte by byte: every field can lie."""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from hostile.assemble import state


class Entry(NamedTuple):
    """One record. What is None follows from the data; ``local_*`` stand in the local header where they differ."""

    name: bytes
    data: bytes
    method: int = 0
    flags: int = 0x800
    crc: int | None = None
    #: Sizes in the directory.
    packed: int | None = None
    size: int | None = None
    offset: int | None = None
    extra: bytes = b""
    local_name: bytes | None = None
    local_packed: int | None = None
    local_size: int | None = None
    local_flags: int | None = None
    local_method: int | None = None
    local_extra: bytes = b""
    local_extra_size: int | None = None
    signature: bytes = b"PK\x03\x04"
    #: After the data: a data descriptor, or anything.
    after: bytes = b""
    attributes: int = 0


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def packed(name: bytes, data: bytes, **fields: object) -> Entry:
    """A deflated entry."""
    fields = {"crc": zlib.crc32(data), "size": len(data)} | fields
    return Entry(name, deflated(data), method=8, **fields)  # type: ignore[arg-type]


class Directory(NamedTuple):
    """What the end of the archive says; None follows from the entries."""

    count: int | None = None
    size: int | None = None
    offset: int | None = None
    comment: bytes = b""
    comment_size: int | None = None
    #: Between the directory and its end: zip64 records.
    between: bytes = b""


def written(entries: list[Entry], end: Directory = Directory(), start: int = 0) -> bytes:  # noqa: B008
    """The archive; ``start`` is added to every offset, for what is put before it."""
    body, table = bytearray(), bytearray()
    for each in entries:
        place = start + len(body)
        crc = zlib.crc32(each.data) if each.crc is None else each.crc
        sizes = (
            len(each.data) if each.packed is None else each.packed,
            len(each.data) if each.size is None else each.size,
        )
        local_sizes = (
            sizes[0] if each.local_packed is None else each.local_packed,
            sizes[1] if each.local_size is None else each.local_size,
        )
        name = each.name if each.local_name is None else each.local_name
        flags = each.flags if each.local_flags is None else each.local_flags
        method = each.method if each.local_method is None else each.local_method
        extra_size = len(each.local_extra) if each.local_extra_size is None else each.local_extra_size
        body += each.signature
        body += struct.pack("<HHHHHIIIHH", 20, flags, method, 0, 33, crc, *local_sizes, len(name), extra_size)
        body += name + each.local_extra + each.data + each.after
        table += b"PK\x01\x02"
        table += struct.pack("<HHHHHHIII", 20, 20, each.flags, each.method, 0, 33, crc, *sizes)
        table += struct.pack("<HHHHHII", len(each.name), len(each.extra), 0, 0, 0, each.attributes,
                             place if each.offset is None else each.offset)  # fmt: skip
        table += each.name + each.extra
    count = len(entries) if end.count is None else end.count
    size = len(table) if end.size is None else end.size
    offset = start + len(body) if end.offset is None else end.offset
    comment_size = len(end.comment) if end.comment_size is None else end.comment_size
    tail = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, count & 0xFFFF, count & 0xFFFF, size, offset, comment_size)
    return bytes(body + table + end.between + tail + end.comment)


def records(pickle: bytes | None = None, root: bytes = b"archive", numel: int = 4) -> list[Entry]:
    """The records of a small torch file."""
    pickle = state() if pickle is None else pickle
    return [
        Entry(root + b"/data.pkl", pickle),
        Entry(root + b"/byteorder", b"little"),
        Entry(root + b"/data/0", bytes(4 * numel)),
        Entry(root + b"/version", b"3\n"),
    ]


def torch_zip(pickle: bytes | None = None, root: bytes = b"archive", numel: int = 4) -> bytes:
    return written(records(pickle, root, numel))


def zip64_end(entries: int, size: int, offset: int, locator: int, version: int = 45) -> bytes:
    """A zip64 end record, and the locator that says where it is."""
    record = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, version, version, 0, 0, entries, entries, size, offset)
    return record + b"PK\x06\x07" + struct.pack("<IQI", 0, locator, 1)
