"""What numbers say about two versions of a model: the same weights, the same inputs, the old code and the new.

Everything runs in float64, with casts to narrower types lifted, in two regimes of weights; in evaluation and in
training; with random numbers that depend on what is asked for, not on the order of asking. It needs torch alone, and
nothing of modelint.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import math
import traceback
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

#: breaking: a file of the old model does not load under strict=True. different: it loads, and evaluation computes
#: something else. training: only training does. same: nothing does. unclear: between the two thresholds. unrunnable:
#: one of the sides does not run with these inputs.
Class = Literal["breaking", "different", "training", "same", "unclear", "unrunnable"]

DIFFERENT = 1e-6
SAME = 1e-9
REGIMES = ("initial", "scaled")
NARROW = (torch.float32, torch.float16, torch.bfloat16)


class Verdict(NamedTuple):
    cls: Class
    #: Where it shows: "load", "dtype", "eval/initial", "gradients/scaled", ...
    where: str
    detail: str
    #: The largest relative difference that was seen.
    distance: float
    #: Both state dicts have the same keys and shapes.
    same_keys: bool


class Record(NamedTuple):
    """A model as the other side needs it: nothing in it belongs to the model's own code, so it can be pickled."""

    keys: dict[str, tuple[str, tuple[int, ...]]]
    weights: dict[str, dict[str, Any]]
    results: dict[str, Any]
    error: str | None


# What is lifted and pinned while models are built and run


class Wide(TorchFunctionMode):
    """Casts to narrower floating types become casts to float64."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.Tensor.float or func is torch.Tensor.half or func is torch.Tensor.bfloat16:
            return args[0].double()
        if any(each in NARROW for each in args if isinstance(each, torch.dtype)):
            args = tuple(torch.float64 if isinstance(each, torch.dtype) and each in NARROW else each for each in args)
        if kwargs.get("dtype") in NARROW:
            kwargs = {**kwargs, "dtype": torch.float64}
        return func(*args, **kwargs)


def _generator(*what: object) -> torch.Generator:
    return torch.Generator().manual_seed(zlib.crc32(repr(what).encode()))


def _dropout(x: torch.Tensor, p: float, training: bool, mask_shape: Sequence[int], inplace: bool) -> torch.Tensor:
    if not training or p == 0:
        return x
    if p == 1:
        return x * 0
    mask = (torch.rand(tuple(mask_shape), generator=_generator("dropout", tuple(mask_shape))) >= p).to(x) / (1 - p)
    return x.mul_(mask) if inplace else x * mask


def _plain(x: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> torch.Tensor:
    return _dropout(x, p, training, x.shape, inplace)


def _channels(x: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> torch.Tensor:
    return _dropout(x, p, training, (*x.shape[:2], *(1 for _ in x.shape[2:])), inplace)


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
    """``scaled_dot_product_attention`` as its documentation spells it, so that its dropout is the plain one."""
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


def _by_shape(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A source of random numbers that gives the same ones for the same shape, whatever was drawn before."""

    def drawn(*args: Any, **kwargs: Any) -> Any:
        if kwargs.get("generator") is not None or torch.get_default_device().type == "meta":
            return function(*args, **kwargs)
        shape = repr([tuple(each.shape) if isinstance(each, torch.Tensor) else each for each in args])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(zlib.crc32(f"{name}{shape}".encode()))
            return function(*args, **kwargs)

    return drawn


@contextlib.contextmanager
def pinned(wide: bool = True) -> Iterator[None]:
    """Where models run (and are built): float64 by default, dropout and noise by shape, no fused fast paths."""
    replaced: list[tuple[Any, str, Any]] = [
        (functional, "dropout", _plain),
        (functional, "dropout1d", _channels),
        (functional, "dropout2d", _channels),
        (functional, "dropout3d", _channels),
        (functional, "scaled_dot_product_attention", _attention),
        *(
            (torch, name, _by_shape(name, getattr(torch, name)))
            for name in ("rand", "randn", "rand_like", "randn_like", "randint", "randperm", "bernoulli")
        ),
    ]
    kept = [(owner, name, getattr(owner, name)) for owner, name, _ in replaced]
    dtype = torch.get_default_dtype()
    threads = torch.get_num_threads()
    fast = torch.backends.mha.get_fastpath_enabled()
    for owner, name, value in replaced:
        setattr(owner, name, value)
    torch.set_default_dtype(torch.float64 if wide else torch.float32)
    torch.set_num_threads(1)
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with Wide() if wide else contextlib.nullcontext():
            yield
    finally:
        for owner, name, value in kept:
            setattr(owner, name, value)
        torch.set_default_dtype(dtype)
        torch.set_num_threads(threads)
        torch.backends.mha.set_fastpath_enabled(fast)


# Weights


def _noise(value: torch.Tensor, key: str) -> torch.Tensor:
    return torch.randn(value.shape, generator=_generator(key, tuple(value.shape)), dtype=torch.float64)


def _weights(model: nn.Module, regime: str) -> dict[str, Any]:
    """A state dict as training could have left it. Ties stay ties; buffers that are no statistics keep their values."""
    parameters = {id(each) for each in model.parameters()}
    living = model.state_dict(keep_vars=True)
    made: dict[int, torch.Tensor] = {}
    result: dict[str, Any] = {}
    for key, value in living.items():
        if not isinstance(value, torch.Tensor):
            result[key] = copy.deepcopy(value)
            continue
        plain = value.detach()
        address = plain.data_ptr() if plain.numel() else id(value)
        if address in made and made[address].shape == plain.shape:
            result[key] = made[address].clone()
            continue
        if key.endswith("running_var"):
            new = 0.5 + torch.rand(plain.shape, generator=_generator(key), dtype=torch.float64)
        elif key.endswith("running_mean"):
            new = 0.3 * _noise(plain, key)
        elif id(value) not in parameters or not plain.is_floating_point():
            new = plain.clone()
        elif regime == "initial":
            spread = float(plain.std()) if plain.numel() > 1 else 0.0
            new = plain + (0.1 * spread + 0.02) * _noise(plain, key)
        elif plain.dim() >= 2:
            new = _noise(plain, key) / math.sqrt(max(1, plain[0].numel()))
        else:
            new = plain.mean() + 0.3 * _noise(plain, key) if plain.numel() else plain.clone()
        made[address] = new
        result[key] = new
    return result


# Runs


def _seeded() -> None:
    import random

    random.seed(0)
    torch.manual_seed(0)
    with contextlib.suppress(ImportError):
        import numpy

        numpy.random.seed(0)


def _inputs(inputs: Callable[[], Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """``inputs()`` gives a tensor, a tuple of arguments, or (arguments, keywords)."""
    _seeded()
    given = inputs()
    if isinstance(given, dict):
        return (), given
    if not isinstance(given, tuple):
        return (given,), {}
    if len(given) == 2 and isinstance(given[0], tuple) and isinstance(given[1], dict):
        return given
    return given, {}


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Tensors and scalars of any result, under their paths."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {k: v for key, each in value.items() for k, v in _flat(each, f"{path}.{key}").items()}
    if isinstance(value, (list, tuple)):
        result = {} if value else {f"{path}()": "empty"}
        for i, each in enumerate(value):
            result.update(_flat(each, f"{path}.{i}"))
        return result
    if isinstance(value, torch.Tensor):
        return {path: value.detach().clone()}
    if value is None or isinstance(value, (bool, int, float, str)):
        return {path: value}
    if isinstance(value, torch.distributions.Distribution):
        return _flat({k: v for k, v in vars(value).items() if isinstance(v, torch.Tensor)}, path)
    if hasattr(value, "__dict__"):
        kept = {k: v for k, v in vars(value).items() if isinstance(v, (torch.Tensor, list, tuple, dict))}
        return _flat(kept, path)
    return {path: type(value).__name__}


def _differentiable(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        if value.requires_grad and value.is_floating_point():
            yield value
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for each in dataclasses.fields(value):
            yield from _differentiable(getattr(value, each.name))
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _differentiable(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _differentiable(each)


def _run(model: Callable[[], nn.Module], weights: Mapping[str, Any], inputs: Callable[[], Any]) -> dict[str, Any]:
    """Results of evaluation and training, of a fresh model each: some merge or cache when their mode changes."""
    results: dict[str, Any] = {}
    tested, trained = _built(model, wide=True).eval(), _built(model, wide=True).train()
    tested.load_state_dict(dict(weights))
    trained.load_state_dict(dict(weights))
    with pinned():
        args, kwargs = _inputs(inputs)
        _seeded()
        with torch.no_grad():
            results["eval"] = _flat(tested(*args, **kwargs))
        try:
            results.update(_train(trained, *_inputs(inputs)))
        except Exception as error:
            results["train"] = {"error": type(error).__name__}
    return results


def _train(trained: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    _seeded()
    output = trained(*args, **kwargs)
    loss = torch.zeros(())
    for each in _differentiable(output):
        loss = loss + (each * torch.randn(each.shape, generator=_generator(tuple(each.shape)))).sum()
    if loss.requires_grad:
        loss.backward()
    living = trained.state_dict(keep_vars=True)
    return {
        "train": _flat(output),
        "gradients": {
            key: torch.zeros_like(value) if value.grad is None else value.grad.clone()
            for key, value in living.items()
            if isinstance(value, nn.Parameter)
        },
        "after": {key: value.detach().clone() for key, value in living.items() if isinstance(value, torch.Tensor)},
    }


def _specs(model: nn.Module) -> dict[str, tuple[str, tuple[int, ...]]]:
    found: dict[str, tuple[str, tuple[int, ...]]] = {}
    for key, value in model.state_dict().items():
        if isinstance(value, nn.parameter.UninitializedTensorMixin):
            found[key] = ("lazy", ())
        elif isinstance(value, torch.Tensor):
            found[key] = (str(value.dtype).removeprefix("torch."), tuple(value.shape))
        else:
            found[key] = (f"extra {type(value).__name__}", ())
    return found


def _message(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {str(error)[:300]} ({last.filename}:{last.lineno})"


def _built(model: Callable[[], nn.Module], wide: bool) -> nn.Module:
    _seeded()
    with pinned(wide):
        built = model()
        return built.double() if wide else built


def record(model: Callable[[], nn.Module], inputs: Callable[[], Any]) -> Record:
    """The old side: its keys as it is built, weights as a file could hold them, and what it computes with them."""
    keys: dict[str, tuple[str, tuple[int, ...]]] = {}
    weights: dict[str, dict[str, Any]] = {}
    results: dict[str, Any] = {}
    try:
        keys = _specs(_built(model, wide=False))
        for regime in REGIMES:
            built = _built(model, wide=True)
            weights[regime] = _weights(built, regime)
    except Exception as error:
        return Record(keys, weights, results, _message(error))
    try:
        for regime in REGIMES:
            results[regime] = _run(model, weights[regime], inputs)
    except Exception as error:
        return Record(keys, weights, results, _message(error))
    return Record(keys, weights, results, None)


# Comparison


def _distance(old: Any, new: Any) -> float:
    """Relative; infinite where they cannot be compared value by value."""
    if not isinstance(old, torch.Tensor) or not isinstance(new, torch.Tensor):
        if isinstance(old, float) and isinstance(new, float):
            return abs(old - new) / max(abs(old), abs(new), 1e-12)
        return 0.0 if type(old) is type(new) and old == new else math.inf
    if old.shape != new.shape or old.dtype != new.dtype:
        return math.inf
    if old.numel() == 0:
        return 0.0
    if old.is_complex():
        old, new = torch.view_as_real(old), torch.view_as_real(new)
    if not old.is_floating_point():
        return 0.0 if torch.equal(old, new) else math.inf
    finite = torch.isfinite(old)
    if not torch.equal(finite, torch.isfinite(new)):
        return math.inf
    odd = ~finite
    if bool(odd.any()) and not torch.equal(torch.nan_to_num(old[odd], nan=7.0), torch.nan_to_num(new[odd], nan=7.0)):
        return math.inf
    if not bool(finite.any()):
        return 0.0
    a, b = old[finite].double(), new[finite].double()
    scale = float(torch.maximum(a.abs(), b.abs()).max())
    return float((a - b).abs().max()) / max(scale, 1e-12)


def _parted(old: Mapping[str, Any], new: Mapping[str, Any], common: bool) -> tuple[float, str]:
    """Structure before values. With ``common`` only what both sides name is compared."""
    if not common and list(old) != list(new):
        return math.inf, f"structure: {list(old)[:6]} -> {list(new)[:6]}"
    worst, where = 0.0, ""
    for name in old:
        if name in new:
            before, after = old[name], new[name]
            if common and before.numel() == 1 == after.numel():
                # torch loads the one element of a (1,) tensor into a scalar.
                before, after = before.reshape(()), after.reshape(())
            distance = _distance(before, after)
            if distance > worst:
                worst, where = distance, name
    return worst, where


def _loads(model: nn.Module, weights: Mapping[str, Any]) -> str | None:
    try:
        model.load_state_dict(dict(weights), strict=True)
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:400]}"
    return None


def judge(old: Record, model: Callable[[], nn.Module], inputs: Callable[[], Any]) -> Verdict:
    """What became of the old model's files in the new code."""
    if not old.keys or len(old.weights) < len(REGIMES):
        return Verdict("unrunnable", "old", old.error or "", 0.0, False)
    try:
        plain = _specs(_built(model, wide=False))
        built = _built(model, wide=True)
    except Exception as error:
        return Verdict("unrunnable", "new", _message(error), 0.0, False)
    same_keys = {k: v[1] for k, v in plain.items()} == {k: v[1] for k, v in old.keys.items()}
    refused = _loads(built, old.weights["scaled"])
    if refused:
        return Verdict("breaking", "load", refused, math.inf, same_keys)
    retyped = [key for key in plain if key in old.keys and plain[key][0] != old.keys[key][0]]
    if retyped:
        return Verdict("different", "dtype", retyped[0], math.inf, same_keys)
    if old.error:
        return Verdict("unrunnable", "old", old.error, 0.0, same_keys)
    worst = Verdict("same", "", "", 0.0, same_keys)
    for regime in REGIMES:
        try:
            results = _run(model, old.weights[regime], inputs)
        except Exception as error:
            return Verdict("unrunnable", "new", _message(error), 0.0, same_keys)
        for part in ("eval", "train", "gradients", "after"):
            before, after = old.results[regime].get(part, {}), results.get(part, {})
            distance, detail = _parted(before, after, common=part in ("gradients", "after"))
            found = Verdict(_class(part, distance), f"{part}/{regime}", detail, distance, same_keys)
            if _RANK[found.cls] > _RANK[worst.cls]:
                worst = found
    return worst


_RANK = {"same": 0, "unclear": 1, "training": 2, "different": 3}


def _class(part: str, distance: float) -> Class:
    if distance < SAME:
        return "same"
    if distance <= DIFFERENT:
        return "unclear"
    return "different" if part == "eval" else "training"
