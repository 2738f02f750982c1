"""# kernel-names (MDL854)

## What it does
Says that the file is named as in TensorFlow or Flax: `kernel` for `weight`, slashes for dots, and kernels with their
axes in another order (dense: input first; convolution: height, width, input, output).

## Why it bites
After a renaming alone, square matrices load without a word, transposed.

## Example
```python
file = {"encoder/layer_0/dense/kernel": (8, 16), "encoder/layer_0/dense/bias": (16,), "head/kernel": (16, 10),
        "head/bias": (10,)}
model = {"encoder.layer.0.dense.weight": (16, 8), "encoder.layer.0.dense.bias": (16,), "head.weight": (10, 16),
         "head.bias": (10,)}
```

## Use instead
Convert once, compare the outputs of both models, and save the result:
```python
state["head.weight"] = state.pop("head.kernel").t()
```

## When to ignore
Where the library loads such files by itself (`from_tf=True`).

## Evidence
- github.com/huggingface/transformers/issues/11809; the conversion scripts of BERT transpose every `kernel`.
"""

import re
from collections.abc import Iterator

from modelint.keys.cause import Cause
from modelint.keys.forms import Patterns
from modelint.keys.patterns import form_of
from modelint.keys.situation import Shape, Situation
from modelint.keys.steps import Permute, Rename, Step
from modelint.keys.words import counted, some
from modelint.rule import CauseRule

SLASHES = (("/", "."), (r":0$", ""), (r"(^|\.)([A-Za-z]+)_(\d+)(?=\.|$)", r"\1\2.\3"))
#: Axes of the model in those of the file, by how many there are.
ORDERS: dict[int, tuple[tuple[int, ...], ...]] = {2: ((1, 0),), 3: ((2, 1, 0),), 4: ((3, 2, 0, 1), (2, 3, 0, 1))}
LEAVES = {
    "kernel": "weight",
    "depthwise_kernel": "weight",
    "embedding": "weight",
    "embeddings": "weight",
    "scale": "weight",
}
KERNELS = ("kernel", "depthwise_kernel")


def check(at: Situation) -> Iterator[Cause]:
    slashed = [key for key in at.unexpected if "/" in key]
    if len(slashed) * 2 > len(at.cells) and not any("/" in key for key in at.new):
        numbered = any(part.isdigit() for part in at.new_parts)
        form = Patterns(SLASHES if numbered else SLASHES[:2])
        yield Cause(
            f"{counted(slashed)} of the file {'are' if len(slashed) > 1 else 'is'} named as in TensorFlow, with "
            f"slashes: {some(slashed, 1)}",
            "convert once, and save the result",
            (Rename({key: form.of(key) for key in at.cells if form.of(key) != key}, form),),
            certain=True,
        )
        return
    mapping: dict[str, str] = {}
    turned: dict[tuple[int, ...], list[str]] = {}
    for key, spec in at.unexpected.items():
        path, _, leaf = key.rpartition(".")
        target = f"{path}.{LEAVES[leaf]}" if path and leaf in LEAVES else LEAVES.get(leaf, "")
        if target not in at.missing:
            continue
        old, new = spec.shape or (), at.missing[target].shape or ()
        axes = _axes(old, new) if leaf in KERNELS else None
        if axes is not None:
            turned.setdefault(axes, []).append(target)
        elif old != new:
            continue
        mapping[key] = target
    if not any(key.endswith(KERNELS) for key in mapping) or not turned:
        return
    steps: list[Step] = [Rename(mapping, form_of(mapping, list(at.cells)))]
    steps += [Permute(tuple(keys), axes) for axes, keys in turned.items()]
    yield Cause(
        f"{counted(mapping)} are named as in TensorFlow or Flax ({_leaves(mapping)}), and "
        f"{counted(sum(map(len, turned.values())), 'kernel')} have their axes in another order",
        "convert once, compare the outputs of both models, and save the result",
        tuple(steps),
    )


def _axes(old: Shape, new: Shape) -> tuple[int, ...] | None:
    """The order of axes that makes a kernel fit. Square ones are turned like the others: the name says so."""
    for axes in ORDERS.get(len(old), ()):
        if tuple(old[axis] for axis in axes) == new:
            return axes
    return None


def _leaves(mapping: dict[str, str]) -> str:
    return ", ".join(dict.fromkeys(re.split(r"\.", key)[-1] for key in mapping))


RULE = CauseRule(
    code="MDL854",
    name="kernel-names",
    summary="the file is named as in TensorFlow or Flax: kernel, slashes, other axes",
    stage=6,
    check=check,
)
