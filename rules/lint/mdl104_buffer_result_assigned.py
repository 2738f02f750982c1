"""# buffer-result-assigned (MDL104)

## What it does
Reports the result of `register_buffer`, `register_parameter`, `add_module` or `register_module` assigned to an
attribute.

## Why it bites
These methods return None. `self.mask = self.register_buffer("mask", t)` registers the buffer and then stores None over
it: buffer and key are gone. Under another name the attribute is merely None.

## Example
```python
import torch
from torch import nn


class Attention(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.mask = self.register_buffer("mask", torch.tril(torch.ones(n, n)))
```

## Use instead
```python
import torch
from torch import nn


class Attention(nn.Module):
    mask: torch.Tensor

    def __init__(self, n):
        super().__init__()
        self.register_buffer("mask", torch.tril(torch.ones(n, n)))
```
The key comes back: checkpoints saved before lack it.

## When to ignore
Never: the value is always None.

## Evidence
- https://github.com/chemprop/chemprop/pull/766
"""

from collections.abc import Iterator

from modelint.lint.facts import RegisterResult
from modelint.rule import Report, Rule


def check(fact: RegisterResult) -> Iterator[Report]:
    if fact.name == fact.attr:
        message = (
            f"{fact.method}() returns None: this assignment replaces the {fact.attr!r} that it just registered by None"
        )
    else:
        message = f"{fact.method}() returns None, and self.{fact.attr} becomes None"
    yield Report(fact.place, message, f"drop the assignment: self.{fact.method}(...) alone registers the name")


RULE = Rule(
    code="MDL104",
    name="buffer-result-assigned",
    summary="register_buffer returns None, and the assignment stores it",
    facts=(RegisterResult,),
    check=check,
)
