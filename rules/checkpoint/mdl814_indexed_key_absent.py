"""# indexed-key-absent (MDL814)

## What it does
Reports keys that the index names and no file has, though the file that should have them is there.

## Why it bites
Index and shards are of two saves, or a shard was written by a tool that dropped keys. The load stops, or the
parameters keep their random values.

## Example
```
$ modelint show .
.: MDL814 [indexed-key-absent] the index names 1 key that no file has (lm_head.weight, in b.safetensors)
```

## Use instead
Save anew into an empty folder: index and shards are then written together.
```python
model.save_pretrained("out-2026-01-31")
```

## When to ignore
Where the key is tied to another one, and the loader ties it again.

## Evidence
- huggingface/transformers#38870: a tied head that an index names and no shard has.
"""

from collections.abc import Iterator

from modelint.checkpoint.facts import IndexedKeyAbsent
from modelint.checkpoint.words import keys, listed, many
from modelint.rule import FileReport, FileRule


def check(fact: IndexedKeyAbsent) -> Iterator[FileReport]:
    names = keys([key for key, _ in fact.places])
    shards = listed(list(dict.fromkeys(shard for _, shard in fact.places)))
    yield FileReport(f"the index names {many(len(fact.places), 'key')} that no file has ({names}, in {shards})")


RULE = FileRule(
    code="MDL814",
    name="indexed-key-absent",
    summary="the index names a key that no file has",
    facts=(IndexedKeyAbsent,),
    check=check,
)
