"""Two key tables of one file: torch's own, from the loaded objects, and modelint's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch

from modelint.checkpoint.contents import Contents, Root


class Row(NamedTuple):
    dtype: str
    shape: tuple[int, ...] | None
    #: "" for dense; else "sparse", "quantized", "nested", "other".
    form: str
    stride: tuple[int, ...] | None
    offset: int | None


def form(tensor: torch.Tensor) -> str:
    if tensor.is_nested:
        return "nested"
    if tensor.layout != torch.strided:
        return "sparse"
    if tensor.is_quantized:
        return "quantized"
    plain = type(tensor) in (torch.Tensor, torch.nn.Parameter) and not tensor.is_meta
    return "" if plain else "other"


def row(tensor: torch.Tensor) -> Row:
    kind = form(tensor)
    dtype = str(tensor.dtype).removeprefix("torch.")
    if kind == "nested":
        return Row(dtype, None, kind, None, None)
    shape = tuple(tensor.shape)
    if kind:
        return Row(dtype, shape, kind, None, None)
    return Row(dtype, shape, "", tuple(tensor.stride()), int(tensor.storage_offset()))


def tensors(state: Mapping[Any, Any]) -> dict[str, torch.Tensor]:
    return {key: value for key, value in state.items() if isinstance(key, str) and isinstance(value, torch.Tensor)}


def ties(state: Mapping[str, torch.Tensor]) -> set[frozenset[str]]:
    """Keys of one storage, offset, shape and stride, as torch has them."""
    groups: dict[Any, list[str]] = {}
    for key, tensor in state.items():
        if form(tensor) in ("", "other") and not tensor.is_meta and tensor.numel():
            storage = tensor.untyped_storage()
            place = (storage.data_ptr(), tensor.storage_offset(), tuple(tensor.shape), tuple(tensor.stride()))
            groups.setdefault(place, []).append(key)
    return {frozenset(group) for group in groups.values() if len(group) > 1}


def differences(root: Root, state: Mapping[Any, Any], *, places: bool = True, order: bool = True) -> list[str]:
    """What modelint says otherwise than torch. ``places``: offsets and strides are in the file too."""
    wanted = tensors(state)
    found = []
    if (list(root.tensors) != list(wanted)) if order else (set(root.tensors) != set(wanted)):
        found.append(f"keys {list(root.tensors)}, not {list(wanted)}")
    extra = {key for key in state if isinstance(key, str)} - set(wanted)
    if set(root.extra) != extra:
        found.append(f"extra {sorted(root.extra)}, not {sorted(extra)}")
    for key in set(wanted) & set(root.tensors):
        stored, right = root.tensors[key], row(wanted[key])
        if stored.spec.dtype != right.dtype:
            found.append(f"{key!r}: {stored.spec.dtype}, not {right.dtype}")
        if right.form != "nested" and stored.spec.shape != right.shape:
            found.append(f"{key!r}: {stored.spec.shape}, not {right.shape}")
        if right.form in ("sparse", "quantized", "nested") and not stored.form.startswith(right.form):
            found.append(f"{key!r}: form {stored.form!r}, not {right.form!r}")
        if not right.form and places and (stored.stride, stored.offset) != (right.stride, right.offset):
            found.append(f"{key!r}: stride {stored.stride} at {stored.offset}, not {right.stride} at {right.offset}")
        if not right.form and stored.form:
            found.append(f"{key!r}: form {stored.form!r} of a dense tensor")
    if places:
        tied = {frozenset(group) for group in root.table().ties}
        if tied != ties(wanted):
            found.append(f"ties {tied}, not {ties(wanted)}")
    return found


def sizes(contents: Contents, root: Root, state: Mapping[str, torch.Tensor]) -> list[str]:
    """Whether storages have the bytes that torch gives them."""
    found = []
    for key, tensor in state.items():
        if form(tensor) == "" and key in root.tensors:
            storage = root.tensors[key].storage
            said = contents.storages.get(storage) if storage is not None else None
            if said != tensor.untyped_storage().nbytes():
                found.append(f"{key!r}: storage {storage!r} of {said} bytes, not {tensor.untyped_storage().nbytes()}")
    return found


def at(loaded: Any, path: str) -> Any:
    """What stands at the path of a root."""
    for part in path.strip("/").split("/") if path != "/" else ():
        loaded = loaded[part]
    return loaded
