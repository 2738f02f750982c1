"""The format full: for each diagnostic the source line, a caret line under the exact span, and what to do.

At most three lines of words (message, related place, help) beside the excerpts, in the same shape with and without
colour.
"""

from __future__ import annotations

import re
from typing import IO

from modelint.diagnostics import Diagnostic, Related, Span
from modelint.report import Outcome
from modelint.report.escape import in_source, shown

#: (style, text) pieces of one line; the styles are those of rich.
Line = list[tuple[str, str]]

#: A longer source line is cut to a window around its span.
WIDEST = 160
#: How much of such a line is shown before the span.
BEFORE = 40

_SEVERITY_STYLES = {"information": "bold cyan", "warning": "bold yellow", "error": "bold red"}
_GUTTER = "blue"


def text(outcome: Outcome) -> str:
    """The whole report as plain text."""
    return "".join("".join(piece for _, piece in line) + "\n" for line in _lines(outcome))


def write_colored(outcome: Outcome, stream: IO[str]) -> None:
    """Write the same lines in colour to a terminal."""
    from rich.console import Console
    from rich.text import Text

    # Whether to colour has been decided: rich is not to ask NO_COLOR and TERM again.
    console = Console(
        file=stream, force_terminal=True, no_color=False, color_system="standard", highlight=False, soft_wrap=True
    )
    encoding = console.encoding
    for line in _lines(outcome):
        pieces = [(piece.encode(encoding, "backslashreplace").decode(encoding), style) for style, piece in line]
        console.print(Text.assemble(*pieces, no_wrap=True, overflow="ignore"))


def _lines(outcome: Outcome) -> list[Line]:
    excerpts = _Excerpts(outcome)
    lines: list[Line] = []
    for diagnostic in outcome.diagnostics:
        if lines:
            lines.append([])
        lines += _diagnostic(diagnostic, excerpts)
    return lines


def _diagnostic(diagnostic: Diagnostic, excerpts: _Excerpts) -> list[Line]:
    style = _SEVERITY_STYLES[diagnostic.severity]
    related = diagnostic.related[:1]
    width = len(str(max(diagnostic.span.line, *(place.span.line for place in related), 0)))
    lines: list[Line] = [
        [
            *_place(diagnostic.path, diagnostic.span),
            (style, diagnostic.code),
            ("", f" [{diagnostic.name}] {shown(diagnostic.message)}"),
        ],
        *excerpts.of(diagnostic.path, diagnostic.span, width, style),
    ]
    for place in related:
        lines.append([*_place(place.path, place.span), ("", _related_words(place, _others(diagnostic)))])
        lines += excerpts.of(place.path, place.span, width, "bold blue")
    if diagnostic.help:
        lines.append([("bold green", "help"), ("", f": {shown(diagnostic.help)}")])
    return lines


def _place(path: str, span: Span) -> Line:
    return [("bold", shown(path)), ("", f":{span.line}:{span.column}: ")]


def _others(diagnostic: Diagnostic) -> list[Related]:
    """The related places after the first, without those on a line that is shown anyway."""
    first, *others = diagnostic.related
    excerpts = {(diagnostic.path, diagnostic.span.line), (first.path, first.span.line)}
    return [other for other in others if (other.path, other.span.line) not in excerpts]


def _related_words(first: Related, others: list[Related]) -> str:
    """What the related line says; further places share it, so that a diagnostic stays short."""
    words = shown(first.message)
    by_message: dict[str, list[str]] = {}
    for other in others[:3]:
        by_message.setdefault(other.message, []).append(f"{shown(other.path)}:{other.span.line}")
    for message, places in by_message.items():
        words += "; also " if message == first.message else f"; {shown(message)}: "
        words += ", ".join(places)
    return words + (f" and {len(others) - 3} more" if len(others) > 3 else "")


class _Excerpts:
    """Source lines by path. The file at hand is kept split: diagnostics come sorted by path."""

    def __init__(self, outcome: Outcome) -> None:
        self._sources = outcome.sources
        self._split: dict[str, list[str]] = {}

    def of(self, path: str, span: Span, width: int, style: str) -> list[Line]:
        """The line where ``span`` starts and its caret line; nothing when the file is gone or has no such line."""
        source = self._line(path, span.line)
        if source is None:
            return []
        end = span.end_column if span.end_line == span.line else len(source.rstrip()) + 1
        code, carets = mark(source, span.column, end)
        gutter = " " * width
        return [
            [(_GUTTER, f"{span.line:>{width}} |"), ("", f" {code}" if code else "")],
            [(_GUTTER, f"{gutter} |"), (style, f" {carets}")],
        ]

    def _line(self, path: str, number: int) -> str | None:
        if path not in self._split:
            if len(self._split) > 8:
                self._split.clear()
            # Not str.splitlines: form feeds and the like do not end a line of Python.
            self._split[path] = re.split(r"\r\n|\r|\n", self._sources(path) or "")
        lines = self._split[path]
        found = lines[number - 1] if 1 <= number <= len(lines) else ""
        return found if found.strip() else None


def mark(source: str, column: int, end_column: int) -> tuple[str, str]:
    """A source line as it is shown, and the carets under its columns [column, end_column), which count from 1."""
    cells = [in_source(character) for character in source]
    start = min(max(column - 1, 0), len(cells))
    end = min(max(end_column - 1, start + 1), max(len(cells), start + 1))
    first, last = _window([width for _, width in cells], start)
    code = "".join(piece for piece, _ in cells[first:last]).rstrip()
    lead = "..." if first else ""
    indent = len(lead) + sum(width for _, width in cells[first:start])
    carets = sum(width for _, width in cells[start : min(end, last)])
    return lead + code + ("..." if last < len(cells) else ""), " " * indent + "^" * max(carets, 1)


def _window(widths: list[int], start: int) -> tuple[int, int]:
    """Which characters of a line to show: all, or those around ``start`` when that would be too wide."""
    if sum(widths) <= WIDEST:
        return 0, len(widths)
    first = start
    room = BEFORE if sum(widths[:start]) > WIDEST // 2 else WIDEST // 2
    while first > 0 and widths[first - 1] <= room:
        first -= 1
        room -= widths[first]
    last, room = first, WIDEST
    while last < len(widths) and widths[last] <= room:
        room -= widths[last]
        last += 1
    return first, last
