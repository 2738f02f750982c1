"""# pickle-load (MDL407)

## What it does
Reports `torch.load` without `weights_only`, or with `weights_only=False`. Off by default: other linters have this
rule (TorchFix TOR102, bandit B614, Sonar S6985).

## Why it bites
Without `weights_only=True` the load is an unpickling, and an unpickling calls whatever the file names: a file from
elsewhere can run any code. Since torch 2.6 the default is `True`; before, it was `False`, so code without the argument
depends on the version that is installed.

## Example
```python
import torch

state = torch.load("last.pt", map_location="cpu")
```

## Use instead
```python
import torch

state = torch.load("last.pt", map_location="cpu", weights_only=True)
```

## When to ignore
Where the project requires torch >= 2.6 and leaves the argument out, or loads only files that it wrote itself.

## Evidence
- https://rules.sonarsource.com/python/rspec-6985
- https://github.com/lukehinds/bandit/commit/8b92a02bbb4139b5d4a2618e8a95fb32b74c4762
"""

from collections.abc import Iterator

from modelint.lint.facts import TorchLoad
from modelint.rule import Report, Rule


def check(fact: TorchLoad) -> Iterator[Report]:
    if fact.weights_only in ("absent", "no"):
        said = "without weights_only" if fact.weights_only == "absent" else "with weights_only=False"
        yield Report(
            fact.place,
            f"torch.load {said} may unpickle arbitrary objects, and run their code",
            "pass weights_only=True",
        )


RULE = Rule(
    code="MDL407",
    name="pickle-load",
    summary="torch.load that may unpickle arbitrary objects",
    facts=(TorchLoad,),
    check=check,
    status="off",
)
