"""# training-dict (MDL836)

## What it does
Says that the file holds more than a state dict, and where the state dict is: `checkpoint["state_dict"]`.

## Why it bites
`model.load_state_dict(torch.load(path))` is given the whole: `epoch`, `optimizer` and `state_dict` are unexpected,
every key of the model is missing; with `strict=False` nothing is loaded and nothing is said.

## Example
```python
file = {"state_dict.conv.weight": (8, 3, 3, 3), "state_dict.fc.weight": (10, 8), "optimizer.state.0.exp_avg": (10, 8)}
model = {"conv.weight": (8, 3, 3, 3), "fc.weight": (10, 8)}
```

## Use instead
```python
checkpoint = torch.load("last.ckpt", weights_only=True)
model.load_state_dict(checkpoint["state_dict"])
```

## When to ignore
Where the code that loads it takes the entry out, this only says where the weights are.

## Evidence
- github.com/yxgeee/FD-GAN/issues/39, github.com/mingcv/DSRNet/issues/12, github.com/LiheYoung/UniMatch/issues/31.
"""

from collections.abc import Iterator

from modelint.keys.cause import Cause
from modelint.keys.situation import Situation
from modelint.keys.steps import Take
from modelint.rule import CauseRule

#: Under what trainers keep the weights.
NAMES = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "params", "weights", "module")
#: What stands beside them.
BESIDE = {"optimizer", "optimizer_state_dict", "optim", "lr_scheduler", "scheduler", "epoch", "step", "scaler", "args"}


def check(at: Situation) -> Iterator[Cause]:
    if at.around.root != "/":
        yield Cause(
            f"the file is no plain state dict: the weights are at {at.around.root}",
            "give load_state_dict that entry, not the whole file",
        )
    firsts = {key.split(".")[0] for key in at.cells}
    for name in NAMES:
        prefix = f"{name}."
        if name in firsts and firsts & BESIDE and not any(key.startswith(prefix) for key in at.new):
            others = ", ".join(sorted(firsts - {name})[:3])
            yield Cause(
                f"the file is no plain state dict: the weights are below '{prefix}', beside {others}",
                "give load_state_dict that entry, not the whole file",
                (Take(prefix),),
            )


RULE = CauseRule(
    code="MDL836",
    name="training-dict",
    summary="the state dict is an entry of a larger dict",
    stage=1,
    check=check,
)
