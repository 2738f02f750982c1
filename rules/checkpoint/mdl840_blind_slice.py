"""# blind-slice (MDL840)

## What it does
Says that the keys of the file are those of the model without their first characters, cut in the middle of names: a
prefix was sliced off (`key[7:]`) that was not there.

## Why it bites
Every key is damaged (`features.0.weight` is `s.0.weight`), and keys that differ only in what was cut off have become
one: the weights of all but the last of them are gone.

## Example
```python
file = {"s.0.weight": (8, 3, 3, 3), "s.0.bias": (8,), "ier.weight": (10, 8), "ier.bias": (10,)}
model = {"features.0.weight": (8, 3, 3, 3), "features.0.bias": (8,), "classifier.weight": (10, 8),
         "classifier.bias": (10,)}
```

## Use instead
```python
state = {key.removeprefix("module."): value for key, value in state.items()}
```

## When to ignore
Never. Where keys became one, only the original file has the other weights.

## Evidence
- github.com/12wang3/rrl/issues/17, github.com/iVMCL/AOGNet-v2/issues/3.
"""

from collections.abc import Iterator
from typing import NamedTuple

from modelint.keys.cause import SHARE, Cause
from modelint.keys.forms import ByModel
from modelint.keys.situation import Situation, fits
from modelint.keys.steps import Rename
from modelint.keys.words import counted
from modelint.rule import CauseRule

LONGEST = 48


class _Cut(NamedTuple):
    length: int

    def of(self, key: str) -> str:
        return key[self.length :]


def check(at: Situation) -> Iterator[Cause]:
    if 2 * at.agreed > len(at.cells) or not at.unexpected:
        return
    for length in _lengths(at):
        names: dict[str, list[str]] = {}
        for key in at.new:
            names.setdefault(key[length:], []).append(key)
        cut = {key: names[key] for key in at.cells if key in names}
        middle = any(each[0][length - 1 : length] not in ("", ".") for each in cut.values())
        if len(cut) < SHARE * len(at.cells) or not middle or len({each[0][:length] for each in cut.values()}) < 2:
            continue
        mapping = {}
        for key, wholes in cut.items():
            # The last one that was written is the one that is left.
            fitting = [whole for whole in wholes if fits(at.cells[key].spec, at.new[whole])]
            if fitting and wholes[-1] == fitting[-1]:
                mapping[key] = fitting[-1]
        if len(mapping) < SHARE * len(at.cells):
            continue
        found = set(mapping.values())
        lost = tuple(key for key in at.new if key not in found)
        gone = (
            f"; {counted(lost)} of the model became the name of another one, and their weights are lost" if lost else ""
        )
        form = ByModel.over(at.new, _Cut(length).of, f"key[{length}:]")
        yield Cause(
            f"the keys of the file lack their first {length} characters, names are cut in two: a slice key[{length}:] "
            f"took off a prefix that was not there{gone}",
            "use removeprefix, which leaves other keys alone",
            (Rename(mapping, form),),
            told=lost,
        )
        return


def _lengths(at: Situation) -> list[int]:
    """How much may have been cut, the likeliest first: by the model's keys that end like one of the file."""
    votes: dict[int, int] = {}
    keys = list(at.cells)
    for key in keys[:: max(1, len(keys) // 16)]:
        for whole in at.new:
            cut = len(whole) - len(key)
            if 0 < cut <= LONGEST and whole.endswith(key):
                votes[cut] = votes.get(cut, 0) + 1
    return sorted(votes, key=lambda cut: (-votes[cut], cut))[:6]


RULE = CauseRule(
    code="MDL840",
    name="blind-slice",
    summary="the keys of the file lack their first characters",
    stage=2,
    check=check,
)
