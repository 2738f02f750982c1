"""Pickles put together opcode by opcode, so that nothing has to be importable, or even right."""

from __future__ import annotations

import struct
from typing import Any


class Raw(bytes):
    """Opcodes that leave one value on the stack."""


def short(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return b"\x8c" + bytes([len(data)]) + data


def unicode(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def integer(value: int) -> bytes:
    """BININT where it fits, else LONG1 or LONG4."""
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data if len(data) < 256 else b"\x8b" + struct.pack("<I", len(data)) + data


def push(value: Any) -> Raw:
    """The opcodes that put a plain value on the stack, without the memo."""
    if isinstance(value, Raw):
        return value
    if value is None:
        return Raw(b"N")
    if isinstance(value, bool):
        return Raw(b"\x88" if value else b"\x89")
    if isinstance(value, int):
        return Raw(integer(value))
    if isinstance(value, float):
        return Raw(b"G" + struct.pack(">d", value))
    if isinstance(value, str):
        return Raw(unicode(value))
    if isinstance(value, bytes):
        return Raw(b"B" + struct.pack("<I", len(value)) + value)
    if isinstance(value, tuple):
        return Raw(b"(" + b"".join(map(push, value)) + b"t")
    if isinstance(value, list):
        return Raw(b"](" + b"".join(map(push, value)) + b"e")
    assert isinstance(value, dict), value
    return Raw(b"}(" + b"".join(push(key) + push(each) for key, each in value.items()) + b"u")


def named(module: str, name: str) -> Raw:
    return Raw(b"c" + f"{module}\n{name}\n".encode("utf-8", "surrogatepass"))


def call(module: str, name: str, *arguments: Any) -> Raw:
    return Raw(named(module, name) + push(arguments) + b"R")


def persistent(value: Any) -> Raw:
    return Raw(push(value) + b"Q")


def pickled(value: Any, protocol: int = 2) -> bytes:
    return b"\x80" + bytes([protocol]) + push(value) + b"."


def storage(key: Any = "0", numel: Any = 4, kind: str = "FloatStorage") -> Raw:
    """The persistent id of a torch storage."""
    return persistent(("storage", named("torch", kind), key, "cpu", numel))


ORDERED = call("collections", "OrderedDict")


def tensor(shape: Any = (2, 2), stride: Any = (2, 1), offset: Any = 0, base: Any = None, extra: tuple = ()) -> Raw:
    base = storage() if base is None else base
    return call("torch._utils", "_rebuild_tensor_v2", base, offset, shape, stride, False, ORDERED, *extra)


def state(value: Any = None, key: str = "weight") -> bytes:
    """The pickle of a state dict with one tensor."""
    return pickled({key: tensor() if value is None else value})
