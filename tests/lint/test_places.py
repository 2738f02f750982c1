"""The text at the place of a node is that node: lowered on its own it gives the same tree."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from modelint.diagnostics import Span
from modelint.lint import lower
from modelint.lint import tree as t
from modelint.lint.index import File
from modelint.lint.places import spans
from modelint.lint.project import Project

FOLDER = Path(lower.__file__).parent
CODE = """\
@decorated(first)
class Net(Base[x], *mixins, metaclass=Meta):
    ä = "ä", ö(ü)["ß"]
    pair = (  # with a comment
        one, (two),
    )
    both = (one), (two)
    sums = f(i.j for i in (k for k in l)), (m + (n) for m in n if m)
    def method(self, a: Hint=first(), *rest: Rest, k=(last), **kw: Kw):  # a comment
        if a and (b and c) or not d: return -1, -a, {**a, "k": b[1:c, ..., *d]}
        elif (e := f) < g <= h:
            text = f"ä {a.b(c)!r:>{d}}" "joined" f"{f'{e[0]}'} {f=}" "end"
        else: del (a.b, c[0])
        with open(a) as b, c(d): pass
        try: raise A(b) from c
        except (B, C) as d: print(lambda q, *, d=e: q + d)
        finally: assert f(a), b
        for i, *j in x: a @= {l: m for n, o in p if q if r}
        while x: y: Kind = yield z if x else (y)
        match a.b:
            case [1]: c.d()
        async def inner(): return await x
"""


def _file(tmp_path: Path, code: str) -> File:
    path = tmp_path / "net.py"
    path.write_text(code, encoding="utf-8")
    file = Project(str(tmp_path)).file(str(path))
    assert file is not None
    return file


def _shape(node: object) -> object:
    if isinstance(node, t.Node):
        names = [each.name for each in fields(node) if each.name not in ("n", "_words", "words", "unwraps")]
        return type(node).__name__, [_shape(node.body if n == "_body" else getattr(node, n)) for n in names]  # type: ignore[attr-defined]
    return [_shape(each) for each in node] if isinstance(node, list | tuple) else node


def _text(file: File, span: Span) -> str:
    lines = file.source.lines[span.line - 1 : span.end_line]
    lines[-1] = lines[-1][: span.end_column - 1]
    lines[0] = lines[0][span.column - 1 :]
    return "\n".join(lines)


EXPRESSIONS = (
    t.Name, t.Attr, t.Call, t.Sub, t.FStr, t.Seq, t.DictExpr, t.Comp, t.Bin, t.BoolOp, t.Not, t.Compare, t.IfExp,
    t.Lambda, t.Walrus,
)  # fmt: skip
STATEMENTS = (t.ExprStmt, t.Assign, t.AugAssign, t.Return, t.Raise, t.Delete, t.Assert)


def _checked(file: File) -> set[type[t.Node]]:
    seen: set[type[t.Node]] = set()
    for statement in file.source.statements:
        nodes = [node for node in t.walk(file.lowered(statement.index)) if type(node) in (*EXPRESSIONS, *STATEMENTS)]
        inside = {id(part) for node in nodes if isinstance(node, t.FStr) for part in node.parts}
        inside |= {id(node.index) for node in nodes if isinstance(node, t.Sub)}  # has no place of its own
        found = spans(file, statement.index, [node.n for node in nodes])
        for node in nodes:
            if id(node) in inside and isinstance(node, t.FStr | t.Seq):
                continue
            text = _text(file, found[node.n])
            (again,) = lower.lower_text(f"{text}\n" if isinstance(node, STATEMENTS) else f"({text}\n)\n")
            given = again.value if isinstance(again, t.ExprStmt) and not isinstance(node, STATEMENTS) else again
            assert _shape(given) == _shape(node), text
            seen.add(type(node))
    return seen


def test_the_text_at_a_place(tmp_path: Path) -> None:
    assert _checked(_file(tmp_path, CODE)) == {*EXPRESSIONS, *STATEMENTS}


@pytest.mark.parametrize("name", ["lower.py", "keys.py", "guards.py", "parser.py"])
def test_in_real_code(tmp_path: Path, name: str) -> None:
    assert _checked(_file(tmp_path, (FOLDER / name).read_text(encoding="utf-8")))


def test_of_a_block_the_first_line(tmp_path: Path) -> None:
    file = _file(tmp_path, CODE)
    (index,) = [statement.index for statement in file.source.statements]
    blocks = [n for n in t.walk(file.lowered(index)) if isinstance(n, t.Def | t.Class | t.If | t.With | t.Try)]
    texts = [_text(file, span) for span in spans(file, index, [node.n for node in blocks]).values()]
    assert texts == [
        "class Net(Base[x], *mixins, metaclass=Meta):",
        "def method(self, a: Hint=first(), *rest: Rest, k=(last), **kw: Kw):",
        'if a and (b and c) or not d: return -1, -a, {**a, "k": b[1:c, ..., *d]}',
        "elif (e := f) < g <= h:",
        "with open(a) as b, c(d): pass",
        "try: raise A(b) from c",
        "async def inner(): return await x",
    ]


def test_of_a_parameter_the_name(tmp_path: Path) -> None:
    file = _file(tmp_path, CODE)
    found = [n for n in t.walk(file.lowered(0)) if isinstance(n, t.Param)]
    texts = [_text(file, span) for span in spans(file, 0, [node.n for node in found]).values()]
    assert texts == ["self", "a", "*rest", "k", "**kw", "q", "d"]
