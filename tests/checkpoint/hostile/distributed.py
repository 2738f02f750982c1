"""torch.distributed.checkpoint folders: .metadata is a pickle, and says which files to read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hostile.assemble import Raw, call, named, pickled, push
from hostile.calls import SYSTEM
from hostile.case import ALARM, Case, files

ROOM = "torch.distributed.checkpoint.metadata"


def built(module: str, name: str, state: Any) -> Raw:
    return Raw(named(module, name) + b")\x81" + push(state) + b"b")


def size(*numbers: Any) -> Raw:
    return call("torch", "Size", tuple(numbers))


PROPERTIES = built(ROOM, "TensorProperties", (named("torch", "float32"), named("torch", "strided"), False, None, False))


def tensor(shape: Any = None, properties: Any = PROPERTIES, chunks: Any = ()) -> Raw:
    shape = size(2, 2) if shape is None else shape
    return built(ROOM, "TensorStorageMetadata", {"properties": properties, "size": shape, "chunks": list(chunks)})


def metadata(entries: Any = None, storage: Any = None, planner: Any = None) -> bytes:
    entries = {"weight": tensor()} if entries is None else entries
    state = {"state_dict_metadata": entries, "planner_data": planner or {}, "storage_data": storage or {}}
    return pickled(built(ROOM, "Metadata", state))


def place(name: str) -> dict[Raw, Raw]:
    """storage_data: which file holds a tensor."""
    index = built(ROOM, "MetadataIndex", {"fqn": "weight", "offset": None, "index": 0})
    info = built(
        "torch.distributed.checkpoint.filesystem", "_StorageInfo", {"relative_path": name, "offset": 0, "length": 16}
    )
    return {index: info}


def odd() -> Iterator[tuple[str, bytes]]:
    yield "empty", b""
    yield "none", pickled(None)
    yield "dict", pickled({"state_dict_metadata": {"weight": tensor()}})
    yield "entries-none", metadata(Raw(b"N"))
    yield "entries-list", metadata([tensor()])
    yield "entries-empty", metadata(Raw(b"}"))
    yield "entry-none", metadata({"weight": None})
    yield "entry-text", metadata({"weight": "\x1b[31m"})
    yield "entry-of-other-class", metadata({"weight": built("a", "B", {"size": size(2)})})
    yield "key-number", metadata({5: tensor(), None: tensor()})
    yield "key-escape", metadata({"a\x1b[31m\n\u202e": tensor()})
    for number, shape in enumerate(
        [size(-1), size(2**70), size(True), size("x"), size(None), (2, 2), "x", 5, None, size((1,)), {}]
    ):
        yield f"size-{number}", metadata({"weight": tensor(Raw(b"N") if shape is None else shape)})
    for number, value in enumerate(
        [None, 5, "x", [], {}, {"dtype": named("os", "system")}, {"dtype": "\x1b[31m"}, (None,) * 9]
    ):
        yield f"properties-{number}", metadata({"weight": tensor(properties=push(value))})
        yield (
            f"properties-state-{number}",
            metadata({"weight": tensor(properties=built(ROOM, "TensorProperties", value))}),
        )
    yield (
        "entries-in-themselves",
        pickled(built(ROOM, "Metadata", Raw(b"}\x94" + push("state_dict_metadata") + b"h\x00s"))),
    )
    yield "state-in-itself", pickled(Raw(named(ROOM, "Metadata") + b")\x81\x94h\x00b"))
    yield "storage-odd", metadata(storage={"a": 1})
    yield "planner-odd", metadata(planner={"weight": (1, "a", None, ("x",) * 9), 5: [1]})
    yield "planner-of-itself", metadata(planner=Raw(b"}\x94" + push("weight") + b"h\x00s"))


def cases() -> Iterator[Case]:
    yield Case("distributed/plain", files(".", {".metadata": metadata(), "__0_0.distcp": b"x"}), keys=("weight",))
    for name, data in odd():
        yield Case(f"distributed/{name}", files(".", {".metadata": data, "__0_0.distcp": b"x"}))
    for number, name in enumerate(
        ("../../etc/passwd", "/dev/zero", "/etc/passwd", "http://127.0.0.1:9/", "a\x1b[31m\n", "")
    ):
        data = metadata(storage=place(name))
        yield Case(f"distributed/elsewhere-{number}", files(".", {".metadata": data, "__0_0.distcp": b"x"}))
    payload = pickled(Raw(SYSTEM + b"0" + metadata()[2:-1]))
    yield Case("distributed/payload", files(".", {".metadata": payload, "__0_0.distcp": b"x"}), ALARM)
    yield Case("distributed/by-its-file", files(".metadata", {".metadata": payload, "__0_0.distcp": b"x"}), ALARM)
    yield Case("distributed/a-data-file", files("__0_0.distcp", {".metadata": metadata(), "__0_0.distcp": b"x" * 100}))
    yield Case("distributed/without-metadata", files(".", {"__0_0.distcp": b"x"}), ALARM)
