"""# save-wrapped-state-dict (MDL201)

## What it does
Reports a `.state_dict()` call whose result is saved while the model can be wrapped, on some path, in something that
puts a prefix before every key: `DataParallel` and `DistributedDataParallel` (`module.`), `torch.compile`
(`_orig_mod.`), `AveragedModel` (`module.`, and one more key, `n_averaged`). Nested wrappers give nested prefixes.

## Why it bites
Such a file loads only into a model that is wrapped in the same way. Into a plain model a strict load raises, often
hours later and on another machine; with `strict=False` nothing matches and nothing is loaded, without a word. Where
the wrap depends on the number of GPUs or on a flag, the keys in the file depend on it too.

## Example
```python
import torch
from torch import nn


def train(model, path):
    if torch.cuda.device_count() > 1:
        model = nn.DataParallel(model)
    fit(model)
    torch.save(model.state_dict(), path)
```

## Use instead
```python
import torch
from torch import nn


def train(model, path):
    if torch.cuda.device_count() > 1:
        model = nn.DataParallel(model)
    fit(model)
    plain = model.module if isinstance(model, nn.DataParallel) else model
    torch.save(plain.state_dict(), path)
```
Or keep the name of the plain model and save that one:
```python
import torch


def train(model, path):
    compiled = torch.compile(model)
    fit(compiled)
    torch.save(model.state_dict(), path)
```
`model.compile()` compiles in place and adds no prefix. `accelerator.unwrap_model(model)` keeps `_orig_mod.` unless it
is given `keep_torch_compile=False`. `getattr(model, "module", model)` strips the prefix of DDP, but returns the wrong
part of a model that has a child of its own called `module`.

## When to ignore
Where every program that reads the file wraps the model in the same way, unconditionally, before it loads.

## Evidence
- DataParallel: https://github.com/pytorch/pytorch/issues/3805,
  https://github.com/bearpaw/pytorch-classification/issues/27, https://github.com/Chiaraplizz/ST-TR/issues/17
- torch.compile: https://github.com/pytorch/pytorch/issues/101107, https://github.com/karpathy/nanoGPT/issues/325,
  https://github.com/rasbt/LLMs-from-scratch/issues/580
- A loader that stripped `module.` but not `_orig_mod.`:
  https://github.com/FareedKhan-dev/train-llm-from-scratch/pull/37
"""

from collections.abc import Iterator

from modelint.lint.facts import Save
from modelint.rule import Report, Rule


def check(fact: Save) -> Iterator[Report]:
    told: set[tuple[object, ...]] = set()
    for state in fact.states:
        if (state.receiver, state.layers) in told:
            continue  # `m.state_dict() if plain else convert(m.state_dict())`: one save, one model
        told.add((state.receiver, state.layers))
        if not state.layers or any(_of_a_test(x.place.path, state.place.path) for x in state.layers):
            continue  # that a test wraps what it hands to the code says nothing about the code
        first = state.layers[0]
        layers = [x for x in state.layers if x.child == first.child]
        whose = f"{state.receiver}.{first.child}" if first.child else state.receiver
        prefix = (first.child + "." if first.child else "") + "".join(x.wrapper.prefix for x in layers)
        labels = " and ".join(dict.fromkeys(x.wrapper.label for x in layers))
        inner = whose
        for layer in layers:
            child = layer.wrapper.child
            inner = f'getattr({inner}, "{child}", {inner})' if state.conditional else f"{inner}.{child}"
        saved = ((fact.place, "saved here"),) if fact.place != state.place else ()
        yield Report(
            state.place,
            f"{whose} {'may be' if state.conditional else 'is'} wrapped ({labels}): "
            f"'{prefix}' is written into its keys, and a plain model will not load them",
            f"unwrap it before saving: {inner}" if first.child else f"save {inner}.state_dict()",
            (*((x.place, "wrapped here") for x in layers), *saved),
        )


def _of_a_test(path: str, of: str) -> bool:
    """Is ``path`` in a folder of tests in which ``of`` is not?"""
    folders, others = path.split("/")[:-1], of.split("/")[:-1]
    while folders and others and folders[0] == others[0]:
        del folders[0], others[0]
    return not {"tests", "test"}.isdisjoint(folders)


RULE = Rule(
    code="MDL201",
    name="save-wrapped-state-dict",
    summary="the saved state dict carries the prefix of a wrapper",
    facts=(Save,),
    check=check,
)
