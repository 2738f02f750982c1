"""# key-removed (MDL701)

## What it does
Reports keys of the committed manifest that the model, built now, no longer has, once for each place in the source that
dropped them. A key that got another name is MDL707, a buffer that is no longer saved MDL705.

## Why it bites
`load_state_dict` of a checkpoint made before the change stops: `Unexpected key(s) in state_dict`. With `strict=False`
it goes on, and weights that were trained are thrown away without a word.

## Example
```python
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 10, bias=False)  # was: nn.Linear(64, 10)
```

## Use instead
Put it back; or let old checkpoints load: `modelint migrate NAME` writes the load hook, proves it and accepts. By hand,
then `modelint lock NAME`:
```python
        self.register_load_state_dict_pre_hook(self._drop_bias)

    @staticmethod
    def _drop_bias(module, state_dict, prefix, *rest):
        state_dict.pop(prefix + "head.bias", None)
```

## When to ignore
Where no checkpoint of the old layout is in use: `modelint lock NAME`. Comments do not silence it.

## Evidence
- Of 118 commits to 14 model files of public repositories, 30 changed the keys or shapes; none said so in a test.
- torch 2.13: the strict load raises; with `strict=False` the keys stand in `unexpected_keys`, which most code ignores.
"""

from collections.abc import Iterator

from modelint.layout.facts import KeyRemoved
from modelint.layout.words import listed, says, way_on
from modelint.rule import DriftReport, LayoutRule


def check(fact: KeyRemoved) -> Iterator[DriftReport]:
    drift = fact.drift
    what = f"{listed(drift.names)} {'is' if drift.total == 1 else 'are'} gone"
    if not drift.names:
        what = "its load hooks no longer take the keys of the manifest"
    if fact.undecided:
        what += f", {listed(fact.added)} new, and nothing decides which became which"
        drift = drift._replace(missing=())
    message = says(drift, what)
    yield DriftReport(
        message, way_on(drift, "put it back", "drop the keys of old files in a load hook"), drift.severity
    )


RULE = LayoutRule(
    code="MDL701",
    name="key-removed",
    summary="keys of the manifest that the model no longer has",
    facts=(KeyRemoved,),
    check=check,
)
