"""A statement without the bodies of its functions: libcst takes each body on its own, where somebody asks for it.

Half of the methods that a run comes across are never looked at: their names, parameters and words are enough.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from unicodedata import is_normalized

from modelint.lint.limits import first_line
from modelint.lint.source import Statement

#: A function whose body is this name is waiting for its body.
MARK = "_modelint_body_"
#: Stands above the lines of a body, to make a module of them.
_HEAD = "def _():\n"
#: In characters: parsing a shorter body on its own costs more than it may save.
_SHORT = 160
#: How many numbers each part of a statement has for its nodes: more than any has nodes.
SPAN = 1 << 32

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Body(NamedTuple):
    """The body of one function: whole lines."""

    line: int
    text: str
    node: Function


class Cut(NamedTuple):
    """A statement in parts. The nodes of ``bodies[i]`` have numbers from ``start(i)``, so that all numbers of the
    statement go in source order."""

    text: str
    bodies: list[Body]


def start(index: int) -> int:
    """The first number of a body; that of what follows it in the statement is ``SPAN`` more."""
    return (2 * index + 1) * SPAN


def cut(statement: Statement) -> Cut:
    """Take out the bodies of the functions and methods that stand on lines of their own."""
    if len(statement.text) < _SHORT:
        return Cut(statement.text, [])
    lines = statement.text.split("\n")
    kept: list[str] = []
    bodies: list[Body] = []
    done = 0
    for node in _outermost(statement.nodes):
        begin, end = first_line(node.body[0]) - statement.line, (node.end_lineno or node.lineno) - statement.line + 1
        if not _apart(node, lines, begin, end):
            continue
        text = "\n".join(lines[begin:end])
        # the ast spells some letters in another way than the text
        if len(text) < _SHORT or not is_normalized("NFKC", text):
            continue
        kept += lines[done:begin]
        indent = lines[begin][: len(lines[begin]) - len(lines[begin].lstrip())]
        kept.append(f"{indent}{MARK}{len(bodies)}")
        bodies.append(Body(begin + statement.line, f"{_HEAD}{text}\n", node))
        done = end
    return Cut("\n".join([*kept, *lines[done:]]), bodies) if bodies else Cut(statement.text, [])


def _outermost(nodes: Sequence[ast.stmt]) -> Iterator[Function]:
    """The functions and, through classes, methods that stand in no other block, in source order."""
    stack = list(nodes)[::-1]
    while stack:
        node = stack.pop()
        if isinstance(node, Function):
            yield node
        elif isinstance(node, ast.ClassDef):
            stack.extend(reversed(node.body))


def _apart(node: Function, lines: list[str], begin: int, end: int) -> bool:
    """Is the body whole lines, without a backslash that joins it to others?"""
    first = node.body[0]
    if begin < 1 or lines[begin - 1].endswith("\\") or lines[end - 1].endswith("\\"):
        return False
    if isinstance(first, Function | ast.ClassDef):
        return True
    return len(lines[begin]) - len(lines[begin].lstrip()) == first.col_offset
