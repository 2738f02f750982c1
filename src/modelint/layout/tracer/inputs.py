"""What a model is run with: tensors as they are declared, or what a callable of the project makes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Callable

import torch

from .build import load_factory
from .pinned import generator, seed

_TENSOR = re.compile(r"\s*(\w+)\s*\[\s*((?:\d+\s*(?:,\s*\d+\s*)*,?\s*)?)\]\s*(?:<\s*(\d+)\s*)?")

Given = tuple[tuple[Any, ...], dict[str, Any]]


def maker(declared: str | Sequence[str]) -> Callable[[], Given]:
    """What makes arguments and keywords, the same ones at every call; ``declared`` is a callable, or tensors."""
    if isinstance(declared, str):
        function = load_factory(declared)
        return lambda: _given(function)
    return lambda: (tuple(tensor(text, number) for number, text in enumerate(declared)), {})


def _given(function: Callable[[], Any]) -> Given:
    """A tensor, a tuple of arguments, a dict of keywords, or (arguments, keywords)."""
    seed()
    found = function()
    if isinstance(found, Mapping):
        return (), dict(found)
    if not isinstance(found, (tuple, list)):
        return (found,), {}
    if len(found) == 2 and isinstance(found[0], (tuple, list)) and isinstance(found[1], Mapping):
        return tuple(found[0]), dict(found[1])
    return tuple(found), {}


def tensor(text: str, number: int) -> torch.Tensor:
    """``float32[2, 3]``: normal values (in float64), ``int64[2] < 9``: indices; without a bound 0 and 1."""
    found = _TENSOR.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no tensor")
    shape = [int(each) for each in found[2].split(",") if each.strip()]
    dtype = getattr(torch, found[1])
    source = generator("inputs", number, shape)
    if dtype.is_complex:
        return torch.randn(shape, dtype=torch.complex128, generator=source)
    if dtype.is_floating_point:
        return torch.randn(shape, dtype=torch.float64, generator=source)
    values = torch.randint(0, int(found[3] or 2), shape, generator=source)
    if dtype is torch.bool and shape:
        values[..., :1] = 1  # a mask with nothing in it gives no numbers
    return values.to(dtype)


def plain(value: Any) -> Any:
    """The same in tensors, containers and scalars alone, to hand to the other side. Raises TypeError."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if type(value) is torch.Tensor:
        return value.detach().clone()
    if type(value) in (list, tuple, dict):
        if isinstance(value, dict):
            return {key: plain(each) for key, each in value.items() if _is_name(key)}
        return type(value)(plain(each) for each in value)
    raise TypeError(f"{type(value).__module__}.{type(value).__qualname__}")


def _is_name(key: object) -> bool:
    if not isinstance(key, (str, int)):
        raise TypeError(f"a key of type {type(key).__name__}")
    return True
