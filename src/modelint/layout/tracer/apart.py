"""Loading the modules one by one, for models that load as torch does: those that a file agrees with are left out.

torch sorts the keys of a file anew for every module, which takes seconds where there are many; without hooks no module
knows of another, and what is said of each is the same.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Callable

import torch
from torch import nn

#: The tensors of a part of the file, by key.
Make = Callable[[Mapping[str, Any]], Mapping[str, torch.Tensor]]


def refusal(model: nn.Module, old: Mapping[str, Any], make: Make) -> Exception | None:
    """What ``model.load_state_dict(strict=True)`` raises for a file of an old layout; None: nothing.

    ``model`` has neither hooks nor lazy tensors.
    """
    modules = dict(nn.Module.named_modules(model, remove_duplicate=False))
    given = _by_module(old["keys"], modules)
    missing: list[str] = []
    unexpected: list[str] = []
    others: list[str] = []
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        for path, module in modules.items():
            keys = given.get(path, {})
            prefix = f"{path}." if path else ""
            plain = type(module)._load_from_state_dict is nn.Module._load_from_state_dict
            if plain and _agrees(module, prefix, keys):
                continue
            version = old["versions"].get(path) if old.get("versions") else None
            told = {} if version is None else {"version": version}
            module._load_from_state_dict(make(keys), prefix, told, True, missing, unexpected, others)
    for words, names in (("Unexpected", unexpected), ("Missing", missing)):
        if names:
            others.insert(0, f"{words} key(s) in state_dict: {', '.join(map(_quoted, names))}. ")
    told_of = f"Error(s) in loading state_dict for {type(model).__name__}:"
    return RuntimeError("\n\t".join([told_of, *others])) if others else None


def _by_module(keys: Mapping[str, Any], modules: Mapping[str, nn.Module]) -> dict[str, dict[str, Any]]:
    """The keys, by the module that has something to say of each: the last one on their path that there is."""
    found: dict[str, dict[str, Any]] = {}
    for key, spec in keys.items():
        path = key.rpartition(".")[0]
        while path not in modules:
            path = path.rpartition(".")[0]
        found.setdefault(path, {})[key] = spec
    return found


def _agrees(module: nn.Module, prefix: str, keys: Mapping[str, Any]) -> bool:
    count = 0
    unsaved = module._non_persistent_buffers_set
    for name, tensor in (*module._parameters.items(), *module._buffers.items()):
        if tensor is None or name in unsaved:
            continue
        count += 1
        spec = keys.get(prefix + name)
        if spec is None or list(tensor.shape) != spec["shape"]:
            return False
    return count == len(keys)


def _quoted(key: str) -> str:
    return f'"{key}"'
