"""# index-shifted (MDL714)

## What it does
Reports a Sequential or a ModuleList in which the same keys and shapes stand for other modules than in the committed
manifest: layers changed places, or one was inserted and another removed.

## Why it bites
Keys of such containers are numbers. An old checkpoint loads, strictly, and each weight goes into the module that has
its number now: the weights of one layer into another.

## Example
```python
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        # was: Conv2d(8, 8, 3, padding=1), Conv2d(8, 8, 3, padding=2, dilation=2)
        self.convs = nn.Sequential(
            nn.Conv2d(8, 8, 3, padding=2, dilation=2), nn.Conv2d(8, 8, 3, padding=1)
        )
```

## Use instead
Keep the order; or name the layers, so that a change of their order shows in no key and one of their names does:
```python
        self.convs = nn.Sequential(OrderedDict(near=nn.Conv2d(8, 8, 3, padding=1), far=far))
```

## When to ignore
Where no checkpoint of the old layout is in use: `modelint lock NAME`. Comments do not silence it.

## Evidence
- Nothing that looks at keys and shapes sees it, and no load complains.
"""

from collections.abc import Iterator

from modelint.layout.facts import IndexShifted
from modelint.layout.words import also, effect, listed, way_on
from modelint.rule import DriftReport, LayoutRule


def check(fact: IndexShifted) -> Iterator[DriftReport]:
    drift = fact.drift
    where = listed(drift.names) if drift.names != ("",) else "the model"
    does = "an old checkpoint loads into the wrong ones" if drift.numbers is None else effect(drift)
    message = f"{drift.model}: other modules stand at the numbers of {where}: {does}"
    help = way_on(drift, "keep the order", "move the keys of old files in a load hook")
    yield DriftReport(message + also(drift), help, drift.severity)


RULE = LayoutRule(
    code="MDL714",
    name="index-shifted",
    summary="the numbered keys of a container fit, and stand for other modules",
    facts=(IndexShifted,),
    check=check,
)
