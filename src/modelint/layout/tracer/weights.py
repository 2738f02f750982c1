"""Weights as training could have left them, made of the initial ones: the same on both sides of a comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from .pinned import BLOCK, LARGE, generator, repeated

#: Initial values with noise, so that what starts at zero lives; and values scaled by the fan-in, so that nonlinear
#: parts leave the region in which they are all alike.
REGIMES = ("initial", "scaled")


def initial(model: nn.Module) -> dict[str, Any]:
    """Copies of the tensors of its state dict, which keys are parameters, and the versions of its modules."""
    living = model.state_dict(keep_vars=True)
    copies: dict[tuple[int, tuple[int, ...]], torch.Tensor] = {}
    values = {}
    for key, value in living.items():
        if isinstance(value, torch.Tensor):
            tensor = value.detach()
            values[key] = copies.setdefault(_address(tensor), tensor.clone())
    versions = getattr(living, "_metadata", {})
    parameters = {id(each) for each in model.parameters()}
    return {
        "values": values,
        "parameters": [key for key in values if id(living[key]) in parameters],
        "versions": {path: each["version"] for path, each in versions.items() if isinstance(each.get("version"), int)},
    }


def weights(start: Mapping[str, Any], regime: str) -> dict[str, torch.Tensor]:
    """Those of a regime. Ties stay ties; buffers that are no statistics keep their values."""
    parameters = set(start["parameters"])
    made: dict[tuple[int, tuple[int, ...]], torch.Tensor] = {}
    found: dict[str, torch.Tensor] = {}
    for key, value in start["values"].items():
        tensor: torch.Tensor = value.detach()
        address = _address(tensor)
        if address not in made:
            made[address] = _made(key, tensor, key in parameters, regime)
        found[key] = made[address]
    return found


def _address(tensor: torch.Tensor) -> tuple[int, tuple[int, ...]]:
    """The same for tensors that are tied."""
    return tensor.data_ptr() if tensor.numel() else id(tensor), tuple(tensor.shape)


def _made(key: str, value: torch.Tensor, parameter: bool, regime: str) -> torch.Tensor:
    if key.endswith("running_var"):
        return 0.5 + torch.rand(value.shape, generator=generator(key), dtype=torch.float64)
    if key.endswith("running_mean"):
        return 0.3 * _noise(key, value)
    if not parameter or not value.is_floating_point():
        return value.clone()
    if regime == "initial":
        spread = float(value.std()) if value.numel() > 1 else 0.0
        return value + (0.1 * spread + 0.02) * _noise(key, value)
    if value.dim() >= 2:
        return _noise(key, value) / math.sqrt(max(1, value[0].numel()))
    return value.mean() + 0.3 * _noise(key, value) if value.numel() else value.clone()


def _noise(key: str, value: torch.Tensor) -> torch.Tensor:
    source = generator(key, tuple(value.shape))
    if value.numel() <= LARGE:
        return torch.randn(value.shape, generator=source, dtype=torch.float64)
    return repeated(torch.randn(BLOCK, generator=source, dtype=torch.float64), torch.empty(value.shape))
