"""# renamed-in-code (MDL835)

## What it does
Says that attributes of the model have other names than when the file was made, and which: the shapes agree, and each
old name has one new name that it is most like. Names that fit as well as each other are left out.

## Why it bites
The old keys are unexpected and the new ones missing; with `strict=False` the renamed parts start untrained.

## Example
```python
file = {"map_classifier.0.weight": (64, 8), "map_classifier.0.bias": (64,), "map_classifier.2.weight": (10, 64)}
model = {"world_classifier.0.weight": (64, 8), "world_classifier.0.bias": (64,), "world_classifier.2.weight": (10, 64)}
```

## Use instead
Rename in code, and let the model take old files:
```python
def _rename(module, state, prefix, *rest):
    for key in [key for key in state if key.startswith(prefix + "map_classifier.")]:
        state[key.replace("map_classifier.", "world_classifier.", 1)] = state.pop(key)

model.register_load_state_dict_pre_hook(_rename)
```

## When to ignore
Where two parts of one shape were exchanged: names and shapes cannot tell, so compare the outputs.

## Evidence
- github.com/hou-yz/MVDet/issues/7; of 24 renames in public libraries, with 12,979 changed keys, no pair was wrong.
"""

from collections.abc import Iterator

from modelint.keys.cause import Cause
from modelint.keys.diff import diff
from modelint.keys.patterns import form_of
from modelint.keys.rename import detect
from modelint.keys.situation import Situation
from modelint.keys.steps import Rename
from modelint.keys.table import KeyTable
from modelint.keys.words import counted, some
from modelint.rule import CauseRule


def check(at: Situation) -> Iterator[Cause]:
    if not at.unexpected or not at.missing:
        return
    old, new = KeyTable(at.old), KeyTable(at.new)
    found = detect(old, new, diff(old, new))
    if not found.renames:
        return
    settled = len(found.renames)
    undecided = sum(len(each.old) for each in found.ambiguous)
    if 2 * (settled + undecided) < min(len(at.unexpected), len(at.missing)):
        return  # a few names of another model
    yield Cause(
        f"{counted(found.renames)} {'have' if settled > 1 else 'has'} another name in the model: "
        f"{some(found.renames)} -> {some(found.renames.values())}",
        "keep the old names, or rename the keys of old files in a load hook",
        (Rename(found.renames, form_of(found.renames, list(at.cells))),),
        ambiguous=found.ambiguous,
    )


RULE = CauseRule(
    code="MDL835",
    name="renamed-in-code",
    summary="attributes of the model have other names than in the file",
    stage=7,
    check=check,
)
