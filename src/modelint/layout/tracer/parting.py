"""Where two runs part: what each module gave, in the order in which the calls ended."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from .results import SAME, distance, kept

#: So many values of one output are kept.
_SAMPLE = 64
#: Calls that are noted: a recurrent model calls its cells a thousand times.
_MOST = 20_000

#: The path of the module, the number of the call among those of that module, and each tensor that it gave.
Call = tuple[str, int, list[dict[str, Any]]]


@contextlib.contextmanager
def noting(model: nn.Module) -> Iterator[list[Call]]:
    """The calls of the modules of ``model`` while the block runs."""
    paths = {id(module): path for path, module in model.named_modules()}
    counts: dict[str, int] = {}
    calls: list[Call] = []

    def note(module: nn.Module, arguments: Any, output: Any) -> None:
        path = paths.get(id(module))
        if path is None or len(calls) >= _MOST:
            return
        number = counts[path] = counts.get(path, -1) + 1
        calls.append((path, number, [kept(each, 2 * _SAMPLE, _SAMPLE) for each in _tensors(output)]))

    handle = register_module_forward_hook(note)
    try:
        yield calls
    finally:
        handle.remove()


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _tensors(each)
    elif isinstance(value, Mapping):
        yield from _tensors(list(value.values()))


def first(old: Sequence[Call], new: Sequence[Call], moved: Mapping[str, str]) -> dict[str, Any] | None:
    """The first call, in the order of the new side, that gave something else; ``moved``: old path -> new path."""
    before = {(moved.get(path, path), number): gave for path, number, gave in old}
    for path, number, gave in new:
        one = before.get((path, number))
        if one is None:
            continue
        if len(one) != len(gave):
            return {"module": path, "distance": None}
        worst = max((distance(each, other) for each, other in zip(one, gave)), default=0.0)
        if worst > SAME:
            return {"module": path, "distance": None if worst == float("inf") else worst}
    return None
