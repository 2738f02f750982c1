"""# gamma-beta (MDL853)

## What it does
Says that normalisation layers of the file have the names of TensorFlow (`gamma`, `beta`, `moving_mean`), and those of
the model the names of torch (`weight`, `bias`, `running_mean`); or the other way round.

## Why it bites
With `strict=False` every norm starts at one and zero, and the model computes something else than the trained one.

## Example
```python
file = {"LayerNorm.gamma": (8,), "LayerNorm.beta": (8,), "fc.weight": (8, 8)}
model = {"LayerNorm.weight": (8,), "LayerNorm.bias": (8,), "fc.weight": (8, 8)}
```

## Use instead
Rename once, and save the file anew:
```python
names = {"gamma": "weight", "beta": "bias"}
state = {".".join(names.get(part, part) for part in key.split(".")): value for key, value in state.items()}
```

## When to ignore
Where the library that loads the file renames by itself.

## Evidence
- github.com/HSLCY/ABSA-BERT-pair/issues/5, github.com/huggingface/transformers/issues/11809.
"""

from collections.abc import Iterator

from modelint.keys.cause import Cause
from modelint.keys.patterns import form_of
from modelint.keys.situation import Situation, fits
from modelint.keys.steps import Rename
from modelint.keys.words import counted
from modelint.rule import CauseRule

NAMES = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
    "moving_var": "running_var",
}


def check(at: Situation) -> Iterator[Cause]:
    back = {name: other for other, name in NAMES.items() if other != "moving_var"}
    for names, one, other in ((NAMES, "TensorFlow", "torch"), (back, "torch", "TensorFlow")):
        mapping = {}
        for key, spec in at.unexpected.items():
            path, _, leaf = key.rpartition(".")
            target = f"{path}.{names[leaf]}" if leaf in names else None
            if (
                target is not None
                and target in at.missing
                and len(spec.shape or ()) == 1
                and fits(spec, at.missing[target])
            ):
                mapping[key] = target
        if mapping:
            leaves = dict.fromkeys(key.rpartition(".")[2] for key in mapping)
            yield Cause(
                f"{counted(mapping)} of norms are named as in {one} ({', '.join(leaves)}), in the model as in {other} "
                f"({', '.join(names[leaf] for leaf in leaves)})",
                "rename once and save the file anew",
                (Rename(mapping, form_of(mapping, list(at.cells))),),
            )


RULE = CauseRule(
    code="MDL853",
    name="gamma-beta",
    summary="norms have the names of TensorFlow on one side: gamma, beta",
    stage=6,
    check=check,
)
