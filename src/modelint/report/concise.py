"""The format concise: one line for each diagnostic."""

from __future__ import annotations

from modelint.diagnostics import Diagnostic
from modelint.report import Outcome
from modelint.report.escape import shown


def headline(diagnostic: Diagnostic) -> str:
    """``path:line:col: CODE [name] message``."""
    place = f"{shown(diagnostic.path)}:{diagnostic.span.line}:{diagnostic.span.column}"
    return f"{place}: {diagnostic.code} [{diagnostic.name}] {shown(diagnostic.message)}"


def text(outcome: Outcome) -> str:
    """The whole report."""
    return "".join(headline(diagnostic) + "\n" for diagnostic in outcome.diagnostics)
