"""A statement without the bodies of its functions: libcst takes each body on its own, where somebody asks for it.

Half of the methods that a run comes across are never looked at: their names, parameters and words are enough. And what
a script says of its command line, which may be a third of it, is never given to libcst.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from unicodedata import is_normalized

from modelint.lint.asts import statements_below
from modelint.lint.limits import first_line
from modelint.lint.source import Statement

#: A function whose body is this name is waiting for its body.
MARK = "_modelint_body_"
#: Stands above the lines of a body, to make a module of them.
_HEAD = "def _():\n"
#: In characters: parsing a shorter body on its own costs more than it may save.
_SHORT = 160
#: The method by which argparse is told of an option.
_OPTION = "add_argument"
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
    """Take out the bodies of the functions and methods that stand on lines of their own, and options everywhere."""
    text = statement.text
    options = _options(statement) if _OPTION in text else ()
    if len(text) < _SHORT and not options:
        return Cut(text, [])
    lines = text.split("\n")
    #: The lines that libcst is given; a statement of no interest becomes a short one.
    given: list[str | None] = list(lines)
    for option in options:
        _blot(option, lines, given, statement.line)
    kept: list[str | None] = []
    bodies: list[Body] = []
    done = 0
    for node in _outermost(statement.nodes):
        begin, end = first_line(node.body[0]) - statement.line, (node.end_lineno or node.lineno) - statement.line + 1
        if not _apart(node, lines, begin, end):
            continue
        body = _joined(given[begin:end])
        # the ast spells some letters in another way than the text
        if len(body) < _SHORT or not is_normalized("NFKC", body):
            continue
        kept += given[done:begin]
        indent = lines[begin][: len(lines[begin]) - len(lines[begin].lstrip())]
        kept.append(f"{indent}{MARK}{len(bodies)}")
        bodies.append(Body(begin + statement.line, f"{_HEAD}{body}\n", node))
        done = end
    return Cut(_joined([*kept, *given[done:]]), bodies)


def _joined(lines: list[str | None]) -> str:
    return "\n".join([line for line in lines if line is not None])


def _options(statement: Statement) -> list[ast.Expr]:
    """The calls that declare an option of a command line, by constants: nothing that weights go through."""
    return [node for node in statements_below(statement.nodes) if isinstance(node, ast.Expr) and _is_option(node.value)]


def _is_option(call: ast.expr) -> bool:
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == _OPTION):
        return False
    given = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg != "type")]
    return isinstance(call.func.value, ast.Name) and all(map(_is_constant, given))


def _is_constant(node: ast.expr) -> bool:
    if isinstance(node, ast.List | ast.Tuple):
        return all(map(_is_constant, node.elts))
    return isinstance(node.operand if isinstance(node, ast.UnaryOp) else node, ast.Constant)


def _blot(node: ast.Expr, lines: list[str], given: list[str | None], first: int) -> None:
    """Replace a statement that has its lines to itself."""
    begin, end = node.lineno - first, (node.end_lineno or node.lineno) - first
    before = lines[begin][: node.col_offset]
    after = lines[end].encode()[node.end_col_offset :].strip()
    joined = begin > 0 and lines[begin - 1].endswith("\\")
    if not before.strip() and (not after or after.startswith(b"#")) and not joined:
        given[begin] = f"{before}0"
        given[begin + 1 : end + 1] = [None] * (end - begin)


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
