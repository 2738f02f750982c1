"""Which inputs a model runs with: those that the project's own text shows, then likely ones for its first layers."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from typing import Any, Callable

import torch
from torch import nn

from . import guard
from .build import Builder, load_factory
from .inputs import tensor

#: Models with at most so many parameters are run with real values; of others only the shapes are computed.
_SMALL = 50_000_000
#: So many of its first layers tell what a model takes.
_FIRST = 6
_BATCH = 2


def run(model: dict[str, Any], enter: Callable[..., None]) -> dict[str, Any]:
    """``inputs`` that ran, and which of the ``candidates`` they are (None: likely ones); none where nothing ran."""
    builder = Builder(load_factory(model["factory"]), model["args"], model["kwargs"])
    enter("call")
    built = builder.build(lambda how, first: None).model.eval()
    if sum(each.numel() for each in built.parameters()) <= _SMALL:
        builder.how = "cpu"
        built = builder.build(lambda how, first: None).model.eval()
    enter("run")
    candidates = model["numbers"]["candidates"]
    tried = 0
    for number, inputs in [*enumerate(candidates), *((None, each) for each in _likely(built))]:
        tried += 1
        if _runs(built, inputs):
            return {"inputs": inputs, "candidate": number, "tried": tried}
    return {"inputs": None, "candidate": None, "tried": tried}


def _runs(model: nn.Module, inputs: list[str]) -> bool:
    guard.seed()
    first = next(model.parameters(), None)
    try:
        given = [tensor(text, number) for number, text in enumerate(inputs)]
        given = [each.float() if each.is_floating_point() else each for each in given]
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            model(*(each.to(first.device) if first is not None else each for each in given))
    except Exception:
        return False
    return True


def _likely(model: nn.Module) -> Iterator[list[str]]:
    """For as many arguments as the forward needs."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = inspect.signature(model.forward).parameters.values()
    except (TypeError, ValueError):
        return
    needed = sum(each.default is each.empty and each.kind in kinds for each in parameters)
    seen: set[str] = set()
    for module in [each for each in model.modules() if next(each.parameters(recurse=False), None) is not None][:_FIRST]:
        for text in _shapes(module):
            if text not in seen:
                seen.add(text)
                yield [text] * max(1, needed)


def _shapes(module: nn.Module) -> Iterator[str]:
    if isinstance(module, nn.Conv2d):
        yield from (f"float32[{_BATCH}, {module.in_channels}, {size}, {size}]" for size in (224, 256, 64, 32, 28))
    elif isinstance(module, nn.Conv1d):
        yield from (f"float32[{_BATCH}, {module.in_channels}, {size}]" for size in (256, 4096))
    elif isinstance(module, nn.Conv3d):
        yield f"float32[{_BATCH}, {module.in_channels}, 16, 32, 32]"
    elif isinstance(module, nn.Embedding):
        yield f"int64[{_BATCH}, 16] < {module.num_embeddings}"
    elif isinstance(module, (nn.Linear, nn.RNNBase)):
        size = module.in_features if isinstance(module, nn.Linear) else module.input_size
        yield from (f"float32[{_BATCH}, {size}]", f"float32[{_BATCH}, 16, {size}]")
