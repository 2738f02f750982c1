"""Drift stands on the line that assigns the attribute, in the nearest class of the project that does."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from modelint.diagnostics import Span
from modelint.layout.facts import ClassPlace, Symbol
from modelint.layout.place import Finder

SOURCE = textwrap.dedent(
    """\
    import torch
    from torch import nn


    class Base(nn.Module):
        def __init__(self):
            super().__init__()
            self.inherited = nn.Linear(1, 1)
            self.both = nn.Linear(1, 1)

        def forward(self, x):
            return x


    @torch.compile
    class Net(Base):
        shared: nn.Module = nn.Identity()

        def later(self):
            self.late = nn.Linear(2, 2)
            self.both = None

        def __init__(self):
            super().__init__()
            self.plain = nn.Linear(1, 1)
            self.typed: nn.Module = nn.Linear(
                1, 1
            )
            self.one, self.two = nn.Linear(1, 1), nn.Linear(2, 2)
            self.both = nn.Linear(1, 1)
            self.register_buffer("mask", torch.ones(1))
            self.register_parameter(name="scale", param=None)
            self.add_module("added", nn.Linear(1, 1))
            setattr(self, "set", nn.Linear(1, 1))
            for n in range(3):
                self.add_module(f"block{n}", nn.Linear(1, 1))
            self.parts = nn.ModuleDict(dict(
                wte=nn.Embedding(2, 2),
                wpe=nn.Embedding(2, 2),
            ))
            self.named = nn.ModuleDict({
                "first": nn.Linear(1, 1),
            })
            self.head = nn.Linear(1, 1)
            self.head.weight = self.parts.wte.weight
            # \u00e9\u00e9
            é = "\u00e9\u00e9"; self.wide = nn.Linear(1, 1)
    """
)


@pytest.fixture
def finder(tmp_path: Path) -> Finder:
    path = tmp_path / "model.py"
    path.write_text(SOURCE, encoding="utf-8")
    lines = {name: SOURCE.split("\n").index(text) + 1 for name, text in (("Base", "class Base(nn.Module):"),)}
    decorated = SOURCE.split("\n").index("@torch.compile") + 1
    return Finder(
        {
            "model.Base": ClassPlace(str(path), lines["Base"], 12, ()),
            "model.Net": ClassPlace(str(path), decorated, 60, ("model.Base",)),
        }
    )


@pytest.mark.parametrize(
    ("attribute", "below", "text"),
    [
        ("plain", "", "self.plain = nn.Linear(1, 1)"),
        ("typed", "", "self.typed: nn.Module = nn.Linear("),
        ("one", "", "self.one, self.two = nn.Linear(1, 1), nn.Linear(2, 2)"),
        ("two", "", "self.one, self.two = nn.Linear(1, 1), nn.Linear(2, 2)"),
        ("both", "", "self.both = nn.Linear(1, 1)"),
        ("late", "", "self.late = nn.Linear(2, 2)"),
        ("mask", "", 'self.register_buffer("mask", torch.ones(1))'),
        ("scale", "", 'self.register_parameter(name="scale", param=None)'),
        ("added", "", 'self.add_module("added", nn.Linear(1, 1))'),
        ("set", "", 'setattr(self, "set", nn.Linear(1, 1))'),
        ("block2", "", 'self.add_module(f"block{n}", nn.Linear(1, 1))'),
        ("parts", "", "self.parts = nn.ModuleDict(dict("),
        ("parts.wpe", "", "nn.Embedding(2, 2)"),
        ("parts.other", "", "self.parts = nn.ModuleDict(dict("),
        ("named.first", "", "nn.Linear(1, 1)"),
        ("head", "weight", "self.head.weight = self.parts.wte.weight"),
        ("head", "bias", "self.head = nn.Linear(1, 1)"),
        ("shared", "", "shared: nn.Module = nn.Identity()"),
        ("wide", "", "self.wide = nn.Linear(1, 1)"),
        ("inherited", "", "self.inherited = nn.Linear(1, 1)"),
        ("forward", "", "def forward(self, x):"),
        ("__init__", "", "def __init__(self):"),
        ("unknown", "", "class Net(Base):"),
        ("", "", "class Net(Base):"),
    ],
)
def test_the_line_that_assigns(finder: Finder, attribute: str, below: str, text: str) -> None:
    spot = finder.find(Symbol((("model.Net", attribute),), below))
    assert spot is not None
    line = SOURCE.split("\n")[spot.span.line - 1]
    assert line[spot.span.column - 1 : spot.span.end_column - 1] == text
    assert spot.span.end_line == spot.span.line


def test_classes_of_others_are_passed_over(finder: Finder) -> None:
    spot = finder.find(Symbol((("timm.layers.Mlp", "fc1"), ("model.Net", "plain"))))
    assert spot is not None and SOURCE.split("\n")[spot.span.line - 1].strip().startswith("self.plain")
    assert finder.find(Symbol((("timm.layers.Mlp", "fc1"),))) is None
    assert finder.find(Symbol()) is None


def test_an_attribute_that_is_gone_stands_at_its_class(finder: Finder) -> None:
    spot = finder.find(Symbol((("model.Base", "nowhere"), ("model.Net", "plain"))))
    assert spot is not None and SOURCE.split("\n")[spot.span.line - 1] == "class Base(nn.Module):"


def test_a_file_that_is_gone_or_broken_leaves_the_line_that_was_told(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("class (")
    for name in ("gone.py", "broken.py"):
        finder = Finder({"model.Net": ClassPlace(str(tmp_path / name), 7, 9)})
        spot = finder.find(Symbol((("model.Net", "fc"),)))
        assert spot is not None and spot.span == Span(7, 1, 7, 1)
