"""# missing-shard (MDL812)

## What it does
Reports files that an index (`model.safetensors.index.json`, `pytorch_model.bin.index.json`) or the metadata of a
distributed checkpoint names, or that the ranks of a DeepSpeed run should have left, and that are not there. Their
keys are shown, with what the index says of them.

## Why it bites
The download or the copy was not finished. The load stops, or, in loaders that go through the files that are there,
goes on and leaves whole layers at their random values.

## Example
```
$ rm model-00002-of-00003.safetensors
$ modelint show .
.: MDL812 [missing-shard] 1 file is not there (model-00002-of-00003.safetensors): 98 keys without data
```

## Use instead
Get the missing files: `huggingface-cli download` of the same folder goes on where it stopped.

## When to ignore
Where the index alone was fetched, to see what is in the model.

## Evidence
- transformers: `OSError: ... does not appear to have a file named model-00002-of-00003.safetensors`.
"""

from collections.abc import Iterator

from modelint.checkpoint.facts import MissingShards
from modelint.checkpoint.words import keys, listed, many
from modelint.rule import FileReport, FileRule


def check(fact: MissingShards) -> Iterator[FileReport]:
    verb = "is" if len(fact.shards) == 1 else "are"
    lost = (
        f"{many(len(fact.keys), 'key')} without data ({keys(fact.keys)})"
        if fact.keys
        else "the weights cannot be put together"
    )
    files = many(len(fact.shards), "file")
    yield FileReport(f"{files} {verb} not there ({listed(fact.shards)}): {lost}; get {_it(fact)} anew")


def _it(fact: MissingShards) -> str:
    return "it" if len(fact.shards) == 1 else "them"


RULE = FileRule(
    code="MDL812",
    name="missing-shard",
    summary="a file that the index names is not there",
    facts=(MissingShards,),
    check=check,
)
