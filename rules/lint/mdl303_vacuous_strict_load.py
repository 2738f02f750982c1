"""# vacuous-strict-load (MDL303)

## What it does
Reports a strict `load_state_dict` of the model's own state dict with a checkpoint merged into it: by `.update()`, by
item assignment, by `{**model.state_dict(), **saved}`, by `own | saved`.

## Why it bites
Whatever the checkpoint lacks is filled in from the model itself, so that no key can be missing: the load says `<All
keys matched successfully>` even when not one tensor came from the file.

## Example
```python
import torch


def init_from(model, path):
    own = model.state_dict()
    own.update(torch.load(path, map_location="cpu"))
    model.load_state_dict(own)
```

## Use instead
```python
import torch


def init_from(model, path):
    saved = torch.load(path, map_location="cpu")
    missing, unexpected = model.load_state_dict(saved, strict=False)
    print("not in the file:", missing, "not in the model:", unexpected)
```

## When to ignore
Where the number of merged keys is checked by other means.

## Evidence
- https://github.com/sgvaze/osr_closed_set_all_you_need/issues/14
- Measured with torch 2.13: a checkpoint of which no key matches, filtered and merged, loads under `strict=True` with
  `<All keys matched successfully>` and leaves every weight as it was.
"""

from collections.abc import Iterator

from modelint.lint.facts import Load
from modelint.rule import Report, Rule


def check(fact: Load) -> Iterator[Report]:
    if fact.is_model and fact.merged is not None and fact.reported != "refused":
        yield Report(
            fact.place,
            "a checkpoint was merged into the model's own state dict: this load cannot see missing keys any more",
            "load the checkpoint itself with strict=False and check what is missing",
            ((fact.merged, "merged here"),),
            severity="information" if fact.reported == "logged" else None,
        )


RULE = Rule(
    code="MDL303",
    name="vacuous-strict-load",
    summary="merged into the own state dict, a strict load can miss nothing",
    facts=(Load,),
    check=check,
)
