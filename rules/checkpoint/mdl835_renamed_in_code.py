"""# renamed-in-code (MDL835)

## What it does
Says that attributes of the model have other names than when the file was made, and which: the shapes agree, and each
old name has one new name that it is most like, or stands at the one place of a model that is built alike. Names that
fit as well as each other are left out.

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
- github.com/hou-yz/MVDet/issues/7; of 137 renames in public libraries, with 62,026 changed keys, no pair was wrong,
  nor of 44 more, with 11,448, that nothing was fitted to.
"""

from collections.abc import Iterator

from modelint.keys.cause import SHARE, Cause
from modelint.keys.diff import diff
from modelint.keys.likeness import Names, template
from modelint.keys.patterns import form_of, is_one_word
from modelint.keys.rename import Renames, detect
from modelint.keys.situation import Situation
from modelint.keys.steps import Rename
from modelint.keys.table import KeyTable
from modelint.keys.tables import COUNTER, is_computed_buffer
from modelint.keys.words import changes, counted
from modelint.rule import CauseRule

#: Of the names that differ on either side, so many must have a new one, and not only be undecided.
LEAST = 0.4
#: For each key of another shape so many must be as they were, where names do not account for all that differs.
RESHAPED = 4


def check(at: Situation) -> Iterator[Cause]:
    if not at.unexpected or not at.missing:
        return
    old, new = KeyTable(at.old), KeyTable(at.new)
    found = detect(old, new, diff(old, new))
    renames, ambiguous = found.renames, found.ambiguous
    if not _is_whole(found, at):
        # Names of another model; unless nearly all else is as it was, and one word is another one.
        renames = {key: name for key, name in renames.items() if is_one_word(key, name)}
        ambiguous = ()
        if not at.is_alike or 2 * len(renames) < min(len(at.unexpected), len(at.missing)):
            return
        if RESHAPED * len(at.reshaped) > at.agreed:
            return  # of another size, too: a file of it does not load, whatever its keys are called
    if renames:
        yield Cause(
            f"{counted(renames)} {'have' if len(renames) > 1 else 'has'} another name in the model: {changes(renames)}",
            "keep the old names, or rename the keys of old files in a load hook",
            (Rename(renames, form_of(renames, list(at.cells))),),
            ambiguous=ambiguous,
        )


def _is_whole(found: Renames, at: Situation) -> bool:
    """Whether all that differs is accounted for. Layers count once: twelve alike say no more than one does."""
    for specs, renamed, undecided in (
        (at.unexpected, {*found.renames}, {key for each in found.ambiguous for key in each.old}),
        (at.missing, {*found.renames.values()}, {key for each in found.ambiguous for key in each.new}),
    ):
        names: dict[Names, list[str]] = {}
        for key, spec in specs.items():
            if not key.endswith(COUNTER) and not is_computed_buffer(key, spec.shape):
                names.setdefault(template(key)[0], []).append(key)
        new = sum(sum(key in renamed for key in keys) / len(keys) for keys in names.values())
        open_ = sum(sum(key in undecided for key in keys) / len(keys) for keys in names.values())
        if new < LEAST * len(names) or new + open_ < SHARE * len(names):
            return False
    return True


RULE = CauseRule(
    code="MDL835",
    name="renamed-in-code",
    summary="attributes of the model have other names than in the file",
    stage=7,
    check=check,
)
