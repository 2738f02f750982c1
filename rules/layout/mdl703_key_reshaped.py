"""# key-reshaped (MDL703)

## What it does
Reports keys whose shape differs from the committed manifest. Sizes that changed together (a width that several layers
share) are one diagnostic, at the first of their lines. A change from `(1,)` to `()` is information: torch unpacks it.

## Why it bites
`load_state_dict` of a checkpoint made before the change stops with `size mismatch`, and `strict=False` does not help:
it forgives names, not shapes.

## Example
```python
class Net(nn.Module):
    def __init__(self, width=128):  # was: 64
        super().__init__()
        self.up = nn.Linear(16, width)
        self.down = nn.Linear(width, 16)
```

## Use instead
Keep the size, and make another one an argument of the model; or let `modelint migrate NAME` write a load hook: new rows
of a table stay as they were built, the same values in other axes are reshaped, and what nothing decides stops the load
until you have chosen.

## When to ignore
Where no checkpoint of the old layout is in use: `modelint lock NAME`. Comments do not silence it.

## Evidence
- torch 2.13: raises under `strict=True` and `strict=False` alike; a `(1,)` tensor loads into a parameter of shape `()`.
- github.com/Helias/Car-Model-Recognition/issues/2: a size mismatch under strict=False.
"""

from collections.abc import Iterator

from modelint.layout.facts import KeyReshaped
from modelint.layout.words import listed, many, says, way_on
from modelint.rule import DriftReport, LayoutRule


def check(fact: KeyReshaped) -> Iterator[DriftReport]:
    drift = fact.drift
    what = f"{listed(drift.names)} {'is' if drift.total == 1 else 'are'} {drift.new}, was {drift.old}"
    if drift.total > 1:
        first = f"{drift.keys[0]} is {drift.new}, was {drift.old}"
        what = f"{many(drift.total)} changed shape ({first}; {listed(drift.names)})"
    if fact.unpacked:
        message = f"{drift.model}: {what}: an old checkpoint loads, torch takes the one element"
        yield DriftReport(message, f"`modelint lock {drift.model}` records it", drift.severity)
        return
    help = way_on(
        drift, "keep the size", "drop or convert the keys of old files in a load hook (strict=False does not help)"
    )
    yield DriftReport(says(drift, what), help, drift.severity)


RULE = LayoutRule(
    code="MDL703",
    name="key-reshaped",
    summary="keys whose shape is no longer that of the manifest",
    facts=(KeyReshaped,),
    check=check,
)
