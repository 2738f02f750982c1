"""Zip archives that say one thing here and another there, in one record."""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from collections.abc import Iterator

from hostile.archives import Directory, Entry, deflated, packed, records, torch_zip, written
from hostile.assemble import state
from hostile.case import CLEAN, READ, Build, Case, later
from hostile.case import written as file

GOOD = state()
WEIGHT = ("weight",)


def first(**fields: object) -> bytes:
    """A torch file whose data.pkl differs from a good one in these fields."""
    entries = records()
    return written([entries[0]._replace(**fields), *entries[1:]])


def every(**fields: object) -> bytes:
    return written([each._replace(**fields) for each in records()])


def descriptor(data: bytes, signature: bool = True, wide: bool = False) -> bytes:
    sizes = struct.pack("<QQ" if wide else "<II", len(data), len(data))
    return (b"PK\x07\x08" if signature else b"") + struct.pack("<I", zlib.crc32(data)) + sizes


def extra64(*sizes: int) -> bytes:
    return struct.pack("<HH", 1, 8 * len(sizes)) + struct.pack(f"<{len(sizes)}Q", *sizes)


def readable() -> Iterator[tuple[str, bytes]]:
    """Odd, and right: torch reads them."""
    yield "plain", torch_zip()
    yield "crc-zero", every(crc=0)
    yield "crc-wrong-in-data", written([*records()[:2], records()[2]._replace(crc=77), records()[3]])
    described = [
        each._replace(flags=0x808, local_size=0, local_packed=0, after=descriptor(each.data)) for each in records()
    ]
    yield "data-descriptors", written(described)
    yield (
        "data-descriptors-without-signature",
        written([each._replace(after=descriptor(each.data, signature=False)) for each in described]),
    )
    yield (
        "data-descriptors-zip64",
        written([each._replace(after=descriptor(each.data, wide=True)) for each in described]),
    )
    yield "padding-in-local-extra", every(local_extra=struct.pack("<HH", 0x4246, 60) + b"Z" * 60)
    yield "deflated-pickle", written([packed(b"archive/data.pkl", GOOD), *records()[1:]])
    yield (
        "zip64-sizes",
        written(
            [
                each._replace(packed=0xFFFFFFFF, size=0xFFFFFFFF, extra=extra64(len(each.data), len(each.data)))
                for each in records()
            ]
        ),
    )
    yield "root-of-other-name", torch_zip(root=b"my model (final)")
    yield "root-not-ascii", torch_zip(root="模型".encode())
    yield "with-comment", written(records(), Directory(comment=b"made by hand"))
    yield "folder-entries", written([*records(), Entry(b"archive/code/", b"", attributes=16)])
    yield "more-records", written([*records(), Entry(b"archive/extra/notes.txt", b"x")])
    yield "directory-out-of-order", written([records()[0], *reversed(records()[1:])])


def lying() -> Iterator[tuple[str, bytes]]:
    for bit, name in ((0, "encrypted"), (5, "patched"), (6, "strong-encryption"), (13, "masked"), (15, "reserved")):
        yield f"flag-{name}", first(flags=0x800 | 1 << bit)
        yield f"flag-{name}-in-local-only", first(local_flags=0x800 | 1 << bit)
    yield "flag-encrypted-in-directory-only", first(flags=0x801, local_flags=0x800)
    yield "flag-no-utf8", torch_zip(root="модель".encode("cp866"))
    for method, name in (
        (1, "shrunk"),
        (6, "imploded"),
        (9, "deflate64"),
        (93, "zstd"),
        (95, "xz"),
        (99, "aes"),
        (65535, "none"),
    ):
        yield f"method-{name}", first(method=method)
    yield "method-bzip2", first(method=12, data=bz2.compress(GOOD), size=len(GOOD))
    yield "method-lzma", first(method=14, data=lzma.compress(GOOD), size=len(GOOD))
    yield "method-differs-in-local", first(local_method=8)
    yield "says-deflated-is-stored", first(method=8)
    yield "says-stored-is-deflated", first(data=deflated(GOOD), crc=zlib.crc32(GOOD))
    yield "deflated-too-long", written([packed(b"archive/data.pkl", GOOD, size=10), *records()[1:]])
    yield "deflated-too-short", written([packed(b"archive/data.pkl", GOOD, size=len(GOOD) + 100), *records()[1:]])
    yield "deflated-cut", first(method=8, data=deflated(GOOD)[:-9], size=len(GOOD))
    yield "deflated-tail", first(method=8, data=deflated(GOOD) + b"tail", size=len(GOOD))
    yield "crc-wrong", first(crc=0xDEADBEEF)
    yield "size-zero", first(size=0, packed=0)
    yield "size-short", first(size=9, packed=9)
    yield "size-long", first(size=100_000, packed=100_000)
    yield "size-4-gigabytes", first(size=0xFFFFFFFE, packed=0xFFFFFFFE)
    yield "sizes-differ-though-stored", first(size=10_000_000)
    yield "local-sizes-differ", first(local_size=3, local_packed=3)
    yield "local-name-differs", first(local_name=b"archive/evil.pkl")
    yield "local-name-longer", first(local_name=b"archive/data.pkl" + b"x" * 500)
    yield "local-extra-past-the-end", first(local_extra_size=0xFFFF)
    yield "local-signature-broken", first(signature=b"PK\x03\x05")
    yield "offset-past-the-end", first(offset=0x7FFFFFFF)
    yield "offset-into-the-directory", first(offset=len(torch_zip()) - 60)
    yield "offset-at-the-last-bytes", first(offset=len(torch_zip()) - 3)
    yield "offset-ffffffff-without-zip64", first(offset=0xFFFFFFFF)
    yield "sizes-ffffffff-without-zip64", first(size=0xFFFFFFFF, packed=0xFFFFFFFF)
    yield "all-at-one-place", every(offset=0)
    yield "zip64-extra-cut", first(size=0xFFFFFFFF, packed=0xFFFFFFFF, extra=struct.pack("<HH", 1, 16) + b"1234")
    yield "zip64-extra-says-2^64", first(size=0xFFFFFFFF, packed=0xFFFFFFFF, extra=extra64(2**64 - 1, 2**64 - 1))
    yield "zip64-extra-says-2^63", first(size=0xFFFFFFFF, packed=0xFFFFFFFF, extra=extra64(2**63, 2**63))
    yield "zip64-offset-2^64", first(offset=0xFFFFFFFF, extra=extra64(2**64 - 1))
    yield "zip64-extra-length-lies", first(extra=struct.pack("<HH", 1, 60000))
    yield "extra-of-odd-bytes", first(extra=b"\x01\x00\x00")


def names() -> Iterator[tuple[str, bytes]]:
    good = records()
    evil = state(key="evil")
    data = b"archive/data.pkl"
    yield "two-data-pkl", written([*good, Entry(data, evil)])
    yield "two-data-pkl-first", written([Entry(data, evil), *good])
    yield "differently-cased-data-pkl", written([*good, Entry(b"archive/DATA.pkl", evil)])
    yield "differently-cased-before", written([Entry(b"ARCHIVE/Data.PKL", evil), *good])
    yield "two-roots", written([*good, *records(evil, b"other")])
    yield "data-pkl-in-second-root-only", written([good[3], *records(evil, b"other")])
    yield "no-root", written([Entry(each.name.removeprefix(b"archive/"), each.data) for each in good])
    yield "deep-root", torch_zip(root=b"a/b/c")
    yield "absolute", torch_zip(root=b"/archive")
    yield "traversal", torch_zip(root=b"../../archive")
    yield "traversal-inside", torch_zip(root=b"archive/../../etc")
    yield "backslashes", written([each._replace(name=each.name.replace(b"/", b"\\")) for each in good])
    yield "drive", torch_zip(root=b"C:\\archive")
    yield "url", torch_zip(root=b"http://127.0.0.1:9/archive")
    yield "empty-names", every(name=b"")
    yield "empty-first-name", written([Entry(b"", b""), *good])
    yield "only-slashes", every(name=b"///")
    yield "longest-name", torch_zip(root=b"r" * 65000)
    yield "nul-in-name", written([Entry(b"archive/data.pkl\0.txt", evil), *good])
    yield "nul-in-root", torch_zip(root=b"arch\0ive")
    yield "escapes-in-root", torch_zip(root=b"\x1b[2J\x1b]0;title\x07\r\n\x9b31m")
    yield "bidi-in-root", torch_zip(root="\u202egpj\u2066".encode())
    yield "markup-in-root", torch_zip(root=b"[red][/blue][link=http://x]")
    yield "not-utf8-root", torch_zip(root=b"\xff\xfe\xc3(")
    yield "deep-folders", torch_zip(root=b"d/" * 30_000 + b"d")
    yield "data-pkl-is-a-folder", written([Entry(data + b"/", b"", attributes=16), *good[1:]])
    yield "data-pkl-is-a-link", first(attributes=0xA1FF << 16, data=b"/etc/passwd")
    yield "storage-twice", written([*good, good[2], good[2]._replace(data=b"")])
    yield "storage-missing", written([good[0], good[1], good[3]])
    yield "storage-short", written([good[0], good[1], good[2]._replace(data=b"123"), good[3]])
    yield "storage-with-leading-zero", written([good[0], good[1], good[2]._replace(name=b"archive/data/00"), good[3]])
    yield "data-pkl-missing", written(good[1:])
    yield "data-pkl-empty", first(data=b"")
    yield "version-missing", written(good[:3])
    yield "version-of-a-million-digits", written([*good[:3], good[3]._replace(data=b"9" * 1_000_000)])
    yield "version-negative", written([*good[:3], good[3]._replace(data=b"-1")])
    yield "version-not-text", written([*good[:3], good[3]._replace(data=b"\xff\x1b[31m\x00")])
    yield "byteorder-big", written([good[0], good[1]._replace(data=b"big"), *good[2:]])
    yield "byteorder-unknown", written([good[0], good[1]._replace(data=b"\x1b[31mmiddle"), *good[2:]])
    yield "byteorder-long", written([good[0], packed(b"archive/byteorder", bytes(20_000_000)), *good[2:]])
    yield (
        "alignment-odd",
        written([*good, Entry(b"archive/.storage_alignment", b"-1"), Entry(b"archive/.format_version", b"x")]),
    )


def large() -> Iterator[tuple[str, Build]]:
    def bomb(data: bytes, repeat: int, **fields: object) -> bytes:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        body = b"".join(packer.compress(data) for _ in range(repeat)) + packer.flush()
        return first(method=8, data=body, **({"size": len(data) * repeat, "crc": 0} | fields))

    yield "bomb-30-megabytes-of-dicts", later("model.pt", lambda: bomb(b"\x80\x02" + b"}" * 30_000_000, 1))
    yield "bomb-300-megabytes-of-zeros", later("model.pt", lambda: bomb(bytes(2**24), 20))
    yield "bomb-that-says-10-bytes", later("model.pt", lambda: bomb(bytes(2**24), 5, size=10))
    yield "bomb-that-says-4-gigabytes", later("model.pt", lambda: bomb(bytes(2**20), 1, size=0xFFFFFFF0))
    yield (
        "bomb-in-a-storage",
        later("model.pt", lambda: written([*records()[:2], packed(b"archive/data/0", bytes(2**25)), records()[3]])),
    )
    yield (
        "20000-records",
        later(
            "model.pt",
            lambda: written([*records(), *(Entry(b"archive/data/%d" % each, b"") for each in range(1, 20_000))]),
        ),
    )
    yield (
        "20000-times-one-name",
        later("model.pt", lambda: written([*records(), *[Entry(b"archive/data/1", b"")] * 20_000])),
    )
    yield (
        "20000-overlapping",
        later(
            "model.pt",
            lambda: written([*records(), *(Entry(b"archive/x%d" % each, b"", offset=0) for each in range(20_000))]),
        ),
    )


def cases() -> Iterator[Case]:
    for name, data in readable():
        yield Case(f"zips/{name}", file("model.pt", data), READ if "crc" in name else CLEAN, keys=WEIGHT)
    for name, data in [*lying(), *names()]:
        yield Case(f"zips/{name}", file("model.pt", data))
    for name, build in large():
        yield Case(f"zips/{name}", build, heavy=True)
