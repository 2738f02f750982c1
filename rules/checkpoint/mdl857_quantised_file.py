"""# quantised-file (MDL857)

## What it does
Says that the file holds quantised weights: packed integers beside their scales (`weight.absmax`, `SCB`, `qweight`,
`weight_scale_inv`), and the model does not.

## Why it bites
With `strict=False` packed integers of the right number are taken for weights, or none are: the model computes garbage.

## Example
```python
file = {"fc.weight": (32, 1), "fc.weight.absmax": (1,), "fc.weight.quant_map": (16,), "norm.weight": (8,)}
model = {"fc.weight": (8, 8), "norm.weight": (8,)}
```

## Use instead
Load with the quantiser that made it:
```python
model = AutoModelForCausalLM.from_pretrained(folder)  # its config.json names the quantiser
```

## When to ignore
Never: the weights are not there as such.

## Evidence
- github.com/AnswerDotAI/fsdp_qlora/issues/70, github.com/bitsandbytes-foundation/bitsandbytes/issues/1958.
"""

import re
from collections.abc import Iterator

from modelint.keys.cause import Cause
from modelint.keys.situation import Situation
from modelint.keys.words import counted
from modelint.rule import CauseRule

#: What a quantiser puts beside the weights -> who does it.
MARKS = (
    (re.compile(r"\.(absmax|quant_map|nested_absmax|nested_quant_map|quant_state\.\w+)$"), "bitsandbytes, 4 bit"),
    (re.compile(r"(^|\.)(SCB|weight_format)$"), "bitsandbytes, 8 bit"),
    (re.compile(r"(^|\.)(qweight|qzeros|g_idx)$"), "GPTQ or AWQ"),
    (re.compile(r"(^|\.)(weight_scale_inv|weight_scale|input_scale)$"), "8 bit floats with scales"),
    (re.compile(r"(^|\.)(weight_packed|weight_zero_point)$"), "compressed-tensors"),
    (re.compile(r"(^|\.)_packed_params(\.|$)"), "torch.ao.quantization"),
    (re.compile(r"(^|\.)(W_q|weight\._data)$"), "HQQ or quanto"),
)


def check(at: Situation) -> Iterator[Cause]:
    for pattern, maker in MARKS:
        marked = [key for key in at.unexpected if pattern.search(key)]
        if marked:
            leaves = ", ".join(dict.fromkeys(key.rpartition(".")[2] for key in marked))
            yield Cause(
                f"the file is quantised ({maker}): {counted(marked)} hold scales and the like ({leaves})",
                "load it with the quantiser that made it; strict=False would load packed integers as weights, or none",
                ends=True,
            )
            return


RULE = CauseRule(
    code="MDL857",
    name="quantised-file",
    summary="the file holds quantised weights and their scales",
    stage=6,
    check=check,
)
