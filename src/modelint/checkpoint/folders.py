"""What a folder holds: an index of shards, a distributed checkpoint, one file. Which one is meant."""

from __future__ import annotations

import os
from typing import Literal, NamedTuple

from modelint.checkpoint import regular
from modelint.checkpoint.contents import Refused
from modelint.checkpoint.sharded import MAX_ENTRIES, is_bare, looks_like_index

#: In this order, as transformers and diffusers choose.
_INDEXES = (
    "model.safetensors.index.json",
    "diffusion_pytorch_model.safetensors.index.json",
    "pytorch_model.bin.index.json",
    "diffusion_pytorch_model.bin.index.json",
)
_FILES = (
    "model.safetensors",
    "diffusion_pytorch_model.safetensors",
    "adapter_model.safetensors",
    "pytorch_model.bin",
    "diffusion_pytorch_model.bin",
    "adapter_model.bin",
)
EXTENSIONS = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".pt2", ".tar")


class Meant(NamedTuple):
    """``path`` and how it is to be read."""

    kind: Literal["file", "index", "distributed", "deepspeed"]
    path: str


def choose(folder: str) -> Meant:
    """What is meant by a folder. Raises Refused, naming the candidates, where nothing says it; and OSError."""
    names = _names(folder)
    if ".metadata" in names:
        return Meant("distributed", folder)
    for name in (*_INDEXES, *(found := [name for name in names if looks_like_index(name)])):
        if name in names and (name in _INDEXES or len(found) == 1):
            return Meant("index", os.path.join(folder, name))
    if any(name.endswith("model_states.pt") for name in names):
        return Meant("deepspeed", folder)
    if "latest" in names:
        return Meant("deepspeed", os.path.join(folder, _latest(os.path.join(folder, "latest"))))
    for name in _FILES:
        if name in names:
            return Meant("file", os.path.join(folder, name))
    if "data.pkl" in names and "version" in names:
        raise Refused("a torch file that was unpacked; zip the folder again, without compression, or get it anew")
    files = [name for name in names if name.endswith(EXTENSIONS)] + found
    if len(files) == 1:
        return Meant("file", os.path.join(folder, files[0]))
    if files:
        shown = ", ".join(files[:4]) + (f" and {len(files) - 4} more" if len(files) > 4 else "")
        raise Refused(f"a folder with {len(files)} checkpoint files ({shown}), and no index that joins them; name one")
    if "saved_model.pb" in names or any(name.endswith(".ckpt.index") or name == "checkpoint" for name in names):
        raise Refused("a TensorFlow model; modelint reads checkpoints of torch")
    raise Refused("a folder without a checkpoint in it" if names else "the folder is empty")


def _names(folder: str) -> list[str]:
    names = []
    with os.scandir(folder) as entries:
        for entry in entries:
            names.append(entry.name)
            if len(names) > MAX_ENTRIES:
                raise Refused(f"a folder of more than {MAX_ENTRIES} entries; name the file that is meant")
    return sorted(names)


def _latest(path: str) -> str:
    """The folder that DeepSpeed's file ``latest`` names."""
    with regular.opened(path) as file:
        name = regular.read(file, 0, 300).decode("utf-8", "replace").strip()
    if not is_bare(name):
        raise Refused("its file `latest` names no folder beside it; give the folder of one step")
    return name
