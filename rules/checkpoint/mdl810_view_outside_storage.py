"""# view-outside-storage (MDL810)

## What it does
Reports a tensor whose offset, shape and stride reach behind the end of its storage. A view inside the bounds of a
larger storage is none of this: a note says how much larger it is.

## Why it bites
A load that does not check reads memory that is not the tensor's; torch stops with `setStorage: ... out of bounds`.
torch writes no such file: it was forged, or damaged.

## Example
```
$ modelint show forged.pt
forged.pt: MDL810 [view-outside-storage] fc.weight reaches to byte 8,192 of a storage of 4,096
```

## Use instead
Do not load it. Get it anew, from somebody you trust.

## When to ignore
Never.

## Evidence
- torch 2.13: `setStorage: sizes [...], strides [...], storage offset ... requiring a storage size of ... are out of
  bounds`.
"""

from collections.abc import Iterator

from modelint.checkpoint.facts import ViewOutsideStorage
from modelint.checkpoint.words import keys
from modelint.rule import FileReport, FileRule


def check(fact: ViewOutsideStorage) -> Iterator[FileReport]:
    reach = "reaches" if len(fact.keys) == 1 else "reach"
    first = "" if len(fact.keys) == 1 else " (the first)"
    yield FileReport(
        f"{keys(fact.keys)} {reach} to byte {fact.needs:,} of a storage of {fact.has:,}{first}; do not load it"
    )


RULE = FileRule(
    code="MDL810",
    name="view-outside-storage",
    summary="a tensor reaches behind the end of its storage",
    facts=(ViewOutsideStorage,),
    check=check,
)
