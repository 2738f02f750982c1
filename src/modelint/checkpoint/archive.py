"""A zip file as torch reads it: the directory at its end, and records by name.

Sizes come from the directory (torch leaves them out where the record stands), names are compared without case, and all
records lie under the folder of the first one. Checksums are not looked at: torch can write files without them.
"""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO, NamedTuple

from modelint.checkpoint import limits, regular
from modelint.checkpoint.contents import Refused
from modelint.checkpoint.limits import Budget

_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
LOCAL = struct.Struct("<4s5H3L2H")

_FULL = 0xFFFFFFFF
_STORED, _DEFLATED = 0, 8
#: Bits of the flags: encrypted, in two ways, its header masked, and a patch of another file.
_ENCRYPTED = 0x2061
#: The record of the end, and the longest comment behind it.
_TAIL = _END.size + 0xFFFF
#: The directory itself, in bytes.
_DIRECTORY = 100 << 20


class Truncated(Exception):
    """The archive has no directory: it ends too early."""


class Entry(NamedTuple):
    """One record: where its header stands, its size compressed and not, in bytes."""

    header: int
    compressed: int
    size: int
    method: int
    flags: int

    @property
    def is_stored(self) -> bool:
        """Whether it stands there as it is, without compression."""
        return self.method == _STORED


class Archive:
    """The records in ``file[start:end]``. Raises Refused if the directory is damaged, Truncated if there is none."""

    def __init__(self, file: BinaryIO, start: int, end: int, budget: Budget) -> None:
        self.file = file
        self.start = start
        self.budget = budget
        tail_start = max(start, end - _TAIL)
        tail = regular.read(file, tail_start, end - tail_start)
        found = tail.rfind(b"PK\x05\x06", 0, max(0, len(tail) - _END.size + 4))
        if found < 0:
            raise Truncated
        count, size, offset, comment = _END.unpack_from(tail, found)[4:]
        #: Bytes behind the end of the archive.
        self.trailing = len(tail) - found - _END.size - comment
        #: Where the records end and the directory begins.
        self.directory = offset
        if found >= _LOCATOR.size and tail[found - _LOCATOR.size :].startswith(b"PK\x06\x07"):
            count, size, self.directory = self._large(tail, found - _LOCATOR.size)
        if size > _DIRECTORY or count > limits.ENTRIES:
            raise Refused(f"a zip archive with {count:,} records in its directory: no checkpoint is built like that")
        if start + self.directory + size > tail_start + found:
            raise Refused("damaged zip archive: its directory would reach behind its end")
        budget.keep(size)
        #: The folder that all records lie in, and the records under it; names are bytes in lower case.
        self.root = b""
        self.entries: dict[bytes, Entry] = {}
        self._twice: set[bytes] = set()
        #: A record that lies elsewhere.
        self.outside = b""
        #: Names of the first records, as they stand in the directory.
        self.names: list[bytes] = []
        self._read_directory(regular.read(file, start + self.directory, size), count)

    def _large(self, tail: bytes, at: int) -> tuple[int, int, int]:
        offset = _LOCATOR.unpack_from(tail, at)[2]
        record = regular.read(self.file, self.start + offset, _END_64.size) if offset < 1 << 62 else b""
        if len(record) < _END_64.size or not record.startswith(b"PK\x06\x06"):
            raise Refused("damaged zip archive: the 64-bit record of its end is not where it should be")
        count, size, directory = _END_64.unpack(record)[7:]
        return count, size, directory

    def _read_directory(self, data: bytes, count: int) -> None:
        at = 0
        unpack = _ENTRY.unpack_from
        entries = self.entries
        prefix = b""
        for number in range(count):
            if at + _ENTRY.size > len(data) or data[at : at + 4] != b"PK\x01\x02":
                raise Refused("damaged zip archive: its directory is not where its end says, or is cut short")
            _, _, _, flags, method, _, _, _, compressed, size, named, extra, comment, _, _, _, header = unpack(data, at)
            name = data[at + _ENTRY.size : at + _ENTRY.size + named]
            at += _ENTRY.size + named
            if compressed == _FULL or size == _FULL or header == _FULL:
                size, compressed, header = _wide(data[at : at + extra], size, compressed, header)
            at += extra + comment
            if number < 8:
                self.names.append(name)
            if number == 0:
                folder, slash, _ = name.partition(b"/")
                self.root = folder if slash else b""
                prefix = folder + slash if slash else b""
            if method == _STORED and size != compressed:
                raise Refused("damaged zip archive: a record that is not compressed has two different sizes")
            if not name.startswith(prefix):
                self.outside = self.outside or name
                continue
            name = name[len(prefix) :].lower()
            if name in entries:
                self._twice.add(name)
            entries[name] = Entry(header, compressed, size, method, flags)
            if not number & 1023:
                self.budget.keep(1024 * 320)

    def find(self, name: bytes) -> Entry | None:
        """The record under the root. Raises Refused if there are two: readers differ in which of them they take."""
        name = name.lower()
        if name in self._twice:
            raise Refused(f"a zip archive with two records named {name.decode('latin-1')!a}: nobody writes that")
        return self.entries.get(name)

    def available(self, entry: Entry) -> int:
        """How many bytes of the record can be there: less than its size where it would lie behind the records."""
        space = self.directory - entry.header - LOCAL.size
        if entry.compressed <= space:
            return min(entry.size, entry.compressed) if entry.method == _STORED else entry.size
        return max(0, space) if entry.method == _STORED else 0

    def span(self, name: bytes) -> tuple[int, int]:
        """Start and end in the file of what is stored of a record that is there. Raises Refused."""
        entry = self.entries[name.lower()]
        shown = ascii(name.decode("latin-1"))
        if entry.flags & _ENCRYPTED:
            raise Refused(f"a zip archive whose record {shown} is encrypted, or a patch")
        header = regular.read(self.file, self.start + entry.header, LOCAL.size) if entry.header < 1 << 62 else b""
        if len(header) < LOCAL.size or not header.startswith(b"PK\x03\x04"):
            raise Refused(f"damaged zip archive: record {shown} is not where its directory says")
        named, extra = LOCAL.unpack(header)[9:]
        there = regular.read(self.file, self.start + entry.header + LOCAL.size, named)
        if there.lower() != (self.root + b"/" if self.root else b"").lower() + name.lower():
            raise Refused(f"damaged zip archive: where record {shown} should stand, another name is written")
        begin = entry.header + LOCAL.size + named + extra
        if begin + entry.compressed > self.directory:
            raise Refused(f"damaged zip archive: record {shown} reaches into the directory")
        return self.start + begin, self.start + begin + entry.compressed

    def read(self, name: bytes, most: int) -> bytes:
        """All of a record that is there, of at most ``most`` bytes. Raises Refused."""
        begin, end = self.span(name)
        entry = self.entries[name.lower()]
        shown = ascii(name.decode("latin-1"))
        inflated = entry.method != _STORED
        if entry.method not in (_STORED, _DEFLATED):
            raise Refused(f"a zip archive whose record {shown} is compressed in a way that torch does not read")
        size = entry.size if inflated else end - begin
        most = min(most, limits.INFLATED) if inflated else most
        if size > most:
            raise Refused(f"record {shown} has {size:,} bytes; modelint reads at most {most:,}")
        if inflated and size > max(1 << 20, limits.RATIO * entry.compressed):
            raise Refused(f"record {shown} is compressed to less than a {limits.RATIO}th: no checkpoint is")
        self.budget.keep(size)
        data = regular.read(self.file, begin, end - begin)
        if not inflated:
            return data
        try:
            inflater = zlib.decompressobj(-zlib.MAX_WBITS)
            data = inflater.decompress(data, size + 1)
        except zlib.error:
            raise Refused(f"damaged zip archive: record {shown} does not decompress") from None
        if len(data) != size or (not inflater.eof and inflater.decompress(inflater.unconsumed_tail, 1)):
            raise Refused(f"damaged zip archive: record {shown} has not the size that its directory says")
        return data


def _wide(extra: bytes, size: int, compressed: int, header: int) -> tuple[int, int, int]:
    """The numbers that did not fit into 32 bits, from the extra field of the entry."""
    at = 0
    for _ in range(32):
        if at + 4 > len(extra):
            break
        tag, length = struct.unpack_from("<2H", extra, at)
        if tag == 1:
            numbers = list(struct.unpack_from(f"<{min(length, len(extra) - at - 4) // 8}Q", extra, at + 4))[::-1]
            if len(numbers) < (size == _FULL) + (compressed == _FULL) + (header == _FULL):
                break
            size = numbers.pop() if size == _FULL else size
            compressed = numbers.pop() if compressed == _FULL else compressed
            header = numbers.pop() if header == _FULL else header
            return size, compressed, header
        at += 4 + length
    raise Refused("damaged zip archive: its directory lacks the sizes of a large record")
