"""# tie-changed (MDL706)

## What it does
Reports keys that the model keeps in one tensor and the committed manifest does not, or the other way round.

## Why it bites
Tied now: an untied checkpoint loads without a word, one of its two tensors overwrites the other, and the output moves.
Untied now: an old checkpoint loads and computes the same, but the two train apart, and a file written by safetensors
holds only one of them. That is a warning.

## Example
```python
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(1000, 64)
        self.head = nn.Linear(64, 1000, bias=False)
        self.head.weight = self.embed.weight  # new
```

## Use instead
Make the tie an argument whose default is what old checkpoints had:
```python
        if tie_weights:
            self.head.weight = self.embed.weight
```

## When to ignore
Where it is wanted, and no untied checkpoint is in use: `modelint lock NAME`.

## Evidence
- Measured on real commits (7c828855 among them): an added tie moves the output of every untied file.
- huggingface/accelerate#2875, transformers#38870: tied weights that a file holds once.
"""

from collections.abc import Iterator

from modelint.layout.facts import TieChanged
from modelint.layout.words import effect, way_on
from modelint.rule import DriftReport, LayoutRule


def check(fact: TieChanged) -> Iterator[DriftReport]:
    drift = fact.drift
    keys = " and ".join(drift.keys[:3]) + (" and others" if drift.total > 3 else "")
    if fact.tied:
        what = "an old checkpoint loads, one of its tensors overwrites the other, and it computes something else"
        if drift.numbers is not None:
            what = effect(drift)
        yield DriftReport(
            f"{drift.model}: {keys} are one tensor now: {what}", way_on(drift, "untie them"), drift.severity
        )
        return
    what = "an old checkpoint loads and computes the same; from now on they train apart"
    if drift.numbers is not None:
        what = effect(drift)
    help = way_on(drift, "tie them again")
    yield DriftReport(f"{drift.model}: {keys} are no longer one tensor: {what}", help, drift.severity)


RULE = LayoutRule(
    code="MDL706",
    name="tie-changed",
    summary="keys that became one tensor, or that were one",
    facts=(TieChanged,),
    check=check,
)
