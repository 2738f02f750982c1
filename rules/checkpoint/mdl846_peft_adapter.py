"""# peft-adapter (MDL846)

## What it does
Says that the file holds adapters alone (`lora_A`, `lora_B`), without the model that they belong to; or that they are
there under another adapter name.

## Why it bites
Into a plain model nothing of it loads. Into a PEFT model of another adapter name nothing loads either, and with
`strict=False` nothing is said: the adapters stay at zero.

## Example
```python
file = {"base_model.model.q.lora_A.weight": (2, 8), "base_model.model.q.lora_B.weight": (8, 2)}
model = {"q.weight": (8, 8), "fc.weight": (10, 8)}
```

## Use instead
```python
model = PeftModel.from_pretrained(base_model, "folder/of/the/adapter")
```

## When to ignore
Never: the file is no model.

## Evidence
- github.com/huggingface/peft/issues/1579: `lora_A.weight` in the file, `lora_A.default.weight` in the model.
"""

from collections.abc import Iterator

from modelint.keys.cause import SHARE, Cause
from modelint.keys.patterns import form_of
from modelint.keys.peft import is_adapter, other_names
from modelint.keys.situation import Situation
from modelint.keys.steps import Rename
from modelint.keys.words import changes, counted
from modelint.rule import CauseRule


def check(at: Situation) -> Iterator[Cause]:
    adapters = [key for key in at.unexpected if is_adapter(key)]
    if not adapters:
        return
    names = other_names(at)
    if names:
        yield Cause(
            f"the adapters of the file have another name: {changes(names)}"
            + ("; the file holds no more than them" if len(names) == len(at.cells) else ""),
            "load with PeftModel.load_adapter(folder, adapter_name), or set_peft_model_state_dict",
            (Rename(names, form_of(names, list(at.cells))),),
            told=tuple(key for key in at.missing if len(names) == len(at.cells) and not is_adapter(key)),
        )
    elif len(adapters) >= SHARE * len(at.cells) and not any(map(is_adapter, at.new)):
        yield Cause(
            f"the file holds adapters alone ({counted(adapters)}), not the model that they belong to",
            "load the base model, then PeftModel.from_pretrained(base_model, folder)",
            ends=True,
        )


RULE = CauseRule(
    code="MDL846",
    name="peft-adapter",
    summary="the file holds adapters alone, or under another adapter name",
    stage=6,
    check=check,
)
