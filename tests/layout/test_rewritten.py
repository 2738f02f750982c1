"""A value that a constructor keeps: which line of the constructors around it is not as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelint.layout.facts import ClassPlace, Symbol
from modelint.layout.place import Finder

THEN = """\
class Base:
    def __init__(self, width):
        self.width = width


class Attention(Base):
    def __init__(self, width, heads=4):
        super().__init__(width)
        inner = width * heads
        if heads:
            self.scale = inner ** -0.5
        self.heads = heads

    def forward(self, x):
        return x * self.scale


class Net:
    def __init__(self, width=8):
        self.other = Attention(width, heads=1)
        self.attend = Attention(width, heads=4)
"""
#: Of a value that the module ``attend`` of the model keeps.
SYMBOL = Symbol((("net.Attention", "__init__"), ("net.Net", "attend")), "")


def place(tmp_path: Path, *changes: tuple[str, str], then: str | None = THEN) -> str:
    """The line that is found, without its indent."""
    text = THEN
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    path = tmp_path / "net.py"
    path.write_text(text)
    lines = text.split("\n")
    at = {cls: lines.index(next(line for line in lines if line.startswith(f"class {cls}"))) + 1 for cls in BASES}
    classes = {f"net.{cls}": ClassPlace(str(path), at[cls], at[cls], bases) for cls, bases in BASES.items()}
    spot = Finder(classes, lambda _: then).find(SYMBOL)
    assert spot is not None and spot.path == str(path)
    return lines[spot.span.line - 1].strip()


BASES = {"Base": (), "Attention": ("net.Base",), "Net": ()}


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("inner ** -0.5", "inner ** -0.25", "self.scale = inner ** -0.25"),
        ("inner = width * heads", "inner = width", "inner = width"),
        ("self.width = width", "self.width = 2 * width", "self.width = 2 * width"),
        ("heads=4):", "heads=2):", "def __init__(self, width, heads=2):"),
        ("heads=4)\n", "heads=2)\n", "self.attend = Attention(width, heads=2)"),
        ("width=8):", "width=4):", "def __init__(self, width=4):"),
    ],
)
def test_the_line_that_changed(tmp_path: Path, old: str, new: str, found: str) -> None:
    assert place(tmp_path, (old, new)) == found


def test_what_keeps_a_value_goes_before_what_leads_to_it(tmp_path: Path) -> None:
    changes = ("inner = width * heads", "inner = width + heads"), ("inner ** -0.5", "inner ** -0.25")
    assert place(tmp_path, *changes) == "self.scale = inner ** -0.25"


def test_another_module_that_changed_is_not_it(tmp_path: Path) -> None:
    assert place(tmp_path, ("heads=1)", "heads=2)")) == "def __init__(self, width, heads=4):"


def test_a_statement_that_moved_has_not_changed(tmp_path: Path) -> None:
    moved = ("        self.heads = heads\n", ""), ("        inner =", "        self.heads = heads\n        inner =")
    assert place(tmp_path, *moved) == "def __init__(self, width, heads=4):"


@pytest.mark.parametrize("then", [None, "", "class Attention:\n    pass\n", "no python ("])
def test_what_it_was_is_not_known(tmp_path: Path, then: str | None) -> None:
    changed = ("inner ** -0.5", "inner ** -0.25")
    assert place(tmp_path, changed, then=then) == "def __init__(self, width, heads=4):"
