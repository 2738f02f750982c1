"""Legacy streams: five pickles and raw storages, where every count can lie."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from hostile.assemble import Raw, named, persistent, pickled, push, tensor
from hostile.calls import SYSTEM
from hostile.case import ALARM, CLEAN, Case, written

MAGIC = 0x1950A86A20F9469CFC6C
SYSTEM_INFO = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
STORAGE = ("storage", named("torch", "FloatStorage"), "0", "cpu", 4)
WEIGHT = tensor(base=persistent((*STORAGE, None)))
GOOD = {"weight": WEIGHT}


def stream(
    value: Any = None,
    magic: Any = MAGIC,
    protocol: Any = 1001,
    system: Any = None,
    keys: Any = ("0",),
    numel: int = 4,
    data: bytes = bytes(16),
) -> bytes:
    keys = list(keys) if isinstance(keys, tuple) else keys
    parts = (magic, protocol, SYSTEM_INFO if system is None else system, GOOD if value is None else value, keys)
    return b"".join(pickled(each) for each in parts) + struct.pack("<q", numel) + data


def lying() -> Iterator[tuple[str, bytes]]:
    for name, numel in (("zero", 0), ("fewer", 1), ("more", 5), ("negative", -1), ("2^40", 2**40), ("2^63", 2**63 - 1)):
        yield f"numel-{name}", stream(numel=numel)
    yield "protocol-other", stream(protocol=1000)
    yield "protocol-text", stream(protocol="1001")
    yield "system-none", stream(system=False)
    yield "system-big-endian", stream(system=SYSTEM_INFO | {"little_endian": False})
    yield "keys-empty", stream(keys=[])
    yield "keys-more", stream(keys=["0", "1", "2"])
    yield "keys-other", stream(keys=["1"])
    yield "keys-twice", stream(keys=["0", "0"])
    yield "keys-numbers", stream(keys=[0])
    yield "keys-text", stream(keys="000000")
    yield "keys-dict", stream(keys={"0": 1})
    yield "keys-none", stream(keys=Raw(b"N"))
    yield "keys-100000", stream(keys=["0"] * 100_000)
    yield "keys-nested", stream(keys=[["0"], ("0",)])
    yield "keys-escape", stream(keys=["\x1b[31m\n"])
    yield "cut-before-keys", b"".join(map(pickled, (MAGIC, 1001, SYSTEM_INFO, GOOD)))
    yield "cut-before-object", b"".join(map(pickled, (MAGIC, 1001, SYSTEM_INFO)))
    yield "only-magic", pickled(MAGIC)
    yield "cut-in-numel", stream()[:-20]
    yield "cut-in-data", stream()[:-5]
    yield "bytes-behind", stream() + b"more"
    yield "junk-between", pickled(MAGIC) + b"\xff\xff" + stream()[20:]
    yield "magic-wrong", stream(magic=MAGIC + 1)
    for name, metadata in (
        ("none", None), ("right", ("1", 0, 2)), ("negative", ("1", -1, 2)), ("outside", ("1", 3, 9)),
        ("huge", ("1", 2**70, 2**70)),
        ("text", "abc"), ("short", ("1",)), ("nested", (("1",), [0], {})), ("of-itself", ("0", 0, 4)),
    ):  # fmt: skip
        yield f"view-{name}", stream({"weight": tensor(base=persistent((*STORAGE, metadata)))})
    for name, parts in (
        ("short", ("module",)), ("odd", ("module", 1, 2, 3)), ("none", ("module", None, None, None)),
        ("escape", ("module", named("m\x1b[31m", "C"), "\x1b]0;x\x07.py", "source\x9b")),
    ):  # fmt: skip
        yield (
            f"module-{name}",
            stream(Raw(persistent(parts) + b")\x81" + push({"_parameters": {"w": WEIGHT}}) + b"b")),
        )
    module = persistent(("module", named("own.models", "Net"), "/etc/passwd", "class Net: ..."))
    tables = {"_parameters": {"w": WEIGHT}, "_buffers": {}, "_modules": {}}
    yield "module", stream(Raw(module + b")\x81" + push(tables) + b"b"))
    for name, value in (("none", None), ("text", "x"), ("list", [1]), ("number", 5), ("nested", {"a": {"b": 1}})):
        odd = {"_parameters": value, "_buffers": value, "_modules": value, "_non_persistent_buffers_set": value}
        yield f"module-tables-{name}", stream(Raw(module + b")\x81" + push(odd) + b"b"))
        yield f"module-state-{name}", stream(Raw(module + b")\x81" + push(value) + b"b"))
    yield (
        "storage-kind-unknown",
        stream({"weight": tensor(base=persistent((*STORAGE[:1], named("torch", "EvilStorage"), *STORAGE[2:], None)))}),
    )
    yield "numel-differs-from-id", stream({"weight": tensor(base=persistent((*STORAGE[:4], 400, None)))})
    yield "tar", b"sys_info".ljust(257, b"\0") + b"ustar\x0000" + bytes(1000)


def sparse(folder: str) -> str:
    """16 GB of storage that nobody should read."""
    numel = 2**32
    weight = tensor(base=persistent((*STORAGE[:4], numel, None)), shape=(numel,), stride=(1,))
    head = stream({"weight": weight}, numel=numel, data=b"")
    with open(f"{folder}/model.pt", "wb") as file:
        file.write(head)
        file.truncate(len(head) + 4 * numel)
    return "model.pt"


def cases() -> Iterator[Case]:
    yield Case("legacy/sparse-16-gigabytes", sparse, CLEAN, keys=("weight",))
    yield Case("legacy/plain", written("model.pt", stream()), CLEAN, keys=("weight",))
    for name, data in lying():
        yield Case(f"legacy/{name}", written("model.pt", data))
    evil = Raw(SYSTEM + b"0")
    payloads = {
        "magic": stream(magic=Raw(evil + push(MAGIC))),
        "protocol": stream(protocol=Raw(evil + push(1001))),
        "system": stream(system=Raw(evil + push(SYSTEM_INFO))),
        "object": stream(Raw(evil + push(GOOD))),
        "keys": stream(keys=Raw(evil + push(["0"]))),
    }
    for name, data in payloads.items():
        yield Case(f"legacy/payload-in-{name}", written("model.pt", data), ALARM, "torch")
