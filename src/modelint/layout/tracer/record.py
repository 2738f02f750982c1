"""The layout of a model that has been built: what its state dict holds, and what its modules are."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedTensorMixin  # type: ignore[attr-defined]

from .blame import Failed

Spec = dict[str, Any]

#: What wrappers put before every key.
_WRAPPER_PREFIXES = ("_orig_mod.", "module.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")


def state_of(model: nn.Module) -> Mapping[str, Any]:
    try:
        state = model.state_dict()
    except Exception as error:
        raise Failed("record", "state_dict() fails", "code", error) from None
    if not isinstance(state, Mapping):
        raise Failed("record", f"state_dict() returned a {type(state).__qualname__}, not a dict")
    return state


def tables(model: nn.Module, state: Mapping[str, Any]) -> dict[str, Any]:
    """keys, ties, extra and buffers of the layout."""
    kinds = _kinds(model)
    keys: dict[str, Spec] = {}
    extra: dict[str, str] = {}
    for key, value in state.items():
        if not isinstance(value, torch.Tensor):
            extra[str(key)] = type(value).__qualname__
            continue
        keys[str(key)] = {**_spec(value), "kind": kinds.get(_identity(value)) or "unknown"}
    return {
        "keys": keys,
        "ties": ties(state),
        "extra": extra,
        "buffers": _unsaved(model),
    }


def ties(state: Mapping[str, Any]) -> list[list[str]]:
    """Groups of keys that share their memory."""
    shared: dict[Hashable, list[str]] = {}
    for key, value in state.items():
        if isinstance(value, torch.Tensor):
            shared.setdefault(storage(value), []).append(str(key))
    return [group for group in shared.values() if len(group) > 1]


def _kinds(model: nn.Module) -> dict[Hashable, str]:
    """By identity, not by name: hooks rename keys."""
    found: dict[Hashable, str] = {_identity(each): "buffer" for each in model.buffers()}
    found.update({_identity(each): "parameter" for each in model.parameters()})
    return found


def _unsaved(model: nn.Module) -> dict[str, Spec]:
    found: dict[str, Spec] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        for name in module._non_persistent_buffers_set:
            buffer = module._buffers.get(name)
            if buffer is not None:
                found[f"{path}.{name}" if path else name] = {**_spec(buffer), "kind": "buffer"}
    return dict(sorted(found.items()))


def _spec(value: torch.Tensor) -> Spec:
    lazy = isinstance(value, UninitializedTensorMixin)
    return {
        "dtype": str(value.dtype).replace("torch.", ""),
        "shape": None if lazy else [int(each) for each in value.shape],
    }


def storage(value: torch.Tensor) -> Hashable:
    """What tensors that share their memory have in common. On the meta device every data_ptr is 0."""
    try:
        return int(value.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError, ValueError):  # sparse, lazy
        return "object", id(value)


def _identity(value: torch.Tensor) -> Hashable:
    """What survives detach()."""
    if isinstance(value, UninitializedTensorMixin):
        return "object", id(value)
    try:
        return storage(value), value.storage_offset(), tuple(value.shape), value.stride()
    except (NotImplementedError, RuntimeError):
        return "object", id(value)


def notes(keys: Mapping[str, Spec]) -> list[str]:
    found = []
    for prefix in _WRAPPER_PREFIXES:
        if keys and all(key.startswith(prefix) for key in keys):
            found.append(f"every key starts with the wrapper prefix {prefix!r}")
        elif prefix != "module." and any(prefix in key for key in keys):
            found.append(f"keys hold the wrapper prefix {prefix!r}")
    return found
