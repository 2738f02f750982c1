"""# short-record (MDL809)

## What it does
Reports a storage that is smaller in the archive than the pickle says: 4,096 elements of float32 are described, and
the record holds 100 bytes.

## Why it bites
A load reads behind the end of the record. torch before 2.10 did so without checking, which made it a way into the
process that loads; later ones stop with `record ... has 100 bytes, expected ...`.

## Example
```
$ modelint show forged.pt
forged.pt: MDL809 [short-record] data/0 has 100 bytes, and 16,384 are described: fc.weight
```

## Use instead
Do not load it: a file that torch wrote is not like that. Get it anew, from somebody you trust.

## When to ignore
Never.

## Evidence
- CVE-2026-24747 (GHSA-63cw-57p8-fm3p): heap corruption by a storage whose element count exceeds its record.
"""

from collections.abc import Iterator

from modelint.checkpoint.facts import ShortRecord
from modelint.checkpoint.words import cut, keys, many
from modelint.rule import FileReport, FileRule


def check(fact: ShortRecord) -> Iterator[FileReport]:
    what = f"{cut(fact.record)} has {many(fact.has, 'byte')}, and {fact.needs:,} are described"
    yield FileReport(f"{what}: {keys(fact.keys)}; do not load it")


RULE = FileRule(
    code="MDL809",
    name="short-record",
    summary="the data of a tensor is shorter than described",
    facts=(ShortRecord,),
    check=check,
)
