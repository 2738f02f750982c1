"""# positions-resized (MDL848)

## What it does
Says that position embeddings have another length, and all else fits: the model was built for another image size, window
or length of text.

## Why it bites
A load stops on the shapes. Positions on a grid can be resampled; taken row by row they stand at the wrong places.

## Example
```python
file = {"pos_embed": (1, 197, 8), "blocks.0.fc.weight": (8, 8), "blocks.1.fc.weight": (8, 8)}
model = {"pos_embed": (1, 577, 8), "blocks.0.fc.weight": (8, 8), "blocks.1.fc.weight": (8, 8)}
```

## Use instead
Build the model with the size of the file, or let its library resample (`timm.models.load_checkpoint`).

## When to ignore
Where positions are trained anew.

## Evidence
- github.com/NVlabs/FasterViT/issues/118, github.com/CUHK-AIM-Group/Endora/issues/5.
"""

from collections.abc import Iterator
from math import isqrt

from modelint.keys.cause import Cause
from modelint.keys.situation import Shape, Situation
from modelint.keys.steps import Offsets, Own, Positions, Rows, Step
from modelint.keys.tables import is_computed_buffer, is_position
from modelint.keys.words import counted, some
from modelint.rule import CauseRule

#: Tokens that stand before the grid: none, a class token, two of distillation, registers.
EXTRA = (1, 0, 2, 5)
TABLE = "relative_position_bias_table"


def check(at: Situation) -> Iterator[Cause]:
    steps: list[Step] = []
    keys: list[str] = []
    sizes: list[str] = []
    for key, (old, new) in at.reshaped.items():
        step = _step(key, old, new)
        if step is not None:
            steps.append(step)
            keys.append(key)
            sizes.append(_sizes(step, old, new))
    if not keys or not at.is_alike:
        return
    made = [key for key in at.reshaped if key not in keys and is_computed_buffer(key, at.new[key].shape)]
    if made:
        steps.append(Own(tuple(made)))
    yield Cause(
        f"other positions: {some(keys)}: {', '.join(dict.fromkeys(sizes))}"
        + (f"; {counted(made, 'buffer')} that the model computes follow from it" if made else ""),
        "build the model with the size of the file, or resample as the code does",
        tuple(_joined(steps)),
    )


def _step(key: str, old: Shape, new: Shape) -> Step | None:
    if key.endswith(TABLE) and len(old) == len(new) == 2 and old[1] == new[1]:
        return Offsets((key,)) if _is_square(old[0]) and _is_square(new[0]) else None
    if not is_position(key) or len(old) != len(new) or len(old) < 2 or old[-1] != new[-1]:
        return None
    if len(old) == 3 and old[0] == new[0] == 1:
        for extra in EXTRA:
            if _is_square(old[1] - extra) and _is_square(new[1] - extra):
                return Positions((key,), extra)
    return Rows((key,)) if len(old) == 2 else None


def _sizes(step: Step, old: Shape, new: Shape) -> str:
    if isinstance(step, Positions):
        one, other = isqrt(old[1] - step.extra), isqrt(new[1] - step.extra)
        return f"a grid of {one} x {one} in the file, {other} x {other} in the model"
    if isinstance(step, Offsets):
        one, other = isqrt(old[0]) // 2 + 1, isqrt(new[0]) // 2 + 1
        return f"windows of {one} x {one} in the file, {other} x {other} in the model"
    return f"{old[0]} in the file, {new[0]} in the model"


def _joined(steps: list[Step]) -> Iterator[Step]:
    """Steps of one kind as one."""
    for extra in EXTRA:
        keys = [key for step in steps if isinstance(step, Positions) and step.extra == extra for key in step.keys]
        if keys:
            yield Positions(tuple(keys), extra)
    for kind in (Offsets, Rows, Own):
        keys = [key for step in steps if isinstance(step, kind) for key in step.keys]
        if keys:
            yield kind(tuple(keys))


def _is_square(number: int) -> bool:
    return number > 0 and isqrt(number) ** 2 == number


RULE = CauseRule(
    code="MDL848",
    name="positions-resized",
    summary="position embeddings have another length",
    stage=8,
    check=check,
)
