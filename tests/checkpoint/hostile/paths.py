"""What is no file: FIFOs, sockets, devices, loops of links, folders, files without end; and names of files."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

from hostile.archives import torch_zip
from hostile.case import ALARM, CLEAN, READ, REFUSED, Build, Case, written
from hostile.headers import SMALL
from hostile.indexes import FIRST, INDEX, SECOND, index


def fifo(name: str) -> Build:
    def build(folder: str) -> str:
        os.mkfifo(os.path.join(folder, name))
        return name

    return build


def inside(name: str, extra: dict[str, bytes] | None = None) -> Build:
    """A folder in which the file that is looked for is a FIFO."""

    def build(folder: str) -> str:
        for each, data in (extra or {}).items():
            written(each, data)(folder)
        os.mkfifo(os.path.join(folder, name))
        return "."

    return build


def unix_socket(folder: str) -> str:
    before = os.getcwd()
    os.chdir(folder)  # the path of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as each:
            each.bind("model.pt")
    finally:
        os.chdir(before)
    return "model.pt"


def link(target: str, name: str = "model.pt") -> Build:
    def build(folder: str) -> str:
        os.symlink(target, os.path.join(folder, name))
        return name

    return build


def linked(target: str, data: bytes) -> Build:
    def build(folder: str) -> str:
        written(target, data)(folder)
        return link(target)(folder)

    return build


def folder_named(name: str) -> Build:
    def build(folder: str) -> str:
        os.mkdir(os.path.join(folder, name))
        return name

    return build


def looped_folder(folder: str) -> str:
    os.symlink(".", os.path.join(folder, "again"))
    return "again/again/again"


def sparse(name: str, size: int, head: bytes = b"", tail: bytes = b"") -> Build:
    def build(folder: str) -> str:
        with open(os.path.join(folder, name), "wb") as file:
            file.write(head)
            file.truncate(size)
            file.seek(0, os.SEEK_END)
            file.write(tail)
        return name

    return build


def shards_are(target: str) -> Build:
    def build(folder: str) -> str:
        written(INDEX, index({"weight": FIRST, "bias": SECOND}))(folder)
        written(FIRST, SMALL)(folder)
        os.symlink(target, os.path.join(folder, SECOND))
        return INDEX

    return build


def odd() -> Iterator[tuple[str, Build, frozenset[int]]]:
    for name in ("model.pt", "model.safetensors", "model.bin", "model.pkl", "model.ckpt", INDEX):
        yield f"fifo-{name}", fifo(name), REFUSED
    yield "fifo-in-a-folder", inside("model.safetensors"), REFUSED
    yield "fifo-as-index", inside(INDEX), REFUSED
    yield "fifo-as-metadata", inside(".metadata"), REFUSED
    yield "fifo-as-shard", inside(SECOND, {INDEX: index({"weight": FIRST, "bias": SECOND}), FIRST: SMALL}), ALARM
    yield "socket", unix_socket, REFUSED
    for device in ("zero", "null", "random", "full", "tty", "stdin", "fd/0"):
        yield f"device-{device.replace('/', '-')}", link(f"/dev/{device}"), REFUSED
    yield "proc-mem", link("/proc/self/mem"), ALARM
    yield "proc-maps", link("/proc/self/maps"), ALARM
    yield "proc-environ", link("/proc/self/environ"), ALARM
    yield "link-to-itself", link("model.pt"), frozenset({2, 3})
    yield "link-dangling", link("nowhere"), frozenset({2, 3})
    yield "link-to-a-good-file", linked("real.pt", torch_zip()), CLEAN
    yield "folder-empty", folder_named("model.pt"), REFUSED
    yield "folder-named-index", folder_named(INDEX), REFUSED
    yield "folder-named-safetensors", folder_named("model.safetensors"), REFUSED
    yield "folder-in-itself", looped_folder, REFUSED
    yield "sparse-zeros", sparse("model.pt", 2**40), REFUSED
    yield "sparse-zeros-named-safetensors", sparse("model.safetensors", 2**40), REFUSED
    yield "sparse-zip-head", sparse("model.pt", 2**38, b"PK\x03\x04"), REFUSED
    yield "sparse-before-a-zip", sparse("model.pt", 2**38, b"", torch_zip()), ALARM
    yield "sparse-behind-a-zip", sparse("model.pt", 2**38, torch_zip()), ALARM
    yield "sparse-pickle", sparse("model.pkl", 2**38, b"\x80\x02"), REFUSED
    yield (
        "sparse-pickle-of-strings",
        sparse("model.pkl", 2**38, b"\x80\x04\x8d" + (2**37).to_bytes(8, "little")),
        REFUSED,
    )
    yield "sparse-pickle-line", sparse("model.pkl", 2**36, b"\x80\x02c"), REFUSED
    yield "shard-is-a-device", shards_are("/dev/zero"), ALARM
    yield "shard-is-itself", shards_are(SECOND), ALARM
    yield "shard-is-a-folder", shards_are("."), ALARM
    yield "name-newline", written("a\nb.pt", torch_zip()), READ
    yield "name-escape", written("a\x1b[31m\x07\x9b.pt", torch_zip()), READ
    yield "name-bidi", written("a\u202e\u2066tp.pt", torch_zip()), READ
    yield "name-not-utf8", written(os.fsdecode(b"a\xff\xfe.pt"), torch_zip()), READ
    yield "name-markup", written("[bold red]a[_blue][link=x].pt", torch_zip()), READ
    yield "name-percent", written("%s%n{0}.pt", torch_zip()), READ
    yield "name-spaces", written("  a  .pt", torch_zip()), READ
    yield "name-not-utf8-refused", written(os.fsdecode(b"a\xff\x1b[31m\n.pt"), b"junk"), REFUSED
    yield "name-markup-refused", written("[bold]a[_b].pt", b"junk"), REFUSED
    yield "name-like-a-manifest", written("manifest", b"junk"), REFUSED
    yield "empty", written("model.pt", b""), REFUSED
    for size in (1, 2, 3, 4, 7, 8, 9):
        yield f"zeros-{size}", written("model.pt", bytes(size)), REFUSED
    rest = bytes(64)
    refused = {
        "html": b"<!DOCTYPE html><html><title>\x1b[31m404</title>",
        "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "gguf": b"GGUF\x03\0\0\0" + rest,
        "hdf5": b"\x89HDF\r\n\x1a\n" + rest,
        "gzip": b"\x1f\x8b\x08" + rest,
        "7z": b"7z\xbc\xaf\x27\x1c" + rest,
        "xz": b"\xfd7zXZ\0" + rest,
        "onnx": b"\x08\x07\x12\x07pytorch\x1a\x05" + rest,
        "elf": b"\x7fELF" + rest,
        "npy": b"\x93NUMPY\x01\0" + rest,
        "text": b"hello world\n" * 50,
        "json": b'{"a": 1}',
        "escape": b"\x1b[31m\x1b]0;x\x07",
    }
    for name, data in refused.items():
        yield f"format-{name}", written("model.pt", data), REFUSED


def cases() -> Iterator[Case]:
    for name, build, exits in odd():
        yield Case(f"paths/{name}", build, exits)
