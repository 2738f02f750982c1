"""# save-whole-module (MDL204)

## What it does
Reports a save that pickles an `nn.Module` itself, alone or inside a dict or list, instead of its state dict. It fires
only where the value is known to be a module: built by a module's class, used as one (`.parameters()`, `.train()`,
`.eval()`), or `self` in a module. A variable that is merely called `model` is not enough.

## Why it bites
The file holds a reference to the class, not the class. The default `torch.load` refuses it; once the class has moved
the load raises `ModuleNotFoundError`; once the class has changed it loads without a word and fails later, in
`forward`.

## Example
```python
import torch
from torch import nn

model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
torch.save(model, "model.pt")
```

## Use instead
```python
import torch
from torch import nn

model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
torch.save(model.state_dict(), "model.pt")
```
`torch.jit.save` and `torch.export.save` write files that do not need the class.

## When to ignore
Where the file is read back by the same process or the same commit only, such as a cache that may be thrown away.

## Evidence
- Measured with torch 2.13: a pickled module is refused by the default `torch.load`; a moved class raises
  `ModuleNotFoundError`; a changed class loads silently and fails in `forward`.
- Trail of Bits' semgrep rule `pickles-in-pytorch` reports the same call for its security.
"""

from collections.abc import Iterator

from modelint.lint.facts import Save
from modelint.rule import Report, Rule


def check(fact: Save) -> Iterator[Report]:
    if fact.sink.startswith("torch") and fact.pickles and fact.modules:
        key = fact.modules[0].text
        what = f"the model under {key!r}" if key and key != "self" else "the whole model"
        yield Report(
            fact.place,
            f"{what} is pickled: torch.load refuses it by default since 2.6, "
            "and it breaks when its class moves or changes",
            "save model.state_dict() and build the model before loading",
        )


RULE = Rule(
    code="MDL204",
    name="save-whole-module",
    summary="a module is pickled instead of its state dict",
    facts=(Save,),
    check=check,
)
