"""# unchecked-non-strict-load (MDL401)

## What it does
Reports `load_state_dict(..., strict=False)` (also positional, or `strict=0`) whose result is dropped, or bound to a
name that nobody reads.

## Why it bites
The call loads whatever matches, down to nothing at all, and never raises for a missing or an unexpected key. What it
did not load stands only in its result. With a wrapper prefix on one side every key of the model is missing, every key
of the file unexpected, and the model stays at its random weights without a word. (A shape that differs does raise.)

## Example
```python
import torch


def restore(model, path):
    state = torch.load(path, map_location="cpu")
    model.load_state_dict(state, strict=False)
```

## Use instead
```python
import torch


def restore(model, path):
    state = torch.load(path, map_location="cpu")
    missing, unexpected = model.load_state_dict(state, strict=False)
    if missing:
        raise RuntimeError(f"{path} lacks {missing}")
    print("not in the model:", unexpected)
```
To print, log or return the result counts as looking at it.

## When to ignore
In tests that compare the weights or the outputs afterwards (the folders `tests/` and `test/` are left out by default).

## Evidence
- https://github.com/hexgrad/kokoro/issues/368 (noise instead of speech),
  https://github.com/Project-MONAI/MONAILabel/issues/1508, https://github.com/huggingface/lerobot/pull/4713,
  https://github.com/sgl-project/sglang/pull/16235, https://github.com/pytorch/executorch/pull/12151
- https://github.com/mosaicml/composer/pull/2216: a default changed back to strict because of it
- The result is dropped at 94 places in 36 of 117 public repositories, and looked at in 71.
"""

from collections.abc import Iterator

from modelint.lint.facts import Load
from modelint.rule import Report, Rule


def check(fact: Load) -> Iterator[Report]:
    if not fact.is_model or fact.via_super or fact.result == "used" or fact.strict == "yes":
        return
    if fact.checked or fact.piecemeal or fact.merged is not None:  # merged: nothing can be missing, see MDL303
        return
    whose = fact.receiver if 0 < len(fact.receiver) <= 30 else "model"
    advice = f"missing, unexpected = {whose}.load_state_dict(...), and raise or log what is missing"
    if fact.live:
        yield Report(
            fact.place,
            "weights of another model are loaded with strict=False: names that differ are passed over silently",
            advice,
            preview=True,
        )
        return
    if fact.strict == "passed on":
        yield Report(
            fact.place,
            "strict is passed on and the result is dropped: with strict=False missing keys pass silently",
            "return the result of load_state_dict()",
            preview=True,
        )
        return
    how = "is never looked at" if fact.result == "dropped" else "is bound and never read"
    yield Report(
        fact.place,
        f"the result of load_state_dict(strict=False) {how}: weights that are missing stay random, silently",
        advice,
    )


RULE = Rule(
    code="MDL401",
    name="unchecked-non-strict-load",
    summary="what strict=False did not load is never looked at",
    facts=(Load,),
    check=check,
)
