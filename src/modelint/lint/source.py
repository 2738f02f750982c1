"""A file as the engine sees it: text, the ast, and its top-level statements as slices that libcst can take.

``ast.parse`` is the gate: it refuses, quickly and in an orderly way, what would crash libcst. What passes it
and would still cost libcst too much is left out statement by statement (`limits`), and said.
"""

from __future__ import annotations

import ast
import re
import warnings
from typing import NamedTuple

from modelint.diagnostics import NotAnalysed
from modelint.lint import limits
from modelint.lint.decode import Undecodable, decode
from modelint.lint.newer import looks_newer
from modelint.lint.read import MAX_BYTES, read_bytes, too_many_bytes

#: Up to and with the last form feed in a line's indentation: it restarts the count of columns there.
_FORM_FEED = re.compile(r"^[ \t\f]*\f(?=[ \t]*[^\s])", re.MULTILINE)


class Statement(NamedTuple):
    """A top-level statement, or several on one line: whole lines that make a module of their own."""

    index: int  # type: ignore[assignment]  # tuple.index is never needed
    line: int
    end_line: int
    text: str
    node: ast.stmt
    #: All statements of the slice: more than ``node`` only where ``;`` joins them.
    nodes: tuple[ast.stmt, ...]


class Source:
    """One readable, parsable file. Lines count from 1; ``text`` has no BOM, and "\\n" for every newline."""

    __slots__ = ("_shifts", "lines", "path", "skipped", "statements", "text", "tree")

    def __init__(self, path: str, text: str, tree: ast.Module, lines: list[str], shifts: dict[int, int]) -> None:
        self.path = path
        self.text = text
        self.tree = tree
        self.lines = lines
        self.statements: list[Statement] = []
        #: Statements left out for their size or depth, each with its line.
        self.skipped: list[NotAnalysed] = []
        self._shifts = shifts

    def line_text(self, number: int) -> str:
        """The line without its newline; empty beyond the end."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def column(self, line: int, column: int) -> int:
        """The column in the file for one in ``text``: they differ only where a form feed indents code."""
        return column + self._shifts.get(line, 0)


def read_source(path: str, data: bytes | None = None) -> Source | NotAnalysed:
    """Read, decode, parse and cut; every failure is a reason, never an exception."""
    if data is None:
        read = read_bytes(path)
        if isinstance(read, NotAnalysed):
            return read
        data = read
    if len(data) > MAX_BYTES:
        return NotAnalysed(path, too_many_bytes(len(data)))
    try:
        text = decode(data)
    except Undecodable as error:
        return NotAnalysed(path, error.reason, error.line)
    if reason := limits.file_too_large(text):
        return NotAnalysed(path, reason)
    original = text.split("\n")
    shifts: dict[int, int] = {}
    if "\f" in text:
        for found in _FORM_FEED.finditer(text):
            shifts[text.count("\n", 0, found.start()) + 1] = found.end() - found.start()
        text = _FORM_FEED.sub("", text)
    parsed = _parse(path, text)
    if isinstance(parsed, NotAnalysed):
        return parsed
    text, tree = parsed
    source = Source(path, text, tree, original, shifts)
    _cut(source, text.split("\n"))
    return source


def _parse(path: str, text: str) -> tuple[str, ast.Module] | NotAnalysed:
    """The ast, and the text that it is of: ``text``, but for syntax that is newer than the running Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return text, ast.parse(text)
    except SyntaxError as error:
        line = error.lineno or 1
        reason = error.msg.split("\n", 1)[0] if error.msg else "invalid syntax"
        if reason.startswith("too many") or "too complex" in reason:
            return NotAnalysed(path, f"nested too deeply: {reason}", line)
        if newer := looks_newer(text, line, reason):
            from modelint.lint.respell import respelled

            older = respelled(text)
            return NotAnalysed(path, newer, line) if older is None else _parse(path, older)
        return NotAnalysed(path, f"syntax error: {reason}", line, syntax=True)
    except (MemoryError, RecursionError):
        return NotAnalysed(path, "nested too deeply for Python's own parser")
    except ValueError as error:
        return NotAnalysed(path, f"cannot be parsed: {error}")


def _cut(source: Source, lines: list[str]) -> None:
    """Group top-level statements into slices of whole lines, and leave out those over a limit."""
    total = len(lines)
    groups: list[tuple[int, int, list[ast.stmt]]] = []
    for node in source.tree.body:
        first, last = limits.first_line(node), node.end_lineno or node.lineno
        # A backslash carries a line over into the next one, on either side of the statement.
        while first > 1 and lines[first - 2].endswith("\\") and (not groups or first - 1 > groups[-1][1]):
            first -= 1
        while last < total and lines[last - 1].endswith("\\"):
            last += 1
        if groups and first <= groups[-1][1]:
            start, end, nodes = groups.pop()
            groups.append((start, max(end, last), [*nodes, node]))
        else:
            groups.append((first, last, [node]))
    for first, last, nodes in groups:
        text = "\n".join(lines[first - 1 : last]) + "\n"
        if reason := limits.too_much(nodes, text, lines):
            if not limits.is_data(nodes):
                source.skipped.append(NotAnalysed(source.path, f"lines {first}-{last} left out: {reason}", first))
            continue
        source.statements.append(Statement(len(source.statements), first, last, text, nodes[0], tuple(nodes)))
