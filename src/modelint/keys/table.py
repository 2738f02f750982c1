"""Key tables: what a state dict must contain. A model, a manifest and a checkpoint file are three sources of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

Kind = Literal["parameter", "buffer", "unknown"]


class TensorSpec(NamedTuple):
    """What a key stands for. ``dtype`` is as torch prints it without ``torch.``; ``shape`` None: not known, or lazy."""

    dtype: str
    shape: tuple[int, ...] | None
    kind: Kind = "unknown"


class KeyTable(NamedTuple):
    """Keys in the order of ``state_dict()``. Each group of ``ties`` shares its storage."""

    specs: Mapping[str, TensorSpec]
    ties: tuple[tuple[str, ...], ...] = ()
    #: Keys whose value is no tensor (extra state) -> the name of its type.
    extra: Mapping[str, str] = {}
