"""# zero3-placeholder (MDL849)

## What it does
Says that all tensors are empty (`[0]`): parameters were partitioned by DeepSpeed ZeRO-3 when the file was saved, or are
in the model that it is loaded into.

## Why it bites
The file has every name and no weight.

## Example
```python
file = {"conv.weight": (0,), "conv.bias": (0,), "fc.weight": (0,)}
model = {"conv.weight": (8, 3, 3, 3), "conv.bias": (8,), "fc.weight": (10, 8)}
```

## Use instead
Gather the weights: `python zero_to_fp32.py CHECKPOINT_FOLDER pytorch_model.bin`, or set
`stage3_gather_16bit_weights_on_model_save`.

## When to ignore
Never: there is nothing in the file.

## Evidence
- github.com/deepspeedai/DeepSpeed/issues/3574, github.com/axolotl-ai-cloud/axolotl/issues/933.
"""

from collections.abc import Iterator, Mapping

from modelint.keys.cause import SHARE, Cause
from modelint.keys.situation import Situation
from modelint.keys.table import TensorSpec
from modelint.keys.words import counted
from modelint.rule import CauseRule


def check(at: Situation) -> Iterator[Cause]:
    olds, news = _empty(at.old), _empty(at.new)
    if olds and not news:
        yield Cause(
            f"{counted(olds)} of the file are empty, of shape [0]: placeholders of DeepSpeed ZeRO-3, the weights were "
            "partitioned when it was saved",
            "gather them: zero_to_fp32.py, or stage3_gather_16bit_weights_on_model_save",
            ends=True,
        )
    if news and not olds:
        yield Cause(
            f"{counted(news)} of the model are empty, of shape [0]: it was built under DeepSpeed ZeRO-3, which keeps "
            "the weights elsewhere",
            "load inside deepspeed.zero.GatheredParameters, or before deepspeed.initialize",
            ends=True,
        )


def _empty(specs: Mapping[str, TensorSpec]) -> int:
    """How many are empty, where nearly all are."""
    found = sum(spec.shape == (0,) for spec in specs.values())
    return found if found and found >= SHARE * len(specs) else 0


RULE = CauseRule(
    code="MDL849",
    name="zero3-placeholder",
    summary="all tensors are empty: placeholders of DeepSpeed ZeRO-3",
    stage=0,
    check=check,
)
