"""# module-type-changed (MDL711)

## What it does
Reports a module whose type is another one than in the committed manifest, while its keys still fit, and the forward
computes something else with it. Another name for the same computation (`nn.GELU()` and `F.gelu`) is not reported.

## Why it bites
No key is missing and no shape differs: an old checkpoint loads, strictly, and the model computes something else.

## Example
```python
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = nn.ReLU()  # was: nn.GELU()
```

## Use instead
Make the type an argument whose default is what old checkpoints were trained with:
```python
    def __init__(self, act=nn.GELU):
        super().__init__()
        self.act = act()
```

## When to ignore
Where it is wanted: `modelint lock NAME`. `silent = "information"` in `[tool.modelint]` makes it information.

## Evidence
- 659 pairs of real commits, run on the same weights: a type name that changed catches 19 of 60 real drifts with 32
  false alarms; so a type is only said where the composed forward parts, too.
"""

from collections.abc import Iterator

from modelint.layout.facts import TypeChanged
from modelint.layout.words import listed, meaning, short, way_on
from modelint.rule import DriftReport, LayoutRule


def check(fact: TypeChanged) -> Iterator[DriftReport]:
    drift = fact.drift
    where = listed(drift.names) if drift.names != ("",) else "the model"
    what = f"{where} {'is' if drift.total == 1 else 'are'} {short(drift.new)}, was {short(drift.old)}"
    yield DriftReport(meaning(drift, what, fact.traced, fact.training_only), way_on(drift, "revert it"), drift.severity)


RULE = LayoutRule(
    code="MDL711",
    name="module-type-changed",
    summary="a module of another type that fits the same weights",
    facts=(TypeChanged,),
    check=check,
)
