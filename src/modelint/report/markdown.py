"""The format markdown: a table, for the summary of a CI job or a comment."""

from __future__ import annotations

import re

from modelint.report import Outcome
from modelint.report.escape import shown
from modelint.report.paths import to_root


def text(outcome: Outcome) -> str:
    """The whole report."""
    if not outcome.diagnostics and not outcome.not_analysed:
        return "modelint: nothing to report\n"
    lines = ["| place | code | severity | what |", "| --- | --- | --- | --- |"]
    for diagnostic in outcome.diagnostics:
        place = f"{to_root(outcome, diagnostic.path)}:{diagnostic.span.line}"
        words = _cell(diagnostic.message) + (f"<br>{_cell(diagnostic.help)}" if diagnostic.help else "")
        code = f"`{diagnostic.code}` {diagnostic.name}"
        lines.append(f"| {_code(place)} | {code} | {diagnostic.severity} | {words} |")
    for skipped in outcome.not_analysed:
        place = f"{to_root(outcome, skipped.path)}:{skipped.line}"
        lines.append(f"| {_code(place)} | `MDL904` file-not-analysed | information | {_cell(skipped.reason)} |")
    return "\n".join(lines) + "\n"


def _code(text: str) -> str:
    """As code in a cell: there a backslash before a pipe is all that may be escaped."""
    return "`" + shown(text).replace("`", "'").replace("|", "\\|") + "`"


def _cell(text: str) -> str:
    """Prose in a cell. What stands between backquotes is code and stays as it is."""
    parts = re.split(r"(`[^`]*`)", shown(text))
    return "".join(_code(part[1:-1]) if number % 2 else _prose(part) for number, part in enumerate(parts))


def _prose(text: str) -> str:
    return re.sub(r"([\\*_|\[\]#~])", r"\\\1", text.replace("&", "&amp;").replace("<", "&lt;").replace("`", "'"))
