"""# compiled-submodule-prefix (MDL202)

## What it does
Reports, inside an `nn.Module`, the result of `torch.compile` of a module stored as a submodule: `self.net =
torch.compile(self.net)`.

## Why it bites
The compiled module is a new module that holds the old one as `_orig_mod`, so the keys of the whole model change from
`net.weight` to `net._orig_mod.weight`. A file saved before does not load afterwards, and where the call stands under a
flag the keys depend on that flag. A strict load raises; with `strict=False` the submodule keeps its fresh weights.

## Example
```python
import torch
from torch import nn


class Detector(nn.Module):
    def __init__(self, fast=False):
        super().__init__()
        self.backbone = nn.Conv2d(3, 64, 3)
        if fast:
            self.backbone = torch.compile(self.backbone)
```

## Use instead
```python
from torch import nn


class Detector(nn.Module):
    def __init__(self, fast=False):
        super().__init__()
        self.backbone = nn.Conv2d(3, 64, 3)
        if fast:
            self.backbone.compile()
```
Compiling a function or a bound method (`self._fast = torch.compile(self._forward)`) registers no module and changes
no key.

## When to ignore
Where the submodule is compiled always, and files with the plain keys exist nowhere.

## Evidence
- https://github.com/Lightning-AI/pytorch-lightning/issues/20233
- Measured with torch 2.13: `self.x = torch.compile(self.x)` gives keys `x._orig_mod.*`; `self.x.compile()` leaves
  keys and type as they are.
"""

from collections.abc import Iterator

from modelint.lint.facts import CompiledChild
from modelint.rule import Report, Rule


def check(fact: CompiledChild) -> Iterator[Report]:
    if fact.wrapper.kind == "compile":
        yield Report(
            fact.place,
            f"torch.compile() kept in self.{fact.attr} puts '_orig_mod.' into this model's keys: "
            "a model that is not compiled refuses the file",
            f"compile in place: {fact.of or f'self.{fact.attr}'}.compile()",
        )
        return
    yield Report(
        fact.place,
        f"{fact.wrapper.label} kept in self.{fact.attr} puts '{fact.wrapper.prefix}' into this model's keys",
        "wrap the whole model in the training script instead",
        preview=True,
    )


RULE = Rule(
    code="MDL202",
    name="compiled-submodule-prefix",
    summary="torch.compile of a submodule changes the keys of the model",
    facts=(CompiledChild,),
    check=check,
)
