"""Indexes that name what is not theirs, and folders of shards that do not fit together."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hostile.archives import torch_zip
from hostile.assemble import Raw, pickled, push, tensor
from hostile.calls import SYSTEM
from hostile.case import ALARM, CLEAN, Build, Case, files
from hostile.headers import SMALL, entry, made

INDEX = "model.safetensors.index.json"
FIRST = "model-00001-of-00002.safetensors"
SECOND = "model-00002-of-00002.safetensors"
OTHER = made({"bias": entry()})


def index(weight_map: Any, **more: Any) -> bytes:
    return json.dumps({"metadata": {"total_size": 32}, "weight_map": weight_map} | more).encode()


def sharded(weight_map: Any = None, main: str = INDEX, **shards: Any) -> Build:
    weight_map = {"weight": FIRST, "bias": SECOND} if weight_map is None else weight_map
    return files(main, {INDEX: index(weight_map), FIRST: SMALL, SECOND: OTHER} | shards)


ELSEWHERE = (
    "../secret.safetensors", "../../../../etc/passwd", "/etc/passwd", "/dev/zero", "/dev/stdin", "/dev/tty",
    "/proc/self/mem",
    "/proc/self/environ", "file:///etc/passwd", "http://127.0.0.1:9/x.safetensors", "//127.0.0.1/share/x",
    "\\\\127.0.0.1\\x",
    "C:\\x.safetensors", "C:x", "sub/../../x", "sub/x.safetensors", "./x.safetensors", "~/x", "$HOME/x",
    ".", "..", "", "/", "nul", "a\0b",
    "x\x1b[31m.safetensors", "x\ny", "\u202ex", "x" * 5000, INDEX, "-rf", "%s%n", "*", "|id", "CON",
)  # fmt: skip


def odd() -> Iterator[tuple[str, bytes]]:
    yield "weight_map-list", index([FIRST])
    yield "weight_map-text", index(FIRST)
    yield "weight_map-null", index(None)
    yield "weight_map-empty", index({})
    yield "weight_map-missing", b'{"metadata": {}}'
    yield "value-number", index({"weight": 5})
    yield "value-null", index({"weight": None})
    yield "value-list", index({"weight": [FIRST]})
    yield "value-object", index({"weight": {"file": FIRST}})
    yield "array", b"[]"
    yield "empty", b""
    yield "not-json", b"\x80\x02}."
    yield "not-utf8", b'{"weight_map": {"\xff": "x"}}'
    yield "byte-order-mark", b"\xef\xbb\xbf" + index({"weight": FIRST, "bias": SECOND})
    yield "key-twice", b'{"weight_map": {"weight": "%s", "weight": "%s"}}' % (FIRST.encode(), SECOND.encode())
    yield "metadata-odd", index({"weight": FIRST, "bias": SECOND}, metadata=[1])
    yield "total-size-odd", index({"weight": FIRST, "bias": SECOND}, metadata={"total_size": "9" * 5000})
    yield "total-size-huge", b'{"metadata": {"total_size": %s}, "weight_map": {"weight": "x"}}' % (b"9" * 10_000)
    yield "number-nan", b'{"metadata": {"total_size": NaN}, "weight_map": {"weight": "%s"}}' % FIRST.encode()
    yield "keys-escape", index({"\x1b[31m\n": FIRST, "\ud800": SECOND})


def cases() -> Iterator[Case]:
    yield Case("indexes/plain", sharded(), CLEAN, keys=("weight", "bias"))
    yield Case("indexes/folder", sharded(main="."), CLEAN, keys=("weight", "bias"))
    for number, name in enumerate(ELSEWHERE):
        yield Case(f"indexes/elsewhere-{number}", sharded({"weight": FIRST, "bias": name}), ALARM)
    for name, data in odd():
        yield Case(f"indexes/{name}", sharded(**{INDEX: data}))
    wrong = {
        "keys-swapped": sharded({"weight": SECOND, "bias": FIRST}),
        "key-in-no-shard": sharded({"weight": FIRST, "bias": SECOND, "more": SECOND}),
        "key-not-in-index": sharded({"weight": FIRST}),
        "one-key-in-two-shards": sharded(**{SECOND: SMALL}),
        "shard-missing": files(INDEX, {INDEX: index({"weight": FIRST, "bias": SECOND}), FIRST: SMALL}),
        "shard-empty": sharded(**{SECOND: b""}),
        "shard-cut": sharded(**{SECOND: OTHER[:-4]}),
        "shard-is-a-pickle": sharded(**{SECOND: b"\x80\x02" + SYSTEM + b"0}."}),
        "shard-is-an-index": sharded({"weight": INDEX}),
    }
    for name, build in wrong.items():
        yield Case(f"indexes/{name}", build, ALARM)
    evil = torch_zip(b"\x80\x02" + SYSTEM + b"0" + push({"bias": tensor()}) + b".")
    pytorch = {"weight": "pytorch_model-00001-of-00002.bin", "bias": "pytorch_model-00002-of-00002.bin"}
    shards = {pytorch["weight"]: torch_zip(), pytorch["bias"]: evil}
    name = "pytorch_model.bin.index.json"
    yield Case("indexes/payload-in-a-shard", files(".", {name: index(pytorch)} | shards), ALARM)
    yield Case("indexes/payload-in-a-shard-by-index", files(name, {name: index(pytorch)} | shards), ALARM)
    many = {f"layers.{each}.weight": f"model-{each}.safetensors" for each in range(20_000)}
    yield Case("indexes/20000-missing-shards", files(INDEX, {INDEX: index(many)}), ALARM, heavy=True)
    deep = b'{"weight_map": ' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}"
    yield Case("indexes/deep", files(INDEX, {INDEX: deep}), ALARM, heavy=True)
    deep = b'{"weight_map": ' + b'{"a":' * 500_000 + b"1" + b"}" * 500_000 + b"}"
    yield Case("indexes/deep-objects", files(INDEX, {INDEX: deep}), ALARM, heavy=True)
    both = {
        INDEX: index({"weight": FIRST, "bias": SECOND}),
        FIRST: SMALL,
        SECOND: OTHER,
        "pytorch_model.bin": torch_zip(),
    }
    yield Case("indexes/two-kinds-in-one-folder", files(".", both))
    two = {
        INDEX: index({"weight": FIRST}),
        "other.safetensors.index.json": index({"bias": SECOND}),
        FIRST: SMALL,
        SECOND: OTHER,
    }
    yield Case("indexes/two-indexes-in-one-folder", files(".", two))
    yield Case("indexes/no-index-many-shards", files(".", {FIRST: SMALL, SECOND: OTHER}))
    yield Case("indexes/junk-folder", files(".", {f"file{each}.txt": b"x" for each in range(200)}), ALARM)
    zero = {
        "zero_pp_rank_0_mp_rank_00_model_states.pt": torch_zip(
            pickled(Raw(SYSTEM + b"0" + push({"module": {"w": tensor()}})))
        )
    }
    yield Case("indexes/payload-in-deepspeed", files(".", zero), ALARM)
    shapes = [{"w": value, "v\x1b[31m": (-1, 2**80)} for value in (None, "x", (True,), [1, [2]], 5)]
    for number, value in enumerate([shapes, {}, None, [None], "x", [[1]], {"w": (1,)}]):
        odd_shapes = {
            "module": {"w": tensor(shape=(0,), stride=(1,))},
            "param_shapes": value,
            "buffer_names": value,
            "shared_params": value,
        }
        zero = {"zero_pp_rank_0_mp_rank_00_model_states.pt": torch_zip(pickled(odd_shapes))}
        yield Case(f"indexes/deepspeed-shapes-{number}", files(".", zero))
