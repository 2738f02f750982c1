"""# no-tensors (MDL804)

## What it does
Reports a file that reads well and holds no tensor that has a name: a config, an empty dict, a list of numbers.

## Why it bites
Somebody saved the wrong thing, and will notice when the run is over. `load_state_dict(state, strict=False)` takes an
empty dict without a word, and the model keeps its random weights.

## Example
```python
torch.save({"epoch": epoch, "state_dict": list(model.state_dict())}, path)  # the names alone
```

## Use instead
```python
torch.save({"epoch": epoch, "state_dict": model.state_dict()}, path)
```

## When to ignore
Where the file is not meant to hold weights: a scheduler's state, the arguments of a run.

## Evidence
- A tool that found no tensors in a `.pt` file printed "Tensors: 0" and exited 0 (ckptkit, measured): a silent wrong
  answer.
"""

from collections.abc import Iterator

from modelint.checkpoint.facts import NoTensors
from modelint.rule import FileReport, FileRule


def check(fact: NoTensors) -> Iterator[FileReport]:
    yield FileReport(f"no tensor in it has a name: it holds {fact.instead}; was model.state_dict() meant?")


RULE = FileRule(
    code="MDL804",
    name="no-tensors",
    summary="the file reads well, and holds no weights",
    facts=(NoTensors,),
    check=check,
    severity="warning",
)
