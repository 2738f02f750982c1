"""# nested-in-another (MDL841)

## What it does
Says that what the model needs stands in the file below a prefix (`model.`, `backbone.`, `encoder.`): the file was saved
from something that holds the model as a part, such as a LightningModule or a detector.

## Why it bites
No key fits as it is; with `strict=False` nothing is loaded and nothing is said.

## Example
```python
file = {"net.conv.weight": (8, 3, 3, 3), "net.fc.weight": (10, 8), "loss.weight": (10,)}
model = {"conv.weight": (8, 3, 3, 3), "fc.weight": (10, 8)}
```

## Use instead
Save the part by itself, or take it out:
```python
state = {key.removeprefix("net."): value for key, value in state.items() if key.startswith("net.")}
model.load_state_dict(state)
```

## When to ignore
Where the whole is what is to be loaded: then the model was built too small.

## Evidence
- github.com/open-mmlab/mmpretrain/issues/18 and 462, github.com/Frankluox/LightningFSL/issues/18.
"""

from collections.abc import Iterator

from modelint.keys.cause import Cause
from modelint.keys.copies import rivals
from modelint.keys.forms import Strip
from modelint.keys.prefixes import pairs
from modelint.keys.situation import Situation
from modelint.keys.steps import Drop, Rename, Take
from modelint.keys.words import counted, some
from modelint.rule import CauseRule


def check(at: Situation) -> Iterator[Cause]:
    if not at.unexpected or not at.missing or 10 * at.agreed > 9 * len(at.new):
        return
    found = pairs(at)
    for pair in found:
        if pair.new or rivals(at, pair, found):
            continue
        if not pair.covers(len(at.new)):
            continue
        inside = [key for key in at.cells if key.startswith(pair.old)]
        rest = [key for key in at.unexpected if not key.startswith(pair.old)]
        in_place = [key for key in at.cells if at.is_agreed(key) and not key.startswith(pair.old)]
        mapping = {key: key.removeprefix(pair.old) for key in inside}
        rename = Rename(mapping, Strip(pair.old))
        if not rest:
            every = "" if in_place else "all "
            yield Cause(
                f"{every}{counted(inside)} of the file {'begin' if len(inside) > 1 else 'begins'} with '{pair.old}': "
                "saved from something that holds the model as a part",
                f"save that part by itself: whole.{pair.old[:-1]}.state_dict()",
                (rename,),
                part=True,
            )
        else:
            yield Cause(
                f"the model is the part '{pair.old}' of what was saved: {counted(inside)} of {len(at.cells)}; the rest "
                f"is not of it: {some(rest)}",
                f"load that part alone, or save it by itself: whole.{pair.old[:-1]}.state_dict()",
                (rename, Drop(tuple(rest))) if in_place else (Take(pair.old),),
                part=True,
            )


RULE = CauseRule(
    code="MDL841",
    name="nested-in-another",
    summary="the model is a part of what was saved",
    stage=5,
    check=check,
)
