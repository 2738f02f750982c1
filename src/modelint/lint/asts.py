"""Questions to the ast, which supplies cut, names and negative evidence."""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterable, Iterator

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def walk(node: ast.AST) -> list[ast.AST]:
    """The nodes at and below ``node``, in the order of ``ast.walk``, in a third of its time."""
    out = [node]
    for each in out:
        for value in each.__dict__.values():
            if isinstance(value, ast.AST):
                out.append(value)
            elif type(value) is list:
                out += [item for item in value if isinstance(item, ast.AST)]
    return out


def ast_dotted(node: ast.expr) -> str | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join(reversed([*parts, node.id])) if isinstance(node, ast.Name) else None


def definitions_of(nodes: Iterable[ast.stmt]) -> Iterator[Definition]:
    """The classes and functions of the top level, those below an ``if`` or ``try`` included, in source order."""
    stack: list[ast.AST] = list[ast.AST](nodes)[::-1]
    while stack:
        node = stack.pop()
        if isinstance(node, Definition):
            yield node
        elif isinstance(node, ast.If | ast.For | ast.While | ast.With | ast.Try | ast.ExceptHandler):
            for field in ("finalbody", "orelse", "handlers", "body"):
                stack.extend(reversed(getattr(node, field, ())))


def statements_below(nodes: Iterable[ast.stmt]) -> Iterator[ast.AST]:
    """These statements and those inside of them, level by level as ``ast.walk`` has them, without expressions."""
    waiting: deque[ast.AST] = deque(nodes)
    while waiting:
        node = waiting.popleft()
        yield node
        for field in ("body", "handlers", "orelse", "finalbody", "cases"):
            below = getattr(node, field, None)
            if type(below) is list:
                waiting.extend(below)


def methods_of(body: list[ast.stmt]) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The methods of a class, those below an ``if`` or ``try`` of its body included."""
    out: list[ast.FunctionDef | ast.AsyncFunctionDef] = []
    for stmt in body:
        if isinstance(stmt, ast.FunctionDef | ast.AsyncFunctionDef):
            out.append(stmt)
        elif isinstance(stmt, ast.If | ast.Try):
            out.extend(methods_of([*stmt.body, *stmt.orelse]))
    return out
