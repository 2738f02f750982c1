"""Which modules are the same, up to their weights: one trace does for all of them."""

from __future__ import annotations

import re
import types
from typing import Any

import torch

from .graph import digest

SKIPPED = frozenset("training _parameters _buffers _modules _is_hf_initialized".split())


#: A layer's place among its like: most forwards never look at it.
INDEX = re.compile(r"(?:.*_)?(?:idx|index|layer_id|layer_number|layer_num|block_id)$")


class Signatures:
    def __init__(self, counted: set[str]) -> None:
        #: Names of INDEX that some forward reads.
        self.counted = counted
        self.left_out: set[tuple[type, str]] = set()
        self.known: dict[int, bytes] = {}
        #: What was told apart by identity must stay alive for it.
        self.kept: list[Any] = []

    def of(self, module: Any) -> bytes:
        """Of the class, its own state and its children's: two modules with one signature trace the same."""
        found = self.known.get(id(module))
        if found is None:
            found = self.known[id(module)] = digest("\0".join(self._parts(module)).encode("utf-8", "replace"), 12)
        return found

    def _parts(self, module: Any) -> list[str]:
        self.kept.append(module)
        state = module.__dict__
        parts = [str(id(type(module)))]
        for name, value in state.items():
            if name not in SKIPPED and value is not None and not (isinstance(value, (dict, set)) and not value):
                if type(value) is int and name not in self.counted and INDEX.match(name):
                    self.left_out.add((type(module), name))
                    continue
                parts.append(name + "=" + self._value(value, 0, module))
        seen: dict[int, int] = {}
        for kind in ("_parameters", "_buffers"):
            for name, tensor in state[kind].items():
                if tensor is not None:
                    first = seen.setdefault(id(tensor), len(seen))
                    parts.append(" ".join(map(str, (kind, name, self._tensor(tensor), first))))
        for name, child in state["_modules"].items():
            if child is not None:
                first = seen.setdefault(id(child), len(seen))
                parts.append(f"child {name} {self.of(child).hex()} {first}")
        return parts

    def _tensor(self, tensor: Any) -> str:
        try:
            return f"{tuple(tensor.shape)} {tensor.dtype}"
        except RuntimeError:  # lazy
            return type(tensor).__name__

    def _value(self, value: Any, depth: int, module: Any) -> str:
        if value is None or isinstance(value, (bool, int, float, str, torch.dtype, torch.device, torch.Size)):
            return repr(value)
        if depth > 4:
            return self._identity(value)
        if isinstance(value, (list, tuple)):
            return "[{}]".format(",".join([self._value(each, depth + 1, module) for each in value]))
        if isinstance(value, dict):
            pairs = [
                f"{self._value(key, 4, module)}:{self._value(each, depth + 1, module)}" for key, each in value.items()
            ]
            return "{{{}}}".format(",".join(pairs))
        if isinstance(value, (set, frozenset)):
            return "{{{}}}".format(",".join(sorted(self._value(each, depth + 1, module) for each in value)))
        if isinstance(value, types.MethodType) and value.__self__ is module:
            return "method " + self._identity(value.__func__)
        return self._identity(value)

    def _identity(self, value: Any) -> str:
        self.kept.append(value)
        return f"{type(value).__name__} at {id(value)}"
