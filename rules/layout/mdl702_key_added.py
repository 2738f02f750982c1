"""# key-added (MDL702)

## What it does
Reports keys that the model, built now, has and the committed manifest has not, once for each place in the source that
added them. A key that got another name is MDL707, a buffer that is saved now MDL705.

## Why it bites
A checkpoint made before the change lacks them: `load_state_dict` stops with `Missing key(s) in state_dict`. With
`strict=False` it goes on, and they keep their random initial values.

## Example
```python
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 10)
        self.aux = nn.Linear(64, 10)  # new
```

## Use instead
Leave it out until the next release; or give old checkpoints a value: `modelint migrate NAME` writes a load hook that
keeps the one of the built model, proves it and accepts. By hand, then `modelint lock NAME`:
```python
        self.register_load_state_dict_pre_hook(self._add_aux)

    @staticmethod
    def _add_aux(module, state_dict, prefix, *rest):
        for name, value in module.aux.state_dict().items():
            state_dict.setdefault(f"{prefix}aux.{name}", value)
```

## When to ignore
Where no checkpoint of the old layout is in use: `modelint lock NAME`. Comments do not silence it.

## Evidence
- torch 2.13: the strict load raises; with `strict=False` the keys stand in `missing_keys`.
- Missing weights are the first cause of 39 classified issues about checkpoints that do not load.
"""

from collections.abc import Iterator

from modelint.layout.facts import KeyAdded
from modelint.layout.words import listed, says, way_on
from modelint.rule import DriftReport, LayoutRule


def check(fact: KeyAdded) -> Iterator[DriftReport]:
    drift = fact.drift
    message = says(drift, f"{listed(drift.names)} {'is' if drift.total == 1 else 'are'} new")
    yield DriftReport(message, way_on(drift, "leave it out", "fill it for old files in a load hook"), drift.severity)


RULE = LayoutRule(
    code="MDL702",
    name="key-added",
    summary="keys of the model that the manifest has not",
    facts=(KeyAdded,),
    check=check,
)
