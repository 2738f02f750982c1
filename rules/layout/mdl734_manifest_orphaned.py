"""# manifest-orphaned (MDL734)

## What it does
Reports a committed manifest of a model that neither the configuration nor `modelint_models.py` declares.

## Why it bites
A declaration that was renamed or deleted takes its check with it, and the manifest makes believe that it is still
there.

## Example
```python
# model-manifests/gpt/layout.json is committed,
# and pyproject.toml has [tool.modelint.models.gpt2] alone
```

## Use instead
`modelint lock --rename gpt gpt2`, or `modelint lock --remove gpt`; or declare the model again.

## When to ignore
Never: remove the folder, if the model is gone.

## Evidence
- The counterpart of MDL731: together they say that what is declared and what is committed are the same models.
"""

from collections.abc import Iterator

from modelint.layout.facts import ManifestOrphaned
from modelint.rule import DriftReport, LayoutRule


def check(fact: ManifestOrphaned) -> Iterator[DriftReport]:
    yield DriftReport(
        f"{fact.model}: its manifest is committed, and nothing declares the model: it is not checked",
        f"declare it, or `modelint lock --rename {fact.model} NEW`, or `modelint lock --remove {fact.model}`",
    )


RULE = LayoutRule(
    code="MDL734",
    name="manifest-orphaned",
    summary="a manifest of a model that nothing declares",
    facts=(ManifestOrphaned,),
    check=check,
)
