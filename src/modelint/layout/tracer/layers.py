"""Layers of torch called by their function, with their own weights and numbers."""

from __future__ import annotations

from typing import Any

import torch

#: The arguments after the input, in their order.
FUNCTIONAL = {
    "linear": ("weight", "bias"),
    "embedding": ("weight", "padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse"),
    "layer_norm": ("normalized_shape", "weight", "bias", "eps"),
    "conv1d": ("weight", "bias", "stride", "padding", "dilation", "groups"),
    "conv2d": ("weight", "bias", "stride", "padding", "dilation", "groups"),
    "conv3d": ("weight", "bias", "stride", "padding", "dilation", "groups"),
}
LAYERS: dict[str, Any] = {
    "linear": torch.nn.Linear,
    "embedding": torch.nn.Embedding,
    "layer_norm": torch.nn.LayerNorm,
    "conv1d": torch.nn.Conv1d,
    "conv2d": torch.nn.Conv2d,
    "conv3d": torch.nn.Conv3d,
}
#: What the function does where an argument is left out.
USUAL = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "eps": 1e-5}


def stands_for(name: str, layer: Any, given: dict[str, Any]) -> bool:
    """Whether the function with these arguments is a call of ``layer``, whose tensors are values here."""
    if type(layer) is not LAYERS[name] or layer._forward_hooks or layer._forward_pre_hooks:
        return False
    if getattr(layer, "padding_mode", "zeros") != "zeros" or getattr(layer, "max_norm", None) is not None:
        return False
    bias = getattr(layer, "bias", None)
    if given.get("weight") is not layer.weight or (bias is None) != (given.get("bias") is None):
        return False
    if bias is not None and given["bias"] is not bias:
        return False
    for key in FUNCTIONAL[name]:
        if key in ("stride", "padding", "dilation", "groups", "eps", "normalized_shape"):
            one, other = _spread(given.get(key, USUAL.get(key))), _spread(getattr(layer, key))
            if type(one) is not type(other) or one != other:
                return False
    return given.get("max_norm") is None


def _spread(value: Any) -> Any:
    if not isinstance(value, (tuple, list)):
        return value
    items = tuple(value)
    return items[0] if items and all(type(each) is int and each == items[0] for each in items) else items
