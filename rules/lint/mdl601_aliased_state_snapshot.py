"""# aliased-state-snapshot (MDL601)

## What it does
Reports a `state_dict()` (or a model) kept by reference as a snapshot across training steps: assigned in a loop or
before training, and read, loaded, saved or returned later; or kept on `self` as the best of all.

## Why it bites
`state_dict()` returns the live tensors. The "best" weights change with every later step, so that what is saved in the
end are the last weights; loading such a snapshot back to reset the model does nothing. `.copy()`, `dict(...)`,
`{k: v for ...}`, `.detach()`, `.data` and (on the CPU) `.cpu()` all still share the tensors.

## Example
```python
import torch


def train(model, optimizer, loader, path):
    best, best_state = 0.0, None
    for epoch in range(10):
        train_one_epoch(model, optimizer, loader)
        score = evaluate(model)
        if score > best:
            best = score
            best_state = model.state_dict()
    torch.save(best_state, path)
```

## Use instead
```python
import copy

import torch


def train(model, optimizer, loader, path):
    best, best_state = 0.0, None
    for epoch in range(10):
        train_one_epoch(model, optimizer, loader)
        score = evaluate(model)
        if score > best:
            best = score
            best_state = copy.deepcopy(model.state_dict())
    torch.save(best_state, path)
```
`{k: v.clone() for k, v in model.state_dict().items()}` is a copy too, and so is saving to a file on the spot.

## When to ignore
Where live references are wanted.

## Evidence
- https://github.com/pytorch/tutorials/pull/188 (the official tutorial had it),
  https://github.com/pytorch/pytorch/issues/34765
- https://github.com/WenjieDu/PyPOTS/issues/667, https://github.com/thunlp/OpenKE/pull/131,
  https://github.com/sicara/easy-few-shot-learning/pull/129, https://github.com/THGLab/LP-PDBBind/pull/1,
  https://github.com/WMD-group/SMACT/pull/601 (`.copy()` is not enough)
"""

from collections.abc import Iterator

from modelint.lint.facts import Snapshot
from modelint.rule import Report, Rule


def check(fact: Snapshot) -> Iterator[Report]:
    if fact.use == "model":
        yield Report(
            fact.place,
            "this is a second name for the model, not a copy: training goes on, and the best weights are lost",
            "copy it: copy.deepcopy(model), or keep copy.deepcopy(model.state_dict())",
        )
        return
    how = "values that .cpu() copies from another device only" if fact.cpu else "live tensors"
    yield Report(
        fact.place,
        f"state_dict() holds {how}: training goes on, so what is {fact.use} later is not this snapshot",
        "copy it: copy.deepcopy(model.state_dict())",
        ((fact.used_at, f"{fact.use} here"),) if fact.used_at != fact.place else (),
    )


RULE = Rule(
    code="MDL601",
    name="aliased-state-snapshot",
    summary="a kept state_dict() changes with every later optimizer step",
    facts=(Snapshot,),
    check=check,
)
