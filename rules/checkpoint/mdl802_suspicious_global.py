"""# suspicious-global (MDL802)

## What it does
Reports a checkpoint that makes a load call a function of the standard library, of torch or of numpy that no
checkpoint has use for (`base64.b64decode`, `zlib.decompress`, `torch.set_num_threads`). It is not known to run code:
MDL801 is that.

A class of your own project is not reported here: nothing is known of it. Such names stand under `calls`, and a note
says that `weights_only=True` will refuse them.

## Why it bites
A payload is seldom one call. What unpacks, decodes or joins is the part of it that lists of bad names do not have.

## Example
```
$ modelint show downloaded.pt
downloaded.pt: MDL802 [suspicious-global] a load calls zlib.decompress, for which a checkpoint has no use
```

## Use instead
Load it with `weights_only=True`, which calls nothing but what rebuilds tensors, or ask for safetensors:
```python
state = torch.load("downloaded.pt", weights_only=True)
```

## When to ignore
Where you know the file, and what of the standard library its training script put into it.

## Evidence
- picklescan and modelscan were passed by files that call what their lists did not have (CVE-2025-10155 and after it).
"""

from collections.abc import Iterator

from modelint.checkpoint.facts import Called
from modelint.checkpoint.globals import danger
from modelint.rule import FileReport, FileRule


def check(fact: Called) -> Iterator[FileReport]:
    if danger(fact.name) == "suspicious":
        yield FileReport(
            f"a load calls {fact.name}, for which a checkpoint has no use; load it with weights_only=True or not at all"
        )


RULE = FileRule(
    code="MDL802",
    name="suspicious-global",
    summary="a load of the file calls what a checkpoint has no use for",
    facts=(Called,),
    check=check,
    severity="warning",
)
