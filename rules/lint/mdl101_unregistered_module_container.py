"""# unregistered-module-container (MDL101)

## What it does
Reports, in an `nn.Module`, an attribute that holds modules or parameters in a plain list, tuple or dict and registers
them nowhere else. Silent where the elements are known to be without parameters, where the attribute is later turned
into a `ModuleList` or `Sequential`, where the elements are registered by other means, and where a class is unknown.

## Why it bites
`nn.Module` registers what is assigned to an attribute, not what lies inside a plain container. Those weights are in
neither `state_dict()` nor `parameters()`: they are not saved, not trained, not moved by `.to()`, and their dropout
stays on after `.eval()`. Saving and a strict load both succeed.

## Example
```python
from torch import nn


class Head(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.layers = [nn.Linear(16, 16) for _ in range(depth)]

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x
```

## Use instead
```python
from torch import nn


class Head(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(16, 16) for _ in range(depth))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x
```
The new keys are missing from every checkpoint saved before. `nn.ModuleDict` wants string keys without a dot, and none
that is the name of one of its own methods (`keys`, `type`). For parameters there are `nn.ParameterList` and
`nn.ParameterDict`.

## When to ignore
Where a module is hidden on purpose, such as a frozen teacher that must not be saved with its student.

## Evidence
- https://github.com/pytorch/pytorch/issues/715, https://github.com/pytorch/pytorch/issues/666,
  https://github.com/pytorch/pytorch/issues/1053, https://github.com/pytorch/pytorch/issues/632,
  https://github.com/pytorch/pytorch/issues/38639, https://github.com/pytorch/pytorch/issues/59925
- https://github.com/LianpoWang/SLIIF/issues/13, https://github.com/LianpoWang/SLIIF/issues/36
"""

from collections.abc import Iterator

from modelint.lint.facts import PlainContainer
from modelint.rule import Report, Rule


def check(fact: PlainContainer) -> Iterator[Report]:
    held = f"{fact.element} modules" if fact.what == "module" else "nn.Parameters"
    better = {"module": "nn.ModuleDict" if fact.kind == "dict" else "nn.ModuleList"}.get(
        fact.what, "nn.ParameterDict" if fact.kind == "dict" else "nn.ParameterList"
    )
    yield Report(
        fact.place,
        f"self.{fact.attr} keeps {held} in a plain {fact.kind}: "
        "their weights never reach state_dict(), parameters() or .to()",
        f"use {better}; the new keys are missing from files saved before",
    )


RULE = Rule(
    code="MDL101",
    name="unregistered-module-container",
    summary="modules or parameters in a plain container are not saved",
    facts=(PlainContainer,),
    check=check,
)
