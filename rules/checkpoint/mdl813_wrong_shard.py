"""# wrong-shard (MDL813)

## What it does
Reports keys that stand in another file than the index says, or of which the index says nothing; and shards that it
does not name.

## Why it bites
Index and shards are of two saves: a model was saved into the folder of a larger one, or files were mixed. A loader
that asks for a key where the index says so fails; one that reads whole files takes keys that were not meant.

## Example
```
$ modelint show .
.: MDL813 [wrong-shard] lm_head.weight stands in a.safetensors, and the index says b.safetensors
```

## Use instead
Save into an empty folder, and copy all of it:
```python
model.save_pretrained("out-2026-01-31")
```

## When to ignore
Where an index leaves out keys on purpose (a tied head that the shard holds all the same), and loads are tested.

## Evidence
- transformers reads each shard named by the index as a whole: what the index does not name is loaded, or unexpected.
"""

from collections.abc import Iterator

from modelint.checkpoint.facts import UnnamedShard, WrongShard
from modelint.checkpoint.words import cut, listed
from modelint.rule import FileReport, FileRule


def check(fact: WrongShard | UnnamedShard) -> Iterator[FileReport]:
    if isinstance(fact, UnnamedShard):
        yield FileReport(f"the index does not name {listed(fact.shards)} beside it: are the files of two saves?")
        return
    moved = [place for place in fact.places if place[2] is not None]
    unnamed = [place for place in fact.places if place[2] is None]
    for places, says in ((moved, "and the index says {}"), (unnamed, "and the index does not name it")):
        if places:
            key, shard, indexed = places[0]
            rest = f" ({len(places) - 1} more like it)" if len(places) > 1 else ""
            yield FileReport(f"{cut(key)} stands in {shard}, {says.format(indexed)}{rest}: are the files of two saves?")


RULE = FileRule(
    code="MDL813",
    name="wrong-shard",
    summary="a key stands in another file than the index says",
    facts=(WrongShard, UnnamedShard),
    check=check,
)
