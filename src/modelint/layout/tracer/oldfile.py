"""A file of old weights, put into a model of today; and what the model holds then."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Callable

import torch
from torch import nn

from . import loads
from .meeting import Unsettled


def state(model: nn.Module) -> list[tuple[str, torch.Tensor]]:
    """What of the state dict is no parameter."""
    living = model.state_dict(keep_vars=True).items()
    return [
        (key, each) for key, each in living if isinstance(each, torch.Tensor) and not isinstance(each, nn.Parameter)
    ]


class _File(OrderedDict[str, Any]):
    _metadata: OrderedDict[str, Any]


def put(
    model: nn.Module,
    values: Mapping[str, torch.Tensor],
    versions: Mapping[str, int],
    renames: Mapping[str, str],
    moved: Mapping[str, str],
    function: Callable[..., Any] = lambda model, file: model.load_state_dict(file, strict=True),
) -> None:
    """Load a file of the old layout, with its keys renamed; state that is no tensor is the model's own. Raises what
    the load does, and Unsettled where it leaves keys over.
    """
    hooks = loads.has_hooks(model)  # they may write into what they are given
    file = _File((renames.get(key, key), each.clone() if hooks else each) for key, each in values.items())
    file.update((key, each) for key, each in model.state_dict().items() if not isinstance(each, torch.Tensor))
    file._metadata = OrderedDict((moved.get(path, path), {"version": each}) for path, each in versions.items())
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        result = function(model, file)
    left = [*(getattr(result, "missing_keys", None) or ()), *(getattr(result, "unexpected_keys", None) or ())]
    if left:
        raise Unsettled(f"{len(left)} keys are left over, {left[0]} among them")


def is_equal(one: Any, other: torch.Tensor) -> bool:
    """Whether a tensor of the model holds what the file did."""
    same = isinstance(one, torch.Tensor) and one.shape == other.shape
    return same and one.layout is other.layout is torch.strided and torch.equal(one, other.to(one))
