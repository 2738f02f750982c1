"""# data-parallel-prefix (MDL831)

## What it does
Says that every key of the file begins with `module.`, and that the keys fit without it: the file was saved from a model
inside DataParallel or DistributedDataParallel.

## Why it bites
`load_state_dict` finds no key that it knows and stops; with `strict=False` it loads nothing at all and says nothing.

## Example
```python
file = {"module.conv.weight": (8, 3, 3, 3), "module.conv.bias": (8,), "module.fc.weight": (10, 8)}
model = {"conv.weight": (8, 3, 3, 3), "conv.bias": (8,), "fc.weight": (10, 8)}
```

## Use instead
Save what is inside the wrapper:
```python
torch.save(model.module.state_dict(), "best.pt")
```

## When to ignore
Never: the weights are not where the model looks for them.

## Evidence
- github.com/aks2203/deep-thinking/issues/5; 13 % of the threads about keys that do not fit are about a prefix.
"""

from collections.abc import Iterator

from modelint.keys.cause import SHARE, Cause
from modelint.keys.forms import Strip
from modelint.keys.situation import Situation
from modelint.keys.steps import Rename
from modelint.keys.words import counted
from modelint.rule import CauseRule

PREFIX = "module."


def check(at: Situation) -> Iterator[Cause]:
    inside = [key for key in at.cells if key.startswith(PREFIX)]
    if not inside or len(inside) < SHARE * len(at.cells) or any(key.startswith(PREFIX) for key in at.new):
        return
    if "n_averaged" in at.cells:
        return  # an averaged model has the prefix, too
    every = "all" if len(inside) == len(at.cells) else f"{len(inside)} of"
    yield Cause(
        f"{every} {counted(at.cells)} of the file {'begin' if len(at.cells) > 1 else 'begins'} with 'module.': saved "
        "from a model inside DataParallel or DistributedDataParallel",
        "save model.module.state_dict()",
        (Rename({key: key.removeprefix(PREFIX) for key in inside}, Strip(PREFIX)),),
        certain=True,
    )


RULE = CauseRule(
    code="MDL831",
    name="data-parallel-prefix",
    summary="every key of the file has the `module.` of DataParallel",
    stage=3,
    check=check,
)
