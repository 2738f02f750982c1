"""What numbers make of a drift: equal lowers what was open, different raises it, anything else leaves it.

Equal where changed lines did not run is no proof, and no reason for an error either.
"""

from __future__ import annotations

from modelint.diagnostics import Severity
from modelint.layout.drift import Drift
from modelint.layout.facts import DriftFact, KeyRenamed, KeyRetyped, Numbers


def settled(drift: Drift, numbers: Numbers) -> Drift:
    """The facts of the drift, as the numbers have them."""
    if numbers.outcome == "unsettled":
        return drift
    blamed = _blamed(drift.facts, numbers) if numbers.outcome in ("different", "training") else frozenset()
    return drift._replace(facts=tuple(_one(fact, numbers, number in blamed) for number, fact in enumerate(drift.facts)))


def why_not(numbers: Numbers) -> str:
    """Why numbers settle nothing; "" where they say that it is equal or different."""
    if numbers.outcome in ("partly", "unreached"):
        return f"{numbers.words} did not run with these inputs"
    return numbers.words if numbers.outcome == "unsettled" else ""


def may_differ(fact: DriftFact) -> bool:
    """Of what is safe: training goes another way, optional arguments do more, hooks take old files somewhere."""
    return fact.drift.severity == "warning" or fact.drift.hooks or getattr(fact, "optional", False)


def _one(fact: DriftFact, numbers: Numbers, blamed: bool) -> DriftFact:
    drift = fact.drift
    if isinstance(fact, KeyRetyped):
        return fact  # everything ran in float64
    if drift.cls == "breaking":
        return _renamed(fact, numbers) if isinstance(fact, KeyRenamed) else fact
    if numbers.outcome in ("partly", "unreached"):
        if drift.severity != "error":
            return fact
        severity: Severity = "information" if numbers.outcome == "partly" else "warning"
        return fact._replace(drift=drift._replace(severity=severity, numbers=numbers))
    if numbers.outcome == "equal":
        if drift.cls == "safe" and drift.severity == "warning" and not numbers.trained:
            return fact  # what only training shows was not seen
        return fact._replace(drift=drift._replace(cls="safe", severity="information", numbers=numbers))
    if not blamed:
        return fact
    if numbers.outcome == "training":
        return fact._replace(drift=drift._replace(cls="safe", severity="warning", numbers=numbers))
    return fact._replace(drift=drift._replace(cls="silent", severity="error", numbers=numbers))


def _renamed(fact: KeyRenamed, numbers: Numbers) -> KeyRenamed:
    """Numbers under the renames prove them, or prove them wrong."""
    if not numbers.renamed or numbers.outcome in ("partly", "unreached"):
        return fact
    proved = numbers.outcome in ("equal", "training")
    return fact._replace(drift=fact.drift._replace(numbers=numbers), certainty="proved" if proved else "proposed")


def _blamed(facts: tuple[DriftFact, ...], numbers: Numbers) -> frozenset[int]:
    """Those of which a difference comes: what was traced, else what only the source tells, else the rest that is open.

    The numbers are of the whole model: where one fact explains them, the others are left as they were.
    """
    silent = [
        (number, fact)
        for number, fact in enumerate(facts)
        if fact.drift.cls == "silent" and not isinstance(fact, KeyRetyped)
    ]
    traced = [number for number, fact in silent if fact.drift.severity == "error"]
    others = [number for number, fact in enumerate(facts) if may_differ(fact)]
    if numbers.outcome == "training":
        return frozenset([*(number for number, _ in silent), *others])
    return frozenset(traced or [number for number, _ in silent] or others)
