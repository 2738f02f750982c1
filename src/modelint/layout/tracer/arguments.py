"""Arguments of an operation as nodes take them: whatever it is that a forward passes."""

from __future__ import annotations

import enum
from typing import Any

import torch

from .values import Value


def dtype_text(value: torch.dtype) -> str:
    return "dtype " + str(value).replace("torch.", "")


def encoded(run: Any, value: Any) -> Any:
    """An argument as graph.py takes it."""
    if isinstance(value, Value):
        return run.node_of(value)
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, enum.Enum):
        return f"enum {value.name}"
    if isinstance(value, (int, float)):
        return value
    if value is Ellipsis:
        return "..."
    if isinstance(value, slice):
        return ("slice", *(encoded(run, each) for each in (value.start, value.stop, value.step)))
    if isinstance(value, (tuple, list)):
        return tuple([encoded(run, each) for each in value])
    if isinstance(value, dict):
        return ("map", *((str(key), encoded(run, each)) for key, each in sorted(value.items(), key=_by_text)))
    if isinstance(value, (set, frozenset)):
        return ("set", *sorted(str(each) for each in value))
    if isinstance(value, range):
        return tuple(value)
    if isinstance(value, torch.dtype):
        return dtype_text(value)
    if isinstance(value, torch.device):
        return "device"
    if isinstance(value, torch.Tensor):
        return run.tensor_node(value)
    if isinstance(value, complex):
        return ("complex", value.real, value.imag)
    if isinstance(value, type) and value in (int, float, bool):
        return dtype_text({int: torch.int64, float: torch.float64, bool: torch.bool}[value])
    if isinstance(value, torch.nn.Module):
        return run.module_node(value)
    if hasattr(value, "item") and hasattr(value, "dtype") and getattr(value, "shape", None) == ():
        return value.item()
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return run.array(value)
    if callable(value):
        return "function " + str(getattr(value, "__name__", type(value).__name__))
    return "object " + type(value).__name__


def _by_text(pair: tuple[Any, Any]) -> str:
    return str(pair[0])
