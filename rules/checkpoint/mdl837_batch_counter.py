"""# batch-counter (MDL837)

## What it does
Says that all that differs are `num_batches_tracked`: the file is older than PyTorch 0.4.1, or comes from a library that
leaves these counters out.

## Why it bites
A strict load stops, though no weight is missing: the counter only matters for a batch norm with `momentum=None`.

## Example
```python
file = {"bn.weight": (8,), "bn.bias": (8,), "bn.running_mean": (8,), "bn.running_var": (8,)}
model = {"bn.weight": (8,), "bn.bias": (8,), "bn.running_mean": (8,), "bn.running_var": (8,),
         "bn.num_batches_tracked": ()}
```

## Use instead
```python
for name, buffer in model.state_dict().items():
    if name.endswith("num_batches_tracked"):
        state.setdefault(name, buffer)
model.load_state_dict(state)
```

## When to ignore
Where the file is loaded by a library that fills the counters in, as torch's own BatchNorm does for old files.

## Evidence
- github.com/pytorch/pytorch/issues/8430, github.com/mattpoggi/guided-stereo/issues/2.
"""

from collections.abc import Iterator

from modelint.keys.cause import Cause
from modelint.keys.situation import Situation
from modelint.keys.steps import Drop, Own
from modelint.keys.words import counted
from modelint.rule import CauseRule

LEAF = "num_batches_tracked"


def check(at: Situation) -> Iterator[Cause]:
    lacking = tuple(key for key in at.missing if key.rpartition(".")[2] == LEAF and _has_norm(key, at))
    if lacking:
        yield Cause(
            f"the file lacks {counted(lacking)} named num_batches_tracked: it is older than PyTorch 0.4.1, or its "
            "library leaves them out",
            "harmless: the counters start at 0",
            (Own(lacking),),
        )
    extra = tuple(key for key in at.unexpected if key.rpartition(".")[2] == LEAF)
    if extra and any(at.is_agreed(key.removesuffix(LEAF) + "weight") for key in extra):
        yield Cause(
            f"the file has {counted(extra)} named num_batches_tracked that the model does not keep",
            "harmless: leave them out",
            (Drop(extra),),
        )


def _has_norm(key: str, at: Situation) -> bool:
    """Whether the norm itself is in the file."""
    return key.removesuffix(LEAF) + "running_mean" in at.cells


RULE = CauseRule(
    code="MDL837",
    name="batch-counter",
    summary="num_batches_tracked stands on one side only",
    stage=9,
    check=check,
)
