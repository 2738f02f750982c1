"""From the number of a node to lines and columns: worked out only for what is reported.

The ast knows them. It has the shape of the lowered tree, but for what stands below: both are followed down from the
statement to the node.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from modelint.diagnostics import Span
from modelint.lint import tree as t
from modelint.lint.index import File


class _Part(NamedTuple):
    """Part of a text: lines as in the file, columns in bytes from 0, as the ast counts them."""

    line: int
    column: int
    end_line: int
    end_column: int


class _Param(NamedTuple):
    """A parameter; the ast keeps its default elsewhere."""

    arg: ast.arg
    default: ast.expr | None


def spans(file: File, statement: int, nodes: Iterable[int]) -> dict[int, Span]:
    """The spans of these nodes of one statement, in lines and columns of the file."""
    whole = file.source.statements[statement]
    lines = [line.encode() for line in whole.text.split("\n")]
    out: dict[int, Span] = {}
    for n in nodes:
        node, twin = _find(file.lowered(statement), whole.nodes, n)
        out[n] = _span(file, lines, whole.line, _part(node, twin, lines, whole.line))
    return out


def _find(lowered: Sequence[t.Node], twins: Sequence[Any], n: int) -> tuple[t.Node, Any]:
    """The node with this number, and what it is in the ast; where the two part before, the nearest around it."""
    found: tuple[t.Node, Any] | None = None
    while True:
        pairs = list(zip(lowered, twins, strict=True)) if len(lowered) == len(twins) else []
        # the numbers of a node and all below it come before those of what was lowered after it
        near = max((pair for pair in pairs if pair[0].n <= n), key=lambda pair: pair[0].n, default=found)
        assert near is not None
        if near is found or near[0].n == n:
            return near
        found = near
        lowered, twins = _children(near[0]), _twins(*near)


def _children(node: t.Node) -> list[t.Node]:
    """As `tree.children` gives them, where a node has no number of its own those below it."""
    if isinstance(node, t.Sub) and node.index.n == node.n:
        return [node.value, *t.children(node.index)]
    if isinstance(node, t.FStr):
        return [each for part in node.parts for each in _embedded(part)]
    return t.children(node)


def _embedded(part: t.Expr) -> list[t.Node]:
    if isinstance(part, t.FStr):
        return _children(part)
    return [] if isinstance(part, t.Const) else [part]


# --- the ast in the order of the lowered tree -------------------------------------------------------------------------

_FIELDS: dict[type[t.Node], str] = {
    t.ExprStmt: "value", t.AugAssign: "target value", t.Return: "value", t.Raise: "exc", t.Assert: "test",
    t.If: "test body orelse", t.For: "target iter body orelse", t.While: "test body orelse",
    t.Try: "body handlers orelse finalbody", t.Handler: "type body", t.Match: "subject cases", t.Case: "body",
    t.Attr: "value", t.Slice: "lower upper", t.Seq: "elts",
    t.For1: "target iter ifs", t.Bin: "left right", t.Not: "operand", t.Compare: "left comparators",
    t.IfExp: "test body orelse", t.Walrus: "target value",
}  # fmt: skip


def _twins(node: t.Node, twin: Any) -> list[Any]:
    """What stands in the ast for the children of a node."""
    fields = _FIELDS.get(type(node))
    if fields is not None:
        return _held(twin, fields)
    special = _SPECIAL.get(type(node))
    return special(twin) if special else []


def _held(twin: Any, fields: str) -> list[Any]:
    out: list[Any] = []
    for name in fields.split():
        value = getattr(twin, name)
        if isinstance(value, list):
            out += value
        elif value is not None:
            out.append(value)
    return out


def _assign(twin: ast.Assign | ast.AnnAssign) -> list[Any]:
    return _held(twin, "targets value" if isinstance(twin, ast.Assign) else "target value")


def _delete(twin: ast.Delete) -> list[Any]:
    only = twin.targets[0]
    return only.elts if len(twin.targets) == 1 and isinstance(only, ast.Tuple | ast.List) else twin.targets


def _with(twin: ast.With | ast.AsyncWith) -> list[Any]:
    return [each for item in twin.items for each in (item.context_expr, item.optional_vars) if each] + twin.body


def _def(twin: ast.FunctionDef | ast.AsyncFunctionDef) -> list[Any]:
    return [*_params(twin.args), *twin.body, *twin.decorator_list]


def _class(twin: ast.ClassDef) -> list[Any]:
    return [*map(_unstarred, twin.bases), *twin.body, *twin.decorator_list]


def _unstarred(twin: ast.expr) -> ast.expr:
    return twin.value if isinstance(twin, ast.Starred) else twin


def _lambda(twin: ast.Lambda) -> list[Any]:
    return [*_params(twin.args), twin.body]


def _params(args: ast.arguments) -> Iterator[_Param]:
    plain = [*args.posonlyargs, *args.args]
    missing = len(plain) - len(args.defaults)
    yield from map(_Param, plain, [*[None] * missing, *args.defaults])
    if args.vararg:
        yield _Param(args.vararg, None)
    yield from map(_Param, args.kwonlyargs, args.kw_defaults)
    if args.kwarg:
        yield _Param(args.kwarg, None)


def _param(twin: _Param) -> list[Any]:
    return [each for each in (twin.default, twin.arg.annotation) if each]


def _call(twin: ast.Call) -> list[Any]:
    given: list[ast.expr | ast.keyword] = [*twin.args, *twin.keywords]
    return [twin.func, *sorted(given, key=lambda each: (each.lineno, each.col_offset))]


def _arg(twin: ast.expr | ast.keyword) -> list[Any]:
    return [twin.value if isinstance(twin, ast.keyword | ast.Starred) else twin]


def _sub(twin: ast.Subscript) -> list[Any]:
    index = twin.slice
    parts = index.elts if isinstance(index, ast.Tuple) else [index]
    return [twin.value, *map(_unstarred, parts)]


def _dict(twin: ast.Dict) -> list[Any]:
    return [each for pair in zip(twin.keys, twin.values, strict=True) for each in pair if each]


def _comp(twin: Any) -> list[Any]:
    return _held(twin, "key value generators" if isinstance(twin, ast.DictComp) else "elt generators")


def _bool(twin: ast.BoolOp) -> list[Any]:
    out: list[Any] = []
    for value in twin.values:
        same = isinstance(value, ast.BoolOp) and type(value.op) is type(twin.op)
        out += _bool(value) if same else [value]  # type: ignore[arg-type]
    return out


def _wrapped(twin: Any) -> list[Any]:
    return _held(twin, "operand" if isinstance(twin, ast.UnaryOp) else "value")


def _joined(twin: ast.JoinedStr) -> list[Any]:
    out: list[Any] = []
    for each in twin.values:
        value = each.value if isinstance(each, ast.FormattedValue) else each
        if isinstance(value, ast.JoinedStr):
            out += _joined(value)
        elif not isinstance(value.operand if isinstance(value, ast.UnaryOp) else value, ast.Constant):
            out.append(value)
    return out


_SPECIAL: dict[type[t.Node], Callable[[Any], list[Any]]] = {
    t.Assign: _assign, t.Delete: _delete, t.With: _with, t.Def: _def, t.Class: _class, t.Lambda: _lambda,
    t.Param: _param, t.Call: _call, t.Arg: _arg, t.Sub: _sub, t.DictExpr: _dict, t.Comp: _comp, t.BoolOp: _bool,
    t.Wrapped: _wrapped, t.FStr: _joined,
}  # fmt: skip

# --- from the ast to columns ------------------------------------------------------------------------------------------

_BLOCKS = (t.If, t.For, t.While, t.With, t.Try, t.Match, t.Def, t.Class, t.Handler)


def _part(node: t.Node, twin: Any, lines: Sequence[bytes], first: int) -> _Part:
    if isinstance(twin, _Param):
        name = twin.arg
        before = lines[name.lineno - first][: name.col_offset].rstrip()
        begin = len(before.rstrip(b"*")) if before.endswith(b"*") else name.col_offset
        return _Part(name.lineno, begin, name.lineno, name.col_offset + len(name.arg.encode()))
    if isinstance(node, t.For1 | t.Case):
        twin = twin.target if isinstance(node, t.For1) else twin.pattern
    part = _Part(twin.lineno, twin.col_offset, twin.end_lineno, twin.end_col_offset)
    if isinstance(node, _BLOCKS):
        # of a whole block its first line is enough
        line = lines[part.line - first]
        end = part.end_column if part.end_line == part.line else len(line)
        return part._replace(end_line=part.line, end_column=_header(line, part.column, end))
    if isinstance(twin, ast.GeneratorExp | ast.Tuple):
        return _inside(part, lines, first)
    return part


def _header(line: bytes, begin: int, end: int) -> int:
    """Without a trailing comment and blanks; a ``#`` in a header stands in a string only where a quote comes before."""
    head = line[begin:end]
    hash_at = head.find(b"  #")
    if hash_at > 0 and b'"' not in head[:hash_at] and b"'" not in head[:hash_at]:
        head = head[:hash_at]
    return begin + len(head.rstrip())


def _inside(part: _Part, lines: Sequence[bytes], first: int) -> _Part:
    """Without the parentheses around, which the ast counts as part of a tuple and of a generator."""
    line, column, end_line, end_column = part
    rows = list(lines[line - first : end_line - first + 1])
    rows[-1] = rows[-1][:end_column]
    rows[0] = rows[0][column:]
    text = b"\n".join(rows)
    if not (text.startswith(b"(") and text.endswith(b")") and _is_list(text[1:-1])):
        return part
    before = text[1:].lstrip()
    skipped = text[: len(text) - len(before)]
    if b"\n" in skipped:
        line, column = line + skipped.count(b"\n"), len(skipped) - skipped.rindex(b"\n") - 1
    else:
        column += len(skipped)
    kept = text[:-1].rstrip()
    end_line = part.line + kept.count(b"\n")
    end_column = len(kept) - kept.rindex(b"\n") - 1 if b"\n" in kept else part.column + len(kept)
    return _Part(line, column, end_line, end_column)


def _is_list(text: bytes) -> bool:
    """Do the parentheses around this text belong together? ``(a), (b)`` begins and ends with others."""
    try:
        ast.parse(b"[" + text + b"\n]")
    except SyntaxError:
        return False
    return True


def _span(file: File, lines: Sequence[bytes], first: int, part: _Part) -> Span:
    def column(line: int, offset: int) -> int:
        return file.source.column(line, len(lines[line - first][:offset].decode("utf-8", "replace")) + 1)

    return Span(part.line, column(part.line, part.column), part.end_line, column(part.end_line, part.end_column))
