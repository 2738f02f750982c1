"""Writes a large checkpoint without its data: a real header, and a hole where the numbers would be.

Runs in an interpreter with torch: `python checkpoint_files.py KIND KEYS FILE`.
"""

from __future__ import annotations

import json
import os
import struct
import sys

import torch

#: Rows and columns of each of the tensors, in bfloat16.
SHAPES = {"dense": (7000, 4000), "experts": (64, 32), "terabyte": (2_000_000, 1024)}


def names(kind: str, count: int) -> list[str]:
    """As transformers names them: nine keys in a layer, or a mixture of experts."""
    if kind == "experts":
        parts = [f"mlp.experts.{each}.{part}_proj" for each in range(128) for part in ("gate", "up", "down")]
    else:
        parts = [f"self_attn.{each}_proj" for each in "qkvo"] + [f"mlp.{each}_proj" for each in ("gate", "up", "down")]
        parts += ["input_layernorm", "post_attention_layernorm"]
    layers = -(-count // len(parts))
    return [f"model.layers.{layer}.{part}.weight" for layer in range(layers) for part in parts][:count]


def pt(kind: str, count: int, path: str) -> None:
    shape = SHAPES[kind]
    with torch.serialization.skip_data():
        torch.save({name: torch.empty(shape, dtype=torch.bfloat16) for name in names(kind, count)}, path)


def safetensors(kind: str, count: int, path: str) -> None:
    shape = SHAPES[kind]
    size = 2 * shape[0] * shape[1]
    header = {
        name: {"dtype": "BF16", "shape": shape, "data_offsets": [each * size, (each + 1) * size]}
        for each, name in enumerate(names(kind, count))
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + count * size)


if __name__ == "__main__":
    kind, count, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    (safetensors if os.path.splitext(path)[1] == ".safetensors" else pt)(kind, count, path)
