"""From facts about a model to diagnostics: the rules say what, the places say where, the configuration how bad."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from modelint import catalogue
from modelint.diagnostics import Diagnostic, Drift, Related, Severity, Span
from modelint.layout import drift as drifts
from modelint.layout import place
from modelint.layout.declare import Declaration
from modelint.layout.facts import (
    DoesNotBuild,
    Drifted,
    Fact,
    Load,
    ManifestMissing,
    ManifestOrphaned,
    ManifestUnreadable,
    Misfit,
)
from modelint.rule import DriftReport, LayoutRule

if TYPE_CHECKING:
    from modelint.layout.client import Failure, Result
    from modelint.layout.manifest import Manifest, ManifestError

#: A place without columns of its own: the line from its first character to its second.
_FIRST = (1, 2)
#: What `silent = "information"` makes information.
_SILENT = frozenset({"MDL704", "MDL706", "MDL711", "MDL712", "MDL713"})


def compare(declaration: Declaration, base: Manifest, built: Result, base_id: str = "manifest") -> drifts.Drift:
    """What differs between a base and what was built."""
    said = built.loads.get(base_id)
    load = None
    if said is not None:
        misfits = tuple(Misfit(each.key, each.old, each.new) for each in said.reshaped)
        load = Load(said.loads, said.proved, said.why, said.missing, said.unexpected, misfits, said.hooks, said.error)
    return drifts.compare(declaration.shown, base.layout, built.layout, load)


def drift(declaration: Declaration, base: Manifest, built: Result, found: drifts.Drift) -> list[Diagnostic]:
    """The diagnostics of a drift."""
    said: list[Diagnostic] = []
    for fact in found.facts:
        path, span = place.find(fact.drift.at, built.places, declaration)
        related = tuple(_related(fact.drift, base, declaration))
        shown = Drift(fact.drift.cls, fact.drift.names, fact.drift.old, fact.drift.new)
        for rule, report in _reports(fact):
            each = _diagnostic(rule, report, path, span, declaration.shown)
            severity = _softened(each, fact.drift, declaration)
            said.append(each._replace(related=related, drift=shown, severity=severity))
    return said


def manifest_missing(declaration: Declaration) -> list[Diagnostic]:
    """MDL731, at the declaration."""
    return _at_declaration(ManifestMissing(declaration.shown, _shown(declaration.manifest)), declaration)


def manifest_unreadable(declaration: Declaration, error: ManifestError) -> list[Diagnostic]:
    """MDL733, in the manifest."""
    fact = ManifestUnreadable(declaration.shown, _shown(error.path), error.line, error.reason)
    return _at(fact, error.path, _line(error.line), declaration.shown)


def manifest_orphaned(shown: str, path: str) -> list[Diagnostic]:
    """MDL734, in the manifest of the model that is called ``shown``."""
    return _at(ManifestOrphaned(shown, _shown(path)), path, _line(1), shown)


def does_not_build(declaration: Declaration, failure: Failure) -> list[Diagnostic]:
    """MDL732, where the code of the project fails, else at the declaration."""
    fact = DoesNotBuild(
        declaration.shown, failure.stage, failure.blame, failure.message, failure.package, declaration.optional
    )
    where = failure.where
    if where is None:
        return _at_declaration(fact, declaration)
    span = _line(declaration.line)
    declared = Related(declaration.path, span, "declared here")
    return [each._replace(related=(declared,)) for each in _at(fact, where.path, _line(where.line), declaration.shown)]


def _at_declaration(fact: Fact, declaration: Declaration) -> list[Diagnostic]:
    return _at(fact, declaration.path, _line(declaration.line), declaration.shown)


def _at(fact: Fact, path: str, span: Span, model: str) -> list[Diagnostic]:
    return [_diagnostic(rule, report, path, span, model) for rule, report in _reports(fact)]


def _reports(fact: Any) -> Iterator[tuple[LayoutRule, DriftReport]]:
    for rule in _rules():
        if isinstance(fact, rule.facts):
            yield from ((rule, report) for report in rule.check(fact))


def _rules() -> Iterable[LayoutRule]:
    return (rule for rule in catalogue.rules() if isinstance(rule, LayoutRule))


def _diagnostic(rule: LayoutRule, report: DriftReport, path: str, span: Span, model: str) -> Diagnostic:
    severity = report.severity or rule.severity
    return Diagnostic(rule.code, rule.name, severity, report.message, path, span, report.help, model=model)


def _softened(diagnostic: Diagnostic, drifted: Drifted, declaration: Declaration) -> Severity:
    """By `silent = ...` of the configuration."""
    soft = declaration.silent == "information" and drifted.cls == "silent" and diagnostic.code in _SILENT
    return "information" if soft else diagnostic.severity


def _related(drifted: Drifted, base: Manifest, declaration: Declaration) -> Iterator[Related]:
    """The line of the manifest that has the first key."""
    line = next((base.lines[key] for key in drifted.keys if key in base.lines), None)
    if line is not None:
        yield Related(declaration.manifest, _line(line), "as the manifest has it")


def _line(number: int) -> Span:
    return Span(number, _FIRST[0], number, _FIRST[1])


def _shown(path: str) -> str:
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative.replace(os.sep, "/")
