"""How buffers get their values: a function mode that sees each operation of a construction.

What an operation makes is known as long as all that it was made from is: random and foreign tensors are not. From the
operations comes a digest; a digest of the values comes from the tensor, or from doing the same again on the CPU.
"""

from __future__ import annotations

import random
import sys
import weakref
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._device import DeviceContext, _device_constructors

from . import shortcuts
from .recipe import Recipe, Unknown, array_digest, freeze

_RANDOM = frozenset(
    "rand randn randint randperm rand_like randn_like randint_like normal bernoulli multinomial poisson dropout rrelu "
    "alpha_dropout feature_dropout gumbel_softmax uniform_ normal_ log_normal_ exponential_ cauchy_ geometric_ random_ "
    "bernoulli_ kaiming_uniform_ kaiming_normal_ xavier_uniform_ xavier_normal_ trunc_normal_ orthogonal_ sparse_ "
    "set_ resize_ resize_as_ swap_tensors".split()
)
#: They end like operations in place, and change no value.
_HARMLESS = frozenset("requires_grad_ share_memory_ rename_ refine_names_".split())
#: Give back what they got.
_SAME = frozenset("clone detach contiguous __deepcopy__ cpu alias data".split())
#: Nothing of the old values is left.
_OVERWRITES = frozenset("fill_ zero_ copy_ constant_ ones_ zeros_".split())
_IN_PLACE = frozenset(f"__i{each}__" for each in "add sub mul div truediv floordiv mod pow and or xor".split())


#: How many elements are computed for the digests of one model.
_BUDGET = 1 << 24


class _Seen(NamedTuple):
    tensor: weakref.ref[torch.Tensor]
    recipe: Recipe


class Making:
    """What is known of the tensors made so far."""

    def __init__(self) -> None:
        self._seen: dict[int, _Seen] = {}
        #: By what they share their memory with: ids of tensors, some of them gone.
        self._sharing: dict[int, list[int]] = {}
        self._random = _random_states()
        self._budget = [_BUDGET]

    def of(self, tensor: torch.Tensor) -> Recipe | None:
        seen = self._seen.get(id(tensor))
        return seen.recipe if seen is not None and seen.tensor() is tensor else None

    def constants(self, model: nn.Module) -> dict[str, dict[str, str | None]]:
        """By name, of the buffers of the model; those of torch's own modules are what they always are."""
        data = self._data_known()
        found: dict[str, dict[str, str | None]] = {}
        for path, module in model.named_modules(remove_duplicate=False):
            if type(module).__module__.startswith("torch.nn."):
                continue
            for name, buffer in module._buffers.items():
                recipe = self.of(buffer) if buffer is not None else None
                if recipe is None or buffer is None or recipe.is_empty or (recipe.has_data and not data):
                    continue
                found[f"{path}.{name}" if path else name] = {"made": recipe.made, "value": self._value(recipe, buffer)}
        return dict(sorted(found.items()))

    def digest(self, tensor: Any) -> str | None:
        """Of the values of a tensor that is no buffer, or of how it was made; of the values of an array of numpy."""
        if not isinstance(tensor, torch.Tensor):
            return array_digest(tensor) if self._data_known() else None
        recipe = self.of(tensor)
        if recipe is None or recipe.is_empty or (recipe.has_data and not self._data_known()):
            return None
        return self._value(recipe, tensor) or recipe.made

    def _data_known(self) -> bool:
        """Else what was handed to torch may have been random."""
        return _random_states() == self._random

    def _value(self, recipe: Recipe, tensor: torch.Tensor) -> str | None:
        return recipe.value_digest(self._budget) or (None if tensor.is_meta else recipe.digest_of(tensor))

    def see(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        name = getattr(func, "__name__", "")
        if name in ("__get__", "__set__"):
            name = getattr(getattr(func, "__self__", None), "__name__", "")
            if result is None and name == "data":
                self._forget(args[0])
                return
        if isinstance(result, torch.Tensor):
            if name in _IN_PLACE or (name.endswith("_") and not name.endswith("__")):
                self._change(name, func, args, kwargs, result)
            elif name in _RANDOM or isinstance(result, nn.Parameter):
                return
            elif "out" in kwargs:
                self._forget(result)
            elif not args or result is not args[0]:
                self._make(name, func, args, kwargs, result)
        elif name == "__setitem__":
            self._change(name, func, args, kwargs, args[0])
        elif isinstance(result, (tuple, list)) and result and name not in _RANDOM:
            self._make_several(name, func, args, kwargs, result)

    def _make(self, name: str, func: Any, args: Any, kwargs: Any, result: torch.Tensor) -> None:
        try:
            if name in _SAME and args:
                known = self.of(args[0])
                if known is not None:
                    self._note(result, known)
                return
            self._note(result, Recipe(name, func, freeze(args, self.of), freeze(kwargs, self.of), result))
        except Unknown:
            pass

    def _make_several(self, name: str, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        tensors = [each for each in result if isinstance(each, torch.Tensor)]
        if not tensors:
            return
        try:
            whole = Recipe(name, func, freeze(args, self.of), freeze(kwargs, self.of), tensors[0])
        except Unknown:
            return
        for at, each in enumerate(result):
            if isinstance(each, torch.Tensor):
                self._note(each, Recipe("item", _item, (whole, at), {}, each))

    def _change(self, name: str, func: Any, args: Any, kwargs: Any, target: torch.Tensor) -> None:
        if name in _HARMLESS or isinstance(target, nn.Parameter):
            return
        before = self.of(target)
        same = self._forget_all_that_share(target)
        if name in _RANDOM or (before is None and name not in _OVERWRITES):
            return
        try:
            rest = freeze({**kwargs, "args": args[1:]} if args else {**kwargs, "tensor": None, "args": ()}, self.of)
        except Unknown:
            return
        positional = rest.pop("args")
        start = None if name in _OVERWRITES else before
        recipe = Recipe(name, func, (start, *positional), rest, target, in_place=True)
        for each in (target, *same):
            self._note(each, recipe)

    def _note(self, tensor: torch.Tensor, recipe: Recipe) -> None:
        if id(tensor) not in self._seen:
            self._sharing.setdefault(_memory(tensor), []).append(id(tensor))
        self._seen[id(tensor)] = _Seen(weakref.ref(tensor), recipe)

    def _forget_all_that_share(self, target: torch.Tensor) -> list[torch.Tensor]:
        """Its memory changes, and with it all views; those given back show exactly the same part of it."""
        same: list[torch.Tensor] = []
        self._forget(target)
        for each in self._sharing.pop(_memory(target), ()):
            seen = self._seen.pop(each, None)
            other = seen.tensor() if seen is not None else None
            if other is not None and _window(other) == _window(target):
                same.append(other)
        return same

    def _forget(self, tensor: Any) -> None:
        self._seen.pop(id(tensor), None)


class CpuMaking(TorchFunctionMode, Making):
    def __init__(self, spare: bool = False) -> None:
        TorchFunctionMode.__init__(self)
        Making.__init__(self)
        self._spare = spare

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = shortcuts.uninitialised(func, args, kwargs) if self._spare else None
        if result is None:
            result = func(*args, **kwargs)
        self.see(func, args, kwargs, result)
        return result


class MetaMaking(DeviceContext, Making):
    def __init__(self) -> None:
        DeviceContext.__init__(self, torch.device("meta"))
        Making.__init__(self)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _device_constructors() and kwargs.get("device") is None:
            kwargs["device"] = self.device
        result = shortcuts.on_meta(func, args, kwargs)
        if result is None:
            result = func(*args, **kwargs)
        self.see(func, args, kwargs, result)
        return result


def _memory(tensor: torch.Tensor) -> int:
    try:
        return int(tensor.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError, ValueError):  # sparse, lazy
        return 0


def _window(tensor: torch.Tensor) -> tuple[Any, ...]:
    return _memory(tensor), tensor.storage_offset(), tuple(tensor.shape), tensor.stride(), tensor.dtype


def _item(whole: Any, at: int) -> Any:
    return whole[at]


def _random_states() -> tuple[Any, ...]:
    """Of the generators whose numbers may be handed to torch."""
    numpy = sys.modules.get("numpy")
    return random.getstate(), None if numpy is None else str(numpy.random.get_state())
