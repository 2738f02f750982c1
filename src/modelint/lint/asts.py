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


#: The parts in which the lowered tree has names, where it leaves others out; by name, as not every Python has them all.
_LOWERED: dict[str, tuple[str, ...]] = {
    "FormattedValue": ("value",), "TemplateStr": (), "Slice": ("lower", "upper"), "Raise": ("exc",),
    "Assert": ("test",), "AnnAssign": ("target", "value"), "TypeAlias": (), "match_case": ("body",),
    "FunctionDef": ("decorator_list", "args", "body"), "AsyncFunctionDef": ("decorator_list", "args", "body"),
    "ClassDef": ("decorator_list", "bases", "body"),
}  # fmt: skip


def words_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> frozenset[str]:
    """The names and attributes that the lowered tree of a function has below its decorators."""
    found: set[str] = set()
    stack: list[ast.AST] = [function.args, *function.body]
    while stack:
        node = stack.pop()
        kind = type(node)
        if kind is ast.Name:
            found.add(node.id)  # type: ignore[attr-defined]
            continue
        if kind is ast.Attribute:
            found.add(node.attr)  # type: ignore[attr-defined]
        elif kind is ast.arg and isinstance(node.annotation, ast.Starred):  # type: ignore[attr-defined]
            continue
        parts = _LOWERED.get(kind.__name__)
        for value in node.__dict__.values() if parts is None else [getattr(node, part) for part in parts]:
            if type(value) is list:
                stack += [item for item in value if isinstance(item, ast.AST)]
            elif isinstance(value, ast.AST):
                stack.append(value)
    return frozenset(found)


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
