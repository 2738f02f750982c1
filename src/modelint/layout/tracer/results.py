"""What a run gave, kept small enough to hand on, and the distance of two of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch

#: Relative differences: above the one is another result, below the other is rounding.
DIFFERENT = 1e-6
SAME = 1e-9
#: Tensors with more elements are kept as so many of their values and as many sums of blocks.
WHOLE = 1 << 16
_SAMPLE = 1 << 12


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """The tensors and scalars of any result, by their paths; of tensors what `kept` keeps."""
    return {name: kept(each) if isinstance(each, torch.Tensor) else each for name, each in _flat(value, path)}


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {each.name: getattr(value, each.name, None) for each in dataclasses.fields(value)}
    if isinstance(value, torch.distributions.Distribution):
        value = {name: each for name, each in vars(value).items() if isinstance(each, torch.Tensor)}
    if isinstance(value, torch.Tensor) or value is None or isinstance(value, (bool, int, float, str)):
        yield path, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _flat(each, f"{path}.{key}" if path else str(key))
    elif isinstance(value, (list, tuple)):
        if not value:
            yield f"{path}()", "empty"
        for number, each in enumerate(value):
            yield from _flat(each, f"{path}.{number}" if path else str(number))
    elif hasattr(value, "__dict__"):
        held = {key: each for key, each in vars(value).items() if isinstance(each, (torch.Tensor, list, tuple, dict))}
        yield from _flat(held, path)
    else:
        yield path, type(value).__name__


def differentiable(value: Any) -> Iterator[torch.Tensor]:
    """The tensors of a result through which gradients flow."""
    for _, each in _flat(value, ""):
        if isinstance(each, torch.Tensor) and each.requires_grad and each.is_floating_point():
            yield each


def kept(tensor: torch.Tensor, whole: int = WHOLE, sample: int = _SAMPLE) -> dict[str, Any]:
    """Its shape and dtype, and its values; of many values some, and sums of all."""
    tensor = tensor.detach()
    if tensor.layout is not torch.strided or tensor.is_meta:
        return {"shape": list(tensor.shape), "dtype": str(tensor.dtype), "values": torch.zeros(0)}
    values = tensor.resolve_conj().resolve_neg()
    if values.is_complex():
        values = torch.view_as_real(values)
    values = values.reshape(-1)
    if values.numel() > whole:
        size = values.numel() // sample
        blocks = values[: size * sample].view(sample, size)
        wide = blocks if blocks.is_floating_point() else blocks.long()
        values = torch.cat([blocks[:, 0], wide.sum(1).to(wide.dtype) / math.sqrt(size), values[size * sample :]])
    return {"shape": list(tensor.shape), "dtype": str(tensor.dtype), "values": values.clone()}


def distance(old: Any, new: Any) -> float:
    """Relative; infinite where they cannot be compared value by value."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        if isinstance(old, float) and isinstance(new, float):
            return abs(old - new) / max(abs(old), abs(new), 1e-12) if old != new else 0.0
        return 0.0 if type(old) is type(new) and old == new else math.inf
    if old["shape"] != new["shape"] or old["dtype"] != new["dtype"]:
        return math.inf
    return _distance(old["values"], new["values"])


def _distance(old: torch.Tensor, new: torch.Tensor) -> float:
    if old.numel() == 0 or torch.equal(old, new):
        return 0.0
    if not old.is_floating_point():
        return math.inf
    finite = torch.isfinite(old)
    if not torch.equal(finite, torch.isfinite(new)):
        return math.inf
    odd = ~finite
    if bool(odd.any()) and not torch.equal(torch.nan_to_num(old[odd], nan=7.0), torch.nan_to_num(new[odd], nan=7.0)):
        return math.inf
    if not bool(finite.any()):
        return 0.0
    one, other = old[finite].double(), new[finite].double()
    scale = float(torch.maximum(one.abs(), other.abs()).max())
    return float((one - other).abs().max()) / max(scale, 1e-12)


def parted(old: Mapping[str, Any], new: Mapping[str, Any], *, common: bool) -> tuple[float, str]:
    """How far two results are from each other, and where most; with ``common`` only what both name is compared.

    Structure comes before values: other names, or names in another order, are infinitely far.
    """
    if not common and list(old) != list(new):
        return math.inf, ""
    worst, where = 0.0, ""
    for name, before in old.items():
        if name in new:
            found = distance(before, new[name])
            if found > worst:
                worst, where = found, name
    return worst, where
