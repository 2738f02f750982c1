"""Bodies that are lowered on demand are those that the whole statement would give."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelint.diagnostics import Span
from modelint.lint import cut as module
from modelint.lint import tree as t
from modelint.lint.asts import words_of
from modelint.lint.cut import cut
from modelint.lint.index import File
from modelint.lint.lower import lower_text
from modelint.lint.places import spans
from modelint.lint.project import Project

CODE = '''\
@register(name="a")
class Net(Base[x], *mixins, metaclass=Meta):
    """Words."""

    a: Kind = first

    @property
    async def one(self, x: Hint = default, *args: *Ts, key: "text" = other, **kw: Rest) -> Result:
        # a comment
        """Words."""
        y: Unseen = f"{value!r:>{width}} {more}" "joined" f"{last=}"
        z: Target
        assert test, message
        raise error from cause
        return self.items[low:high:step, *rest]

  # a comment between
    def two(self, a=1,
            b=2):
        try:
            with open(path) as f, lock: pass
        except* (Error, Other) as e: del self.gone
        match subject:
            case Pattern(attr=captured) if guard: found
        global somewhere
        for i, (j, *k) in pairs: print(lambda q, *, d=filled: q + inner)
        else: otherwise
        text = """
less indented
"""

    class Inner:
        def three(self): return short
        def four(self): \\
            return joined

        def five(self):
            import os as system
            class Deep(Parent, option=Option):
                field: Field = [w async for w in ws if cond if more]
            def nested(p: Note) -> Out: yield from {**spread, k: v}
            await (n := -(a if b else c))
            return deep  # the end

    last = after
'''


def _file(tmp_path: Path, code: str) -> File:
    path = tmp_path / "net.py"
    path.write_text(code)
    file = Project(str(tmp_path)).file(str(path))
    assert file is not None
    return file


def _shape(stmts: list[t.Stmt]) -> list[tuple[str, ...]]:
    fields = ("id", "attr", "name", "value", "op", "kind", "words")
    shown = (str, int, float, frozenset)
    return [
        (type(node).__name__, *(str(v) if not isinstance(v, frozenset) else str(sorted(v)) for v in values))
        for node in t.walk(stmts)
        if (values := [v for name in fields if isinstance(v := getattr(node, name, None), shown)]) is not None
    ]


def _ranks(stmts: list[t.Stmt]) -> list[int]:
    numbers = [node.n for node in t.walk(stmts)]
    order = {n: i for i, n in enumerate(sorted(set(numbers)))}
    return [order[n] for n in numbers]


@pytest.fixture(autouse=True)
def _every_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SHORT", 0)


def test_parts_are_the_whole(tmp_path: Path) -> None:
    file = _file(tmp_path, CODE)
    parts, whole = file.lowered(0), lower_text(CODE)
    assert [body.node.name for body in cut(file.source.statements[0]).bodies] == ["one", "two", "five"]
    assert _shape(parts) == _shape(whole)
    assert _ranks(parts) == _ranks(whole)


def test_words_of_the_ast_are_those_of_the_tree(tmp_path: Path) -> None:
    file = _file(tmp_path, CODE)
    found = {node.name: node.words for node in t.walk(lower_text(CODE)) if isinstance(node, t.Def)}
    for body in cut(file.source.statements[0]).bodies:
        assert words_of(body.node) == found[body.node.name]


def test_places(tmp_path: Path) -> None:
    file = _file(tmp_path, "import os\n" + CODE)
    lines = file.source.text.split("\n")
    for node in t.walk(file.lowered(1)):
        if isinstance(node, t.Name):
            ((line, column, end_line, end_column),) = spans(file, 1, [node.n]).values()
            assert line == end_line
            assert lines[line - 1][column - 1 : end_column - 1].strip("()") == node.id


def test_what_follows_a_body_has_its_line(tmp_path: Path) -> None:
    file = _file(tmp_path, CODE)
    last = next(n for n in t.walk(file.lowered(0)) if isinstance(n, t.Name) and n.id == "after")
    line = CODE.split("\n").index("    last = after") + 1
    assert spans(file, 0, [last.n])[last.n] == Span(line, 12, line, 17)


def test_letters_that_the_ast_spells_otherwise(tmp_path: Path) -> None:
    file = _file(tmp_path, "def f():\n    \u212f = 1\n    return \u212f\n")
    (function,) = file.lowered(0)
    assert isinstance(function, t.Def)
    assert function.words == {"\u212f"}


def test_a_body_that_libcst_refuses(tmp_path: Path) -> None:
    file = _file(tmp_path, "class A:\n    def f(self):\n        (x): int = 1\n\n    def g(self):\n        return y\n")
    (net,) = file.lowered(0)
    assert isinstance(net, t.Class)
    f, g = (node for node in net.body if isinstance(node, t.Def))
    assert not file.refused
    assert f.body == []
    assert [each.line for each in file.refused] == [3]
    assert len(g.body) == 1


OPTIONS = """\
def main():
    parser.add_argument("-a", type=int, default=-1,
                        choices=[1, 2])  # a comment
    parser.add_argument("-b"); kept = 1
    parser.add_argument("-c", default=state)
    if x: parser.add_argument("-d")
    return parser.parse_args()
"""


def test_options_of_a_command_line_are_not_lowered(tmp_path: Path) -> None:
    file = _file(tmp_path, OPTIONS)
    texts = [text for node in t.walk(file.lowered(0)) if isinstance(node, t.Const) and (text := node.value)]
    assert texts == ["-b", 1, "-c", "-d"]
    (body,) = cut(file.source.statements[0]).bodies
    assert body.text.count("\n") == OPTIONS.count("\n") - 1
    returned = [node for node in t.walk(file.lowered(0)) if isinstance(node, t.Return)]
    assert spans(file, 0, [returned[0].n]) == {returned[0].n: Span(7, 5, 7, 31)}
