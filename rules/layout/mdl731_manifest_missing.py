"""# manifest-missing (MDL731)

## What it does
Reports a model that the configuration declares and that has no manifest.

## Why it bites
There is nothing to compare with: whatever happens to its keys, nobody is told.

## Example
```python
# pyproject.toml
# [tool.modelint.models.gpt]
# factory = "model:GPT"
#
# and no model-manifests/gpt/layout.json
```

## Use instead
`modelint lock gpt`, and commit the file that it writes.

## When to ignore
Never: take the declaration out, if the model is not to be tracked.

## Evidence
- A manifest that was forgotten in a commit looks like a check that passes.
"""

from collections.abc import Iterator

from modelint.layout.facts import ManifestMissing
from modelint.rule import DriftReport, LayoutRule


def check(fact: ManifestMissing) -> Iterator[DriftReport]:
    yield DriftReport(
        f"{fact.model}: it is declared, and has no manifest: nothing to compare with",
        f"`modelint lock {fact.model}` writes {fact.path}; commit it",
    )


RULE = LayoutRule(
    code="MDL731",
    name="manifest-missing",
    summary="a declared model without a committed manifest",
    facts=(ManifestMissing,),
    check=check,
)
