"""# averaged-model (MDL858)

## What it does
Says that the file holds the moving average of the weights alone: saved from torch's AveragedModel (`n_averaged`, and
`module.` before every key), or under names in which the dots are gone.

## Why it bites
`load_state_dict` of the model knows none of the keys; with `strict=False` nothing is loaded.

## Example
```python
file = {"n_averaged": (), "module.conv.weight": (8, 3, 3, 3), "module.fc.weight": (10, 8)}
model = {"conv.weight": (8, 3, 3, 3), "fc.weight": (10, 8)}
```

## Use instead
```python
torch.save(averaged.module.state_dict(), "ema.pt")
```

## When to ignore
Where training goes on from the average: then load it into an AveragedModel.

## Evidence
- torch.optim.swa_utils.AveragedModel; github.com/open-mmlab/mmdetection/issues/4667.
"""

from collections.abc import Iterator

from modelint.keys.cause import Cause
from modelint.keys.copies import AVERAGES, average_of, renamed_average
from modelint.keys.forms import Strip
from modelint.keys.situation import Situation
from modelint.keys.steps import Drop, Rename
from modelint.keys.words import counted
from modelint.rule import CauseRule

COUNTER = "n_averaged"
PREFIX = "module."


def check(at: Situation) -> Iterator[Cause]:
    inside = {key: key.removeprefix(PREFIX) for key in at.cells if key.startswith(PREFIX)}
    if COUNTER in at.unexpected and inside and not any(key.startswith(PREFIX) for key in at.new):
        yield Cause(
            "the file holds a moving average, saved from AveragedModel: 'module.' before every key, and n_averaged",
            "save averaged.module.state_dict()",
            (Drop((COUNTER,)), Rename(inside, Strip(PREFIX))),
            certain=True,
        )
    for average in AVERAGES:
        names = average_of(at, average)
        if names and not any(key in at.cells for key in names.values()):
            yield Cause(
                f"the file holds a moving average: {counted(names)} begin with '{average.prefix}' and have lost their "
                "dots",
                "save the averaged model by itself",
                (renamed_average(at, average, names),),
            )
            return


RULE = CauseRule(
    code="MDL858",
    name="averaged-model",
    summary="the file holds a moving average of the weights alone",
    stage=3,
    check=check,
)
