"""Writes safetensors files of zeros, with whatever names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from pathlib import Path


def write(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    header, at = {}, 0
    for key, shape in shapes.items():
        size = 4 * prod(shape)
        header[key] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(at))
