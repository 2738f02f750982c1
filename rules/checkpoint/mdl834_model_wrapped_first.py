"""# model-wrapped-first (MDL834)

## What it does
Says that the keys of the model have the prefix of a wrapper (`module.`, `_orig_mod.`), and those of the file have not:
the model was wrapped before the file was loaded.

## Why it bites
`load_state_dict` of the wrapper does not know the keys; with `strict=False` it loads nothing and says nothing.

## Example
```python
file = {"conv.weight": (8, 3, 3, 3), "conv.bias": (8,), "fc.weight": (10, 8)}
model = {"_orig_mod.conv.weight": (8, 3, 3, 3), "_orig_mod.conv.bias": (8,), "_orig_mod.fc.weight": (10, 8)}
```

## Use instead
Load first, wrap then:
```python
model.load_state_dict(torch.load("best.pt"))
model = torch.compile(model)
```

## When to ignore
Never: the weights are not where the model looks for them.

## Evidence
- github.com/justchenhao/SILI_CD/issues/2: an OptimizedModule expects the prefix, the file has none.
"""

from collections.abc import Iterator

from modelint.keys.cause import Cause
from modelint.keys.forms import Add, ByModel, Without
from modelint.keys.situation import Situation
from modelint.keys.steps import Rename
from modelint.keys.words import counted
from modelint.rule import CauseRule

#: What wrappers put into keys -> how they are called.
PARTS = {
    "module": "DataParallel or DistributedDataParallel",
    "_orig_mod": "torch.compile",
    "_fsdp_wrapped_module": "FullyShardedDataParallel",
    "_checkpoint_wrapped_module": "activation checkpointing",
    "_forward_module": "Lightning Fabric",
}


def check(at: Situation) -> Iterator[Cause]:
    for part, wrapper in PARTS.items():
        inside = [key for key in at.missing if part in key.split(".")]
        if not inside or at.old_parts[part]:
            continue
        without = Without((part,))
        mapping = {without.of(key): key for key in inside}
        mapping = {name: key for name, key in mapping.items() if name in at.unexpected}
        if not mapping:
            continue
        prefix = f"{part}."
        if all(key == prefix + name for name, key in mapping.items()):
            form: Add | ByModel = Add(prefix)
        else:
            python = f'".".join(part for part in key.split(".") if part != {part!a})'
            form = ByModel.over(at.new, without.of, python)
        yield Cause(
            f"{counted(inside)} of the model {'have' if len(inside) > 1 else 'has'} '{part}.' and the file has none: "
            f"the model is inside {wrapper} before the file is loaded",
            "load first, wrap then",
            (Rename(mapping, form),),
            certain=True,
        )


RULE = CauseRule(
    code="MDL834",
    name="model-wrapped-first",
    summary="keys of the model have the prefix of a wrapper, those of the file have not",
    stage=3,
    check=check,
)
