"""Files that are two formats at once, and archives whose end is disputed."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator

from hostile.archives import Directory, Entry, records, torch_zip, written, zip64_end
from hostile.assemble import pickled, state, tensor
from hostile.calls import SYSTEM
from hostile.case import ALARM, Case
from hostile.case import written as file
from hostile.headers import SMALL, encoded

GOOD = torch_zip()
EVIL = torch_zip(state(key="evil"))


def with_locator(locator: int | None = None, **fields: int) -> bytes:
    entries = records()
    plain = written(entries)
    size = struct.unpack("<I", plain[-10:-6])[0]
    offset = len(plain) - 22 - size
    stated = {"entries": len(entries), "size": size, "offset": offset} | fields
    end = zip64_end(**stated, locator=len(plain) - 22 if locator is None else locator)
    return written(entries, Directory(count=0xFFFF, size=0xFFFFFFFF, offset=0xFFFFFFFF, between=end))


def ends() -> Iterator[tuple[str, bytes]]:
    yield "count-zero", written(records(), Directory(count=0))
    yield "count-fewer", written(records(), Directory(count=1))
    yield "count-more", written(records(), Directory(count=60_000))
    yield "directory-size-zero", written(records(), Directory(size=0))
    yield "directory-size-huge", written(records(), Directory(size=0xFFFFFFF0))
    yield "directory-offset-zero", written(records(), Directory(offset=0))
    yield "directory-offset-huge", written(records(), Directory(offset=0xFFFFFFF0))
    yield "comment-size-lies", written(records(), Directory(comment_size=0xFFFF))
    yield "comment-has-an-end", written(records(), Directory(comment=EVIL[-22:]))
    yield (
        "comment-has-an-archive",
        written(records(), Directory(comment=written(records(state(key="evil")), start=9000))),
    )
    yield "no-end", GOOD[:-22]
    yield "only-an-end", GOOD[-22:]
    yield "end-twice", GOOD + GOOD[-22:]
    yield "zip64-end", with_locator()
    yield "zip64-count-2^63", with_locator(entries=2**63)
    yield "zip64-count-million", with_locator(entries=10**6)
    yield "zip64-size-2^63", with_locator(size=2**63)
    yield "zip64-offset-2^64", with_locator(offset=2**64 - 1)
    yield "zip64-locator-2^63", with_locator(locator=2**63)
    yield "zip64-locator-zero", with_locator(locator=0)
    yield "zip64-locator-at-itself", with_locator(locator=len(GOOD))
    yield "zip64-wanted-and-missing", written(records(), Directory(count=0xFFFF, size=0xFFFFFFFF, offset=0xFFFFFFFF))


def joined() -> Iterator[tuple[str, bytes]]:
    yield "two-archives", EVIL + GOOD
    yield "two-archives-offsets-right", EVIL + written(records(), start=len(EVIL))
    yield "archive-inside-a-record", written([*records(), Entry(b"archive/inner.pt", EVIL)])
    yield "archive-before-the-directory", written([Entry(b"archive/x", EVIL), *records()])
    yield "megabyte-behind", GOOD + bytes(1_000_000)
    yield "a-byte-behind", GOOD + b"\0"
    yield "shell-script-before", b"#!/bin/sh\nrm -rf /\n" + GOOD
    yield "zeros-before", bytes(4096) + GOOD
    yield "local-header-only", GOOD[:200]
    yield "starts-as-zip-is-none", b"PK\x03\x04" + bytes(500)
    yield "html-then-zip", b"<!DOCTYPE html><html>" + GOOD
    yield "lfs-pointer-then-zip", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n" + GOOD
    yield "gguf-then-zip", b"GGUF\x03\0\0\0" + GOOD
    yield "gzip-magic-then-zip", b"\x1f\x8b\x08\0" + GOOD
    yield "png-then-zip", b"\x89PNG\r\n\x1a\n" + GOOD
    yield "tar-then-zip", b"model.pt".ljust(257, b"\0") + b"ustar\0" + bytes(250) + GOOD
    yield "safetensors-then-zip", SMALL + GOOD
    yield "safetensors-then-zip-offsets-right", SMALL + written(records(), start=len(SMALL))
    yield "safetensors-then-pickle", SMALL + state()
    # 0x280 bytes of header begin with 80 02, as a pickle of protocol 2 does.
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    yield "safetensors-that-begins-as-pickle", encoded(header.ljust(0x280), bytes(4))
    yield "safetensors-that-begins-as-zip", b"PK\x03\x04\0\0\0\0{}"
    yield "zip-as-safetensors-length", GOOD[:8] + b"{" + GOOD[9:]
    yield "legacy-magic-then-zip", pickled(0x1950A86A20F9469CFC6C) + GOOD


def hidden() -> Iterator[tuple[str, bytes]]:
    """What torch.load sees by the first four bytes is not what a zip reader finds at the end."""
    evil = b"\x80\x02" + SYSTEM + b"0" + b"}."
    yield "pickle-then-zip", evil + GOOD
    yield "pickle-then-zip-offsets-right", evil + written(records(), start=len(evil))
    yield "pickle-in-the-comment", b"\x80\x02" + SYSTEM + b"0}(" + b"X\x06\0\0\0weight" + tensor() + b"u." + GOOD
    yield "pickle-named-safetensors", evil
    yield "two-pickles", pickled({}) + evil


def cases() -> Iterator[Case]:
    for name, data in [*ends(), *joined()]:
        suffix = ".safetensors" if name.startswith("safetensors") else ".pt"
        yield Case(f"polyglots/{name}", file(f"model{suffix}", data))
    for name, data in hidden():
        fires = "pickle" if name != "two-pickles" else ""
        yield Case(
            f"polyglots/{name}", file("model.safetensors" if "named" in name else "model.pt", data), ALARM, fires
        )
