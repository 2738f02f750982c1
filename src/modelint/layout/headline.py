"""Which fact says a cause: the one of most of its keys. What else it does to keys are the reasons of that fact."""

from __future__ import annotations

from collections.abc import Iterable

from modelint.keys.fold import folded
from modelint.keys.table import TensorSpec
from modelint.layout.causes import Cause
from modelint.layout.facts import (
    Drifted,
    DriftFact,
    KeyAdded,
    KeyRemoved,
    KeyRenamed,
    KeyReshaped,
    PersistenceChanged,
)
from modelint.layout.layout import Layout


def of_cause(model: str, old: Layout, new: Layout, cause: Cause, error: str | None) -> DriftFact:
    """``error``: what the load of an old file raised besides."""
    drift = Drifted(
        model,
        "breaking" if cause.breaks else "safe",
        "error" if cause.breaks else "information",
        cause.places[0],
        also=tuple(cause.places[1:]),
        hooks=not cause.breaks,
        missing=folded(cause.missing),
        unexpected=folded(cause.unexpected),
        error=error if cause.breaks else None,
    )
    if cause.persistence:
        persistent = cause.persistence[0] in cause.added
        before, after = (None, "persistent") if persistent else ("persistent", None)
        return PersistenceChanged(with_keys(drift, cause.persistence, before, after), persistent)
    shapes = [(change.key, shape(change.old), shape(change.new)) for change in cause.reshaped]
    sizes = {
        KeyRenamed: len(cause.renamed),
        KeyReshaped: len(shapes),
        KeyRemoved: len(cause.removed),
        KeyAdded: len(cause.added),
    }
    kind = max(sizes, key=lambda each: sizes[each])
    olds, news = folded(cause.renamed), folded(cause.renamed.values())
    if not cause.undecided:
        reasons = []
        if cause.renamed and kind is not KeyRenamed:
            reasons.append(f"{', '.join(olds)} is now {', '.join(news)}")
        if shapes and kind is not KeyReshaped:
            reasons.append(f"{shapes[0][0]} is {shapes[0][2]}, was {shapes[0][1]}")
        if cause.removed and kind is not KeyRemoved:
            reasons.append(f"{', '.join(folded(cause.removed))} gone")
        if cause.added and kind is not KeyAdded:
            reasons.append(f"{', '.join(folded(cause.added))} new")
        drift = drift._replace(reasons=tuple(reasons))
    if kind is KeyRenamed:
        return KeyRenamed(with_keys(drift, cause.renamed, ", ".join(olds), ", ".join(news)), cause.renamed)
    if kind is KeyReshaped:
        return KeyReshaped(with_keys(drift, [key for key, _, _ in shapes], shapes[0][1], shapes[0][2]))
    if kind is KeyRemoved:
        before = _spec(old.keys.specs.get(cause.removed[0]))
        return KeyRemoved(with_keys(drift, cause.removed, before, None), folded(cause.added), cause.undecided)
    return KeyAdded(with_keys(drift, cause.added, None, _spec(new.keys.specs.get(cause.added[0]))))


def with_keys(drift: Drifted, keys: Iterable[str], old: str | None, new: str | None) -> Drifted:
    """The drift of these keys."""
    full = tuple(keys)
    return drift._replace(names=folded(full), total=len(full), keys=full, old=old, new=new)


def shape(spec: TensorSpec) -> str:
    """As torch writes it; of what is no tensor, its type."""
    return spec.dtype if spec.shape is None else str(list(spec.shape))


def _spec(spec: TensorSpec | None) -> str | None:
    return None if spec is None else spec.dtype if spec.shape is None else f"{spec.dtype} {list(spec.shape)}"
