"""# missing-record (MDL808)

## What it does
Reports a tensor whose storage is not in the archive: the pickle refers to the record `data/3`, and the zip has none.

## Why it bites
`torch.load` stops with `file not found: archive/data/3`. The weights are not in the file.

## Example
```
$ zip -d model.pt model/data/3
$ modelint show model.pt
model.pt: MDL808 [missing-record] data/3 is not in the archive: layer1.0.conv1.weight cannot be loaded
```

## Use instead
Get the file anew. A checkpoint is not to be taken apart and zipped again: torch wants its records uncompressed and in
place.

## When to ignore
Never: the weights are not in it.

## Evidence
- torch 2.13: `PytorchStreamReader failed locating file data/3: file not found`.
"""

from collections.abc import Iterator

from modelint.checkpoint.facts import MissingRecord
from modelint.checkpoint.words import cut, keys
from modelint.rule import FileReport, FileRule


def check(fact: MissingRecord) -> Iterator[FileReport]:
    yield FileReport(f"{cut(fact.record)} is not in the archive: {keys(fact.keys)} cannot be loaded; get the file anew")


RULE = FileRule(
    code="MDL808",
    name="missing-record",
    summary="the data of a tensor is not in the archive",
    facts=(MissingRecord,),
    check=check,
)
