"""# weight-norm-form (MDL852)

## What it does
Says that weights stand in the file as length and direction and in the model as one tensor, or the other way round; or
by the old API (`weight_g`, `weight_v`) on one side and the new one (`parametrizations.weight.original0`) on the other.

## Why it bites
A strict load stops; with `strict=False` every normalised layer starts untrained. torch itself turns the old names into
the new ones, never back.

## Example
```python
file = {"conv.weight_g": (8, 1, 1), "conv.weight_v": (8, 3, 5), "conv.bias": (8,)}
model = {"conv.parametrizations.weight.original0": (8, 1, 1), "conv.parametrizations.weight.original1": (8, 3, 5),
         "conv.bias": (8,)}
```

## Use instead
Bring the model into the form of the file, load, then take the norm away:
```python
torch.nn.utils.parametrizations.weight_norm(model.conv)
model.load_state_dict(state)
torch.nn.utils.parametrize.remove_parametrizations(model.conv, "weight")
```

## When to ignore
From old to new names torch 2.1 and later load by themselves, unless a class overrides `_load_from_state_dict`.

## Evidence
- github.com/coqui-ai/TTS/issues/3177, github.com/espnet/espnet/issues/5237.
"""

from collections.abc import Iterator

from modelint.keys.cause import Cause
from modelint.keys.norms import Form, Weight, normed
from modelint.keys.patterns import form_of
from modelint.keys.situation import Situation
from modelint.keys.steps import Divide, Multiply, Normed, Rename, Step
from modelint.keys.words import counted, some
from modelint.rule import CauseRule

WORDS: dict[Form, str] = {
    "plain": "one tensor",
    "hook": "weight_g and weight_v of torch.nn.utils.weight_norm",
    "parametrization": "parametrizations.weight.original0 and 1 of torch.nn.utils.parametrizations.weight_norm",
}
HELP = {
    "plain": "apply weight norm to the model, load, then remove it",
    "hook": "remove weight norm before saving, or load into a model of the new form",
    "parametrization": "remove_parametrizations before saving, or load into a model of the same form",
}


def check(at: Situation) -> Iterator[Cause]:
    changes: dict[tuple[Form, Form], list[Weight]] = {}
    olds, news = dict(normed(at.unexpected)), dict(normed(at.missing))
    for weight, form in olds.items():
        other = news.get(weight) or ("plain" if weight.keys("plain")[0] in at.missing else None)
        if other is not None and other != form:
            changes.setdefault((form, other), []).append(weight)
    for weight, form in news.items():
        if weight not in olds and weight.keys("plain")[0] in at.unexpected:
            changes.setdefault(("plain", form), []).append(weight)
    for (one, other), weights in changes.items():
        weights = sorted(weight for weight in weights if _agrees(at, weight, one, other))
        if weights:
            yield Cause(
                f"{counted(weights, 'normalised weight')} in another form: the file has {WORDS[one]}, the model "
                f"{WORDS[other]}: {some([weight.path + weight.name for weight in weights], 2)}",
                HELP[one],
                (_step(at, weights, one, other),),
            )


def _agrees(at: Situation, weight: Weight, one: Form, other: Form) -> bool:
    """The direction is as large as the weight."""
    return at.cells[weight.keys(one)[-1]].spec.shape == at.new[weight.keys(other)[-1]].shape


def _step(at: Situation, weights: list[Weight], one: Form, other: Form) -> Step:
    if "plain" not in (one, other):
        mapping = {
            key: name for weight in weights for key, name in zip(weight.keys(one), weight.keys(other), strict=True)
        }
        return Rename(mapping, form_of(mapping, list(at.cells)))
    if other == "plain":
        return Multiply(tuple(Normed(*weight.keys(one), *weight.keys(other)) for weight in weights))
    return Divide(tuple(Normed(*weight.keys(other), *weight.keys(one)) for weight in weights))


RULE = CauseRule(
    code="MDL852",
    name="weight-norm-form",
    summary="normalised weights stand in another form: old API, new API, one tensor",
    stage=6,
    check=check,
)
