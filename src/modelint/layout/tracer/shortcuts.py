"""Operations whose result nobody reads are left out while a model is built.

Without memory: many operations of the meta device are written in Python and import sympy first, and initialising tens
of thousands of layers takes seconds. Without initialisation: large tensors stay as they are.
"""

from __future__ import annotations

from typing import Any

import torch

#: From this size on, an uninitialised tensor stands for one that nobody will read.
LARGE = 1 << 16

_FILL = frozenset(
    "uniform_ normal_ log_normal_ exponential_ cauchy_ geometric_ random_ bernoulli_ erfinv_ clamp_ clip_ mul_ add_ "
    "sub_ div_ fill_ zero_ constant_ kaiming_uniform_".split()
)
_RANDOM = frozenset(("rand", "randn"))
_SCALED = frozenset("mul __mul__ __rmul__ div __truediv__ add __add__ __radd__ sub __sub__".split())
_NUMBERS = (int, float)


def on_meta(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What stands for the result on the meta device; None: do it."""
    name = getattr(func, "__name__", "")
    if name in _FILL:
        target = args[0] if args else kwargs.get("tensor")
        if isinstance(target, torch.Tensor) and target.is_meta and _no_tensor(args[1:]):
            return target
    elif name in _RANDOM:
        if str(kwargs.get("device")) == "meta" and "out" not in kwargs:
            return torch.empty(*args, **{key: value for key, value in kwargs.items() if key != "generator"})
    elif name in _SCALED and len(args) == 2 and not kwargs and type(args[1]) in _NUMBERS:
        tensor = args[0]
        if isinstance(tensor, torch.Tensor) and tensor.is_meta and tensor.is_floating_point():
            return None if tensor.requires_grad else torch.empty_like(tensor)
    return None


def uninitialised(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What stands for the result where values are not wanted; None: do it."""
    name = getattr(func, "__name__", "")
    if name in _FILL:
        target = args[0] if args else kwargs.get("tensor")
        if isinstance(target, torch.Tensor) and target.numel() >= LARGE and _no_tensor(args[1:]):
            return target
    elif name in _RANDOM and "out" not in kwargs and _count(args) >= LARGE:
        return torch.empty(*args, **{key: value for key, value in kwargs.items() if key != "generator"})
    return None


def _no_tensor(values: tuple[Any, ...]) -> bool:
    return not any(isinstance(each, torch.Tensor) for each in values)


def _count(shape: Any) -> int:
    product = 1
    for each in shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape:
        product *= each if isinstance(each, int) else 1
    return product
