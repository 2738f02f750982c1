"""# fsdp-flat-parameter (MDL851)

## What it does
Says that the file holds flat parameters (`_flat_param`, `flat_param`): FullyShardedDataParallel puts all weights of a
unit into one vector, and one rank's file has a piece of it.

## Why it bites
No renaming helps: which part of the vector is which weight stands nowhere in the file.

## Example
```python
file = {"_flat_param": (4096,), "layers.0._flat_param": (2048,), "layers.1._flat_param": (2048,)}
model = {"layers.0.fc.weight": (32, 64), "layers.1.fc.weight": (32, 64), "head.weight": (64, 64)}
```

## Use instead
```python
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

state = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
```

## When to ignore
Where the file is loaded by the same wrapping on as many ranks.

## Evidence
- github.com/pytorch/pytorch/issues/117446.
"""

from collections.abc import Iterator

from modelint.keys.cause import Cause
from modelint.keys.situation import Situation
from modelint.keys.words import counted
from modelint.rule import CauseRule

LEAVES = ("_flat_param", "flat_param")


def check(at: Situation) -> Iterator[Cause]:
    flat = [key for key in at.unexpected if key.rpartition(".")[2].startswith(LEAVES)]
    if flat:
        yield Cause(
            f"{counted(flat, 'flat parameter')} of FullyShardedDataParallel: all weights of a unit in one vector, and "
            "no record in the file of which is which",
            "save a full state dict: get_model_state_dict(model, options=StateDictOptions(full_state_dict=True)); flat "
            "parameters cannot be renamed into place",
            ends=True,
        )


RULE = CauseRule(
    code="MDL851",
    name="fsdp-flat-parameter",
    summary="the file holds flat parameters of FSDP",
    stage=0,
    check=check,
)
