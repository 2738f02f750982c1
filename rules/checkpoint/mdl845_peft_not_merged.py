"""# peft-not-merged (MDL845)

## What it does
Says that the file was saved from a model inside PEFT (`base_model.model.`, `.base_layer.`, `lora_A`), and the model is
without; or the other way round. Adapters can be merged; by how much they count, the file does not say.

## Why it bites
With `strict=False` and the prefix cut off, everything but the adapted layers loads, and the adapters are thrown away:
the model is nearly the one before fine-tuning.

## Example
```python
file = {"base_model.model.q.base_layer.weight": (8, 8), "base_model.model.q.lora_A.default.weight": (2, 8),
        "base_model.model.q.lora_B.default.weight": (8, 2), "base_model.model.fc.weight": (10, 8)}
model = {"q.weight": (8, 8), "fc.weight": (10, 8)}
```

## Use instead
```python
model = model.merge_and_unload()
torch.save(model.state_dict(), "merged.pt")
```

## When to ignore
Where the adapters are loaded by `PeftModel.from_pretrained`.

## Evidence
- github.com/huggingface/peft/issues/1579 and 2699, github.com/huggingface/sentence-transformers/issues/3402.
"""

from collections.abc import Iterator

from modelint.keys.cause import Cause
from modelint.keys.peft import PREFIX, adapted, is_adapter, plain, unwrapped, wrapped
from modelint.keys.situation import Situation
from modelint.keys.steps import Drop, Merge, Own, Rename, Step
from modelint.keys.words import counted
from modelint.rule import CauseRule


def check(at: Situation) -> Iterator[Cause]:
    inside = sum(key.startswith(PREFIX) or ".base_layer." in key for key in at.unexpected)
    if inside and not all(map(is_adapter, at.unexpected)):
        mapping, form = unwrapped(at)
        steps: list[Step] = [Rename(mapping, form)] if mapping else []
        renamed = at.after(steps)
        doubles = tuple(key for key in renamed.cells if ".original_module." in key)
        if doubles:
            steps.append(Drop(doubles))
        groups = adapted(at.after(steps))
        words = ""
        if groups:
            steps.append(Merge(groups))
            words = f", with adapters for {counted(groups, 'layer')} that are not merged"
        yield Cause(
            f"saved from a model inside PEFT{words}: keys have 'base_model.model.' or '.base_layer.' in them",
            "save model.merge_and_unload().state_dict(), or load with PeftModel"
            + ("; the code asks for scaling=lora_alpha / r, which stands in adapter_config.json" if groups else ""),
            tuple(steps),
            certain=True,
        )
    outside = sum(key.startswith(PREFIX) or ".base_layer." in key for key in at.missing)
    if outside and not any(map(is_adapter, at.cells)) and not inside:
        mapping, inner = wrapped(at)
        adapters = tuple(key for key in at.missing if is_adapter(plain(key)) or is_adapter(key))
        if mapping:
            yield Cause(
                "the model is inside PEFT, and the file was saved without: the model's keys have 'base_model.model.' "
                "or '.base_layer.' in them",
                "load first, then get_peft_model(model, config)",
                (Rename(mapping, inner), Own(adapters)) if adapters else (Rename(mapping, inner),),
                certain=True,
            )


RULE = CauseRule(
    code="MDL845",
    name="peft-not-merged",
    summary="one side is inside PEFT, the other is not",
    stage=4,
    check=check,
)
