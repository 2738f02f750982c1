"""# wrong-extension (MDL805)

## What it does
Reports a file whose name says one format and whose bytes are another: a pickle called `.safetensors`, a safetensors
file called `.bin` or `.pt`.

## Why it bites
Programs choose the reader by the name, and fail with words about a damaged file: `invalid load key`,
`HeaderTooLarge`. A pickle that is called `.safetensors` is worse: people trust the name, and some loaders fall back
on unpickling.

## Example
```
$ mv pytorch_model.bin model.safetensors
$ modelint show model.safetensors
model.safetensors: MDL805 [wrong-extension] it is called .safetensors, and is a torch zip
```

## Use instead
Give it the name of what it is; or convert it:
```python
safetensors.torch.save_file(torch.load("pytorch_model.bin", weights_only=True), "model.safetensors")
```

## When to ignore
Never for `.safetensors`. Elsewhere, where the one program that reads it looks at the bytes.

## Evidence
- CVE-2025-10155: a scanner that chose its parser by the extension let a pickle pass that was called otherwise.
"""

from collections.abc import Iterator

from modelint.checkpoint.facts import WrongExtension
from modelint.rule import FileReport, FileRule


def check(fact: WrongExtension) -> Iterator[FileReport]:
    if fact.extension == ".safetensors":
        harm = "loading it as what it is may run code, which the name promises not to"
    else:
        harm = "what goes by the name fails to read it"
    yield FileReport(f"it is called {fact.extension}, and is {fact.format}: {harm}")


RULE = FileRule(
    code="MDL805",
    name="wrong-extension",
    summary="the name says one format, the bytes are another",
    facts=(WrongExtension,),
    check=check,
)
