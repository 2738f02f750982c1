"""# whole-module (MDL803)

## What it does
Reports a file that holds an object of a class of modules, saved by `torch.save(model, path)`, and not a state dict.
Its keys are shown all the same, as `state_dict()` would give them.

## Why it bites
The file names the class and the attributes that it had on that day. It loads only where the class can be imported
under that name, and what the code has gained since is missing in the object. `weights_only=True` refuses it, so that
it has to be trusted to run code.

## Example
```python
torch.save(model, "model.pt")
```

## Use instead
```python
torch.save(model.state_dict(), "model.pt")
```
For a file that is there already, load it once with the code of its day, and save the state dict.

## When to ignore
Where the file is a cache, read by the very code that wrote it.

## Evidence
- torch's own notes on serialization advise against it: "the pickled data is bound to the specific classes".
- torch 2.6 made `weights_only=True` the default: loads of such files stopped with `Unsupported global`.
"""

from collections.abc import Iterator

from modelint.checkpoint.facts import WholeModule
from modelint.rule import FileReport, FileRule


def check(fact: WholeModule) -> Iterator[FileReport]:
    yield FileReport(
        f"it holds a whole {fact.cls}, not a state dict: it loads only where that class is, and only with "
        "weights_only=False; save model.state_dict()"
    )


RULE = FileRule(
    code="MDL803",
    name="whole-module",
    summary="the file holds an object of a class, not a state dict",
    facts=(WholeModule,),
    check=check,
    severity="warning",
)
