"""# empty-default-state-dict (MDL404)

## What it does
Reports a non-strict load whose state dict is fetched with an empty default: `load_state_dict(checkpoint.get("model",
{}), strict=False)`.

## Why it bites
If the checkpoint has no such field (it was saved under another name, or is the bare state dict) an empty dict is
loaded: no key, no error, random weights.

## Example
```python
import torch


def restore(model, path):
    checkpoint = torch.load(path, map_location="cpu")
    model.load_state_dict(checkpoint.get("model", {}), strict=False)
```

## Use instead
```python
import torch


def restore(model, path):
    checkpoint = torch.load(path, map_location="cpu")
    model.load_state_dict(checkpoint["model"])
```
`checkpoint.get("state_dict", checkpoint)`, which falls back to the checkpoint itself, is fine.

## When to ignore
Where the presence of the field has been tested before.

## Evidence
- Measured with torch 2.13: a non-strict load of `{}`, and of a whole checkpoint dict in place of its state dict, loads
  no key and says nothing; `.get("model")` without a default gives None, and that raises.
"""

from collections.abc import Iterator

from modelint.lint.facts import Load
from modelint.rule import Report, Rule


def check(fact: Load) -> Iterator[Report]:
    if fact.is_model and fact.empty_default and fact.strict != "yes":
        yield Report(
            fact.place,
            "a checkpoint without this entry loads as {} with strict=False: nothing is loaded, silently",
            'index it: checkpoint["model"], so that a missing entry raises',
        )


RULE = Rule(
    code="MDL404",
    name="empty-default-state-dict",
    summary="a missing field becomes an empty state dict, loaded without a word",
    facts=(Load,),
    check=check,
)
