"""Which format the first bytes tell, and what is refused by its name."""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy
import pytest
import torch
from checkpoint_files import safetensors

from modelint.checkpoint.contents import Refused
from modelint.checkpoint.open import read
from modelint.checkpoint.sniff import sniff


def saved(value: object, **options: object) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("storages"))
    return stream.getvalue()


def zipped(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return stream.getvalue()


def npz() -> bytes:
    stream = io.BytesIO()
    numpy.savez(stream, a=numpy.zeros(2))
    return stream.getvalue()


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 438009999\n"

REFUSED = {
    "empty": (b"", "empty"),
    "git-lfs": (LFS, r"git-lfs pointer.*438009999 bytes.*git lfs pull"),
    "HTML": (b"\n<!DOCTYPE html><html>", "HTML page"),
    "HTML of a login": (b"<html><body>{", "HTML page"),
    "XML": (b'<?xml version="1.0"?><Error><Code>AccessDenied', "XML document"),
    "tar": (tar(), "tar archive"),
    "npz": (npz(), "NumPy archive"),
    "npy": (b"\x93NUMPY\x01\x00v\x00{'descr'", "NumPy array"),
    "GGUF": (b"GGUF\x03\x00\x00\x00\x7b\x00\x00\x00", "GGUF"),
    "GGUF with a brace": (b"GGUF\x03\x00\x00\x00{\x00", "GGUF"),
    "HDF5": (b"\x89HDF\r\n\x1a\n\x00\x00", "HDF5"),
    "ONNX": (b"\x08\x08\x12\x07pytorch\x1a\x052.1.0", "ONNX"),
    "gzip": (gzip.compress(b"x" * 100), "gzip"),
    "7z": (b"7z\xbc\xaf\x27\x1c\x00\x04", "7z"),
    "zstd": (b"\x28\xb5\x2f\xfd\x24", "zstd"),
    "TensorFlow Lite": (b"\x1c\x00\x00\x00TFL3", "TensorFlow Lite"),
    "empty zip": (zipped(), "empty zip"),
    "another zip": (zipped("word/document.xml", "a.txt"), r"none that torch wrote.*'word/document.xml'"),
    "Keras": (zipped("metadata.json", "model.weights.h5"), "Keras"),
    "zeros": (bytes(5000), "nothing but zeros"),
    "text": (b"hello, world, this is text", "68 65 6c 6c 6f"),
    "JSON": (b'{"architectures": ["GPT2"]}', "without a weight_map"),
    "cut JSON": (b'{"weight_map": {"a": "b', "truncated or damaged"),
    "program": (b"\x7fELF\x02\x01\x01", "program"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("extension", [".pt", ".safetensors", ".bin"])
def test_refused_by_name(tmp_path: Path, case: str, extension: str) -> None:
    data, words = REFUSED[case]
    path = tmp_path / f"a{extension}"
    path.write_bytes(data)
    with pytest.raises(Refused, match=words) as raised:
        read(str(path))
    assert str(raised.value).isprintable()


def test_formats(tmp_path: Path) -> None:
    tensors = {"a": torch.zeros(2)}
    legacy = saved(tensors, _use_new_zipfile_serialization=False)
    made = {
        "zip": [saved(tensors)],
        "legacy": [
            legacy,
            *(saved(tensors, _use_new_zipfile_serialization=False, pickle_protocol=n) for n in (3, 4, 5)),
        ],
        "pickle": [pickle.dumps({"a": 1, "b": [2]}, protocol) for protocol in range(6)],
        "safetensors": [safetensors(tmp_path / "a.safetensors", {"a": [2]}).read_bytes()],
        "json": [b'{"weight_map": {}}', b'\xef\xbb\xbf  {"a": 1}'],
    }
    for format, files in made.items():
        assert [sniff(data[:1024], len(data)) for data in files] == [format] * len(files)


def test_a_header_that_begins_as_a_pickle_does(tmp_path: Path) -> None:
    path = safetensors(tmp_path / "a.safetensors", {"a": [2]})
    data = path.read_bytes()
    header = data[8:-8].ljust(0x280)
    path.write_bytes((0x280).to_bytes(8, "little") + header + bytes(8))
    assert path.read_bytes()[:2] == b"\x80\x02"
    assert read(str(path)).format == "safetensors"


def test_a_pickle_with_a_brace_in_its_ninth_byte() -> None:
    data = b"\x80\x02]q\x00(NK{e."
    assert data[8:9] == b"{" and pickle.loads(data) == [None, 123]
    assert sniff(data, len(data)) == "pickle"


@pytest.mark.parametrize("name", ["model.safetensors", "model.json", "model.gguf"])
def test_a_pickle_under_another_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(saved({"a": torch.zeros(2)}))
    (fact,) = read(str(path)).facts
    assert type(fact).__name__ == "WrongExtension"
    safetensors(tmp_path / "model.bin", {"a": [2]})
    (fact,) = read(str(tmp_path / "model.bin")).facts
    assert fact == type(fact)(".bin", "safetensors")
