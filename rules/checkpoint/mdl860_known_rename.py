"""# known-rename (MDL860)

## What it does
Says that the file has the keys of an older layout of the model, and which names they have since: as it was recorded
when the change was accepted. `modelint lock` writes each accepted step beside the manifest; from a release, or any
other layout on record, they chain to the one of today. What is recorded is used before anything is inferred, and only
where it fits the keys of the file. It is *proved* where the layout of the release is kept and its forward, under the
new names, is the one of today. Between two manifests, or a manifest and the model, the forwards
say so without a record.

## Why it bites
The old keys are unexpected and the new ones missing; with `strict=False` the renamed parts start untrained. After two
renames the names alone may no longer tell which key is which.

## Example
```python
file = {"stem.weight": (64, 8), "stem.bias": (64,), "a.weight": (64, 64), "b.weight": (64, 64)}
model = {"patch.weight": (64, 8), "patch.bias": (64,), "tail.weight": (64, 64), "trunk.weight": (64, 64)}
recorded = {"stem.weight": "patch.weight", "stem.bias": "patch.bias", "a.weight": "trunk.weight",
            "b.weight": "tail.weight"}
```

## Use instead
Rename in code, and let the model take old files:
```python
def _rename(module, state, prefix, *rest):
    for key in [key for key in state if key.startswith(prefix + "stem.")]:
        state[key.replace("stem.", "patch.", 1)] = state.pop(key)

model.register_load_state_dict_pre_hook(_rename)
```

## When to ignore
Where no file of the old layout is in use.

## Evidence
- After two renames of one layer names and shapes propose nothing; the two steps on record name every key.
"""

from collections.abc import Collection, Iterator, Mapping

from modelint.keys.cause import Cause
from modelint.keys.patterns import form_of
from modelint.keys.situation import Situation, fits
from modelint.keys.steps import Drop, Rename, Step
from modelint.keys.table import KeyTable
from modelint.keys.words import changes, counted, some
from modelint.rule import CauseRule


def check(at: Situation) -> Iterator[Cause]:
    if not at.unexpected:
        return
    if at.around.proved and not at.steps:
        yield _cause(at, at.around.proved, "", proved=True)
        return
    for each in at.around.recorded:
        renames = {key: name for key, name in each.renames.items() if key in at.cells}
        if _is_of(at, each.table) and _is_fitting(at, renames):
            proved = bool(renames) and renames.keys() <= each.proved
            cause = _cause(at, renames, f"; recorded when {each.label} was accepted", each.dropped, proved=proved)
            if cause.steps:
                yield cause


def _cause(
    at: Situation, renames: Mapping[str, str], record: str, dropped: Collection[str] = (), *, proved: bool
) -> Cause:
    words: list[str] = []
    steps: list[Step] = []
    if renames:
        words.append(f"{counted(renames)} {'have' if len(renames) > 1 else 'has'} another name: {changes(renames)}")
        steps.append(Rename(renames, form_of(renames, list(at.cells))))
    after = at.after(steps)
    # What went is left out only where nothing lacks that it could be a part of.
    gone = tuple(key for key in after.unexpected if key in dropped and not after.missing)
    if gone:
        words.append(f"{some(gone)} went")
        steps.append(Drop(gone))
    proof = "; proved: under the new names the forward is the same" if proved else ""
    return Cause(
        f"{'; '.join(words)}{record}{proof}",
        "rename the keys of old files in a load hook, or once and for all with the code below",
        tuple(steps),
        proved=frozenset(renames.values()) if proved else frozenset(),
    )


def _is_of(at: Situation, table: KeyTable | None) -> bool:
    """Whether the file has the keys of that layout, as far as these are known."""
    if table is None:
        return True
    keys = {**table.specs, **dict.fromkeys(table.extra)}
    return keys.keys() == at.cells.keys() and all(fits(at.cells[key].spec, spec) for key, spec in table.specs.items())


def _is_fitting(at: Situation, renames: Mapping[str, str]) -> bool:
    """Whether every key gets to a place of the model that has its shape, and that no other key has."""
    news = set(renames.values())
    free = len(news) == len(renames) and all(name in renames or name not in at.cells for name in news)
    return free and all(name in at.new and fits(at.cells[key].spec, at.new[name]) for key, name in renames.items())


RULE = CauseRule(
    code="MDL860",
    name="known-rename",
    summary="keys whose new names are on record, or follow from the forwards",
    stage=2,
    check=check,
)
