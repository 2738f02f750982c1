"""# unknown-code (MDL903)

## What it does

Reports a code in an ignore comment that modelint does not have. The report names the nearest code that exists.

## Why it bites

The comment hides nothing, though it looks as if it did: a typing slip, a prefix (`MDL4` selects rules on the command
line, but comments need whole codes), or the name of a rule in the place of its code.

## Example

```python
def resume(model, state):
    model.load_state_dict(state, strict=False)  # modelint: ignore[MDL4O1] the head is new
```

## Use instead

```python
def resume(model, state):
    model.load_state_dict(state, strict=False)  # modelint: ignore[MDL401] the head is new
```

## When to ignore

While one work tree is checked by two versions of modelint, of which only one has the code.

## Evidence

`ruff` (RUF102, invalid-rule-code) reports the same of its comments.
"""

from modelint.rule import Rule

RULE = Rule(
    code="MDL903",
    name="unknown-code",
    summary="an ignore comment with a code that modelint does not have",
    facts=(),
    check=lambda fact: iter(()),
    severity="warning",
)
