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

from modelint.lint.facts import RepeatedModule
from modelint.rule import Report, Rule


def check(fact: RepeatedModule) -> Iterator[Report]:
    name = fact.cls.rpartition(":")[2].rpartition(".")[2] or "module"
    if fact.how == "default":
        message = f"this default {name} is made once and shared by every instance: one set of weights under many keys"
        yield Report(fact.place, message, "use None as the default and make the module inside __init__")
        return
    yield Report(
        fact.place,
        f"one {name} is repeated: all copies share one set of weights, saved under several keys",
        f"make each its own: [{name}(...) for _ in range(n)]",
    )


RULE = Rule(
    code="MDL106",
    name="repeated-module-instance",
    summary="one module instance stands under many keys",
    facts=(RepeatedModule,),
    check=check,
)
