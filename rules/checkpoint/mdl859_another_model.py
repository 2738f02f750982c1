"""# another-model (MDL859)

## What it does
Says that hardly a name is common to file and model, and that nothing that modelint knows makes them fit: the file is
of another model.

## Why it bites
With `strict=False` nothing is loaded and nothing is said: the model stays as it was initialised.

## Example
```python
file = {"conv1.weight": (64, 3, 7, 7), "layer1.0.conv1.weight": (64, 64, 3, 3), "fc.weight": (1000, 512)}
model = {"cls_token": (1, 1, 192), "blocks.0.attn.qkv.weight": (576, 192), "head.weight": (10, 192)}
```

## Use instead
Check which file is loaded, and into what: `modelint show FILE` says what is in it.

## When to ignore
Where the same layers are only named and kept in another way: a conversion script of the library knows.

## Evidence
- github.com/bearpaw/pytorch-classification/issues/35, github.com/STVIR/pysot/issues/320.
"""

from collections.abc import Iterator

from modelint.keys.cause import Cause
from modelint.keys.configuration import facts
from modelint.keys.situation import Situation
from modelint.keys.words import counted
from modelint.rule import CauseRule

#: As in MDL830.
COMMON = 4
MOST = 4


def check(at: Situation) -> Iterator[Cause]:
    named = len(at.cells) - len(at.unexpected)
    if COMMON * named >= min(len(at.cells), len(at.new)):
        return
    found = facts(at)
    if found:
        yield Cause(
            f"another model: of {counted(at.cells)} of the file the model has {named or 'none'}; "
            f"{'; '.join(fact.words for fact in found[:MOST])}",
            "check which file is loaded, and into which model",
        )


RULE = CauseRule(
    code="MDL859",
    name="another-model",
    summary="hardly a name is common to file and model",
    stage=10,
    check=check,
)
