"""# hyper-parameter-changed (MDL712)

## What it does
Reports a hyper-parameter of a module of torch that no key and no shape shows (eps, stride, padding, dilation, heads, a
rate) and that differs from the committed manifest. A value that a class of your own keeps is MDL713.

## Why it bites
No key is missing and no shape differs: an old checkpoint loads, strictly, and the model computes something else.

## Example
```python
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(64, eps=1e-6)  # was: 1e-5
```

## Use instead
Make it an argument whose default is what old checkpoints were trained with:
```python
    def __init__(self, eps=1e-5):
        super().__init__()
        self.norm = nn.LayerNorm(64, eps=eps)
```

## When to ignore
Where it is wanted: `modelint lock NAME`. A dropout rate is a warning: it changes training alone.

## Evidence
- Of 60 real drifts in public repositories 13 were made in the constructor alone (eps, padding, a pooling window, an
  STFT window, an attention temperature, a dropout rate): no text of a forward shows them.
"""

from collections.abc import Iterator

from modelint.layout.facts import HyperParameterChanged
from modelint.layout.words import listed, meaning, way_on
from modelint.rule import DriftReport, LayoutRule


def check(fact: HyperParameterChanged) -> Iterator[DriftReport]:
    drift = fact.drift
    where = listed(drift.names) if drift.names != ("",) else "the model"
    what = f"{fact.attribute} of {where} ({fact.owner}) is {drift.new}, was {drift.old}"
    yield DriftReport(meaning(drift, what, fact.traced, fact.training_only), way_on(drift, "revert it"), drift.severity)


RULE = LayoutRule(
    code="MDL712",
    name="hyper-parameter-changed",
    summary="a module made with another hyper-parameter that no key shows",
    facts=(HyperParameterChanged,),
    check=check,
)
