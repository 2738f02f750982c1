"""# initial-value-changed (MDL715)

## What it does
Reports a buffer that is filled with a constant (a table, a mask, a schedule) in the constructor, where that constant
differs from the committed manifest. Random initial values are not looked at.

## Why it bites
A non-persistent buffer stands in no file: an old checkpoint loads, and the model computes with the new constant. A
persistent one is restored from the file, so there it is information: only models made from now on have the new value.

## Example
```python
class Net(nn.Module):
    def __init__(self, dim=64):
        super().__init__()
        frequencies = 1.0 / 500_000 ** (torch.arange(0, dim, 2) / dim)  # was: 10_000
        self.register_buffer("frequencies", frequencies, persistent=False)
```

## Use instead
Make the constant an argument whose default is what old checkpoints were trained with:
```python
    def __init__(self, dim=64, base=10_000):
```

## When to ignore
Where it is wanted: `modelint lock NAME`. `silent = "information"` in `[tool.modelint]` makes it information.

## Evidence
- Compared by the operations that made it, and by values rounded to 6 digits where they are there; not judged where one
  side lacks both.
"""

from collections.abc import Iterator

from modelint.layout.facts import InitialValueChanged
from modelint.layout.words import also, effect, listed, way_on
from modelint.rule import DriftReport, LayoutRule


def check(fact: InitialValueChanged) -> Iterator[DriftReport]:
    drift = fact.drift
    does = "an old checkpoint loads and restores its own" if fact.persistent and not drift.numbers else effect(drift)
    verb = "has another value" if drift.total == 1 else "have other values"
    help = f"`modelint lock {drift.model}` records it" if fact.persistent else way_on(drift, "revert it")
    yield DriftReport(
        f"{drift.model}: {listed(drift.names)} {verb} from the start: {does}{also(drift)}", help, drift.severity
    )


RULE = LayoutRule(
    code="MDL715",
    name="initial-value-changed",
    summary="a constant in a buffer that is another one",
    facts=(InitialValueChanged,),
    check=check,
)
