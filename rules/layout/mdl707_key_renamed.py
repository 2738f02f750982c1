"""# key-renamed (MDL707)

## What it does
Reports keys of the committed manifest that seem to have another name now: an attribute was renamed, a prefix came or
went, a part of the model moved. It replaces MDL701 and MDL702 for the pair. The pair is *proposed* from names and
shapes: nothing else has the shape, or a name says which is which. Where rivals are left it is not proposed. It is
*proved* where both layouts are traced whole, and under the new names the forward is the same (the data flow decides
between siblings that names do not tell apart); or where `inputs` are declared, and old weights under the new names
compute what they did. A pair under which the forward differs is said to be one.

## Why it bites
A checkpoint made before the change has the old names: `load_state_dict` stops, with as many missing keys as unexpected
ones. With `strict=False` it goes on, and that part of the model keeps its random initial values.

## Example
```python
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.classifier = nn.Linear(64, 10)  # was: self.head
```

## Use instead
Keep the name; or rename the keys of old files in a load hook: `modelint migrate NAME` writes it, proves it and accepts.
By hand, then `modelint lock NAME`:
```python
        self.register_load_state_dict_pre_hook(self._rename_head)

    @staticmethod
    def _rename_head(module, state_dict, prefix, *rest):
        for key in [key for key in state_dict if key.startswith(prefix + "head.")]:
            new = prefix + "classifier." + key[len(prefix + "head.") :]
            state_dict[new] = state_dict.pop(key)
```

## When to ignore
Where no checkpoint of the old layout is in use: `modelint lock NAME`. Comments do not silence it.

## Evidence
- Of 32 commits whose key sets differ by names alone, 25 are renames (equal output under the map) and 7 change what is
  computed: look at the pair before you write the map.
- github.com/hou-yz/MVDet/issues/7: `map_classifier` became `world_classifier`.
"""

from collections.abc import Iterator

from modelint.layout.facts import KeyRenamed
from modelint.layout.words import also, many, says, shortened, way_on
from modelint.rule import DriftReport, LayoutRule


def check(fact: KeyRenamed) -> Iterator[DriftReport]:
    drift = fact.drift
    what = f"{shortened(drift.old)} is now {shortened(drift.new)}"
    help = way_on(fact.drift, "revert the name", "rename the keys of old files in a load hook")
    if fact.certainty == "proposed" and not drift.hooks and drift.numbers is None:
        help += " (the pair is proposed from names and shapes: check it)"
    message = says(drift, what)
    proof = _proof(fact)
    if drift.cls == "breaking" and drift.error is None:
        told = f"{many(len(fact.renames), 'missing key')}, as many unexpected"
        words = f"; {proof}" if proof else ""
        message = f"{drift.model}: {what}: an old checkpoint does not load ({told}){words}{also(drift)}"
    yield DriftReport(message, help, drift.severity, proof)


def _proof(fact: KeyRenamed) -> str:
    """What numbers, else the forward, say of the pairs."""
    drift = fact.drift
    if drift.numbers is None:
        if fact.certainty == "proved":
            return "proved: under the new names the forward is the same"
        return "under the new names it computes something else" if fact.different else ""
    if drift.numbers.outcome == "different":
        return f"under the new names it computes something else: {drift.numbers.words}"
    if drift.numbers.outcome == "training":
        return f"proved: under the new names it evaluates to the same (training does not: {drift.numbers.words})"
    return "proved: under the new names it computes the same on the declared inputs"


RULE = LayoutRule(
    code="MDL707",
    name="key-renamed",
    summary="keys that have another name in the model than in the manifest",
    facts=(KeyRenamed,),
    check=check,
)
