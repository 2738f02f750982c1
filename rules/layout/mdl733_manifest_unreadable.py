"""# manifest-unreadable (MDL733)

## What it does
Reports a manifest that is no manifest: a merge left conflict markers in it, it was cut off, a newer modelint wrote it,
a field has the wrong type, a key stands in it twice. The same of a file of a release. The exit code is 3: modelint
could not look.

## Why it bites
There is nothing to compare with until it can be read.

## Example
```python
# model-manifests/gpt/layout.json
# <<<<<<< HEAD
#   "head.weight": {"dtype": "float32", "shape": [10, 64], "kind": "parameter"}
# =======
```

## Use instead
`modelint lock gpt`: of a conflicted manifest it takes both parents as bases. Or restore the file with git, as always
with a release: two branches that made one of the same name need two names.

## When to ignore
Never: a manifest can be written anew at any time, a release that is of no use retired.

## Evidence
- Tested with conflict markers, truncation at every byte, wrong types in every field, doubled keys, newer schemas.
"""

from collections.abc import Iterator

from modelint.layout.facts import ManifestUnreadable
from modelint.rule import DriftReport, LayoutRule


def check(fact: ManifestUnreadable) -> Iterator[DriftReport]:
    newer = "newer modelint" in fact.reason
    what, anew = "manifest", f", or `modelint lock {fact.model}` writes it anew"
    if fact.release is not None:
        what, anew = f"release {fact.release}", ""
    help = "install that modelint" if newer else f"restore it with git{anew}"
    yield DriftReport(f"{fact.model}: its {what} cannot be used: {fact.reason}", help)


RULE = LayoutRule(
    code="MDL733",
    name="manifest-unreadable",
    summary="a manifest that cannot be read",
    facts=(ManifestUnreadable,),
    check=check,
)
