"""Markdown: what messages and names become in a table."""

from __future__ import annotations

import re

from modelint.report.escape import shown


def row(place: str, kind: str, severity: str, message: str, help: str = "") -> str:
    """One line of a table of diagnostics."""
    words = cell(message) + (f"<br>{cell(help)}" if help else "")
    return f"| {code(place)} | {kind} | {severity} | {words} |"


def code(text: str) -> str:
    """As code in a cell: there a backslash before a pipe is all that may be escaped."""
    return "`" + shown(text).replace("`", "'").replace("|", "\\|") + "`"


def cell(text: str) -> str:
    """Prose in a cell. What stands between backquotes is code and stays as it is."""
    parts = re.split(r"(`[^`]*`)", shown(text))
    return "".join(code(part[1:-1]) if number % 2 else _prose(part) for number, part in enumerate(parts))


def _prose(text: str) -> str:
    return re.sub(r"([\\*_|\[\]#~])", r"\\\1", text.replace("&", "&amp;").replace("<", "&lt;").replace("`", "'"))
