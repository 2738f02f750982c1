"""A small valid file of every format, as its library writes it: what the fuzzer spoils."""

from __future__ import annotations

import argparse
import json
import os
import pickle
from collections.abc import Callable
from typing import Any

import safetensors.torch
import torch
from oracle.modules import Block
from oracle.tensors import Marked


def state() -> dict[str, Any]:
    weight = torch.zeros(2, 3)
    return {
        "layers.0.weight": weight,
        "layers.0.bias": torch.zeros(3, dtype=torch.bfloat16),
        "head.weight": weight,
        "view": weight[0],
        "norm.num_batches_tracked": torch.tensor(0),
    }


def rich() -> dict[str, Any]:
    """With all that a training script leaves in a file."""
    number = torch.ones(2, 2)
    odd = {
        "sparse": number.to_sparse(),
        "csr": number.to_sparse_csr(),
        "quantized": torch.quantize_per_tensor(number, 0.1, 0, torch.qint8),
        "nested": torch.nested.nested_tensor([torch.zeros(2), torch.zeros(1)]),
        "meta": torch.zeros(2, device="meta"),
        "marked": number.as_subclass(Marked),
        "small": torch.zeros(2, dtype=torch.float8_e4m3fn),
        "parameter": torch.nn.Parameter(number),
    }
    beside = {"epoch": 3, "args": argparse.Namespace(lr=0.1), "best": 0.5, "names": ["a", ("b", {"c"})], "big": 2**80}
    optimizer = {
        "state": {0: {"step": torch.tensor(1.0), "exp_avg": torch.zeros(2)}},
        "param_groups": [{"lr": 0.1, "params": [0]}],
    }
    return {"state_dict": state() | odd, "optimizer": optimizer, **beside}


def numpy_pickle(path: str) -> None:
    import numpy

    arrays = {"a": numpy.zeros((2, 3), "float32"), "b": numpy.zeros(2, "int64"), "c": numpy.float64(1)}
    with open(path, "wb") as file:
        pickle.dump({"model": arrays}, file)


def plain_pickle(path: str) -> None:
    with open(path, "wb") as file:
        pickle.dump(state(), file)


def distributed(path: str) -> None:
    import torch.distributed.checkpoint

    torch.distributed.checkpoint.save({"model": state(), "step": 3}, checkpoint_id=path, no_dist=True)


def sharded(path: str) -> None:
    os.mkdir(path)
    weight_map = {}
    for number, key in enumerate(("a.weight", "b.weight")):
        name = f"model-{number + 1:05}-of-00002.safetensors"
        safetensors.torch.save_file({key: torch.zeros(2, 2)}, os.path.join(path, name))
        weight_map[key] = name
    with open(os.path.join(path, "model.safetensors.index.json"), "w") as file:
        json.dump({"metadata": {"total_size": 32}, "weight_map": weight_map}, file)


def deepspeed(path: str) -> None:
    os.mkdir(path)
    shapes = [{"a.weight": torch.Size([2, 2]), "b.weight": torch.Size([4])}]
    saved = {
        "module": {"a.weight": torch.zeros(0), "b.weight": torch.zeros(0), "mask": torch.zeros(2)},
        "param_shapes": shapes,
        "buffer_names": ["mask"],
        "shared_params": {"c.weight": "a.weight"},
        "frozen_param_shapes": None,
    }
    torch.save(saved, os.path.join(path, "zero_pp_rank_0_mp_rank_00_model_states.pt"))


def exported(path: str) -> None:
    torch.export.save(torch.export.export(Block(2, 1).eval(), (torch.zeros(2, 2),)), path)


SAMPLES: dict[str, Callable[[str], Any]] = {
    "zip.pt": lambda path: torch.save(state(), path),
    "rich.ckpt": lambda path: torch.save(rich(), path),
    "module.pt": lambda path: torch.save(Block(2, 1), path),
    "protocol4.pt": lambda path: torch.save(state(), path, pickle_protocol=4),
    "legacy.pt": lambda path: torch.save(state(), path, _use_new_zipfile_serialization=False),
    "legacy-rich.pt": lambda path: torch.save(
        {"state_dict": state(), "epoch": 3}, path, _use_new_zipfile_serialization=False, pickle_protocol=4
    ),
    "legacy-module.pt": lambda path: torch.save(Block(2, 1), path, _use_new_zipfile_serialization=False),
    "plain.pkl": plain_pickle,
    "numpy.pkl": numpy_pickle,
    "model.safetensors": lambda path: safetensors.torch.save_file(
        {"a.weight": torch.zeros(2, 2), "b": torch.zeros(3, dtype=torch.bfloat16)}, path, {"format": "pt"}
    ),
    "script.pt": lambda path: torch.jit.save(torch.jit.script(Block(2, 1)), path),
    "exported.pt2": exported,
    "sharded": sharded,
    "distributed": distributed,
    "deepspeed": deepspeed,
}


def make(folder: str) -> None:
    """All of them, in an empty folder."""
    for name, write in SAMPLES.items():
        write(os.path.join(folder, name))
