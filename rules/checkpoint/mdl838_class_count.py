"""# class-count (MDL838)

## What it does
Says that the last layers differ in their first axis alone, weight and bias alike: they were made for another number of
classes. All else fits.

## Why it bites
A load stops on the shapes, and `strict=False` alone does not help: it forgives missing keys, not other sizes.

## Example
```python
file = {"conv.weight": (8, 3, 3, 3), "conv.bias": (8,), "fc.weight": (1000, 8), "fc.bias": (1000,)}
model = {"conv.weight": (8, 3, 3, 3), "conv.bias": (8,), "fc.weight": (37, 8), "fc.bias": (37,)}
```

## Use instead
Leave the last layer out, and check that nothing else is missing:
```python
for name in ("fc.weight", "fc.bias"):
    del state[name]
result = model.load_state_dict(state, strict=False)
assert set(result.missing_keys) == {"fc.weight", "fc.bias"} and not result.unexpected_keys
```

## When to ignore
Where the last layer is trained anew anyway.

## Evidence
- github.com/moskomule/senet.pytorch/issues/73, github.com/open-mmlab/mmpretrain/issues/1744.
"""

from collections.abc import Iterator

from modelint.keys.cause import Cause
from modelint.keys.situation import Situation
from modelint.keys.steps import Own
from modelint.keys.tables import is_embedding, is_position
from modelint.keys.words import some
from modelint.rule import CauseRule

#: More of them are no heads.
MOST = 40


def check(at: Situation) -> Iterator[Cause]:
    rows = {
        key: (old[0], new[0])
        for key, (old, new) in at.reshaped.items()
        if old and new and old[1:] == new[1:] and not is_position(key)
    }
    heads = {key: sizes for key, sizes in rows.items() if len(at.new[key].shape or ()) >= 2}
    keys = [key for key in at.reshaped if key in heads or _weight_of(key) in heads]
    if not heads or len(keys) < len(at.reshaped) or len(keys) > MOST:
        return
    if any(rows.get(key) != rows[_weight_of(key)] for key in keys if key not in heads):
        return
    if any(is_embedding(key) for key in heads) or 2 * len(keys) > len(at.new) + 1:
        return
    sizes = " and ".join(f"{old} in the file, {new} in the model" for old, new in dict.fromkeys(heads.values()))
    yield Cause(
        f"other number of classes: {some(keys)}: {sizes}",
        f"train {'this layer' if len(heads) == 1 else 'these layers'} anew, or build the model with the classes of the "
        "file; strict=False alone still stops on the shapes",
        (Own(tuple(keys)),),
    )


def _weight_of(key: str) -> str:
    return key.removesuffix("bias") + "weight"


RULE = CauseRule(
    code="MDL838",
    name="class-count",
    summary="the last layers were made for another number of classes",
    stage=8,
    check=check,
)
