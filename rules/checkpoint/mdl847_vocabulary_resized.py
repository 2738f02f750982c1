"""# vocabulary-resized (MDL847)

## What it does
Says that embedding and output layer have a few rows more or less, and all else fits: tokens were added, or the table
was padded.

## Why it bites
A load stops on the shapes. Rows that are cut off, or stay as they were initialised, show only when such a token comes.

## Example
```python
file = {"embed_tokens.weight": (1002, 8), "fc.weight": (8, 8), "lm_head.weight": (1002, 8)}
model = {"embed_tokens.weight": (1000, 8), "fc.weight": (8, 8), "lm_head.weight": (1000, 8)}
```

## Use instead
```python
model.resize_token_embeddings(1002)
model.load_state_dict(state)
```

## When to ignore
Where the rows that differ are padding.

## Evidence
- github.com/unslothai/unsloth/issues/237, github.com/YangRui2015/RiC/issues/19.
"""

from collections.abc import Iterator

from modelint.keys.cause import Cause
from modelint.keys.situation import Situation
from modelint.keys.steps import Rows
from modelint.keys.tables import is_embedding, is_position
from modelint.keys.words import some
from modelint.rule import CauseRule

#: A table whose size differs by more than this is one of another vocabulary.
MOST = 0.1
SLACK = 128


def check(at: Situation) -> Iterator[Cause]:
    rows = {
        key: (old[0], new[0])
        for key, (old, new) in at.reshaped.items()
        if old and new and old[1:] == new[1:] and not is_position(key)
    }
    if not at.is_alike:
        return
    tables = {key for key in rows if is_embedding(key) and len(at.new[key].shape or ()) == 2}
    for one, other in dict.fromkeys(rows[key] for key in rows if key in tables):
        keys = tuple(key for key, sizes in rows.items() if sizes == (one, other))
        if abs(one - other) > max(SLACK, MOST * max(one, other)) or 4 * len(keys) > 3 * len(at.new):
            continue
        more = f"{one - other} more rows in the file" if one > other else f"{other - one} more rows in the model"
        yield Cause(
            f"another size of the vocabulary: {some(keys)}: {one} in the file, {other} in the model ({more})",
            f"model.resize_token_embeddings({one}) before the load"
            + ("" if other > one else "; the code cuts the rows off that the model has not"),
            (Rows(keys),),
        )


RULE = CauseRule(
    code="MDL847",
    name="vocabulary-resized",
    summary="embedding and output layer have a few rows more or less",
    stage=8,
    check=check,
)
