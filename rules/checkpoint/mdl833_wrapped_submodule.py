"""# wrapped-submodule (MDL833)

## What it does
Says that keys of the file have a `module.` in their middle, and fit without it: a part of the model was wrapped in
DataParallel when it was saved.

## Why it bites
These keys are unknown to the model, all others fit: with `strict=False` a model with an untrained part goes on.

## Example
```python
file = {"features.module.0.weight": (8, 3, 3, 3), "features.module.0.bias": (8,), "fc.weight": (10, 8)}
model = {"features.0.weight": (8, 3, 3, 3), "features.0.bias": (8,), "fc.weight": (10, 8)}
```

## Use instead
Wrap the whole model, not an attribute of it, and save what is inside:
```python
parallel = nn.DataParallel(model)
torch.save(parallel.module.state_dict(), "best.pt")
```

## When to ignore
Never: the weights are not where the model looks for them.

## Evidence
- github.com/DrSleep/DenseTorch/issues/14; torchvision's first AlexNet and VGG wrapped `features` alone.
"""

from collections.abc import Iterator

from modelint.keys.cause import Cause
from modelint.keys.forms import Without
from modelint.keys.patterns import form_of
from modelint.keys.situation import Situation
from modelint.keys.steps import Rename
from modelint.keys.words import counted, some
from modelint.rule import CauseRule

PART = "module"


def check(at: Situation) -> Iterator[Cause]:
    if not at.old_parts[PART] or all(key.startswith(f"{PART}.") for key in at.cells):
        return
    form = Without((PART,))
    found = {key: form.of(key) for key in at.unexpected if PART in key.split(".")[1:]}
    found = {key: name for key, name in found.items() if name in at.missing}
    if not found:
        return
    parents = {key[: key.index(f".{PART}.")] for key in found if f".{PART}." in key}
    yield Cause(
        f"{counted(found)} of the file {'have' if len(found) > 1 else 'has'} 'module.' in the middle: "
        f"{some(sorted(parents))} was wrapped in DataParallel when it was saved",
        "wrap the whole model, and save model.module.state_dict()",
        (Rename(found, form_of(found, list(at.cells))),),
    )


RULE = CauseRule(
    code="MDL833",
    name="wrapped-submodule",
    summary="keys of the file have the `module.` of a part that was wrapped",
    stage=3,
    check=check,
)
