"""# filter-by-name-only (MDL302)

## What it does
Reports checkpoint entries that are kept because their key occurs in the model (`if k in model.state_dict()`), without
a comparison of shapes, and then loaded.

## Why it bites
A tensor of the right name and another shape still raises, also under `strict=False`, which does not ignore shapes. And
with a prefix on one side nothing is kept at all: merged into the model's own state dict the empty rest loads with `<All
keys matched successfully>`, and loaded with `strict=False` it raises nothing either.

## Example
```python
import torch


def init_from(model, path):
    saved = torch.load(path, map_location="cpu")
    own = model.state_dict()
    saved = {k: v for k, v in saved.items() if k in own}
    own.update(saved)
    model.load_state_dict(own)
```

## Use instead
```python
import torch


def init_from(model, path):
    saved = torch.load(path, map_location="cpu")
    own = model.state_dict()
    fits = {k: v for k, v in saved.items() if k in own and v.shape == own[k].shape}
    missing, _ = model.load_state_dict(fits, strict=False)
    print(f"{len(fits)} of {len(saved)} entries fit; not in the file: {missing}")
```

## When to ignore
Where a load that raises on another shape is what you want, and the number of kept keys is checked elsewhere.

## Evidence
- https://github.com/sgvaze/osr_closed_set_all_you_need/issues/14
- Measured with torch 2.13: a name filter with `strict=False` still raises `size mismatch`; a filter that selects no
  key, merged and loaded, reports `<All keys matched successfully>`.
"""

from collections.abc import Iterator

from modelint.lint.facts import KeyFilter
from modelint.rule import Report, Rule


def check(fact: KeyFilter) -> Iterator[Report]:
    help_text = (
        "load with strict=False and check missing_keys and unexpected_keys; compare shapes where heads may differ"
    )
    if fact.strict:
        help_text = "name what may be left out, or log what was; compare shapes where heads may differ"
    vanish = "" if fact.told else ", and names that match nothing vanish silently"
    yield Report(
        fact.place,
        f"checkpoint filtered by key name alone: a changed shape still raises{vanish}",
        "compare shapes too, where they may differ" if fact.told else help_text,
        ((fact.loaded_at, "loaded here"),),
    )


RULE = Rule(
    code="MDL302",
    name="filter-by-name-only",
    summary="checkpoint entries are kept by name without a look at their shapes",
    facts=(KeyFilter,),
    check=check,
)
