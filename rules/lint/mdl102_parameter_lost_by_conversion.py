"""# parameter-lost-by-conversion (MDL102)

## What it does
Reports, in an `nn.Module`, an attribute set to the result of an operation on a parameter: `nn.Parameter(t).to(device)`,
`.cuda()`, `.half()`, `.view(...)`, `nn.Parameter(t) * 0.02`; and a leaf tensor made with `requires_grad=True` that is
no parameter at all.

## Why it bites
The operation returns a plain tensor, and a plain tensor is not registered: it is not in `state_dict()`, nor in
`parameters()`. With `.to(device)` this depends on the machine: where nothing has to be converted the parameter itself
comes back and all is well, so that a test on the CPU passes and the run on the GPU loses the weight.

## Example
```python
import torch
from torch import nn


class Scale(nn.Module):
    def __init__(self, n, device):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n)).to(device)
```

## Use instead
```python
import torch
from torch import nn


class Scale(nn.Module):
    def __init__(self, n, device):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n, device=device))
```
A key appears and the weight starts to train: checkpoints saved before lack it. `nn.init` functions,
`.requires_grad_()` and in-place operations such as `.normal_()` return the parameter itself and are fine.

## When to ignore
Where the tensor is meant to be neither trained nor saved (then do not build an `nn.Parameter` for it).

## Evidence
- https://github.com/pytorch/pytorch/issues/17484, https://github.com/pytorch/pytorch/issues/20089,
  https://github.com/pytorch/pytorch/issues/39062, https://github.com/pytorch/pytorch/issues/94828,
  https://github.com/pytorch/pytorch/issues/9303, https://github.com/pytorch/pytorch/pull/9304
- https://github.com/shenweichen/DeepCTR-Torch/issues/87
"""

from collections.abc import Iterator

from modelint.lint.facts import LostParameter
from modelint.rule import Report, Rule


def check(fact: LostParameter) -> Iterator[Report]:
    if fact.op == "requires_grad":
        message = f"self.{fact.attr} is a plain tensor with requires_grad=True: it is trained, and never saved"
        yield Report(fact.place, message, "wrap it: nn.Parameter(tensor)")
        return
    shown = f".{fact.op}" if fact.op.isidentifier() else f" {fact.op}"
    yield Report(
        fact.place,
        f"self.{fact.attr}: nn.Parameter(...){shown} is a plain tensor, so it is not registered and will not be saved",
        "convert first, wrap last: nn.Parameter(tensor.to(...)); the new key is missing from files saved before",
    )


RULE = Rule(
    code="MDL102",
    name="parameter-lost-by-conversion",
    summary="an operation on a new parameter yields a plain tensor",
    facts=(LostParameter,),
    check=check,
)
