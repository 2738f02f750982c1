"""What `modelint diff` says of two layouts beside their keys: drift as a check would report it, releases included."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from modelint.diagnostics import Diagnostic, Span
from modelint.keys.cause import Explanation
from modelint.layout import drift, judge, proof, release
from modelint.layout.diagnose import diagnose
from modelint.layout.manifest import Manifest
from modelint.layout.place import Spot
from modelint.report.review import Model
from modelint.sources import BASE, Source

#: Causes that the drift says better.
_SAID = ("MDL830", "MDL860")


class Review(NamedTuple):
    #: By the lines that cause it; paths are relative.
    found: tuple[Diagnostic, ...]
    #: Releases that are proved to load.
    loading: tuple[str, ...] = ()


def of(old: Source, new: Source, *, releases: bool) -> Review | None:
    """None where one of the two is no layout. ``releases``: what is proved of them, too."""
    if old.layout is None or new.layout is None:
        return None
    base = Manifest(new.name, old.layout, {})
    if new.declaration is None or new.built is None:
        at = Spot(os.path.join(new.home or "", "layout.json"), Span(1, 1, 1, 1))
        facts = drift.compare(new.name, old.layout, new.layout).facts
        return Review(tuple(map(_shown, diagnose(facts, at, model=new.name))))
    found = judge.compare(new.declaration, base, new.built, BASE)
    said = judge.drift(new.declaration, base, new.built, found)
    loading: Sequence[str] = ()
    if releases:
        kept = release.find(new.declaration.home)
        for name, error in kept.wrong:
            said += judge.manifest_unreadable(new.declaration, error, name)
        speaks = proof.asked({BASE: old.layout}, kept.releases).speaks
        proofs = proof.proofs(new.declaration.shown, kept.releases, speaks, new.layout, new.built.loads)
        said += judge.releases(new.declaration, proofs, new.built)
        loading = proof.loading(kept.releases, proofs)
    return Review(tuple(map(_shown, said)), tuple(loading))


def model(review: Review, old: Source, new: Source, explanation: Explanation, code: str) -> Model:
    """As the report takes it."""
    name = new.declaration.shown if new.declaration is not None else new.name
    causes = [f"{each.code} {each.name}: {each.cause.message}" for each in explanation.causes if each.code not in _SAID]
    return Model(name, review.found, review.loading, old.name, causes, code if explanation.steps else "")


def beyond_keys(review: Review) -> Iterator[str]:
    """In words, what the keys alone do not tell."""
    for each in review.found:
        if each.drift is None or each.drift.cls != "breaking" or each.drift.proof:
            yield f"{each.code} {each.name}: {each.message}"


def _shown(diagnostic: Diagnostic) -> Diagnostic:
    return diagnostic._replace(path=os.path.relpath(diagnostic.path).replace(os.sep, "/"))
