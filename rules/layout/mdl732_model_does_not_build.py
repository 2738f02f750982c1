"""# model-does-not-build (MDL732)

## What it does
Reports a tracked model whose factory fails, with the line of your code where it does, and whether the arguments, the
import, or the building without memory is at fault. The exit code is 3: modelint could not look.

## Why it bites
A model that cannot be built cannot be compared: its keys may be anything.

## Example
```python
def make_model():
    weights = torch.load("pretrained.pt")  # not in the repository
    return Net(weights)
```

## Use instead
Give the tracked model a factory that needs no files, no network and no GPU, in `modelint_models.py` if that takes code:
```python
def net():
    return Net(pretrained=False)
```

## When to ignore
`optional = true` in its declaration makes it information where a package may be missing.

## Evidence
- 626 of 642 models of transformers, timm, diffusers and torchvision build on the meta device; the rest by fallbacks.
"""

from collections.abc import Iterator

from modelint.diagnostics import Severity
from modelint.layout.facts import DoesNotBuild
from modelint.rule import DriftReport, LayoutRule

HELP = {
    "meta": "it reads values that are not there without memory: build it from sizes alone, or in modelint_models.py",
    "arguments": "give the factory its arguments: args and kwargs in its declaration, or modelint_models.py",
    "import": "check factory, pythonpath and the project interpreter (`modelint env`)",
    "network": "nothing is downloaded here: pretrained=False, or a config that stands in the repository",
    "gpu": "build it on the CPU here: move it to the GPU outside of the factory",
    "missing-package": "install it in the project interpreter (`modelint env`), or say optional = true",
    "resources": "make it smaller in modelint_models.py, or raise timeout or memory",
}


def check(fact: DoesNotBuild) -> Iterator[DriftReport]:
    where = "cannot be imported" if fact.stage == "import" else "does not build"
    help = HELP.get(fact.blame, "fix it, or build the model in another way in modelint_models.py")
    severity: Severity | None = "information" if fact.optional and fact.stage == "import" else None
    yield DriftReport(f"{fact.model}: it {where}: {fact.message}", help, severity)


RULE = LayoutRule(
    code="MDL732",
    name="model-does-not-build",
    summary="a tracked model that cannot be built",
    facts=(DoesNotBuild,),
    check=check,
)
