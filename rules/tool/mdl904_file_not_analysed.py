"""# file-not-analysed (MDL904)

## What it does

Marks a file, or a part of one, that modelint could not look at: it is not UTF-8 and says so nowhere, has a syntax
error, cannot be read, or has a statement too large to be analysed safely. Such files stand in `not_analysed` of the
JSON output and in one line each on stderr; the formats sarif and github carry them under this code.

## Why it bites

Nothing reported is not the same as nothing wrong: what was not looked at may hold any of the other defects.

## Example

```python
def save(model:
    torch.save(model, "model.pt")
```

## Use instead

Correct what the reason names. A file that is broken on purpose (a template, a test input) belongs into
`extend-exclude`.

## When to ignore

By default it changes no exit code. With `--fail-on-unanalysed`, which the shipped hooks set, a syntax error makes
the exit code 3.

## Evidence

A linter that skips files in silence is trusted for what it never read.
"""

from modelint.rule import Rule

RULE = Rule(
    code="MDL904",
    name="file-not-analysed",
    summary="a file that could not be looked at",
    facts=(),
    check=lambda fact: iter(()),
    severity="information",
)
