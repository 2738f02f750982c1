"""# missing-map-location (MDL406)

## What it does
Reports `torch.load` without `map_location`. Off by default: the mistake is loud where it matters most.

## Why it bites
Tensors go back to the device that they were saved from. On a machine without that device the load raises; on a
machine with GPUs they silently land on the old one, whichever the program was told to use.

## Example
```python
import torch

state = torch.load("last.pt")
```

## Use instead
```python
import torch

state = torch.load("last.pt", map_location="cpu")
```

## When to ignore
Where the code runs only where the file was written.

## Evidence
- Absent at 462 calls in 80 public repositories: too common to be on by default.
"""

from collections.abc import Iterator

from modelint.lint.facts import TorchLoad
from modelint.rule import Report, Rule


def check(fact: TorchLoad) -> Iterator[Report]:
    if not fact.map_location:
        yield Report(
            fact.place,
            "torch.load without map_location restores tensors to the device they were saved from",
            'pass map_location="cpu" and move the model afterwards',
        )


RULE = Rule(
    code="MDL406",
    name="missing-map-location",
    summary="torch.load without map_location",
    facts=(TorchLoad,),
    check=check,
    status="off",
)
