"""# trailing-bytes (MDL806)

## What it does
Reports bytes behind the end of what a load reads: behind the last tensor of a safetensors file, behind the last
storage of a legacy stream, behind the archive of a zip.

## Why it bites
Two files were written into one, or a shorter one over a longer one: the weights may be those of another run. It is
also how a second file hides in a first. The safetensors library refuses such a file (`MetadataIncompleteBuffer`).

## Example
```
$ cat one.safetensors two.safetensors > both.safetensors
$ modelint show both.safetensors
both.safetensors: MDL806 [trailing-bytes] 4,512 bytes stand behind its end
```

## Use instead
Write to a new file and rename it, and get a damaged one anew:
```python
torch.save(state, "last.pt.tmp")
os.replace("last.pt.tmp", "last.pt")
```

## When to ignore
Where something is appended on purpose, by a program whose readers know it.

## Evidence
- The format of safetensors forbids holes and trailing bytes, so that no file has two readings.
"""

from collections.abc import Iterator

from modelint.checkpoint.facts import TrailingBytes
from modelint.checkpoint.words import many
from modelint.rule import FileReport, FileRule


def check(fact: TrailingBytes) -> Iterator[FileReport]:
    stand = "stands" if fact.bytes == 1 else "stand"
    yield FileReport(f"{many(fact.bytes, 'byte')} {stand} behind its end: was it written over, or joined with another?")


RULE = FileRule(
    code="MDL806",
    name="trailing-bytes",
    summary="bytes stand behind the end of the file's contents",
    facts=(TrailingBytes,),
    check=check,
    severity="warning",
)
