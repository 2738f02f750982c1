"""# several-copies (MDL843)

## What it does
Says that the file holds what the model needs more than once: student and teacher, query and key encoder, the weights
and their moving average (EMA). Which one is meant, modelint asks, and never guesses.

## Why it bites
Each copy loads without a word, and they compute different things.

## Example
```python
file = {"student.conv.weight": (8, 3, 3, 3), "student.fc.weight": (10, 8),
        "teacher.conv.weight": (8, 3, 3, 3), "teacher.fc.weight": (10, 8)}
model = {"conv.weight": (8, 3, 3, 3), "fc.weight": (10, 8)}
```

## Use instead
Decide, and say so in code; for evaluation that is mostly the teacher, or the average:
```python
prefix = "teacher."
state = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
model.load_state_dict(state)
```

## When to ignore
Never: somebody has to decide.

## Evidence
- github.com/open-mmlab/mmdetection/issues/4667, github.com/zkyseu/O2SFormer/issues/23,
  github.com/sming256/OpenTAD/issues/44.
"""

from collections.abc import Iterator

from modelint.keys.cause import Cause
from modelint.keys.copies import Copies, averaged, copies
from modelint.keys.rename import Ambiguous
from modelint.keys.situation import Situation
from modelint.keys.steps import Choose
from modelint.rule import CauseRule

#: More of them are an ensemble, or layers.
MOST = 8


def check(at: Situation) -> Iterator[Cause]:
    others = [path for path, table in at.around.others.items() if table.specs.keys() == at.file.specs.keys()]
    if others and not at.steps:
        yield Cause(
            f"the file holds {1 + len(others)} state dicts of the same keys: {', '.join((at.around.root, *others))}",
            "decide which one is meant, and give it with --root",
        )
    for found in (copies(at), averaged(at)):
        if found is not None and 1 < len(found.options) <= MOST:
            yield _cause(found)


def _cause(found: Copies) -> Cause:
    labels = [f"'{option.label}'" for option in found.options]
    which = f"{', '.join(labels[:-1])} and {labels[-1]}"
    return Cause(
        f"the file holds {len(labels)} copies of what the model needs: {which}",
        f"decide which one is meant: {' or '.join(labels)}; the code asks for it as copy=...",
        (Choose(found.options),),
        ambiguous=(Ambiguous(found.keys, found.targets, f"{which} fit as well as each other"),),
        part=True,
    )


RULE = CauseRule(
    code="MDL843",
    name="several-copies",
    summary="the file holds the weights more than once: student and teacher, EMA",
    stage=4,
    check=check,
)
