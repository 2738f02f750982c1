"""Small checkpoint files and folders for the tests of what reads them."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

BYTES = {"F32": 4, "F16": 2, "BF16": 2, "I64": 8, "U8": 1}


def safetensors(path: Path, shapes: Mapping[str, Sequence[int]], dtype: str = "F32") -> Path:
    """A file of zeros with these keys, without the safetensors library."""
    header, end = {}, 0
    for key, shape in shapes.items():
        begin = end
        length = BYTES[dtype]
        for each in shape:
            length *= each
        end += length
        header[key] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    with path.open("r+b") as file:
        file.truncate(8 + len(text) + end)
    return path


def index(folder: Path, where: Mapping[str, str], name: str = "model.safetensors.index.json") -> Path:
    path = folder / name
    path.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": dict(where)}), encoding="utf-8")
    return path
