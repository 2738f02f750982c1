"""# bad-shape (MDL811)

## What it does
Reports a shape that cannot be: a negative size, more elements than memory has addresses, or, in a safetensors file,
another number of bytes than the file holds for the tensor; or a description of a tensor that torch would not take.

## Why it bites
The file is damaged or forged. A reader that believes the shape allocates too much, or reads the bytes of another
tensor.

## Example
```
$ modelint show forged.safetensors
forged.safetensors: MDL811 [bad-shape] a has the shape [2, 3]: float32 of this shape needs 24 bytes, and the file has 16
```

## Use instead
Do not load it. Get it anew, from somebody you trust.

## When to ignore
Never.

## Evidence
- The safetensors library refuses it: `TensorInvalidInfo`.
"""

from collections.abc import Iterator

from modelint.checkpoint.facts import BadShape, BadTensor
from modelint.checkpoint.words import cut, many
from modelint.rule import FileReport, FileRule


def check(fact: BadShape | BadTensor) -> Iterator[FileReport]:
    others = f", and {many(fact.others, 'other')} like it" if fact.others else ""
    if isinstance(fact, BadTensor):
        yield FileReport(f"{cut(fact.key)}: {cut(fact.why)}{others}; do not load it")
        return
    shape = cut(", ".join(map(str, fact.shape)))
    yield FileReport(f"{cut(fact.key)} has the shape [{shape}]: {fact.why}{others}; do not load it")


RULE = FileRule(
    code="MDL811",
    name="bad-shape",
    summary="a shape that cannot be, or does not fit its data",
    facts=(BadShape, BadTensor),
    check=check,
)
