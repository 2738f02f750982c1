"""# transposed-weights (MDL856)

## What it does
Says that 2-D weights have the right name and fit once they are transposed, as between the `Conv1D` of GPT-2 and
`nn.Linear`. Square ones of the same name are taken for transposed, too; of others modelint asks.

## Why it bites
A load stops on the first that is not square. Square ones load either way, and compute nonsense the wrong way.

## Example
```python
file = {"h.0.c_fc.weight": (8, 32), "h.0.c_fc.bias": (32,), "h.0.c_proj.weight": (32, 8), "ln.weight": (8,)}
model = {"h.0.c_fc.weight": (32, 8), "h.0.c_fc.bias": (32,), "h.0.c_proj.weight": (8, 32), "ln.weight": (8,)}
```

## Use instead
```python
for key in [key for key in state if key.endswith(("c_attn.weight", "c_fc.weight", "c_proj.weight"))]:
    state[key] = state[key].t()
```

## When to ignore
Where the library that loads the file transposes by itself.

## Evidence
- github.com/karpathy/nanoGPT/issues/190.
"""

from collections.abc import Iterator

from modelint.keys.cause import Cause
from modelint.keys.likeness import template
from modelint.keys.rename import Ambiguous
from modelint.keys.situation import Situation
from modelint.keys.steps import Choose, Option, Permute, Step
from modelint.keys.tables import is_embedding, is_position
from modelint.keys.words import counted, some
from modelint.rule import CauseRule

TURN = (1, 0)


def check(at: Situation) -> Iterator[Cause]:
    turned = [key for key, (old, new) in at.reshaped.items() if len(old) == 2 and old == new[::-1]]
    names = {_module(key) for key in turned}
    kept = {_module(key) for key, (old, new) in at.reshaped.items() if len(old) == 2 and old != new[::-1]}
    kept |= {_module(key) for key, spec in at.new.items() if at.is_agreed(key) and _is_oblong(spec.shape)}
    turned = [key for key in turned if _module(key) not in kept]
    if not turned:
        return
    squares = [key for key, spec in at.new.items() if _is_square(spec.shape) and at.is_agreed(key) and _is_weight(key)]
    alike = [key for key in squares if _module(key) in names and at.cells[key].plain]
    blocks = {_block(key) for key in turned}
    others = tuple(
        key for key in squares if _module(key) not in names and _block(key) in blocks and at.cells[key].plain
    )
    steps: list[Step] = [Permute((*turned, *alike), TURN)]
    words = f", {counted(alike, 'square one')} of the same names among them" if alike else ""
    ambiguous: tuple[Ambiguous, ...] = ()
    if others:
        steps.append(Choose((Option("transposed", (Permute(others, TURN),)), Option("as they are", ())), "square"))
        why = "they are square, so that their shape is the same either way"
        ambiguous = (Ambiguous(others, others, why),)
        words += f"; {some(others)} may be transposed, too: they are square, and no shape tells"
    yield Cause(
        f"{counted([*turned, *alike], 'weight')} fit once transposed: {some([*turned, *alike])}{words}",
        "transpose when loading, and compare the outputs of both models"
        + ("; the code asks for the square ones as square=..." if others else ""),
        tuple(steps),
        ambiguous=ambiguous,
    )


def _module(key: str) -> str:
    """The name of the module that a tensor is of."""
    return ".".join(key.split(".")[-2:])


def _block(key: str) -> tuple[str, ...]:
    """Up to the first number."""
    names = template(key)[0]
    return names[: names.index("#") + 1] if "#" in names else ()


def _is_weight(key: str) -> bool:
    return key.endswith("weight") and not is_embedding(key) and not is_position(key)


def _is_square(shape: tuple[int, ...] | None) -> bool:
    return shape is not None and len(shape) == 2 and shape[0] == shape[1] > 1


def _is_oblong(shape: tuple[int, ...] | None) -> bool:
    return shape is not None and len(shape) == 2 and shape[0] != shape[1]


RULE = CauseRule(
    code="MDL856",
    name="transposed-weights",
    summary="2-D weights fit once they are transposed",
    stage=8,
    check=check,
)
