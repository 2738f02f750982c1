"""# bare-ignore (MDL902)

## What it does

Reports an ignore comment that names no code. It is information: it never fails a run.

- `# modelint: ignore` hides every diagnostic of its line. The report says which codes those were.
- `# modelint: ignore-file` without codes would hide a whole file, so it hides nothing.
- `# modelint: ignore[]`, or a bracket that is never closed, hides nothing.

## Why it bites

A bare comment also hides what is added to the line later, and the codes of later versions of modelint.
Who reads it cannot tell what was accepted.

## Example

```python
import torch

def save(model):
    torch.save(model, "model.pt")  # modelint: ignore
```

## Use instead

Name the codes, and say why.

```python
import torch

def save(model):
    torch.save(model, "model.pt")  # modelint: ignore[MDL204] read back by the same commit
```

## When to ignore

Leave MDL902 out of the selection (`ignore = ["MDL902"]`) where bare comments are the custom of the house.

## Evidence

`ruff` (PGH004, blanket-noqa) and `mypy` (`ignore-without-code`) report the same of their comments.
"""

from modelint.rule import Rule

RULE = Rule(
    code="MDL902",
    name="bare-ignore",
    summary="an ignore comment that names no code",
    facts=(),
    check=lambda fact: iter(()),
    severity="information",
)
