"""# release-does-not-load (MDL721)

## What it does
Loads an empty file of each release (`modelint lock NAME --release v1` keeps one) into the model of today, through its
own `load_state_dict(strict=True)`, hooks and all. It reports a release whose files do not load, with the keys and the
cause; as a warning one whose files load without all of it arriving (a hook drops a key, or makes a value up), and one
that could not be proved (exit code 3).

## Why it bites
Files of a release are out there, and nobody can change them. The first to notice is a user whose download stops with
`Missing key(s) in state_dict`; or, where the load says "all keys matched", nobody at all.

## Example
```python
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 10)  # was self.classifier when v1 was released
```

## Use instead
Let files of the release load: `modelint migrate NAME` writes a hook into the class that changed. By hand:
```python
        self.register_load_state_dict_pre_hook(self._take_v1)

    @staticmethod
    def _take_v1(module, state_dict, prefix, *rest):
        for name in ("weight", "bias"):
            if prefix + "classifier." + name in state_dict:
                state_dict[prefix + "head." + name] = state_dict.pop(prefix + "classifier." + name)
```

## When to ignore
Where no file of it is in use: `modelint lock NAME --retire v1 --reason TEXT`. `modelint lock NAME` accepts what does
not arrive. Comments do not silence it.

## Evidence
- torch 2.13: "All keys matched" of a load whose hook pops a key, or fills in the model's own random values.
- Old files of 25 modules of torch, torchvision, timm and transformers that override their loading: the proof says of
  each what really loading one says. Of a version 2 file of `torch.ao`'s PerChannelMinMaxObserver it says more: it loads
  without complaint, and `min_vals` and `max_vals` are lost.
"""

from collections.abc import Iterator

from modelint.layout.facts import ReleaseDoesNotLoad
from modelint.layout.words import listed
from modelint.rule import DriftReport, LayoutRule

#: Causes that a message has room for.
SHOWN = 2


def check(fact: ReleaseDoesNotLoad) -> Iterator[DriftReport]:
    many = len(fact.releases) > 1
    files = f"files of release{'s' * many} {listed(fact.releases)}"
    retire = f"`modelint lock {fact.model} --retire {fact.releases[0]} --reason TEXT`"
    if fact.outcome == "unproved":
        help = f"let its load hooks work without values, give the model more memory, or retire it: {retire}"
        yield DriftReport(f"{fact.model}: not proved that {files} load: {listed([fact.why or ''])}", help, "warning")
    elif fact.outcome == "partly":
        help = f"have its values carried over on load; where this is meant, `modelint lock {fact.model}` accepts it"
        yield DriftReport(f"{fact.model}: {files} load, but {_lost(fact)}", help, "warning")
    else:
        causes = [cause for cause in fact.causes if cause]
        told = _told(fact, named=0 < len(causes) <= SHOWN)
        message = f"{fact.model}: {files} do not load ({told})" + (f": {listed(causes, SHOWN)}" if causes else "")
        yield DriftReport(message, f"`modelint migrate {fact.model}` lets them load; where none is in use, {retire}")


def _told(fact: ReleaseDoesNotLoad, named: bool) -> str:
    """What the load says; ``named``: the causes that follow name the keys."""
    drift = fact.drift
    if drift is None:
        return ""
    if drift.error is not None:
        return f"a load hook raises {listed([' '.join(drift.error.split())])}"
    kinds = (
        ("missing", "missing keys", drift.missing),
        ("unexpected", "unexpected keys", drift.unexpected),
        ("size mismatch of", "other sizes", fact.reshaped),
    )
    return (", " if named else "; ").join(
        short if named else f"{words} {listed(names, 2)}" for words, short, names in kinds if names
    )


def _lost(fact: ReleaseDoesNotLoad) -> str:
    kinds = (
        ("is lost", "are lost", fact.dropped),
        ("keeps its initial value", "keep their initial values", fact.unreached),
        ("gets its value from a load hook", "get their values from a load hook", fact.filled),
    )
    return "; ".join(
        f"{listed(names, 2)} {one if len(names) == 1 and '{' not in names[0] else more}"
        for one, more, names in kinds
        if names
    )


RULE = LayoutRule(
    code="MDL721",
    name="release-does-not-load",
    summary="releases whose files the model of today does not load, or not in full",
    facts=(ReleaseDoesNotLoad,),
    check=check,
)
