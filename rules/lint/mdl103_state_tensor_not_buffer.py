"""# state-tensor-not-buffer (MDL103)

## What it does
Reports, in an `nn.Module`, a tensor kept as a plain attribute that is state: it is drawn at random, or changed while
the model runs (reassigned or modified in place in `forward`, `update`, a step method, or between tasks). An array of
numpy counts too. With `--preview` also constant tensors, which are rebuilt by `__init__` and lose nothing but their
device.

## Why it bites
A plain tensor is not in `state_dict()`. After a load the model has another random projection, or a running statistic
that starts again from zero, next to weights that were trained with the old one. It does not move with `.to()` either.

## Example
```python
import torch
from torch import nn


class RandomFeatures(nn.Module):
    def __init__(self, width, features):
        super().__init__()
        self.projection = torch.randn(width, features)
        self.head = nn.Linear(features, 1)

    def forward(self, x):
        return self.head(torch.cos(x @ self.projection))
```

## Use instead
```python
import torch
from torch import nn


class RandomFeatures(nn.Module):
    def __init__(self, width, features):
        super().__init__()
        self.register_buffer("projection", torch.randn(width, features))
        self.head = nn.Linear(features, 1)

    def forward(self, x):
        return self.head(torch.cos(x @ self.projection))
```
The buffer is a new key: checkpoints saved before lack it.

## When to ignore
For caches and scratch tensors that are rebuilt before they are used.

## Evidence
- https://github.com/ligerlac/torchlogix/pull/23 (random wiring lost: garbage after a reload),
  https://github.com/lucidrains/performer-pytorch/issues/33, https://github.com/pytorch/pytorch/issues/18056
"""

from collections.abc import Iterator

from modelint.lint.facts import StateTensor
from modelint.rule import Report, Rule


def check(fact: StateTensor) -> Iterator[Report]:
    why = {
        "random": "is drawn at random when the module is built",
        "updated": f"is updated in {fact.where}()",
        "unregistered": f"was a buffer, and {fact.where}() makes it a plain attribute",
        "constant": "is a constant that does not move with .to()",
    }[fact.why]
    lost = "" if fact.why == "constant" else ": it is lost when the model is saved"
    yield Report(
        fact.place,
        f"tensor self.{fact.attr} {why}, and is neither parameter nor buffer{lost}",
        f'use self.register_buffer("{fact.attr}", ...)'
        + (" with persistent=False" if fact.why == "constant" else "; the new key is missing from files saved before"),
        ((fact.at, "changed here"),) if fact.at is not None and fact.at != fact.place else (),
        preview=fact.why == "constant",
    )


RULE = Rule(
    code="MDL103",
    name="state-tensor-not-buffer",
    summary="a tensor that is state is neither parameter nor buffer",
    facts=(StateTensor,),
    check=check,
)
