"""# missing-super-init (MDL112)

## What it does
Reports a class derived from `nn.Module` that assigns a module, a parameter or a buffer in `__init__` without a call of
`super().__init__()` on the way to it. Plain values before the call are legal and are not reported. Where no call is
made at all, a class that has a `forward`, or is given a module by another method, is reported too.

## Why it bites
The tables in which a module keeps its children are made by `nn.Module.__init__`. Without it the first assignment of a
module or a parameter raises `AttributeError`: loud, but only once the class is built. So does calling a module that was
never initialised.

## Example
```python
from torch import nn


class Head(nn.Module):
    def __init__(self, width, classes):
        self.fc = nn.Linear(width, classes)
```

## Use instead
```python
from torch import nn


class Head(nn.Module):
    def __init__(self, width, classes):
        super().__init__()
        self.fc = nn.Linear(width, classes)
```
A dataclass calls it in `__post_init__`.

## When to ignore
Where a base class or a decorator calls it in a way that cannot be seen in the source.

## Evidence
- Measured with torch 2.13: raises at the first module or parameter; plain attributes before the call are harmless.
- General rules of other tools: https://codeql.github.com/codeql-query-help/python/py-missing-call-to-init
"""

from collections.abc import Iterator

from modelint.lint.facts import MissingInit
from modelint.rule import Report, Rule


def check(fact: MissingInit) -> Iterator[Report]:
    if fact.attr is None:
        yield Report(
            fact.place,
            f"{fact.cls}.__init__ never calls super().__init__(): torch raises when the module is used",
            "call super().__init__() first",
        )
        return
    when = "before super().__init__()" if fact.late else "but super().__init__() is never called"
    yield Report(
        fact.store if fact.late else fact.place,
        f"{fact.cls}.__init__ assigns self.{fact.attr} {when}: torch raises when the class is built",
        "call super().__init__() first",
        () if fact.late else ((fact.store, "assigned here"),),
    )


RULE = Rule(
    code="MDL112",
    name="missing-super-init",
    summary="a module, parameter or buffer is assigned without super().__init__()",
    facts=(MissingInit,),
    check=check,
)
