"""Headers of safetensors that the format forbids, or that make its readers work."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

from hostile.case import CLEAN, READ, Build, Case, files, later, written


def encoded(header: bytes, data: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def entry(start: Any = 0, end: Any = 16, shape: Any = (2, 2), dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def made(header: Any, data: bytes = bytes(16)) -> bytes:
    return encoded(json.dumps(header, ensure_ascii=False).encode("utf-8", "surrogatepass"), data)


SMALL = made({"weight": entry()})
ONE = json.dumps(entry())


def readable() -> Iterator[tuple[str, bytes, tuple[str, ...]]]:
    yield "small", SMALL, ("weight",)
    yield "empty-tensor", made({"w": entry(0, 0, (0, 5))}, b""), ("w",)
    yield "scalar", made({"w": entry(0, 4, ())}, bytes(4)), ("w",)
    yield "spaces-behind", encoded(json.dumps({"w": entry()}).encode() + b" " * 64, bytes(16)), ("w",)
    yield "metadata", made({"__metadata__": {"format": "pt", "a": "\x1b[31m"}, "w": entry()}), ("w",)


def raw() -> Iterator[tuple[str, bytes]]:
    """Headers that json.dumps would not write."""
    yield "duplicate-key", b'{"w": %s, "w": {"dtype": "U8", "shape": [16], "data_offsets": [0, 16]}}'
    yield "duplicate-field", b'{"w": {"dtype": "F32", "shape": [2,2], "shape": [4], "data_offsets": [0, 16]}}'
    yield "duplicate-metadata", b'{"__metadata__": {"a": "b"}, "__metadata__": {"a": "c"}, "w": %s}'
    yield "escaped-duplicate", b'{"w": %s, "\\u0077": %s}'
    yield "number-infinite", b'{"w": {"dtype": "F32", "shape": [Infinity], "data_offsets": [0, 16]}}'
    yield "number-nan", b'{"w": {"dtype": "F32", "shape": [NaN], "data_offsets": [0, 16]}}'
    yield "number-1e400", b'{"w": {"dtype": "F32", "shape": [1e400], "data_offsets": [0, 16]}}'
    yield "number-float", b'{"w": {"dtype": "F32", "shape": [2.0, 2], "data_offsets": [0.0, 16]}}'
    yield "number-exponent", b'{"w": {"dtype": "F32", "shape": [1e1], "data_offsets": [0, 4e1]}}'
    yield "number-minus-zero", b'{"w": {"dtype": "F32", "shape": [-0], "data_offsets": [-0, 0]}}'
    digits = b"9" * 100_000
    yield "number-of-100000-digits", b'{"w": {"dtype": "F32", "shape": [' + digits + b'], "data_offsets": [0, 16]}}'
    yield "offset-of-100000-digits", b'{"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, ' + digits + b"]}}"
    yield "number-of-4000-digits", b'{"w": {"dtype": "F32", "shape": [' + b"9" * 4000 + b'], "data_offsets": [0, 16]}}'
    yield "array-not-object", b"[1, 2, 3]"
    yield "string", b'"text"'
    yield "null", b"null"
    yield "empty", b""
    yield "only-spaces", b" " * 100
    yield "broken-json", b'{"w": {"dtype": '
    yield "json-then-junk", b'{"w": %s} {"x": 1}'
    yield "comment", b'{/* */ "w": %s}'
    yield "trailing-comma", b'{"w": %s,}'
    yield "not-utf8", b'{"w\xff\xfe": %s}'
    yield "utf16", '{"w": 1}'.encode("utf-16")
    yield "byte-order-mark", b'\xef\xbb\xbf{"w": %s}'
    yield "nul-behind", b'{"w": %s}' + bytes(10)
    yield "raw-control-bytes-in-key", b'{"a\x1b[31m\x07\nb": %s}'
    yield "escaped-control-bytes-in-key", b'{"a\\u001b[31m\\u0007\\nb\\u009b\\u202e": %s}'
    yield "lone-surrogate-in-key", b'{"a\\ud800b": %s}'
    yield "space-first", b' {"w": %s}'


def wrong() -> Iterator[tuple[str, Any]]:
    yield "overlap", {"a": entry(), "b": entry(8, 24)}
    yield "same-place", {"a": entry(), "b": entry()}
    yield "hole", {"a": entry(4, 20)}
    yield "hole-between", {"a": entry(0, 16), "b": entry(20, 36)}
    yield "hole-at-the-end", {"a": entry(0, 4, (1,))}
    yield "past-the-end", {"a": entry(0, 1600, (400,))}
    yield "product-too-large", {"a": entry(0, 16, (100, 100))}
    yield "product-too-small", {"a": entry(0, 16, (1,))}
    yield "offsets-reversed", {"a": entry(16, 0)}
    yield "offsets-negative", {"a": entry(-16, 0)}
    yield "offsets-2^63", {"a": entry(2**63, 2**63 + 16)}
    yield "offsets-2^64", {"a": entry(0, 2**64, (2**62,))}
    yield "offsets-2^500", {"a": entry(0, 2**500, (2**498,))}
    yield "offsets-three", {"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 8, 16]}}
    yield "offsets-empty", {"a": {"dtype": "F32", "shape": [4], "data_offsets": []}}
    yield "offsets-text", {"a": {"dtype": "F32", "shape": [4], "data_offsets": ["0", "16"]}}
    yield "offsets-bool", {"a": {"dtype": "U8", "shape": [1], "data_offsets": [False, True]}}
    yield "offsets-null", {"a": {"dtype": "F32", "shape": [4], "data_offsets": None}}
    yield "shape-negative", {"a": entry(0, 16, (-2, -2))}
    yield "shape-bool", {"a": entry(0, 16, (True, 4))}
    yield "shape-text", {"a": entry(0, 16, "22")}
    yield "shape-object", {"a": entry(0, 16, {"0": 4})}
    yield "shape-null", {"a": entry(0, 16, None)}
    yield "shape-nested", {"a": entry(0, 16, [[2], [2]])}
    yield "shape-product-2^64", {"a": entry(0, 16, (2**32, 2**32, 4))}
    yield "shape-zero-times-2^70", {"a": entry(0, 0, (0, 2**70))}
    yield "dtype-unknown", {"a": entry(0, 16, (4,), "F31")}
    yield "dtype-escape", {"a": entry(0, 16, (4,), "\x1b[31mF32\u202e")}
    yield "dtype-number", {"a": entry(0, 16, (4,), 32)}
    yield "dtype-list", {"a": entry(0, 16, (4,), ["F32"])}
    yield "dtype-missing", {"a": {"shape": [4], "data_offsets": [0, 16]}}
    yield "field-more", {"a": entry() | {"evil": 1}}
    yield "entry-null", {"a": None}
    yield "entry-list", {"a": [1]}
    yield "entry-text", {"a": "F32"}
    yield "metadata-no-strings", {"__metadata__": {"a": {"b": 1}}, "w": entry()}
    yield "metadata-list", {"__metadata__": ["x"], "w": entry()}
    yield "metadata-looks-like-a-tensor", {"__metadata__": entry()}
    yield "no-tensors", {}
    yield "key-empty", {"": entry()}
    yield "key-of-100000-letters", {"k" * 100_000: entry()}
    yield "key-of-100000-dots", {"." * 100_000: entry()}
    yield "key-markup", {"[bold][/red][link=x]": entry()}
    yield "key-like-an-option", {"--output=/etc/passwd": entry()}
    yield "key-of-digits", {"9" * 5000: entry(), "layers.²": entry(), "layers.٣": entry()}


def lengths() -> Iterator[tuple[str, bytes]]:
    header = SMALL[8:-16]
    for name, length in (
        ("zero", 0), ("one", 1), ("short", len(header) - 5), ("long", len(header) + 5), ("100-megabytes", 100_000_001),
        ("2^31", 2**31), ("2^63", 2**63), ("2^64-1", 2**64 - 1),
    ):  # fmt: skip
        yield f"length-{name}", encoded(header, bytes(16), length)
    yield "cut-in-the-length", SMALL[:5]
    yield "cut-after-the-length", SMALL[:8]
    yield "cut-in-the-header", SMALL[:30]
    yield "cut-in-the-data", SMALL[:-3]
    yield "data-missing", SMALL[:-16]
    yield "bytes-behind", SMALL + b"more"


def many(count: int) -> bytes:
    header = {f"layers.{each}.weight": entry(4 * each, 4 * each + 4, (1,)) for each in range(count)}
    return made(header, bytes(4 * count))


def large() -> Iterator[tuple[str, Build]]:
    def deep(opening: bytes, closing: bytes) -> bytes:
        return encoded(b'{"w": ' + opening * 1_000_000 + closing * 1_000_000 + b"}", bytes(16))

    name = "model.safetensors"
    yield "deep-arrays", later(name, lambda: deep(b"[", b"]"))
    yield "deep-objects", later(name, lambda: deep(b'{"a":', b"}"))
    yield "deep-arrays-open", later(name, lambda: encoded(b'{"w": ' + b"[" * 5_000_000, bytes(16)))
    yield "shape-of-a-million", later(name, lambda: made({"w": entry(0, 16, [2**62] * 1_000_000)}))
    yield "shape-of-a-million-ones", later(name, lambda: made({"w": entry(0, 4, [1] * 1_000_000)}, bytes(4)))
    yield "metadata-of-10-megabytes", later(name, lambda: made({"__metadata__": {"a": "x" * 10_000_000}, "w": entry()}))
    yield "100000-keys", later(name, lambda: many(100_000))
    yield (
        "100000-empty-tensors",
        later(name, lambda: made({f"{each}": entry(0, 0, (0,)) for each in range(100_000)}, b"")),
    )
    yield "60-megabytes-of-spaces", later(name, lambda: encoded(b"{}" + b" " * 60_000_000))
    yield "30-megabytes-of-lists", later(name, lambda: encoded(b'{"w": [' + b"[]," * 10_000_000 + b"[]]}"))
    yield "30-megabytes-of-numbers", later(name, lambda: encoded(b'{"w": {"shape": [' + b"1," * 15_000_000 + b"1]}}"))


def sparse(folder: str) -> str:
    header = json.dumps({"w": entry(0, 2**40, (2**38,))}).encode()
    with open(f"{folder}/model.safetensors", "wb") as file:
        file.write(encoded(header))
        file.truncate(8 + len(header) + 2**40)
    return "model.safetensors"


def cases() -> Iterator[Case]:
    for name, data, keys in readable():
        yield Case(f"safetensors/{name}", written("model.safetensors", data), CLEAN, keys=keys)
    for name, header in raw():
        data = encoded(header.replace(b"%s", ONE.encode()), bytes(16))
        yield Case(f"safetensors/{name}", written("model.safetensors", data))
    for name, value in wrong():
        yield Case(f"safetensors/{name}", written("model.safetensors", made(value)))
    for name, data in lengths():
        yield Case(f"safetensors/{name}", written("model.safetensors", data))
    for name, build in large():
        yield Case(f"safetensors/{name}", build, heavy=True)
    yield Case("safetensors/sparse-terabyte", sparse, READ, keys=("w",))
    yield Case("safetensors/without-suffix", files("model", {"model": SMALL}), READ, keys=("weight",))
