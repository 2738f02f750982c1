"""Does a file of an old layout still load? Asked of the model's own load_state_dict(strict=True), hooks and all."""

from __future__ import annotations

import contextlib
import inspect
import re
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter, UninitializedTensorMixin  # type: ignore[attr-defined]

from . import apart, reach, record
from .blame import is_about_meta, one_line
from .state import Snapshot

_RESHAPED = re.compile(
    r"size mismatch for (.+?): copying a param with shape (?:torch\.Size\()?[\[(]?([\d, ]*)[\])]*"
    r" from checkpoint, the shape in current model is (?:torch\.Size\()?[\[(]?([\d, ]*)"
)
_MISSING = re.compile(r"Missing key\(s\) in state_dict: (.*)")
_UNEXPECTED = re.compile(r"Unexpected key\(s\) in state_dict: (.*)")
_QUOTED = re.compile(r'"([^"]*)"')


#: So often values are given to those keys alone that loading asks for.
_ROUNDS = 8
_LOADING = ("load_state_dict", "_load_from_state_dict", "set_extra_state")
_SAVING = ("state_dict", "_save_to_state_dict", "get_extra_state")
#: What a file of plain tensors has not.
_NO_MORE: dict[str, Any] = {"extra": [], "ties": [], "versions": None}
_overriding: dict[tuple[type, tuple[str, ...]], bool] = {}


class _File(OrderedDict[str, Any]):
    """A state dict, with the versions of its modules as ``state_dict()`` adds them."""

    _metadata: OrderedDict[str, Any]


def has_hooks(model: nn.Module) -> bool:
    """Whether loading runs more than torch's own load_state_dict."""
    return any(
        module._load_state_dict_pre_hooks or module._load_state_dict_post_hooks or _overrides(type(module), _LOADING)
        for module in nn.Module.modules(model)
    )


def has_save_hooks(model: nn.Module) -> bool:
    """Whether its state dict is more than its parameters and buffers."""
    return any(
        module._state_dict_hooks or module._state_dict_pre_hooks or _overrides(type(module), _SAVING)
        for module in nn.Module.modules(model)
    )


def _overrides(cls: type, names: tuple[str, ...]) -> bool:
    known = _overriding.get((cls, names))
    if known is None:
        owners = [next((each for each in cls.__mro__ if name in vars(each)), nn.Module) for name in names]
        known = _overriding[cls, names] = any(not each.__module__.startswith("torch.nn.modules.") for each in owners)
    return known


def is_lazy(model: nn.Module) -> bool:
    return any(isinstance(each, UninitializedTensorMixin) for each in model.parameters()) or any(
        isinstance(each, UninitializedTensorMixin) for each in model.buffers()
    )


class Loader:
    """Asks one model about old layouts. ``again`` builds it anew: what runs on loading may change the instance."""

    def __init__(self, model: nn.Module, state: Mapping[str, Any], again: Callable[[], nn.Module], memory: int) -> None:
        self._model = model
        self._state = state
        self._again = again
        self._memory = memory
        self._hooks = has_hooks(model)
        self._changes = self._hooks or is_lazy(model)
        self._saved = reach.saved_names(model, state)
        self._size = sum(each.numel() * each.itemsize for each in state.values() if is_filled(each))
        #: An instance that no load has changed.
        self._spare: nn.Module | None = None

    def load(self, old: Mapping[str, Any]) -> dict[str, Any]:
        """The verdict on one old layout."""
        if not self._hooks and self._is_mine(old):
            return _verdict(hooks=False)
        if not (self._changes or old["extra"] or any(each["shape"] is None for each in old["keys"].values())):
            error = apart.refusal(self._model, old, lambda keys: _file({**_NO_MORE, "keys": keys}, self._state))
            if error is not None:
                return _refused(error, hooks=False)
        verdict, asked = self._on_meta(old)
        if _is_certain(verdict) or not self._changes:
            return verdict
        size = sum(map(_bytes, old["keys"].values()))
        if size > self._memory // 2:
            if not verdict["proved"]:
                much = sum(_bytes(old["keys"][key]) for key in asked) or size
                verdict["why"] = f"loading reads values, and {much / 2**30:.1f} GiB of them are too many"
            return verdict
        every = frozenset(old["keys"])
        second, _ = self._try(old, every)
        if _is_certain(second) or size + self._size > self._memory // 2:
            return second
        third, _ = self._try(old, every, whole=True)
        return third if third["proved"] else second

    def _on_meta(self, old: Mapping[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
        """Without values, but for those that loading asks for; returns the keys of these, too."""
        asked: frozenset[str] = frozenset()
        for _ in range(_ROUNDS):
            verdict, more = self._try(old, asked)
            more = (asked | more) & old["keys"].keys()
            if _is_certain(verdict) or not self._changes or more == asked:
                break
            asked = more
            if sum(_bytes(old["keys"][key]) for key in asked) > self._memory // 2:
                break
        return verdict, asked

    def round_trip(self, layout: Mapping[str, Any]) -> str | None:
        """Why a second instance does not accept what the first one saves. Asked only where torch does not ensure it."""
        if not (self._changes or has_save_hooks(self._model) or layout["extra"]):
            return None
        state = _File(self._state)
        if hasattr(self._state, "_metadata"):
            state._metadata = self._state._metadata
        verdict = self._run(self._instance(), state)
        if not verdict["proved"]:
            verdict = self.load(layout)
        return None if verdict["loads"] or not verdict["proved"] else str(verdict["error"] or "keys are left over")

    def _is_mine(self, old: Mapping[str, Any]) -> bool:
        """The layout of the model as it is now."""
        if old["extra"] or old["keys"].keys() != self._state.keys():
            return False
        for key, spec in old["keys"].items():
            value = self._state[key]
            if not is_filled(value) or spec["shape"] is None or list(value.shape) != list(spec["shape"]):
                return False
        return {frozenset(group) for group in old["ties"]} == {frozenset(group) for group in record.ties(self._state)}

    def _try(
        self, old: Mapping[str, Any], real: frozenset[str], *, whole: bool = False
    ) -> tuple[dict[str, Any], frozenset[str]]:
        """Load a file in which the tensors of ``real`` are there, and zero; ``whole``: those of the model are, too.

        Returns the verdict, and the keys whose values were asked for in vain.
        """
        model = self._instance()
        if whole:
            self._spare = None
            try:
                model = _zeroed(model)
            except Exception as error:
                return {**_refused(error, self._hooks), "proved": False}, frozenset()
        file = _file(old, self._state, real)
        watch = reach.Watch(file, model, hold=len(real) < len(file))
        return self._run(model, file, watch), frozenset(watch.asked)

    def _instance(self) -> nn.Module:
        if not self._changes:
            return self._model
        if self._spare is None:
            self._spare = self._again()
        return self._spare

    def _run(self, model: nn.Module, file: _File, watch: reach.Watch | None = None) -> dict[str, Any]:
        before = _Looks(model) if model is self._spare else None
        try:
            with warnings.catch_warnings(), torch.no_grad(), watch or contextlib.nullcontext():
                warnings.simplefilter("ignore")
                result = model.load_state_dict(file, **_strictly(model))
        except Exception as error:
            return _refused(error, self._hooks)
        finally:
            if before is not None and not before.hold():
                self._spare = None
        verdict = _verdict(self._hooks)
        verdict["missing"] = list(getattr(result, "missing_keys", None) or ())
        verdict["unexpected"] = list(getattr(result, "unexpected_keys", None) or ())
        verdict["loads"] = not (verdict["missing"] or verdict["unexpected"])
        if verdict["loads"] and watch is not None:
            verdict.update(watch.found(model, self._saved)._asdict())
        return verdict


def _strictly(model: nn.Module) -> dict[str, bool]:
    """How it is told to be strict; overrides may know no other way."""
    try:
        inspect.signature(model.load_state_dict).bind({}, strict=True)
    except (TypeError, ValueError):
        return {}
    return {"strict": True}


def is_filled(value: object) -> bool:
    """A tensor that has a shape."""
    return isinstance(value, torch.Tensor) and not isinstance(value, UninitializedTensorMixin)


class _Looks:
    """An instance as it is, down to the sizes of its tensors."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._modules = Snapshot(model, [*nn.Module.modules(model)][1:])
        self._tensors = self._told()

    def _told(self) -> list[tuple[Any, ...]]:
        return [
            (name, record.storage(each), each.shape if is_filled(each) else None)
            for name, each in reach.tensors_of(self._model)
        ]

    def hold(self) -> bool:
        return self._modules.holds() and self._tensors == self._told()


def _zeroed(model: nn.Module) -> nn.Module:
    """The model with values."""
    with torch.no_grad():
        model = model.to_empty(device="cpu")
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.zero_()
    return model


def _is_certain(verdict: Mapping[str, Any]) -> bool:
    """With other values it would be the same."""
    told = verdict["missing"] or verdict["unexpected"] or verdict["reshaped"]
    return bool(verdict["loads"] or (verdict["proved"] and told))


def _verdict(hooks: bool, error: str | None = None) -> dict[str, Any]:
    return {
        "loads": error is None,
        "proved": True,
        "why": None,
        "missing": [],
        "unexpected": [],
        "reshaped": [],
        "dropped": [],
        "unreached": [],
        "filled": [],
        "hooks": hooks,
        "error": error,
    }


def _file(old: Mapping[str, Any], state: Mapping[str, Any], real: frozenset[str] = frozenset()) -> _File:
    """A state dict of the old layout, on the meta device, but for ``real`` and for what the model holds elsewhere."""
    found = _File()
    for key, spec in old["keys"].items():
        own = state.get(key)
        dtype = getattr(torch, spec["dtype"], torch.float32)
        if spec["shape"] is None:
            found[key] = UninitializedParameter(device="meta", dtype=dtype)  # type: ignore[call-arg]
            continue
        there = key in real or (isinstance(own, torch.Tensor) and not own.is_meta)
        make = torch.zeros if there else torch.empty
        found[key] = make(spec["shape"], dtype=dtype, device="cpu" if there else "meta")
    for key in old["extra"]:
        found[key] = state.get(key)
    for group in old["ties"]:
        first = found.get(group[0])
        for key in group[1:]:
            if isinstance(first, torch.Tensor) and key in found and found[key].shape == first.shape:
                found[key] = first
    if old.get("versions"):
        found._metadata = OrderedDict((path, {"version": each}) for path, each in old["versions"].items())
    return found


def _bytes(spec: Mapping[str, Any]) -> int:
    size = getattr(torch, spec["dtype"], torch.float32).itemsize
    for each in spec["shape"] or ():
        size *= each
    return int(size)


def _refused(error: Exception, hooks: bool) -> dict[str, Any]:
    text = str(error)
    verdict = _verdict(hooks, one_line(error))
    verdict["missing"] = [key for found in _MISSING.findall(text) for key in _QUOTED.findall(found)]
    verdict["unexpected"] = [key for found in _UNEXPECTED.findall(text) for key in _QUOTED.findall(found)]
    verdict["reshaped"] = [
        {"key": key, "old": _shape(old), "new": _shape(new)} for key, old, new in _RESHAPED.findall(text)
    ]
    told = verdict["missing"] or verdict["unexpected"] or verdict["reshaped"]
    if not told or "an exception occurred" in text:
        verdict["proved"] = not is_about_meta(error)
    if not verdict["proved"]:
        verdict["why"] = "loading reads values: " + one_line(error)
    return verdict


def _shape(text: str) -> list[int]:
    return [int(each) for each in text.split(",") if each.strip()]
