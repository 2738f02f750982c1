"""# buffer-persistence (MDL839)

## What it does
Says that all that differs are buffers that a model computes by itself (`position_ids`, `inv_freq`, causal masks,
`relative_position_index`): the version of the library that made the file saved them, and this one does not, or the
other way round.

## Why it bites
A strict load stops, though no trained weight is missing.

## Example
```python
file = {"embeddings.position_ids": (1, 512), "embeddings.word.weight": (100, 8), "pooler.weight": (8, 8)}
model = {"embeddings.word.weight": (100, 8), "pooler.weight": (8, 8)}
```

## Use instead
Say which keys may be absent, instead of `strict=False`:
```python
state.pop("embeddings.position_ids", None)
model.load_state_dict(state)
```

## When to ignore
Where the library itself ignores the key.

## Evidence
- github.com/xlxwalex/FCGEC/issues/28, github.com/huggingface/transformers/issues/24505 and 35255,
  github.com/sweetcocoa/ddsp-pytorch/issues/1.
"""

from collections.abc import Iterator

from modelint.keys.cause import Cause
from modelint.keys.situation import Situation
from modelint.keys.steps import Drop, Own
from modelint.keys.tables import is_computed_buffer
from modelint.keys.words import counted, some
from modelint.rule import CauseRule


def check(at: Situation) -> Iterator[Cause]:
    extra = tuple(
        key for key, spec in at.unexpected.items() if key in at.around.unsaved or is_computed_buffer(key, spec.shape)
    )
    if extra and at.is_alike:
        yield Cause(
            f"the file holds {counted(extra, 'buffer')} that the model computes by itself: {some(extra)}; another "
            "version of the library saved them",
            "safe to leave out",
            (Drop(extra),),
        )
    lacking = tuple(
        key
        for key, spec in at.missing.items()
        if key in at.around.constants or (spec.kind != "parameter" and is_computed_buffer(key, spec.shape))
    )
    if lacking and at.is_alike:
        yield Cause(
            f"the file lacks {counted(lacking, 'buffer')} that the model computes by itself: {some(lacking)}; the "
            "version of the library that made it did not save them",
            "safe to take from the model",
            (Own(lacking),),
        )


RULE = CauseRule(
    code="MDL839",
    name="buffer-persistence",
    summary="buffers that the model computes by itself stand on one side only",
    stage=9,
    check=check,
)
