"""What a check says of one model: the facts about it, diagnosed at its own places."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from modelint.diagnostics import Diagnostic, Related, Span
from modelint.layout import drift as drifts
from modelint.layout.declare import Declaration
from modelint.layout.diagnose import diagnose
from modelint.layout.drift import Drift
from modelint.layout.facts import DoesNotBuild, Fact, ManifestMissing, ManifestOrphaned, ManifestUnreadable
from modelint.layout.place import Spot

if TYPE_CHECKING:
    from modelint.layout.manifest import Manifest, ManifestError
    from modelint.layout.proof import Proof
from modelint.layout.traced import Failure, Result


def compare(
    declaration: Declaration,
    base: Manifest,
    built: Result,
    name: str = "manifest",
    known: Mapping[str, str] | None = None,
) -> Drift:
    """What differs between a base, whose layout was loaded under ``name``, and what was built; ``known``: renames."""
    load = built.loads.get(name)
    if load is not None and (load.missing or load.unexpected or load.reshaped):
        load = load._replace(error=None)  # the keys say it all; the words of torch would say it again
    return drifts.compare(declaration.shown, base.layout, built.layout, load, known)


def drift(declaration: Declaration, base: Manifest, built: Result, found: Drift) -> list[Diagnostic]:
    """The diagnostics of a drift, each on the line that causes it."""
    from modelint.layout.settling.revision import Then

    return diagnose(
        found.facts,
        _declared(declaration),
        model=declaration.shown,
        classes=built.classes,
        manifest=declaration.manifest,
        lines=base.lines,
        silent=declaration.silent,
        then=Then(declaration.manifest),
    )


def releases(declaration: Declaration, proofs: Iterable[Proof], built: Result) -> list[Diagnostic]:
    """MDL721, on the line that causes it."""
    found: list[Diagnostic] = []
    for proof in proofs:
        found += diagnose(
            [proof.fact],
            _declared(declaration),
            model=declaration.shown,
            classes=built.classes,
            manifest=proof.release.path,
            lines=proof.release.manifest.lines,
        )
    return found


def manifest_missing(declaration: Declaration) -> list[Diagnostic]:
    """MDL731, at the declaration."""
    return _say(declaration, [ManifestMissing(declaration.shown, _shown(declaration.manifest))])


def manifest_unreadable(declaration: Declaration, error: ManifestError, release: str | None = None) -> list[Diagnostic]:
    """MDL733, in the manifest, or in a file of a release."""
    fact = ManifestUnreadable(declaration.shown, _shown(error.path), error.line, error.reason, release)
    return _say(declaration, [fact], Spot(error.path, _line(error.line)))


def manifest_orphaned(shown: str, path: str) -> list[Diagnostic]:
    """MDL734, in the manifest of a model that is called ``shown``."""
    return diagnose([ManifestOrphaned(shown, _shown(path))], Spot(path, _line(1)), model=shown)


def does_not_build(declaration: Declaration, failure: Failure) -> list[Diagnostic]:
    """MDL732, where the code of the project fails, else at the declaration."""
    fact = DoesNotBuild(
        declaration.shown, failure.stage, failure.blame, failure.message, failure.package, declaration.optional
    )
    if failure.where is None:
        return _say(declaration, [fact])
    said = _say(declaration, [fact], Spot(failure.where.path, _line(failure.where.line)))
    declared = Related(*_declared(declaration), "declared here")
    return [each._replace(related=(declared,)) for each in said]


def _say(declaration: Declaration, facts: Iterable[Fact], spot: Spot | None = None) -> list[Diagnostic]:
    return diagnose(facts, spot or _declared(declaration), model=declaration.shown)


def _declared(declaration: Declaration) -> Spot:
    return Spot(declaration.path, _line(declaration.line))


def _line(number: int) -> Span:
    """The start of a line: where nothing says more of the place."""
    return Span(number, 1, number, 1)


def _shown(path: str) -> str:
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative.replace(os.sep, "/")
