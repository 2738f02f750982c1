"""# fused-projections (MDL855)

## What it does
Says that one side keeps query, key and value (or gate and up) in one tensor, and the other side in several, as large
together. Only for `nn.MultiheadAttention` is the order known; elsewhere modelint leaves them out and says so.

## Why it bites
Some models keep the parts one after the other, some by turns, head by head: both have the same shape, and the wrong one
loads without a word.

## Example
```python
file = {"attn.q_proj.weight": (8, 8), "attn.k_proj.weight": (8, 8), "attn.v_proj.weight": (8, 8), "fc.weight": (8, 8)}
model = {"attn.in_proj_weight": (24, 8), "fc.weight": (8, 8)}
```

## Use instead
Look up how the model reads the tensor, convert, and compare the outputs of both models:
```python
state["attn.qkv.weight"] = torch.cat([state.pop(f"attn.{name}.weight") for name in ("q", "k", "v")])
```

## When to ignore
Where the library converts by itself when it loads.

## Evidence
- github.com/facebookresearch/metaseq/issues/442, github.com/bowang-lab/scGPT/issues/173,
  github.com/MiniMax-AI/MiniMax-H3/issues/48.
"""

from collections.abc import Iterator

from modelint.keys.cause import Cause
from modelint.keys.fused import fused
from modelint.keys.rename import Ambiguous
from modelint.keys.situation import Situation
from modelint.keys.steps import Join, Joined, Split, Step
from modelint.keys.words import some
from modelint.rule import CauseRule


def check(at: Situation) -> Iterator[Cause]:
    for splits in (False, True):
        parts, wholes = (at.missing, at.unexpected) if splits else (at.unexpected, at.missing)
        found = fused(parts, wholes)
        for known in (True, False):
            groups = tuple(each.joined for each in found if each.order == known)
            if groups:
                yield _cause(groups, splits, known)


def _cause(groups: tuple[Joined, ...], splits: bool, known: bool) -> Cause:
    pieces = [group.module + part for group in groups for part in group.parts]
    wholes = [group.module + group.whole for group in groups]
    olds, news = (wholes, pieces) if splits else (pieces, wholes)
    kept = (
        "in one tensor in the file, in several in the model"
        if splits
        else "in several in the file, in one in the model"
    )
    message = f"projections {kept}: {some(olds)} -> {some(news)}"
    step: Step = Split(groups) if splits else Join(groups)
    if known:
        return Cause(message, "torch keeps query, key and value one after the other; the code does that", (step,))
    why = "in which order the parts stand in the whole, no shape says: one after the other, or by turns for each head"
    return Cause(
        f"{message}; {why}",
        "look up how the model reads the tensor, then take the lines that the code leaves out, and compare the outputs",
        ambiguous=(Ambiguous(tuple(olds), tuple(news), why),),
        perhaps=(step,),
    )


RULE = CauseRule(
    code="MDL855",
    name="fused-projections",
    summary="query, key and value are one tensor on one side, several on the other",
    stage=6,
    check=check,
)
