"""The format markdown: a table, and a summary for each tracked model, for the summary of a CI job or a comment."""

from __future__ import annotations

from collections.abc import Iterator

from modelint.report import Outcome, review
from modelint.report.markup import row
from modelint.report.paths import to_root


def text(outcome: Outcome) -> str:
    """The whole report."""
    if not outcome.diagnostics and not outcome.not_analysed:
        return "modelint: nothing to report\n"
    lines = [*_table(outcome)]
    for model in review.models(outcome):
        lines += [*[""] * bool(lines), *review.lines(model)]
    return "\n".join(lines) + "\n"


def _table(outcome: Outcome) -> Iterator[str]:
    """Of all that is not about a tracked model."""
    rows = []
    for each in outcome.diagnostics:
        if each.model is None:
            place = f"{to_root(outcome, each.path)}:{each.span.line}"
            rows.append(row(place, f"`{each.code}` {each.name}", each.severity, each.message, each.help))
    for skipped in outcome.not_analysed:
        place = f"{to_root(outcome, skipped.path)}:{skipped.line}"
        rows.append(row(place, "`MDL904` file-not-analysed", "information", skipped.reason))
    if rows:
        yield from ("| place | code | severity | what |", "| --- | --- | --- | --- |", *rows)
