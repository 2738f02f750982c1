"""Which inputs a model runs with: those that the project's own text shows, then likely ones for its first layers."""

from __future__ import annotations

import warnings
from typing import Any, Callable

import torch
from torch import nn

from . import guard
from .build import Builder, load_factory
from .inputs import tensor
from .likely import likely

#: Models with at most so many parameters are run with real values; of others only the shapes are computed.
_SMALL = 50_000_000


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
    for number, inputs in [*enumerate(candidates), *((None, each) for each in likely(built))]:
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
