"""# another-configuration (MDL830)

## What it does
Says in what the file and the model differ that no renaming explains: how many layers, which sizes, which parts one of
them has alone. The file was made by another configuration, or another version of the code.

## Why it bites
It is the commonest case of all, and the list of keys that `load_state_dict` prints hides it: 197 lines for one number.

## Example
```python
file = {"embed.weight": (100, 8), "layers.0.fc.weight": (8, 8), "layers.1.fc.weight": (8, 8)}
model = {"embed.weight": (100, 8), "layers.0.fc.weight": (8, 8), "layers.1.fc.weight": (8, 8),
         "layers.2.fc.weight": (8, 8), "layers.3.fc.weight": (8, 8)}
```

## Use instead
Keep the configuration beside the weights, and build the model with it:
```python
torch.save({"config": config, "model": model.state_dict()}, "best.pt")
```

## When to ignore
Where only a part is meant to be loaded: then name what may be missing, and check that it is all.

## Evidence
- 16 of 39 threads whose cause can be seen: github.com/openai/guided-diffusion/issues/7,
  github.com/nmhkahn/CARN-pytorch/issues/9, github.com/TorchDSP/torchsig/issues/239.
"""

from collections.abc import Iterator

from modelint.keys.cause import Cause
from modelint.keys.configuration import facts
from modelint.keys.situation import Situation
from modelint.rule import CauseRule

#: So many facts make it plain.
MOST = 5
#: Where fewer names are common than one in so many, it is no configuration of the same model.
COMMON = 4


def check(at: Situation) -> Iterator[Cause]:
    named = len(at.cells) - len(at.unexpected)
    if COMMON * named < min(len(at.cells), len(at.new)):
        return
    found = facts(at)
    if found:
        yield Cause(
            f"another configuration, or another version of the code: {'; '.join(fact.words for fact in found[:MOST])}",
            "build the model with the configuration of the file; no renaming makes these keys fit",
        )


RULE = CauseRule(
    code="MDL830",
    name="another-configuration",
    summary="the file was made by another configuration: layers, sizes, parts",
    stage=10,
    check=check,
)
