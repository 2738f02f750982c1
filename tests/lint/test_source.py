"""Reading, decoding, gating and cutting of files."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import libcst
import pytest

from modelint.diagnostics import NotAnalysed
from modelint.lint import limits
from modelint.lint.source import Source, read_source


def source_of(data: bytes | str) -> Source:
    read = read_source("/p/file.py", data.encode() if isinstance(data, str) else data)
    assert isinstance(read, Source), read
    return read


def refused(data: bytes | str) -> NotAnalysed:
    read = read_source("/p/file.py", data.encode() if isinstance(data, str) else data)
    assert isinstance(read, NotAnalysed)
    assert "\n" not in read.reason
    return read


def cut(text: bytes | str) -> list[tuple[int, int, str]]:
    source = source_of(text)
    for statement in source.statements:
        libcst.parse_module(statement.text)
    return [(statement.line, statement.end_line, statement.text) for statement in source.statements]


def test_statements_are_slices_of_whole_lines() -> None:
    text = "import torch  # why\n\n\n@wrap(\n  1)\nclass A:\n    x = 1\n\n# end\nA()\n"
    assert cut(text) == [
        (1, 1, "import torch  # why\n"),
        (4, 7, "@wrap(\n  1)\nclass A:\n    x = 1\n"),
        (10, 10, "A()\n"),
    ]
    assert [statement.index for statement in source_of(text).statements] == [0, 1, 2]


def test_statements_on_one_line_share_a_slice() -> None:
    source = source_of("a = 1; b = 2\nif a: b = 3; c = 4\n")
    assert [len(statement.nodes) for statement in source.statements] == [2, 1]
    assert source.statements[0].node is source.statements[0].nodes[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1; \\\ny = 2\nz = 3\n", [(1, 2), (3, 3)]),
        ("x = 1 \\\n\ny = 2\n", [(1, 2), (3, 3)]),
        ("\\\nx = 1\n", [(1, 2)]),
        ("x = (1 +\n  2); y = '''\n\n'''; z = 1\nw = 1", [(1, 4), (5, 5)]),
        ("x = 1  # ends in a backslash \\\ny = 2\n", [(1, 2)]),
        ("@\\\nwrap\ndef f(): pass\n", [(1, 3)]),
        ("", []),
        ("# only a comment", []),
        ("x = 1", [(1, 1)]),
        ("x = '\x0b \x1c \u2028'\ny = 1\n", [(1, 1), (2, 2)]),
    ],
)
def test_where_statements_begin_and_end(text: str, expected: list[tuple[int, int]]) -> None:
    assert [(first, last) for first, last, _ in cut(text)] == expected


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_newlines_and_bom_move_nothing(newline: str, bom: bytes) -> None:
    data = bom + "import a\n\nclass B:\n\tx = '''\n  '''\n\ty = 2\n".replace("\n", newline).encode()
    assert cut(data) == [(1, 1, "import a\n"), (3, 6, "class B:\n\tx = '''\n  '''\n\ty = 2\n")]
    assert source_of(data).line_text(1) == "import a"


def test_form_feeds_keep_lines_and_columns() -> None:
    text = "x = 1\n\f\n\fy = torch.load(f)\nclass A:\n    a = 1\n\f    b = 2\n"
    assert [(first, last) for first, last, _ in cut(text)] == [(1, 1), (3, 3), (4, 6)]
    source = source_of(text)
    for statement in source.statements:
        assert libcst.parse_module(statement.text).code == statement.text
    assert source.line_text(3) == "\fy = torch.load(f)"
    assert source.column(3, 5) == 6
    assert source.column(1, 5) == 5


def test_line_text_beyond_the_end_is_empty() -> None:
    assert source_of("x = 1\n").line_text(99) == ""
    assert source_of("x = 1\n").line_text(0) == ""


@pytest.mark.parametrize(
    ("data", "reason", "line"),
    [
        (b"x = 1\ny = '\xff'\n", "not UTF-8", 2),
        (b"x = 1\n\ny = '\0'\n", "NUL", 3),
        ("x = 1\n".encode("utf-16"), "NUL", 1),
        (b"#!/bin/x\n# coding: klingon\n", "unknown encoding", 2),
        (b"# coding: rot13\nk = 1\n", "not a text encoding", 1),
        (b"# coding: base64\n", "not a text encoding", 1),
        (b"\xef\xbb\xbf# coding: latin-1\n", "byte order mark", 1),
        (b"# coding: ascii\nx = 1\ny = '\xe9'\n", "not ascii", 3),
        (b"# coding: utf-7\nx = '+2AA-'\n", "lone surrogates", 2),
        (b"# coding: undefined\nx\n", "cannot be decoded", 1),
        (b"x = 1\n" * 2_000_000, "too large", 1),
        (b"x=1\n" * 500_000, "tokens", 1),
        ("x = " + "(" * 100_000 + ")" * 100_000, "nested", 1),
        ("x = " + "-" * 100_000 + "1", "nested", 1),
        ("x = 1" + "+1" * 100_000, "nested", 1),
        ("x = a" + ".b" * 100_000, "nested", 1),
        ("x = " + "lambda:" * 50_000 + "1", "nested", 1),
        ("x = " + "not " * 50_000 + "1", "nested", 1),
    ],
)
def test_refused(data: bytes | str, reason: str, line: int) -> None:
    found = refused(data)
    assert reason in found.reason
    assert found.line == line
    assert not found.syntax


def test_syntax_errors_have_their_line() -> None:
    for text in ("x = 1\ny = = 2\n", "x = 1\nprint 'old'\n", "if a:\n\tx\n        y\n"):
        found = refused(text)
        assert found.syntax
        assert found.line >= 2
    assert refused("try: pass\nexcept A, e: pass\n").syntax


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="the syntax is known")
def test_newer_syntax_that_cannot_be_respelled_is_no_syntax_error() -> None:
    found = refused("a = 1\nx = f'''\n{a!r:\n}{'''\n")
    assert not found.syntax
    assert "newer than Python 3." in found.reason


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "cp1252", "UTF_8", "iso-8859-15", "koi8-r"])
def test_cookies_of_text_encodings(encoding: str) -> None:
    text = f"#!/usr/bin/python\n# -*- coding: {encoding} -*-\nx = 'a'  # \u0434\n"
    data = text.encode(encoding, "replace")
    assert source_of(data).statements[0].line == 3


def test_a_second_line_is_no_cookie_after_code() -> None:
    assert source_of(b"x = 1\n# coding: klingon\n").statements


def test_warnings_of_the_parser_are_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    assert source_of("x = '\\d' is 1\nassert (1, 'x')\n").statements
    assert capfd.readouterr() == ("", "")


def test_what_cannot_be_read(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo.py"
    os.mkfifo(fifo)
    (tmp_path / "loop.py").symlink_to("loop.py")
    reasons = {
        str(fifo): "not a regular file",
        "/dev/zero": "not a regular file",
        str(tmp_path): "is a directory",
        str(tmp_path / "gone.py"): "no such file",
        str(tmp_path / "loop.py"): "symbolic links",
        "nul\0.py": "cannot be opened",
    }
    for path, reason in reasons.items():
        found = read_source(path)
        assert isinstance(found, NotAnalysed)
        assert reason in found.reason, found
    odd = tmp_path / " -odd.py"
    odd.write_text("x = 1\n")
    assert isinstance(read_source(str(odd)), Source)


DEEP = {
    "calls": "f(" * 80 + "1" + ")" * 80 + " + 1" * 80,
    "chain": "a" + ".b()" * 80,
    "attributes": "a" + ".b" * 160,
    "subscripts": "a" + "[0]" * 160,
    "sum": "a" + " + a" * 160,
    "and": "a" + " and a" * 160,
    "not": "not " * 160 + "a",
    "minus": "-" * 160 + "a",
    "lambda": "lambda: " * 160 + "a",
    "else": "1 if a else " * 160 + "a",
    "strings": "(" + "'a' " * 160 + ")",
    "strings over lines": "(" + "'a'\n" * 160 + ")",
    "power": "a" + "**a" * 160,
    "comprehension": "[a " + "for a in a " * 160 + "]",
    "f-string": "f'{" + "-" * 160 + "a}'",
    "call over lines": "f(\n" * 80 + "-" * 80 + "1" + ")" * 80,
}


@pytest.mark.parametrize("kind", DEEP)
@pytest.mark.parametrize(
    "frame",
    [
        "x = g({})\n",
        "def f():\n    return {}\n",
        "class A:\n    def f(self):\n        if {}: pass\n",
        "@d({})\ndef f(): pass\n",
        "def f(a={}): pass\n",
        "for x in {}: pass\n",
        "if 1:\n  pass\nelif {}:\n  pass\n",
        "match {}:\n    case 1: pass\n",
        "match a:\n    case 1 if {}: pass\n",
        "try: pass\nexcept {}: pass\n",
        "if a: pass; x = {}\n",
        "class A({}): pass\n",
    ],
)
def test_too_deep_expressions_lose_only_their_statement(kind: str, frame: str) -> None:
    source = source_of("import a\n" + frame.format(DEEP[kind]) + "b = a\n")
    assert [statement.line for statement in source.skipped] == [2]
    assert "150" in source.skipped[0].reason
    assert len(source.statements) == 2


def test_deep_patterns_and_elif() -> None:
    for text in (
        "match a:\n    case " + "A(b=" * 160 + "1" + ")" * 160 + ": pass\n",
        "if a: pass\n" + "elif a: pass\n" * 160,
        "import " + "a" + ".b" * 160 + "\n",
    ):
        assert len(source_of(text).skipped) == 1


def test_ordinary_depth_is_kept() -> None:
    for text in (
        "x = a" + ".b()" * 60 + "\n",
        "if a: pass\n" + "elif a: pass\n" * 100,
        "x = f(" + ", ".join(f"a.b(c[{n}], d='e')" for n in range(500)) + ")\n",
        "x = f(\n" + "\n".join(f"    -a * b({n})," for n in range(500)) + ")\n",
    ):
        source = source_of(text)
        assert (len(source.statements), source.skipped) == (1, [])


def test_a_class_of_ten_thousand_lines_is_kept() -> None:
    method = (
        "    def f{0}(self, x):\n        # note\n        y = self.layers[{0}](x, scale=0.5)\n        return y + x\n\n"
    )
    source = source_of("class A:\n" + "".join(method.format(n) for n in range(2_000)))
    assert len(source.statements) == 1
    assert source.statements[0].end_line == 10_000


def test_nested_brackets_add_up() -> None:
    for line in (
        "    x = " + "f(" * 40 + "1" + ")" * 40 + "\n",
        "    x = " + "f(')))))', " * 40 + "'(((((')" + ", '(((((')" * 39 + "\n",
        "    x = f'{" + "f(" * 40 + "1" + ")" * 40 + "}'\n",
    ):
        assert "nested" in source_of("def f():\n" + line * 150).skipped[0].reason, line


def test_large_data_is_dropped_without_a_word() -> None:
    source = source_of("x: list[int] = 1\ny = {" + "'a': [1, -2.5, None], " * 20_000 + "}\nz = 1\n")
    assert [statement.line for statement in source.statements] == [1, 3]
    assert source.skipped == []


def test_large_code_is_left_out() -> None:
    source = source_of("def f():\n" + "    x = 1\n" * 60_000)
    assert "tokens" in source.skipped[0].reason
    assert limits.MAX_TOKENS == 150_000
