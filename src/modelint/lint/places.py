"""From the number of a node to lines and columns: worked out only for what is reported."""

from __future__ import annotations

import bisect
from contextlib import AbstractContextManager

import libcst as cst
from libcst._nodes.internal import CodegenState

from modelint.diagnostics import Span
from modelint.lint.cut import cut, part_of, start
from modelint.lint.index import File
from modelint.lint.lower import Later, Lowering, body_of, parse


class _Recorder(CodegenState):
    """Code generation that notes where the wanted nodes begin and end in the text."""

    def __init__(self, wanted: dict[int, int], indent: str, newline: str) -> None:
        super().__init__(default_indent=indent, default_newline=newline)
        self.wanted = wanted
        self.length = 0
        self.begun: dict[int, int] = {}
        self.spans: dict[int, tuple[int, int]] = {}

    def add_token(self, value: str) -> None:
        super().add_token(value)
        self.length += len(value)

    def add_indent_tokens(self) -> None:
        before = len(self.tokens)
        super().add_indent_tokens()
        self.length += sum(len(token) for token in self.tokens[before:])

    def before_codegen(self, node: cst.CSTNode) -> None:
        if id(node) in self.wanted:
            self.begun[id(node)] = self.length

    def record_syntactic_position(  # type: ignore[override]  # libcst asks for no more than a context manager
        self, node: cst.CSTNode, *, start_node: cst.CSTNode | None = None, end_node: cst.CSTNode | None = None
    ) -> AbstractContextManager[None]:
        return _Region(self, node)

    def after_codegen(self, node: cst.CSTNode) -> None:
        number = self.wanted.get(id(node))
        if number is not None:
            self.spans.setdefault(number, (self.begun[id(node)], self.length))


class _Region(AbstractContextManager[None]):
    """libcst marks the part of a statement without its leading lines and decorators: that part is the span."""

    def __init__(self, state: _Recorder, node: cst.CSTNode) -> None:
        self.state, self.node = state, node

    def __enter__(self) -> None:
        self.start = self.state.length

    def __exit__(self, *error: object) -> None:
        number = self.state.wanted.get(id(self.node))
        if number is not None:
            self.state.spans[number] = (self.start, self.state.length)


def spans(file: File, statement: int, nodes: list[int]) -> dict[int, Span]:
    """The spans of these nodes of one statement, in lines and columns of the file."""
    whole = file.source.statements[statement]
    parts = cut(whole)
    wanted: dict[int | None, list[int]] = {}
    for n in nodes:
        wanted.setdefault(part_of(n), []).append(n)
    out: dict[int, Span] = {}
    for index, numbers in wanted.items():
        if index is None:
            later = [Later(list, frozenset)] * len(parts.bodies)
            lowering, module = Lowering(later, keep=True), parse(parts.text)
            lowering.module(module)
            found = _spans(lowering, module, parts.text, numbers)
            for number, (first, column, last, end_column) in found.items():
                out[number] = _span(
                    file, whole.line + parts.line(first), column, whole.line + parts.line(last), end_column
                )
        else:
            body = parts.bodies[index]
            lowering, module = Lowering(first=start(index), keep=True), parse(body.text)
            lowering.body(body_of(module))
            found = _spans(lowering, module, body.text, numbers)
            for number, (first, column, last, end_column) in found.items():
                out[number] = _span(file, body.line + first - 1, column, body.line + last - 1, end_column)
    return out


def _span(file: File, line: int, column: int, end_line: int, end_column: int) -> Span:
    return Span(line, file.source.column(line, column), end_line, file.source.column(end_line, end_column))


def _spans(
    lowering: Lowering, module: cst.Module, text: str, numbers: list[int]
) -> dict[int, tuple[int, int, int, int]]:
    """Lines, counted from 0, and columns, from 1, of nodes of a text."""
    assert lowering.nodes is not None
    wanted = {id(lowering.nodes[n]): n for n in numbers}
    state = _Recorder(wanted, module.default_indent, module.default_newline)
    module._codegen(state)
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    out: dict[int, tuple[int, int, int, int]] = {}
    for number, (begin, end) in state.spans.items():
        while end > begin and text[end - 1 : end] in ("\n", " ", "\t"):
            end -= 1
        node = lowering.nodes[number]
        if isinstance(node, cst.BaseCompoundStatement | cst.CompFor | cst.ExceptHandler):
            # of a whole block its first line is enough
            stop = text.find("\n", begin, end)
            end = _trimmed(text, begin, stop if stop >= 0 else end)
        first, last = _line(starts, begin), _line(starts, end)
        out[number] = (first, begin - starts[first] + 1, last, end - starts[last] + 1)
    return out


def _trimmed(text: str, begin: int, end: int) -> int:
    """Without a trailing comment and blanks; a ``#`` in a header stands in a string only where a quote comes before."""
    head = text[begin:end]
    hash_at = head.find("  #")
    if hash_at > 0 and '"' not in head[:hash_at] and "'" not in head[:hash_at]:
        head = head[:hash_at]
    return begin + len(head.rstrip())


def _line(starts: list[int], offset: int) -> int:
    return bisect.bisect_right(starts, offset) - 1
