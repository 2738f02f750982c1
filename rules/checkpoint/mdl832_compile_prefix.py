"""# compile-prefix (MDL832)

## What it does
Says that keys of the file have `_orig_mod.` in them, and fit without it: the file was saved from a model, or a part of
one, that went through torch.compile.

## Why it bites
`load_state_dict` of the model that is not compiled does not know the keys; with `strict=False` it loads none of them.

## Example
```python
file = {"_orig_mod.conv.weight": (8, 3, 3, 3), "_orig_mod.conv.bias": (8,), "_orig_mod.fc.weight": (10, 8)}
model = {"conv.weight": (8, 3, 3, 3), "conv.bias": (8,), "fc.weight": (10, 8)}
```

## Use instead
`model.compile()` compiles in place and changes no key; else save what is inside:
```python
torch.save(getattr(model, "_orig_mod", model).state_dict(), "best.pt")
```

## When to ignore
Never: the weights are not where the model looks for them.

## Evidence
- github.com/karpathy/nanoGPT/issues/325, github.com/pytorch/pytorch/issues/101107,
  github.com/huggingface/pytorch-image-models/issues/2003.
"""

from collections.abc import Iterator

from modelint.keys.cause import Cause
from modelint.keys.forms import Without
from modelint.keys.situation import Situation
from modelint.keys.steps import Rename
from modelint.keys.words import counted
from modelint.rule import CauseRule

PART = "_orig_mod"


def check(at: Situation) -> Iterator[Cause]:
    if not at.old_parts[PART] or at.new_parts[PART]:
        return
    form = Without((PART,))
    inside = [key for key in at.cells if PART in key.split(".")]
    whole = len(inside) == len(at.cells)
    yield Cause(
        f"{'all' if whole else f'{len(inside)} of'} {counted(at.cells)} of the file have '_orig_mod.' in "
        f"{'them' if len(at.cells) > 1 else 'it'}: saved from {'a model' if whole else 'a part of a model'} that went "
        "through torch.compile",
        "save getattr(model, '_orig_mod', model).state_dict(), or compile in place with model.compile()",
        (Rename({key: form.of(key) for key in inside}, form),),
        certain=True,
    )


RULE = CauseRule(
    code="MDL832",
    name="compile-prefix",
    summary="keys of the file have the `_orig_mod.` of torch.compile",
    stage=3,
    check=check,
)
