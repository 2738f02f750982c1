"""# unanchored-prefix-strip (MDL301)

## What it does
Reports a prefix taken off checkpoint keys in a way that is not tied to the start of the key: `k.replace("module.",
"")`, `k[7:]` without a test that the prefix is there, `k.lstrip("module.")`, `k.split("module.")[1]`.

## Why it bites
`replace` removes the text wherever it stands: `module.attention_module.conv` becomes `attention_conv`, and two keys
can become one. `k[7:]` cuts seven characters from keys that have no prefix. `lstrip` takes a set of characters, so
that `decoder.weight` becomes `coder.weight`. A strict load may raise; with `strict=False`, or where two keys collapse
into one, nothing is said.

## Example
```python
import torch


def load(model, path):
    state = torch.load(path, map_location="cpu")
    model.load_state_dict({k.replace("module.", ""): v for k, v in state.items()})
```
```python
from collections import OrderedDict

import torch


def load(model, path):
    renamed = OrderedDict()
    for k, v in torch.load(path, map_location="cpu").items():
        renamed[k[7:]] = v
    model.load_state_dict(renamed)
```

## Use instead
```python
import torch


def load(model, path):
    state = torch.load(path, map_location="cpu")
    model.load_state_dict({k.removeprefix("module."): v for k, v in state.items()})
```
`torch.nn.modules.utils.consume_prefix_in_state_dict_if_present(state, "module.")` does the same in place (and returns
None). A slice is right behind a test: `k[7:] if k.startswith("module.") else k`.

## When to ignore
Where the text is known to stand in the middle of keys and must go from there. `_orig_mod.` and the infixes of FSDP and
of checkpoint wrappers do that by nature: `replace` on those is not reported.

## Evidence
- https://github.com/OpenGVLab/HumanBench/issues/12 (keys of the form `module.backbone_module.blocks...`),
  https://github.com/nnizhang/VST/issues/10, https://github.com/YuqingWang1029/SOLOv2/issues/24 (`module.module.`)
- Pages that recommend the unanchored form:
  https://theneuralbase.com/pytorch/errors/runtimeerror-missing-keys-loading-state-dict-pytorch/,
  https://deadends.dev/pytorch/state-dict-key-mismatch
"""

from collections.abc import Iterator

from modelint.lint.facts import KeyRewrite
from modelint.rule import Report, Rule


def check(fact: KeyRewrite) -> Iterator[Report]:
    if fact.guarded or not fact.lands or not fact.of_state:
        return
    shown = {
        "replace": f"'{fact.text}' is removed anywhere in the key, also inside names that end in it",
        "replace once": f"the first '{fact.text}' is removed wherever it stands, also at the end of another name",
        "slice": f"{fact.text.replace('len(=', 'len(')} characters are cut off every key, with or without the prefix",
        "lstrip": "lstrip takes a set of characters: it eats the start of every key that begins with any of them",
        "split": f"splitting at '{fact.text}' also cuts inside names that contain it",
    }[fact.how]
    yield Report(fact.place, f"{shown}: keys are damaged or collide", f"use key.removeprefix({_prefix(fact)})")


def _prefix(fact: KeyRewrite) -> str:
    if fact.how != "slice":
        return repr(fact.text)
    if fact.text.startswith("len(="):  # the text of len(prefix)
        return fact.text[5:-1]
    return '"module."' if fact.text == "7" else "prefix"


RULE = Rule(
    code="MDL301",
    name="unanchored-prefix-strip",
    summary="a prefix is cut from keys wherever it stands, or where it is not",
    facts=(KeyRewrite,),
    check=check,
)
