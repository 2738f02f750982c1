"""# persistence-changed (MDL705)

## What it does
Reports a buffer that the committed manifest has and the model keeps to itself now (`persistent=False`), or the other
way round. It replaces MDL701 and MDL702 for that key.

## Why it bites
Saved before and not now: an old checkpoint has an unexpected key. Not saved before and now: it lacks one. Either way
the strict load stops, though the model has the same buffers.

## Example
```python
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mask", torch.ones(8, 8).tril(), persistent=False)  # was: persistent
```

## Use instead
Keep `persistent` as it was; or let `modelint migrate NAME` write a load hook, prove it and accept. By hand, then
`modelint lock NAME`:
```python
        self.register_load_state_dict_pre_hook(
            lambda module, state, prefix, *rest: state.pop(prefix + "mask", None)
        )
```

## When to ignore
Where no checkpoint of the old layout is in use: `modelint lock NAME`. Comments do not silence it.

## Evidence
- huggingface/transformers#24505 and #35255, facebook FCGEC#28: `position_ids` and `inv_freq` became non-persistent in a
  new version of the library, and strict loads of older files stopped.
"""

from collections.abc import Iterator

from modelint.layout.facts import PersistenceChanged
from modelint.layout.words import listed, says, way_on
from modelint.rule import DriftReport, LayoutRule


def check(fact: PersistenceChanged) -> Iterator[DriftReport]:
    drift = fact.drift
    verb = "is" if drift.total == 1 else "are"
    now = "saved now" if fact.persistent else "no longer saved (persistent=False)"
    keep = "fill it for old files in a load hook" if fact.persistent else "drop the key of old files in a load hook"
    revert = f"persistent={not fact.persistent} as before"
    yield DriftReport(says(drift, f"{listed(drift.names)} {verb} {now}"), way_on(drift, revert, keep), drift.severity)


RULE = LayoutRule(
    code="MDL705",
    name="persistence-changed",
    summary="a buffer that is saved now, or no longer",
    facts=(PersistenceChanged,),
    check=check,
)
