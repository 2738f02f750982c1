"""Where two versions of a model run side by side: in float64, with random numbers that hang on what is asked for.

Casts to narrower types become casts to float64, dropout and noise depend on the shape that is asked for and not on the
order of asking, and no fused kernel computes attention: what is left to differ is what the code computes. Functions
that are scripted run as Python, which shows their lines; what is sent to a GPU stays where it is.
"""

from __future__ import annotations

import contextlib
import inspect
import math
import random
import sys
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, Callable

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_WIDER = {
    torch.float32: torch.float64,
    torch.float16: torch.float64,
    torch.bfloat16: torch.float64,
    torch.complex64: torch.complex128,
}
_CASTS = (torch.Tensor.float, torch.Tensor.half, torch.Tensor.bfloat16)
#: Elements; a prime, so that the rows of a matrix are not alike.
BLOCK = 65_537
LARGE = 2 * BLOCK
_RANDOM = ("rand", "randn", "rand_like", "randn_like", "randint", "randperm", "bernoulli")


@contextlib.contextmanager
def pinned() -> Iterator[None]:
    """Import, build and run models within it."""
    replaced: list[tuple[Any, str, Any]] = [
        (functional, "dropout", _plain),
        (functional, "dropout1d", _channels),
        (functional, "dropout2d", _channels),
        (functional, "dropout3d", _channels),
        (functional, "scaled_dot_product_attention", _attention),
        (torch.jit, "script", _unscripted(torch.jit.script)),
        *((torch, name, _by_shape(name, getattr(torch, name))) for name in _RANDOM),
    ]
    replaced += [(torch.Tensor, name, _repeating(getattr(torch.Tensor, name))) for name in ("normal_", "uniform_")]
    kept = [(owner, name, getattr(owner, name)) for owner, name, _ in replaced]
    dtype = torch.get_default_dtype()
    mha = getattr(torch.backends, "mha", None)  # of torch 2.3 and newer
    fast = mha is not None and mha.get_fastpath_enabled()
    for owner, name, value in replaced:
        setattr(owner, name, value)
    torch.set_default_dtype(torch.float64)
    if mha is not None:
        mha.set_fastpath_enabled(False)
    try:
        with _Wide():
            yield
    finally:
        for owner, name, value in kept:
            setattr(owner, name, value)
        torch.set_default_dtype(dtype)
        if mha is not None:
            mha.set_fastpath_enabled(fast)


def _unscripted(script: Callable[..., Any]) -> Callable[..., Any]:
    def same(obj: Any, *args: Any, **kwargs: Any) -> Any:
        return obj if inspect.isfunction(obj) else script(obj, *args, **kwargs)

    return same


def generator(*what: object) -> torch.Generator:
    """Random numbers that hang on ``what`` alone."""
    return torch.Generator().manual_seed(zlib.crc32(repr(what).encode()))


def seed() -> None:
    """Every global source of random numbers starts anew."""
    random.seed(0)
    torch.manual_seed(0)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(0)


class _Wide(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _CASTS:
            return args[0].double()
        if func is torch.Tensor.cuda:
            return args[0]
        if any(map(_is_gpu, args)):
            args = tuple("cpu" if _is_gpu(each) else each for each in args)
        for each in args:
            if type(each) is torch.dtype:
                args = tuple(_WIDER.get(each, each) if type(each) is torch.dtype else each for each in args)
                break
        if not kwargs:
            return func(*args)
        if kwargs.get("dtype") in _WIDER:
            kwargs = {**kwargs, "dtype": _WIDER[kwargs["dtype"]]}
        if _is_gpu(kwargs.get("device")):
            kwargs = {**kwargs, "device": "cpu"}
        return func(*args, **kwargs)


def _is_gpu(value: object) -> bool:
    """``cuda:0``, as text or as a device."""
    return type(value) in (str, torch.device) and str(value).partition(":")[0] == "cuda"


def _dropout(x: torch.Tensor, p: float, training: bool, mask_shape: Sequence[int], inplace: bool) -> torch.Tensor:
    if not training or p == 0:
        return x
    if p == 1:
        return x * 0
    mask = (torch.rand(tuple(mask_shape), generator=generator("dropout", tuple(mask_shape))) >= p).to(x) / (1 - p)
    return x.mul_(mask) if inplace else x * mask


def _plain(input: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> torch.Tensor:
    return _dropout(input, p, training, input.shape, inplace)


def _channels(input: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> torch.Tensor:
    return _dropout(input, p, training, (*input.shape[:2], *(1 for _ in input.shape[2:])), inplace)


def _attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """As the documentation of torch spells it, so that its dropout is the plain one."""
    if enable_gqa:
        key = key.repeat_interleave(query.size(-3) // key.size(-3), -3)
        value = value.repeat_interleave(query.size(-3) // value.size(-3), -3)
    scores = query @ key.transpose(-2, -1) * (1 / math.sqrt(query.size(-1)) if scale is None else scale)
    if is_causal:
        seen = torch.ones(query.size(-2), key.size(-2), dtype=torch.bool, device=query.device).tril()
        scores = scores.masked_fill(~seen, -math.inf)
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -math.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
    return _plain(scores.softmax(-1), dropout_p, dropout_p > 0) @ value


def repeated(block: torch.Tensor, into: torch.Tensor) -> torch.Tensor:
    """A large tensor of a block of random values, again and again: to draw each of them takes longer than a forward."""
    flat = into.detach().view(-1)
    whole = flat.numel() // block.numel()
    flat[: whole * block.numel()].view(whole, -1).copy_(block)
    flat[whole * block.numel() :].copy_(block[: flat.numel() - whole * block.numel()])
    return into


def _repeating(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Initial values of large weights."""

    def fill(self: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        small = self.numel() <= LARGE or not self.is_contiguous() or self.is_meta
        if small or kwargs.get("generator") is not None:
            return function(self, *args, **kwargs)
        return repeated(function(torch.empty(BLOCK, dtype=self.dtype), *args, **kwargs), self)

    return fill


def _by_shape(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The same numbers for the same shape, whatever was drawn before."""

    def drawn(*args: Any, **kwargs: Any) -> Any:
        if kwargs.get("generator") is not None:
            return function(*args, **kwargs)
        shape = repr([tuple(each.shape) if isinstance(each, torch.Tensor) else each for each in args])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(zlib.crc32(f"{name}{shape}".encode()))
            return function(*args, **kwargs)

    return drawn
