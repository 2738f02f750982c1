"""# truncated (MDL807)

## What it does
Reports a file that ends before the data that it describes: its keys can be read, and the last tensors cannot. A file
that is cut so early that not even its keys can be read is refused, with the same word.

## Why it bites
The disk was full, the job was killed while it saved, the download broke off. The load fails, often with words that do
not say so: `PytorchStreamReader failed`, `unexpected EOF`, `MetadataIncompleteBuffer`; and the run that wrote it is
gone.

## Example
```
$ head -c 1000000 model.safetensors > cut.safetensors
$ modelint show cut.safetensors
cut.safetensors: MDL807 [truncated] it ends after 1 MB of 97.8 MB: 158 of its tensors are cut off
```

## Use instead
Get it anew, and compare the size. In a training script, write to a new file and rename it:
```python
torch.save(state, "last.pt.tmp")
os.replace("last.pt.tmp", "last.pt")
```

## When to ignore
Never: the weights are not in it.

## Evidence
- github.com/safetensors/safetensors/issues/401: a truncated file, and a message that does not say so.
"""

from collections.abc import Iterator

from modelint.checkpoint.facts import Truncated
from modelint.checkpoint.words import keys, many, size
from modelint.rule import FileReport, FileRule


def check(fact: Truncated) -> Iterator[FileReport]:
    lost = ""
    if fact.keys:
        verb = "is" if len(fact.keys) == 1 else "are"
        lost = f": {many(len(fact.keys), 'tensor')} {verb} cut off ({keys(fact.keys)})"
    yield FileReport(f"it ends after {size(fact.has)} of {size(fact.needs)}{lost}; get it anew")


RULE = FileRule(
    code="MDL807",
    name="truncated",
    summary="the file ends before the data that it describes",
    facts=(Truncated,),
    check=check,
)
