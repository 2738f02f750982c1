"""Syntax newer than the running Python is spelled in older: every name stays at its line and column."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from modelint.cli import main
from modelint.lint import respell
from modelint.lint.respell import respelled
from modelint.lint.source import Source, read_source

#: Text, and what must stand in its respelling. Python 3.11, which knows none of these, is the oldest one.
SPELLINGS = [
    ("def f[T](a: T): ...\n", "def f   (a: T): ...\n"),
    ("class A[T: int, *Ts](B): ...\n", "class A             (B): ...\n"),
    ("class A[\n    T,  # one\n](B): ...\n", "(B): ...\n"),
    ("type X = int\n", "X      = int\n"),
    ("type X[T] = list[T]\n", "X         = list[T]\n"),
    ('x = f"{d["k"]}", y\n', '(  d["k"],), y\n'),
    ('x = f"é {d["é"]}", y\n', '(    d["é"],), y\n'),
    ('x = "a" f"{d["k"]}" \'c\'; y\n', 'd["k"]'),
    ("x = f'''{\n    a['k']  # why\n}'''\n", "    a['k'],"),
    ('x = f"{f"{f"{d["k"]}"}"}"\n', 'd["k"]'),
    ('x = f"{a:>{d["w"]}}"\n', 'd["w"]'),
    ("try: pass\nexcept A, B: pass\n", "except(A,B): pass\n"),
    ('x = t"{a} b"\n', "a"),
]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="most of it is known, and then left as it is")
@pytest.mark.parametrize(("text", "expected"), SPELLINGS)
def test_spellings(text: str, expected: str) -> None:
    found = respelled(text)
    assert found is not None
    assert expected in found
    assert [len(line) for line in found.split("\n")] == [len(line) for line in text.split("\n")]


@pytest.mark.parametrize(("text", "expected"), SPELLINGS)
def test_it_is_known_afterwards(text: str, expected: str) -> None:
    found = read_source("a.py", text.encode())
    assert isinstance(found, Source)
    ast.parse(found.text)


def test_what_python_knows_is_left_as_it_is() -> None:
    text = 'x = f"{a} {b!r:>{w}}" "c"\ntry: pass\nexcept (A, B): pass\n'
    assert respelled(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "def f(:\n",
        "x = = 1\n",
        "type X = \n",
        "print 'old'\n",
        "(" * 100 + ")" * 100,
        "x = " + "-" * 5000 + "1\n",
        "a" * 500_000,
    ],
    ids=["bracket", "operator", "half", "python2", "deep", "run", "long"],
)
def test_what_is_no_python_stays_refused(text: str) -> None:
    assert respelled(text) is None


def test_no_module_of_the_working_directory_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "libcst.py").write_text("open('ran', 'w')\n")
    monkeypatch.chdir(tmp_path)
    assert respelled("x = 1\n") == "x = 1\n"
    assert not (tmp_path / "ran").exists()


def test_a_child_that_dies_is_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(respell.sys, "executable", "/bin/false")
    assert respelled("x = 1\n") is None


def test_findings_stand_where_they_are_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        "import torch",
        "type State = dict[str, torch.Tensor]",
        "",
        "def restore[T](model: T, d) -> None:",
        '    state = torch.load(f"{d["root"]}/best.pt")',
        "    model.load_state_dict(state, strict=False)",
        "",
        "def told(model, d):",
        '    result = model.load_state_dict(torch.load("a.pt"), strict=False)',
        '    print(f"{d["name"]}: {result}")',
    ]
    (tmp_path / "load.py").write_text("\n".join(lines) + "\n")
    monkeypatch.chdir(tmp_path)
    assert main(["check", "--no-cache", "--format", "concise", "."]) == 1
    output = capsys.readouterr()
    assert [line.split(" ")[:2] for line in output.out.splitlines()] == [["load.py:6:5:", "MDL401"]]
    assert "not analysed" not in output.err


def test_newer_syntax_without_a_word_of_torch_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plain.py").write_text("type X = int\n")
    monkeypatch.chdir(tmp_path)
    assert main(["check", "--no-cache", "."]) == 0
    assert "not analysed" not in capsys.readouterr().err
