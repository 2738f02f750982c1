"""# fsdp-prefix (MDL850)

## What it does
Says that keys have the names of wrappers in them (`_fsdp_wrapped_module`, `_fpw_module`, `_checkpoint_wrapped_module`,
`_forward_module`), and fit without: the file was saved from inside FullyShardedDataParallel, activation checkpointing
or Lightning Fabric.

## Why it bites
The model does not know these keys; with `strict=False` they are left out without a word.

## Example
```python
file = {"_fsdp_wrapped_module.conv.weight": (8, 3, 3, 3),
        "_fsdp_wrapped_module.fc._fsdp_wrapped_module.weight": (10, 8)}
model = {"conv.weight": (8, 3, 3, 3), "fc.weight": (10, 8)}
```

## Use instead
```python
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

state = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
```

## When to ignore
Never: the weights are not where the model looks for them.

## Evidence
- github.com/facebookresearch/dinov2/issues/544, github.com/pytorch/pytorch/issues/117446.
"""

from collections.abc import Iterator

from modelint.keys.cause import Cause
from modelint.keys.forms import Without
from modelint.keys.situation import Situation
from modelint.keys.steps import Rename
from modelint.keys.words import counted
from modelint.rule import CauseRule

PARTS = {
    "_fsdp_wrapped_module": "FullyShardedDataParallel",
    "_fpw_module": "FullyShardedDataParallel",
    "_checkpoint_wrapped_module": "activation checkpointing",
    "_forward_module": "Lightning Fabric",
}


def check(at: Situation) -> Iterator[Cause]:
    parts = tuple(part for part in PARTS if at.old_parts[part] and not at.new_parts[part])
    if not parts:
        return
    form = Without(parts)
    inside = [key for key in at.cells if any(part in parts for part in key.split("."))]
    wrappers = " and ".join(dict.fromkeys(PARTS[part] for part in parts))
    yield Cause(
        f"{counted(inside)} of the file {'have' if len(inside) > 1 else 'has'} "
        f"{' and '.join(repr(part + '.') for part in parts)} in {'them' if len(inside) > 1 else 'it'}: saved from "
        f"inside {wrappers}",
        "save a full state dict: get_model_state_dict(model, options=StateDictOptions(full_state_dict=True))",
        (Rename({key: form.of(key) for key in inside}, form),),
        certain=True,
    )


RULE = CauseRule(
    code="MDL850",
    name="fsdp-prefix",
    summary="keys have the names of FSDP and its like in them",
    stage=3,
    check=check,
)
