"""# module-created-in-forward (MDL105)

## What it does
Reports a module with parameters that is built in `forward`: stored on `self` (with or without a test that it is not
there yet), or built and called on the spot.

## Why it bites
The keys exist only after the first call. An optimizer built before does not train these weights, and the model's own
checkpoint raises `Unexpected key(s)` when it is loaded into a fresh model. Built at every call, the weights are drawn
anew each time; in a local variable they are never saved.

## Example
```python
from torch import nn


class Classifier(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.classes = classes
        self.head = None

    def forward(self, x):
        if self.head is None:
            self.head = nn.Linear(x.shape[-1], self.classes)
        return self.head(x)
```

## Use instead
```python
from torch import nn


class Classifier(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.head = nn.LazyLinear(classes)

    def forward(self, x):
        return self.head(x)
```
Or build it in `__init__` with the width given. A lazy module that is saved before its first call holds uninitialized
parameters, and that save raises. Modules without parameters (`nn.Softmax()`, `nn.Upsample()`) are fine in `forward`.

## When to ignore
Where the module is used for its computation only and its random weights are wanted.

## Evidence
- https://github.com/pytorch/pytorch/issues/921, https://github.com/lucidrains/performer-pytorch/issues/33,
  https://github.com/pytorch/rl/issues/1594
"""

from collections.abc import Iterator

from modelint.lint.facts import LateModule
from modelint.rule import Report, Rule


def check(fact: LateModule) -> Iterator[Report]:
    if fact.attr is not None and fact.guarded:
        message = (
            f"{fact.cls} is made inside forward(): its keys exist only after the first call, "
            "and a fresh model refuses them"
        )
    else:
        message = f"{fact.cls} is made anew inside forward(): its weights are never trained and never saved"
    yield Report(fact.place, message, "make it in __init__ (or use a Lazy module) and call it in forward()")


RULE = Rule(
    code="MDL105",
    name="module-created-in-forward",
    summary="a module built in forward has no keys before the first call",
    facts=(LateModule,),
    check=check,
)
