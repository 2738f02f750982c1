"""How one tensor was made, down to numbers; what that is in digests."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Any

import torch

#: Tensors of more elements are not computed for their digest.
_LARGE = 1 << 22
#: What is left where terms cancel, beside values near 1.
_NOISE = 1e-11
_PLAIN = (int, float, bool, complex, str, type(None), torch.dtype, torch.memory_format, torch.layout, type(Ellipsis))
_EMPTY = ("empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "empty_permuted")


#: What is computed with twice the digits: the same values computed in another way then agree in those that count.
_WIDER = {torch.float32: torch.float64, torch.complex64: torch.complex128}


class Unknown(Exception):
    """Made from something whose making was not seen."""


def freeze(value: Any, of: Callable[[torch.Tensor], Recipe | None]) -> Any:
    """An argument as it is now: tensors as their recipes, containers copied."""
    if isinstance(value, torch.Tensor):
        recipe = of(value)
        if recipe is None:
            raise Unknown
        return recipe
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, torch.device):
        return None
    if isinstance(value, (list, tuple)):
        items = [freeze(each, of) for each in value]
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, dict):
        return {key: freeze(each, of) for key, each in value.items() if key != "device"}
    if isinstance(value, slice):
        return slice(freeze(value.start, of), freeze(value.stop, of), freeze(value.step, of))
    if type(value).__module__ == "numpy":
        return value.copy()
    raise Unknown


class Recipe:
    __slots__ = ("_func", "_made", "args", "dtype", "has_data", "in_place", "kwargs", "name", "numel", "shape")

    def __init__(
        self, name: str, func: Any, args: Any, kwargs: Any, result: torch.Tensor, in_place: bool = False
    ) -> None:
        self.name = name
        self.args = args
        self.kwargs = kwargs
        self.in_place = in_place
        self.numel = result.numel()
        self.shape = tuple(result.shape)
        self.dtype = result.dtype
        self._func = func
        self._made: str | None = None
        self.has_data: bool = _is_data(name, args) or any(each.has_data for each in self._parts())

    @property
    def is_empty(self) -> bool:
        return self.name in _EMPTY

    @property
    def made(self) -> str:
        for each in self._in_order():
            if each._made is None:
                each._made = blake2b(each._text().encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()
        assert self._made is not None
        return self._made

    def value_digest(self, budget: list[int]) -> str | None:
        """By doing the same again. ``budget``: the elements that may still be computed."""
        values: dict[int, Any] = {}
        order = self._in_order()
        if any(each.numel > _LARGE for each in order) or sum(each.numel for each in order) > budget[0]:
            return None
        budget[0] -= sum(each.numel for each in order)
        try:
            with torch.no_grad(), torch.device("cpu"), _double_by_default():
                for each in order:
                    values[id(each)] = each._again(values)
            result = values[id(self)]
            return self.digest_of(result) if isinstance(result, torch.Tensor) else None
        except Exception:  # an operation that only works where it was first seen
            return None

    def digest_of(self, value: torch.Tensor) -> str | None:
        """Of values rounded to 6 digits."""
        if value.numel() > _LARGE or value.is_meta:
            return None
        try:
            return _rounded(value.detach(), self.dtype)
        except (RuntimeError, TypeError, NotImplementedError):
            return None

    def _parts(self) -> list[Recipe]:
        found: list[Recipe] = []
        todo: list[Any] = [self.args, self.kwargs]
        while todo:
            each = todo.pop()
            if isinstance(each, Recipe):
                found.append(each)
            elif isinstance(each, dict):
                todo += each.values()
            elif isinstance(each, (list, tuple)):
                todo += each
            elif isinstance(each, slice):
                todo += (each.start, each.stop, each.step)
        return found

    def _in_order(self) -> list[Recipe]:
        """All that this one is made from, each after its own parts; itself last."""
        done: dict[int, Recipe] = {}
        todo: list[tuple[Recipe, bool]] = [(self, False)]
        while todo:
            each, ready = todo.pop()
            if id(each) in done:
                continue
            if ready:
                done[id(each)] = each
                continue
            todo.append((each, True))
            todo += [(part, False) for part in each._parts()]
        return list(done.values())

    def _text(self) -> str:
        return f"{self.name}({_text(self.args)}, {_text(self.kwargs)})"

    def _again(self, values: dict[int, Any]) -> Any:
        args, kwargs = _thawed(self.args, values), _thawed(self.kwargs, values)
        if not self.in_place:
            made = torch.Tensor.double(*args) if self.name == "float" else self._func(*args, **kwargs)
            return _marked(made) if self.is_empty else made
        before, *rest = args
        target = torch.empty(self.shape, dtype=_WIDER.get(self.dtype, self.dtype)) if before is None else before.clone()
        if "tensor" in kwargs:
            kwargs["tensor"] = target
            self._func(**kwargs)
        else:
            self._func(target, *rest, **kwargs)
        return target


def _is_data(name: str, args: Any) -> bool:
    """Whether values come from outside of torch, in bulk."""
    return name in ("tensor", "as_tensor", "from_numpy", "asarray", "frombuffer") or any(
        type(each).__module__ == "numpy" for each in args
    )


def _thawed(value: Any, values: dict[int, Any]) -> Any:
    if isinstance(value, Recipe):
        return values[id(value)]
    if isinstance(value, (list, tuple)):
        items = [_thawed(each, values) for each in value]
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, dict):
        return {key: _thawed(each, values) for key, each in value.items()}
    if isinstance(value, slice):
        return slice(_thawed(value.start, values), _thawed(value.stop, values), _thawed(value.step, values))
    return _WIDER.get(value, value) if isinstance(value, torch.dtype) else value


@contextlib.contextmanager
def _double_by_default() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _text(value: Any) -> str:
    if isinstance(value, Recipe):
        return f"<{value._made}>"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_text(value[key])}' for key in sorted(value))}}}"
    if isinstance(value, slice):
        return f"{_text(value.start)}:{_text(value.stop)}:{_text(value.step)}"
    if type(value).__module__ == "numpy":
        return f"numpy {value.dtype} {value.shape} {_rounded(torch.as_tensor(value), value.dtype)}"
    return repr(value)


def _marked(made: torch.Tensor) -> torch.Tensor:
    """Memory that was not written has no value; here it gets one that stands out, and is always the same."""
    return made.fill_(float("nan")) if made.is_floating_point() or made.is_complex() else made.fill_(1)


def _rounded(value: torch.Tensor, dtype: Any) -> str:
    digest = blake2b(f"{dtype} {tuple(value.shape)}".encode("ascii"), digest_size=8)
    if value.is_complex():
        value = torch.view_as_real(value)
    if value.is_floating_point():
        value = value.double()
        known = torch.isfinite(value)
        largest = float(torch.where(known, value.abs(), 0.0).max()) if value.numel() else 0.0
        known &= value.abs() > _NOISE * min(largest, 1.0)
        value = torch.where(known | ~torch.isfinite(value), value, 0.0)
        size = torch.where(known, value.abs(), 1.0).log10().floor()
        digits = torch.where(known, (value * 10 ** (5 - size)).round(), 0.0).to(torch.int64)
        marks = torch.where(known, size, torch.nan_to_num(value, nan=1000.0, posinf=2000.0, neginf=3000.0))
        parts = [digits, marks.to(torch.int64)]
    else:
        parts = [value.to(torch.int64)]
    for each in parts:
        whole = each.contiguous()
        digest.update(ctypes.string_at(whole.data_ptr(), whole.numel() * 8))
    return digest.hexdigest()


def array_digest(array: Any) -> str | None:
    """Of the values of an array of numpy, rounded to 6 digits, whatever its type; None: they are no numbers, or many.

    Without torch, whose functions record while a forward is traced.
    """
    if array.dtype.kind not in "biuf" or array.size > _LARGE >> 4:
        return None
    values = array.ravel().tolist()
    noise = _NOISE * min(1.0, max((abs(each) for each in values if each - each == 0), default=0.0))
    text = ",".join("0" if abs(each) <= noise else format(each, ".6g") for each in values)
    return blake2b(text.encode("ascii"), digest_size=8).hexdigest()
