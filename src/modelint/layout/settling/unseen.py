"""Code that changed where two layouts tell no difference: where inputs are declared, it is run all the same, and on
inputs that are found where a forward could not be traced.

A trace follows evaluation. What acts in training alone (a buffer that is updated, an order of updates, an operation in
place that autograd refuses), and a value that no trace holds, are told by running alone.
"""

from __future__ import annotations

from modelint.keys.fold import folded
from modelint.layout import owners
from modelint.layout.affected import code_digest
from modelint.layout.drift import Drift
from modelint.layout.facts import Drifted, ForwardChanged, Numbers, Symbol
from modelint.layout.layout import Layout
from modelint.layout.settling import revision
from modelint.layout.settling.sides import Case
from modelint.layout.words import short


def is_asked(case: Case) -> bool:
    """Whether inputs are declared or a part of it is not traced, files load as they are, and code or data that the
    model is made of is not what it was when the manifest was written.
    """
    if any(fact.drift.cls == "breaking" for fact in case.drift.facts):
        return False
    untraced = any(each.label == "source" for each in case.built.layout.definitions.values())
    if case.declaration.inputs is None and not (untraced and case.declaration.silent == "error"):
        return False
    uses = case.built.uses
    try:
        found = revision.base(case.declaration.manifest)
        changed = revision.changed(found, [*uses.python, *uses.data])
        return any(_means_another(path, before) for path, before in changed)
    except revision.NoRevision:
        return False


def _means_another(path: str, before: bytes) -> bool:
    try:
        with open(path, "rb") as file:
            now = file.read()
    except OSError:
        return True
    return not path.endswith(".py") or code_digest(now) != code_digest(before)


def told(case: Case, numbers: Numbers) -> Drift:
    """With a fact of its own for a difference that is none of those that were seen."""
    if numbers.outcome not in ("different", "training") or case.drift.cls == "breaking":
        return case.drift
    return case.drift._replace(facts=(*case.drift.facts, _fact(case, numbers)))


def _fact(case: Case, numbers: Numbers) -> ForwardChanged:
    """What numbers alone saw, at the forward that reads otherwise, else at what of a constructor is not as it was."""
    layout, shown = case.built.layout, case.declaration.shown
    trains = numbers.outcome == "training"
    paths = _rewritten(case.base.layout, layout)
    own = [path for path in layout.modules if owners.class_at(layout, path) in case.built.classes]
    near = numbers.module or ""
    first = next((path for path in own if path and f"{near}.".startswith(f"{path}.")), "") if not paths else paths[0]
    cls = owners.class_at(layout, first)
    at = owners.symbol(layout, first, "forward")
    if not paths:
        classes = dict.fromkeys(owners.class_at(layout, path) or "" for path in (first, *own))
        at = Symbol(tuple((each, "__init__") for each in classes))
    drift = Drifted(
        shown, "safe" if trains else "silent", "warning" if trains else "error", at, folded(paths), numbers=numbers
    )
    drift = drift._replace(total=len(paths))
    return ForwardChanged(drift, short(cls or "the model"), False, True, not paths, True, trains)


def _rewritten(old: Layout, new: Layout) -> list[str]:
    """The modules of the first class whose forward reads otherwise."""
    found: dict[str, list[str]] = {}
    for path, digest in new.modules.items():
        before, now = old.definitions.get(old.modules.get(path, "")), new.definitions[digest]
        if before is not None and None not in (before.source, now.source) and before.source != now.source:
            found.setdefault(now.cls, []).append(path)
    return next((found[cls] for cls in reversed(found)), [])
