"""# key-retyped (MDL704)

## What it does
Reports keys whose dtype differs from the committed manifest, one diagnostic for each change of dtype.

## Why it bites
`load_state_dict` converts without a word: float32 weights are rounded to the bits of float16, floats are cut to
integers. The file loads, and the model computes something else.

## Example
```python
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 10, dtype=torch.float16)  # was: float32
```

## Use instead
Keep the parameters in their dtype, and lower the precision where it is used:
```python
    with torch.autocast("cuda", dtype=torch.float16):
        out = model(batch)
```

## When to ignore
Where the loss is wanted: `modelint lock NAME`. `silent = "information"` in `[tool.modelint]` makes it information.

## Evidence
- torch 2.13: `load_state_dict` copies with `param.copy_()`, which converts between any two dtypes.
"""

from collections.abc import Iterator

from modelint.layout.facts import KeyRetyped
from modelint.layout.words import listed, many, way_on
from modelint.rule import DriftReport, LayoutRule


def check(fact: KeyRetyped) -> Iterator[DriftReport]:
    drift = fact.drift
    many_keys = many(drift.total) if drift.total > 3 else listed(drift.names)
    what = f"{many_keys} {'is' if drift.total == 1 else 'are'} {drift.new}, was {drift.old}"
    message = f"{drift.model}: {what}: an old checkpoint loads, and its values are converted"
    yield DriftReport(message, way_on(drift, f"keep {drift.old}"), drift.severity)


RULE = LayoutRule(
    code="MDL704",
    name="key-retyped",
    summary="keys whose dtype is no longer that of the manifest",
    facts=(KeyRetyped,),
    check=check,
)
