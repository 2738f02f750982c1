"""Facts of drift, and what rules say of them, as diagnostics with their places."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping

from modelint import catalogue
from modelint.diagnostics import Diagnostic, Drift, Related, Severity, Span
from modelint.layout.facts import (
    ClassPlace,
    Drifted,
    Fact,
    HyperParameterChanged,
    KeyRenamed,
    KeyReshaped,
    ReleaseDoesNotLoad,
    TypeChanged,
)
from modelint.layout.place import Finder, Spot
from modelint.layout.words import short
from modelint.rule import LayoutRule

#: So many other lines with the same cause are shown.
_MOST = 4


def diagnose(
    facts: Iterable[Fact],
    declaration: Spot,
    *,
    model: str,
    classes: Mapping[str, ClassPlace] | None = None,
    manifest: str | None = None,
    lines: Mapping[str, int] | None = None,
    silent: Severity = "error",
    then: Callable[[str], str | None] | None = None,
) -> list[Diagnostic]:
    """What the rules report, each on the line that causes it, else on ``declaration``.

    ``manifest`` and ``lines`` (of its keys) give the related line; ``silent`` is what an error of silent drift counts.
    ``then``: the text that a file had when the manifest was written.
    """
    finder = Finder(classes or {}, then)
    found = []
    for fact in facts:
        drift = getattr(fact, "drift", None)
        for rule in _rules(type(fact)):
            for report in rule.check(fact):
                severity = report.severity or rule.severity
                if drift is not None and drift.cls == "silent" and severity == "error" and rule.code not in _FIRM:
                    severity = silent
                spot = declaration if drift is None else finder.find(drift.at, _names(fact, drift)) or declaration
                related = () if drift is None else tuple(_related(drift, spot, finder, manifest, lines or {}))
                found.append(
                    Diagnostic(
                        rule.code,
                        rule.name,
                        severity,
                        report.message,
                        spot.path,
                        spot.span,
                        report.help,
                        related,
                        model=model,
                        drift=None if drift is None else _drift(fact, drift, report.proof),
                    )
                )
    return found


def _drift(fact: Fact, drift: Drifted, proof: str) -> Drift:
    reshaped: tuple[str, ...] = ()
    if isinstance(fact, ReleaseDoesNotLoad):
        reshaped = fact.reshaped
    elif isinstance(fact, KeyReshaped) and drift.cls == "breaking":
        reshaped = drift.names
    certainty = fact.certainty if isinstance(fact, KeyRenamed) else None
    keys = (drift.cls, drift.keys, drift.old, drift.new, drift.missing, drift.unexpected, reshaped)
    return Drift(*keys, certainty=certainty, proof=proof)


def _names(fact: Fact, drift: Drifted) -> tuple[str, ...]:
    """What a line that causes it has in it: the class that it makes."""
    if isinstance(fact, TypeChanged):
        return (short(drift.new),)
    return (fact.owner,) if isinstance(fact, HyperParameterChanged) else ()


#: An error whatever ``silent`` says: weights go into the wrong modules.
_FIRM = ("MDL714",)


def _rules(fact: type) -> Iterator[LayoutRule]:
    return (rule for rule in catalogue.rules("layout") if isinstance(rule, LayoutRule) and fact in rule.facts)


def _related(
    drift: Drifted, spot: Spot, finder: Finder, manifest: str | None, lines: Mapping[str, int]
) -> Iterator[Related]:
    assigned = finder.assigned(drift.at)
    if assigned is not None and (assigned.path, assigned.span.line) != (spot.path, spot.span.line):
        yield Related(assigned.path, assigned.span, "assigned here")
    others = dict.fromkeys(found for found in map(finder.find, drift.also) if found is not None and found != spot)
    for other in list(others)[:_MOST]:
        yield Related(other.path, other.span, "here, too")
    key = next((key for key in drift.keys if key in lines), None)
    if manifest is not None and key is not None:
        # As manifest.text writes it: two blanks, and the key in quotes.
        line, end = lines[key], 3 + len(json.dumps(key))
        yield Related(manifest, Span(line, 3, line, end), "in the manifest")
