"""safetensors files: ours against the library's reading of them, and what is refused or found."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from modelint.checkpoint import safetensors
from modelint.checkpoint.contents import Contents, Refused
from modelint.checkpoint.facts import BadShape, TrailingBytes, Truncated

DTYPES = [
    torch.bool, torch.uint8, torch.int8, torch.uint16, torch.int16, torch.uint32, torch.int32, torch.uint64,
    torch.int64, torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.float8_e4m3fn,
    torch.float8_e5m2, torch.float8_e8m0fnu, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz, torch.float4_e2m1fn_x2,
]  # fmt: skip


def raw(path: Path, header: bytes | str | dict[str, Any], data: int = 0, length: int | None = None) -> str:
    text = json.dumps(header).encode() if isinstance(header, dict) else header
    text = text.encode() if isinstance(text, str) else text
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text)
    os.truncate(path, path.stat().st_size + data)
    return str(path)


def entry(shape: list[int], begin: int, end: int, dtype: str = "U8") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def as_dict(contents: Contents) -> dict[str, tuple[str, tuple[int, ...] | None]]:
    (root,) = contents.roots
    return {key: (stored.spec.dtype, stored.spec.shape) for key, stored in root.tensors.items()}


def oracle(path: str) -> dict[str, tuple[str, tuple[int, ...]]]:
    with safe_open(path, "pt") as file:
        return {
            key: (str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape))
            for key in file.keys()  # noqa: SIM118 (it is no dict)
            for tensor in (file.get_tensor(key),)
        }


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=("Cs",)), max_size=12),
        st.tuples(st.sampled_from(DTYPES), st.lists(st.integers(0, 4), max_size=4)),
        max_size=6,
    ),
    st.dictionaries(st.text(st.characters(exclude_categories=("Cs",)), max_size=5), st.text(max_size=5), max_size=3),
)
@settings(deadline=None, max_examples=200)
def test_as_the_library_reads_it(
    tmp_path_factory: pytest.TempPathFactory, specs: dict[str, Any], metadata: dict[str, str]
) -> None:
    specs.pop("__metadata__", None)
    metadata = {key: value for key, value in metadata.items() if value.isprintable()}
    path = str(tmp_path_factory.mktemp("st") / "a.safetensors")
    tensors = {
        key: torch.empty(shape, dtype=dtype) for key, (dtype, shape) in specs.items() if shape or dtype != DTYPES[-1]
    }
    save_file(tensors, path, metadata=metadata or None)
    contents = safetensors.read(path)
    assert as_dict(contents) == oracle(path)
    assert contents.facts == ()
    assert contents.bytes == os.path.getsize(path)


@pytest.mark.parametrize("name", sorted(safetensors.DTYPES))
def test_every_dtype_of_the_format(tmp_path: Path, name: str) -> None:
    bits = {"BOOL": 8, "BF16": 16}.get(name) or int("".join(c for c in name.partition("_")[0] if c.isdigit()))
    path = raw(tmp_path / "a.safetensors", {"w": entry([2, 4], 0, bits, name)}, bits)
    with safe_open(path, "pt") as file:
        assert list(file.keys()) == ["w"]
    assert safetensors.read(path).facts == ()


def test_an_unknown_dtype_keeps_its_name(tmp_path: Path) -> None:
    path = raw(tmp_path / "a.safetensors", {"w": entry([2], 0, 5, "F3_X")}, 5)
    assert as_dict(safetensors.read(path)) == {"w": ("F3_X", (2,))}


A = entry([4], 0, 4)
JSON_A = json.dumps(A)

REFUSED = {
    "twice": (f'{{"a":{JSON_A},"b":{json.dumps(entry([4], 4, 8))},"a":{JSON_A}}}', 8, "twice"),
    "twice by an escape": (f'{{"a":{JSON_A},"\\u0061":{JSON_A}}}', 4, "twice"),
    "field twice": ('{"a":{"dtype":"U8","dtype":"I8","shape":[4],"data_offsets":[0,4]}}', 4, "not valid JSON"),
    "metadata twice": ('{"__metadata__":{},"__metadata__":{}}', 0, "twice"),
    "hole": ({"a": A, "b": entry([4], 8, 12)}, 12, "hole"),
    "hole at the start": ({"a": entry([4], 4, 8)}, 8, "hole"),
    "overlap": ({"a": A, "b": entry([4], 2, 6)}, 6, "overlaps"),
    "same place": ({"a": A, "b": A}, 4, "overlaps"),
    "backwards": ({"a": entry([4], 4, 0)}, 4, "offsets"),
    "negative size": ({"a": entry([-4], 0, 4)}, 4, "none negative"),
    "negative offset": ({"a": entry([4], -4, 0)}, 4, "none negative"),
    "float size": ('{"a":{"dtype":"U8","shape":[4.0],"data_offsets":[0,4]}}', 4, "not valid JSON"),
    "nan": ('{"a":{"dtype":"U8","shape":[NaN],"data_offsets":[0,4]}}', 4, "not valid JSON"),
    "beyond 64 bits": ('{"a":{"dtype":"U8","shape":[99999999999999999999],"data_offsets":[0,4]}}', 4, "size of"),
    "a thousand digits": (
        f'{{"a":{{"dtype":"U8","shape":[{"9" * 10_000}],"data_offsets":[0,4]}}}}',
        4,
        "not valid JSON",
    ),
    "dimensions": ({"a": entry([1] * 5000, 0, 1)}, 1, "5000 dimensions"),
    "deep": ('{"a":' + "[" * 500_000, 0, "no object"),
    "deep objects": ('{"a":' * 200_000, 0, "damaged"),
    "no object": ('{"a":[]}', 0, "no object"),
    "missing field": ('{"a":{"dtype":"U8","shape":[4]}}', 4, "needs a dtype"),
    "leading zero": ('{"a":{"dtype":"U8","shape":[04],"data_offsets":[0,4]}}', 4, "not valid JSON"),
    "metadata of numbers": ('{"__metadata__":{"a":1}}', 0, "no object of strings"),
    "cut JSON": ('{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}', 4, "expected"),
    "trailing comma": (f'{{"a":{JSON_A},}}', 4, "a name was expected"),
    "behind the end": (f'{{"a":{JSON_A}}}{{}}', 4, "behind its end"),
    "not UTF-8": (b'{"\xff":' + json.dumps(A).encode() + b"}", 4, "not UTF-8"),
    "half a surrogate": (f'{{"\\ud800":{JSON_A}}}', 4, "not valid text"),
    "list": ("[]", 0, "does not begin"),
    "empty header": ("", 0, "does not begin"),
    "long name": (f'{{"{"k" * 2_000_000}":{JSON_A}}}', 4, "a name of"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(tmp_path: Path, case: str) -> None:
    header, data, words = REFUSED[case]
    path = raw(tmp_path / "a.safetensors", header, data)
    with pytest.raises(Refused, match=words) as raised:
        safetensors.read(path)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 300


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (2**63, "truncated"),
        (2**64 - 1, "truncated"),
        (1000, "truncated: its header should have 1000"),
        (1, "no|expected"),
    ],
)
def test_lengths_of_the_header(tmp_path: Path, length: int, words: str) -> None:
    with pytest.raises(Refused, match=words):
        safetensors.read(raw(tmp_path / "a.safetensors", {"a": A}, 4, length))


def test_a_header_over_the_limit(tmp_path: Path) -> None:
    path = raw(tmp_path / "a.safetensors", {}, 0, safetensors.MAX_HEADER + 1)
    os.truncate(path, safetensors.MAX_HEADER + 100)
    with pytest.raises(Refused, match="allows 100000000"):
        safetensors.read(path)


@pytest.mark.parametrize("size", range(1, 8))
def test_shorter_than_its_length(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"\x10" * size)
    with pytest.raises(Refused, match="truncated"):
        safetensors.read(str(path))


def test_too_many_tensors(tmp_path: Path) -> None:
    one = json.dumps(entry([0], 0, 0))
    path = raw(tmp_path / "a.safetensors", "{" + ",".join(f'"{n}":{one}' for n in range(400_001)) + "}")
    with pytest.raises(Refused, match="more than 400000 tensors"):
        safetensors.read(path)


def test_shape_against_offsets(tmp_path: Path) -> None:
    header = {"a": entry([3], 0, 4), "b": entry([2], 4, 8, "F32"), "c": entry([4], 8, 12)}
    (fact,) = safetensors.read(raw(tmp_path / "a.safetensors", header, 12)).facts
    assert isinstance(fact, BadShape)
    assert (fact.key, fact.shape, fact.others) == ("a", (3,), 1)


def test_cut_and_joined(tmp_path: Path) -> None:
    header = {"a": A, "b": entry([4], 4, 8)}
    whole = raw(tmp_path / "a.safetensors", header, 8)
    size = os.path.getsize(whole)
    os.truncate(whole, size - 1)
    assert safetensors.read(whole).facts == (Truncated(size - 1, size, ("b",)),)
    os.truncate(whole, size + 7)
    assert safetensors.read(whole).facts == (TrailingBytes(7),)
    with pytest.raises(SafetensorError):
        safe_open(whole, "pt").__enter__()


def test_written_in_another_way(tmp_path: Path) -> None:
    fields = '"shape" : [ 2 , 2 ] , "extra": null, "data_offsets":[0, 4], "dtype" :"U8"'
    text = f' {{\n "a\\"\\u00e9" : {{ {fields} }} , "__metadata__":null }} \n'
    path = raw(tmp_path / "a.safetensors", text[1:], 4)
    assert as_dict(safetensors.read(path)) == {'a"é': ("uint8", (2, 2))}


def test_the_order_of_the_header(tmp_path: Path) -> None:
    header = {"z": entry([4], 4, 8), "a": A, "m": entry([0], 4, 4)}
    assert list(as_dict(safetensors.read(raw(tmp_path / "a.safetensors", header, 8)))) == ["z", "a", "m"]


def mutated(data: bytes, header: int) -> Iterator[bytes]:
    for at in range(len(data)):
        yield data[:at]
    for at in range(header):
        for flip in (1, 4, 32, 128):
            yield data[:at] + bytes((data[at] ^ flip,)) + data[at + 1 :]


def test_no_cut_and_no_flipped_bit_raises_anything_else(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"a.b": torch.zeros(2, 3), "c": torch.zeros(4, dtype=torch.int64)}, path, metadata={"format": "pt"})
    data = path.read_bytes()
    agreed = 0
    for each in mutated(data, len(data) - 56):
        path.write_bytes(each)
        try:
            read = safetensors.read(str(path))
        except Refused:
            continue
        known = {stored.spec.dtype for stored in read.roots[0].tensors.values()} <= set(safetensors.DTYPES.values())
        if not read.facts and known:
            # What we take without a word, the library takes, and sees the same in it.
            assert as_dict(read) == oracle(str(path))
            agreed += 1
    assert agreed > 20


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="asks Linux for the peak of the memory")
def test_a_tebibyte_costs_what_a_small_file_costs(tmp_path: Path) -> None:
    small = raw(tmp_path / "small.safetensors", {"w": A}, 4)
    large = raw(tmp_path / "large.safetensors", {"w": entry([2**40], 0, 2**40)})
    try:
        os.truncate(large, os.path.getsize(large) + 2**40)
    except OSError:
        pytest.skip("this file system has no sparse files")
    program = (
        "import re, sys; from modelint.checkpoint import open as entrance\n"
        "contents = entrance.read(sys.argv[1]); assert contents.facts == (), contents.facts\n"
        "assert not {'torch', 'safetensors', 'rich', 'numpy', 'libcst'} & set(sys.modules)\n"
        "print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
    )
    peaks = [
        int(subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True).stdout)
        for path in (small, large)
    ]
    assert peaks[0] < 40_000 and peaks[1] < peaks[0] + 4_000
