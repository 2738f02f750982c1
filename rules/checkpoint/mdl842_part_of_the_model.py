"""# part-of-the-model (MDL842)

## What it does
Says that the file fits a part of the model, below a prefix (`backbone.`, `encoder.`): it was saved from that part.

## Why it bites
Loaded into the whole, no key fits; with `strict=False` nothing is loaded and nothing is said.

## Example
```python
file = {"conv.weight": (8, 3, 3, 3), "conv.bias": (8,), "norm.weight": (8,), "norm.bias": (8,)}
model = {"backbone.conv.weight": (8, 3, 3, 3), "backbone.conv.bias": (8,), "backbone.norm.weight": (8,),
         "backbone.norm.bias": (8,), "head.weight": (10, 8)}
```

## Use instead
Load it into the part:
```python
model.backbone.load_state_dict(torch.load("backbone.pt"))
```

## When to ignore
Where the code loads the file into the part already.

## Evidence
- github.com/open-mmlab/mmpretrain/issues/18: keys with and without `backbone.`.
"""

from collections.abc import Iterator

from modelint.keys.cause import Cause
from modelint.keys.copies import rivals, towers
from modelint.keys.patterns import form_of
from modelint.keys.prefixes import pairs
from modelint.keys.rename import Ambiguous
from modelint.keys.situation import Situation
from modelint.keys.steps import Drop, Own, Rename, Step
from modelint.keys.words import counted, some
from modelint.rule import CauseRule


def check(at: Situation) -> Iterator[Cause]:
    if not at.unexpected or not at.missing or 10 * at.agreed > 9 * min(len(at.cells), len(at.new)):
        return
    found = pairs(at)
    for pair in found:
        if pair.old or rivals(at, pair, found) or not pair.covers(len(at.cells)):
            continue
        others = towers(pair, found)
        if others:
            places = ", ".join(f"'{each.new}'" for each in (pair, *others))
            yield Cause(
                f"the file fits {1 + len(others)} parts of the model as well as each other: {places}",
                "load it into the part that is meant: model.PART.load_state_dict(...)",
                ambiguous=(
                    Ambiguous(
                        tuple(at.cells),
                        tuple(key for each in (pair, *others) for key in at.missing if key.startswith(each.new)),
                        f"the file fits {places} as well as each other",
                    ),
                ),
                part=True,
            )
            return
        parts = {key.split(".")[0] for key in at.cells if pair.new + key in at.new}
        extra = tuple(key for key in at.unexpected if key.split(".")[0] not in parts)
        mapping = {key: pair.new + key for key in at.unexpected if key not in extra}
        there = {*at.cells, *mapping.values()}
        rest = [key for key in at.new if not key.startswith(pair.new) and key not in there]
        whole = f"; the rest of the model is not in the file, and stays as it was built: {some(rest)}" if rest else ""
        kept = [key for key in at.cells if key not in extra]
        steps: list[Step] = [Drop(extra)] if extra else []
        steps.append(Rename(mapping, form_of(mapping, kept)))
        steps += [Own(tuple(rest))] if rest else []
        gone = f"; the model has no place for {some(extra)}" if extra else ""
        yield Cause(
            f"the file is the part '{pair.new}' of the model, saved by itself: {counted(mapping)}{whole}{gone}",
            f"load it into that part: model.{pair.new[:-1]}.load_state_dict(...)",
            tuple(steps),
            part=True,
        )


RULE = CauseRule(
    code="MDL842",
    name="part-of-the-model",
    summary="the file was saved from a part of the model",
    stage=5,
    check=check,
)
