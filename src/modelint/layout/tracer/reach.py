"""Where the values of a file go: which of its keys reach the model, and which tensors of the model they reach.

A strict load that succeeds says that the names fit, not that the weights arrived: a hook may have thrown a key away,
or put the model's own value in the place of one that is missing. Every operation of the load is watched, and each
tensor carries the keys that its values come from.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from .record import storage

_Keys = frozenset[str]
_NONE: _Keys = frozenset()
#: Stands for the values that the model was built with.
_OWN = "\0"
_BUILT: _Keys = frozenset((_OWN,))

#: Their values do not come from the tensor that they are given.
_FACTORIES = frozenset(
    "new_zeros new_ones new_full new_empty new_empty_strided zeros_like ones_like full_like empty_like rand_like "
    "randn_like randint_like".split()
)
#: They put other values in the place of what was there.
_FILLS = frozenset(
    "fill_ zero_ normal_ uniform_ random_ bernoulli_ exponential_ log_normal_ cauchy_ geometric_".split()
)
#: Ways out of torch, by which values may come back unseen.
_ESCAPES = ("numpy", "tolist", "__array__")
#: torch itself writes the counter where a file lacks it, and frozen norms drop it; extra state goes its own way.
_ASIDE = ("num_batches_tracked", "_extra_state")


class Reach(NamedTuple):
    #: Keys of the file whose values are in no tensor of the model.
    dropped: list[str]
    #: Saved tensors that have the values that they were built with.
    unreached: list[str]
    #: Saved tensors with values that are neither from the file nor those that they were built with.
    filled: list[str]


class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Watches one load of a file; as a context manager around it."""

    def __init__(self, file: Mapping[str, Any], model: nn.Module, *, hold: bool) -> None:
        """``hold``: keep every tensor until the end, so that none takes the identity of one that is gone."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._file = {key: value for key, value in file.items() if isinstance(value, torch.Tensor)}
        self._from: dict[Hashable, _Keys] = {storage(each): _BUILT for _, each in tensors_of(model)}
        for key, value in self._file.items():
            at = storage(value)
            self._from[at] = self._from.get(at, _NONE) - _BUILT | {key}
        self._held: list[torch.Tensor] | None = [] if hold else None
        self._escaped: set[str] = set()
        #: Keys of which an operation that failed asked for the values.
        self.asked: set[str] = set()
        self._lost = False
        self._real = {name: getattr(torch.Tensor, name) for name in _ESCAPES}

    def __enter__(self) -> Watch:
        for name, real in self._real.items():
            setattr(torch.Tensor, name, self._noting(real))
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        for name, real in self._real.items():
            setattr(torch.Tensor, name, real)

    def _noting(self, real: Any) -> Any:
        def escape(tensor: torch.Tensor, *arguments: Any, **settings: Any) -> Any:
            self._escaped |= self._of(tensor)
            if tensor.is_meta:
                self.asked |= self._of(tensor)
            return real(tensor, *arguments, **settings)

        return escape

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        try:
            result = func(*args, **(kwargs or {}))
        except Exception:
            self.asked |= _NONE.union(*map(self._of, _tensors((args, kwargs or {}))))
            raise
        try:
            if func is torch.ops.aten.copy_.default:
                self._copied(args[0], args[1])
            else:
                self._computed(func, args, kwargs or {}, result)
        except Exception:
            self._lost = True
        return result

    def _of(self, tensor: torch.Tensor) -> _Keys:
        return self._from.get(storage(tensor), _NONE)

    def _copied(self, target: torch.Tensor, source: torch.Tensor) -> None:
        at, keys = storage(target), self._of(source)
        self._from[at] = keys if _is_whole(target) else keys | self._from.get(at, _NONE)

    def _computed(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        name = func.overloadpacket.__name__
        given = list(_tensors((args, kwargs)))
        sources = _NONE if name in _FACTORIES else _NONE.union(*map(self._of, given))
        if name == "_local_scalar_dense":
            self._escaped |= sources
        elif name == "set_" and "Storage" in func._overloadname:
            self._lost = True
        elif func._schema.is_mutable:
            for target in _written(func, args, kwargs):
                self._from[storage(target)] = _NONE if name in _FILLS and _is_whole(target) else sources
        known = {storage(each) for each in given}
        for made in _tensors(result):
            at = storage(made)
            if at not in known:
                self._from[at] = sources
                if self._held is not None:
                    self._held.append(made)

    def found(self, model: nn.Module, saved: Iterable[str]) -> Reach:
        """What became of the file, once it is loaded. ``saved`` names the tensors that a state dict holds."""
        if self._lost:
            return Reach([], [], [])
        arrived: set[str] = set(self._escaped)
        unreached: list[str] = []
        filled: list[str] = []
        names = set(saved)
        for name, tensor in tensors_of(model):
            keys = self._of(tensor)
            arrived |= keys
            if name not in names or name.endswith(_ASIDE) or keys - _BUILT:
                continue
            if keys:
                unreached.append(name)
            elif not self._escaped:
                filled.append(name)
        for module in torch.nn.Module.modules(model):  # what a load keeps in a plain attribute is not thrown away
            for value in vars(module).values():
                if isinstance(value, torch.Tensor):
                    arrived |= self._of(value)
        dropped = [key for key in self._file if key not in arrived and not key.endswith(_ASIDE)]
        return Reach(dropped, unreached, filled)


def saved_names(model: nn.Module, state: Mapping[str, Any]) -> list[str]:
    """The parameters and buffers that ``state`` holds, under whatever keys."""
    saved = {storage(each) for each in state.values() if isinstance(each, torch.Tensor)}
    return [name for name, each in tensors_of(model) if storage(each) in saved]


def tensors_of(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Every parameter and buffer under each of its names."""
    for path, module in model.named_modules(remove_duplicate=False):
        for name, tensor in (*module._parameters.items(), *module._buffers.items()):
            if tensor is not None:
                yield f"{path}.{name}" if path else name, tensor


def _is_whole(tensor: torch.Tensor) -> bool:
    """Whether writing it leaves nothing of what its memory held."""
    return tensor.numel() * tensor.itemsize >= tensor.untyped_storage().nbytes()


def _written(func: Any, args: Any, kwargs: Any) -> Iterator[torch.Tensor]:
    for at, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            yield from _tensors(args[at] if at < len(args) else kwargs.get(argument.name))


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _tensors(each)
    elif isinstance(value, dict):
        for each in value.values():
            yield from _tensors(each)
