"""# tied-weight-left-out (MDL844)

## What it does
Says that a key is missing whose tensor the model shares with a key that is there: the saver left out the second name,
as safetensors does.

## Why it bites
A strict load stops; with `strict=False` it works only as long as the two are tied when the file is loaded.

## Example
```python
file = {"wte.weight": (100, 8), "fc.weight": (8, 8)}
model = {"wte.weight": (100, 8), "fc.weight": (8, 8), "lm_head.weight": (100, 8)}
tied = [("wte.weight", "lm_head.weight")]
```

## Use instead
```python
from safetensors.torch import load_model

load_model(model, "model.safetensors")  # knows what is tied
```

## When to ignore
Where the code ties the weights after the load.

## Evidence
- github.com/huggingface/accelerate/issues/2875, github.com/google-deepmind/gemma/issues/8,
  github.com/huggingface/transformers/issues/38870.
"""

from collections.abc import Iterator

from modelint.keys.cause import Cause
from modelint.keys.situation import Situation
from modelint.keys.steps import Copy, Drop
from modelint.keys.words import some
from modelint.rule import CauseRule


def check(at: Situation) -> Iterator[Cause]:
    pairs = []
    for group in at.model.ties:
        source = next((key for key in group if at.is_agreed(key)), None)
        pairs += [(source, key) for key in group if source is not None and key in at.missing]
    if pairs:
        lacking = [target for _, target in pairs]
        yield Cause(
            f"the file lacks {some(lacking)}, which the model ties to {some(dict.fromkeys(one for one, _ in pairs))}: "
            "the saver keeps a shared tensor once",
            "load with safetensors.torch.load_model, or tie after the load",
            (Copy(tuple(pairs)),),
        )
    names = {source: key for key, cell in at.cells.items() if cell.plain for source in cell.sources}
    extra = []
    for group in at.file.ties:
        now = [names[key] for key in group if key in names]
        if any(at.is_agreed(key) for key in now):
            extra += [key for key in now if key in at.unexpected]
    if extra:
        yield Cause(
            f"the file holds {some(extra)}, which shares its tensor with a key that fits: the model has no second name "
            "for it",
            "safe to leave out",
            (Drop(tuple(extra)),),
        )


RULE = CauseRule(
    code="MDL844",
    name="tied-weight-left-out",
    summary="the second name of a shared tensor stands on one side only",
    stage=9,
    check=check,
)
