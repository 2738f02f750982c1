"""# checkpoint-not-weights-only-safe (MDL203)

## What it does
Reports a save of a dict that holds an object which `torch.load` refuses by default: an `argparse.Namespace`, a numpy
scalar, array or random state, a `pathlib.Path`, a config object, a `defaultdict`, a `datetime`.

## Why it bites
Since torch 2.6 `torch.load` has `weights_only=True` as its default and raises `UnpicklingError` for such an object,
so that the whole file, weights included, does not open. The usual way out, `weights_only=False`, gives up the
protection of every reader of the file.

## Example
```python
import argparse

import torch


def main(model):
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.1)
    args = parser.parse_args()
    fit(model, args)
    torch.save({"model": model.state_dict(), "args": args}, "last.pt")
```

## Use instead
```python
import argparse

import torch


def main(model):
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.1)
    args = parser.parse_args()
    fit(model, args)
    torch.save({"model": model.state_dict(), "args": vars(args)}, "last.pt")
```
Likewise `float(score)` for a numpy scalar, `str(path)`, `OmegaConf.to_container(cfg)`. Numbers, strings, tensors,
`OrderedDict`, `Counter`, sets, bytes, dtypes, devices, torch and python random states, and the state dicts of
optimizers and schedulers are fine as they are.

## When to ignore
Where every reader of the file passes `weights_only=False` on purpose and trusts where the file comes from.

## Evidence
- https://github.com/nerfstudio-project/nerfstudio/pull/3702,
  https://github.com/alex-petrenko/sample-factory/issues/313, https://github.com/chemprop/chemprop/issues/1227,
  https://github.com/open-retina/open-retina/pull/186,
  https://github.com/meta-pytorch/captum/pull/1765, https://github.com/xiaomi-research/recogdrive/issues/60
"""

from collections.abc import Iterator

from modelint.lint.facts import Save
from modelint.rule import Report, Rule

#: What to store instead, by the start of the kind.
_INSTEAD = {
    "argparse.Namespace": "vars(args)",
    "a numpy value": "float(x), or torch.from_numpy(x)",
    "numpy's random state": "torch.get_rng_state()",
    "pathlib.Path": "str(path)",
    "an OmegaConf object": "OmegaConf.to_container(cfg)",
    "an optimizer object": "optimizer.state_dict()",
    "collections.defaultdict": "dict(x)",
    "datetime": "x.isoformat()",
}


def check(fact: Save) -> Iterator[Report]:
    if not fact.pickles or not fact.sink.endswith("torch.save") or not fact.unsafe:
        return
    if not fact.states and not fact.carried:
        return  # no weights in it
    kinds = list(dict.fromkeys(u.kind for u in fact.unsafe))
    keys = ", ".join(dict.fromkeys(repr(u.key) for u in fact.unsafe if u.key))
    where = f" under {keys}" if keys else ""
    instead = " and ".join(dict.fromkeys(_instead(kind) for kind in kinds))
    made = {u.made: "made here" for u in fact.unsafe if u.made is not None and u.made != fact.place}
    homes = (u.held for u in fact.unsafe if u.held is not None)
    # a helper that only writes what it is given: the dict is the place
    away = next((p for p in homes if (p.path, p.statement) != (fact.place.path, fact.place.statement)), None)
    saved = [(fact.place, "saved here")] if away is not None else []
    yield Report(
        away or fact.place,
        f"this checkpoint stores {' and '.join(kinds)}{where}: torch.load refuses the file by default since 2.6",
        f"store {instead}",
        (*made.items(), *saved),
    )


def _instead(kind: str) -> str:
    own = "its state_dict(), or " if kind.endswith(" object") else ""
    return _INSTEAD.get(kind) or f"{own}plain numbers, strings and tensors"


RULE = Rule(
    code="MDL203",
    name="checkpoint-not-weights-only-safe",
    summary="the checkpoint holds an object that torch.load refuses by default",
    facts=(Save,),
    check=check,
)
