"""# forward-changed (MDL713)

## What it does
Reports a forward whose data flow, traced and in normal form, differs from the committed manifest. Renamed variables,
other spellings of one operation, extracted methods, and what only code that never runs does are not reported. Where the
source is as before, a value that it takes from elsewhere (a temperature, a flag, a helper) is another one. Where a
forward could not be traced, its source is compared, and a difference is information. So is what differs only where
the model is given an optional argument (a mask that defaults to `None`): with its default it computes the same.

## Why it bites
No key is missing and no shape differs: an old checkpoint loads, strictly, and the model computes something else.

## Example
```python
class Block(nn.Module):
    def forward(self, x):
        return self.mlp(self.norm(x))  # was: x + self.mlp(self.norm(x))
```

## Use instead
Make the new way an argument whose default is what old checkpoints were trained with:
```python
    def forward(self, x):
        out = self.mlp(self.norm(x))
        return x + out if self.residual else out
```

## When to ignore
Where it is wanted: `modelint lock NAME`. Where `inputs` are declared the two versions are run, and one that computes
the same is information. `silent = "information"` in `[tool.modelint]` makes all of it information.

## Evidence
- Of 33 silent drifts that a trace saw in 118 real commits: eps moved into a square root, weights that a shadowed loop
  variable never used, tanh GELU to erf GELU, a mask comparison from <= to <, an added log_softmax.
"""

from collections.abc import Iterator

from modelint.layout.facts import ForwardChanged
from modelint.layout.words import listed, meaning, way_on
from modelint.rule import DriftReport, LayoutRule


def check(fact: ForwardChanged) -> Iterator[DriftReport]:
    drift = fact.drift
    does = "calls its modules in another order" if fact.reordered else "changed"
    what = f"{fact.owner}.forward {does}"
    if fact.same_source:
        what = f"{fact.owner}.forward reads as before, and computes with another value"
    if not fact.own:
        what = f"{listed(drift.names)} ({fact.owner}) is called in another way"
    elif drift.names not in ((), ("",)):
        what += f" ({listed(drift.names)})"
    yield DriftReport(
        meaning(drift, what, fact.traced, fact.training_only, fact.optional), way_on(drift, "revert it"), drift.severity
    )


RULE = LayoutRule(
    code="MDL713",
    name="forward-changed",
    summary="a forward that computes something else with the same weights",
    facts=(ForwardChanged,),
    check=check,
)
