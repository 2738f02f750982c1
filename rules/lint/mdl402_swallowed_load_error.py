"""# swallowed-load-error (MDL402)

## What it does
Reports a `try` around `load_state_dict` with a handler that can catch the `RuntimeError` of a failed load (bare,
`Exception`, `BaseException`, `RuntimeError`) and then goes on: `pass`, a print, a log line, a return that tells the
caller nothing. A load by hand, `own_state[name].copy_(param)`, counts as one.

## Why it bites
A load that raises has already written every tensor that did fit. The program does not go on with fresh weights, nor
with the loaded ones, but with a mixture of the two.

## Example
```python
import torch


def restore(model, path):
    try:
        model.load_state_dict(torch.load(path, map_location="cpu"))
    except Exception as error:
        print("could not load:", error)
    return model
```

## Use instead
```python
import torch


def restore(model, path):
    try:
        state = torch.load(path, map_location="cpu")
    except FileNotFoundError:
        print("starting from fresh weights")
        return model
    model.load_state_dict(state)
    return model
```
A handler that re-raises, leaves the program, or tries again in a way that may itself raise is fine. A second attempt
with `strict=False` whose result is dropped is MDL401 on that line.

## When to ignore
Where the model is thrown away or built anew after a failed load.

## Evidence
- https://github.com/NVIDIA-NeMo/Megatron-Bridge/pull/6032 (a fallback let a resumed run continue with fresh weights)
- Caught without a re-raise at 30 places in 12 public repositories.
- Measured with torch 2.13: a load that raised for one tensor of nine had already overwritten the other eight.
"""

from collections.abc import Iterator

from modelint.lint.facts import TryLoad
from modelint.rule import Report, Rule


def check(fact: TryLoad) -> Iterator[Report]:
    if fact.outcome == "swallows":
        yield Report(
            fact.place,
            "a failed load is swallowed here: the model is left partly loaded, and training or inference goes on",
            "raise again, or catch only FileNotFoundError around torch.load",
            ((fact.load, "loads here"), (fact.handler, "swallowed here")),
        )


RULE = Rule(
    code="MDL402",
    name="swallowed-load-error",
    summary="a failed load is caught and the program goes on with a half-loaded model",
    facts=(TryLoad,),
    check=check,
)
