"""Import torch, without what a tracer never needs of it."""

from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any, Callable

_DECORATORS = "torch._compile"


def import_torch() -> ModuleType:
    """torch, whose operations on the meta device do not import the compiler.

    Python implementations of operations are decorated to stay out of torch.compile; the first call of one would import
    the whole of torch._dynamo and torch._inductor for that, which takes longer than torch itself.
    """
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        import torch
    finally:
        sys.meta_path.remove(finder)
    return torch


class _Finder:
    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != _DECORATORS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
        return spec


class _Loader:
    def __init__(self, real: Any) -> None:
        self._real = real

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        self._real.exec_module(module)
        vars(module)["_disable_dynamo"] = _as_it_is


def _as_it_is(fn: Callable[..., Any] | None = None, recursive: bool = True) -> Callable[..., Any]:
    return fn if fn is not None else lambda decorated: decorated
