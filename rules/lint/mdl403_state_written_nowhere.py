"""# state-written-nowhere (MDL403)

## What it does
Reports a value stored into the dict that `state_dict()` returned, when that dict is neither loaded nor saved
afterwards: `model.state_dict()["head.weight"] = t`, or `own = model.state_dict(); own[k] = v` and nothing more.

## Why it bites
`state_dict()` returns a new dict. Storing an entry replaces the entry of that dict and leaves the model as it was. No
error, no effect.

## Example
```python
import torch


def copy_head(model, path):
    saved = torch.load(path, map_location="cpu")
    model.state_dict()["head.weight"] = saved["head.weight"]
```

## Use instead
```python
import torch


def copy_head(model, path):
    saved = torch.load(path, map_location="cpu")
    with torch.no_grad():
        model.head.weight.copy_(saved["head.weight"])
```
`copy_` writes into the model, but broadcasts: a tensor of shape (1, 4) goes into (8, 4) without a word, so compare
shapes where they may differ.

## When to ignore
Never for this form: it has no effect.

## Evidence
- Measured with torch 2.13: item assignment into `model.state_dict()` changes nothing; `state_dict()[k].copy_(t)` does.
"""

from collections.abc import Iterator

from modelint.lint.facts import StateWrite
from modelint.rule import Report, Rule


def check(fact: StateWrite) -> Iterator[Report]:
    if fact.how == "direct":
        message = f"{fact.receiver}.state_dict() is a new dict at each call: this item is thrown away"
    else:
        message = f"this state dict of {fact.receiver} is changed and never loaded back: the model keeps its weights"
    advice = f"hand the changed dict to {fact.receiver}.load_state_dict(), or copy_() into the parameter"
    yield Report(fact.place, message, advice)


RULE = Rule(
    code="MDL403",
    name="state-written-nowhere",
    summary="a store into state_dict() that reaches neither the model nor a file",
    facts=(StateWrite,),
    check=check,
)
