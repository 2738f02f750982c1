"""The line behind a module that is not as it was, where the line that assigns the module is."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelint.layout.facts import ClassPlace, Symbol
from modelint.layout.place import Finder

THEN = """\
def conv(width, kernel=3):
    padding = kernel // 2
    return nn.Conv2d(width, width, kernel, padding=padding)


class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        layers = [nn.Conv2d(3, width, 3)]
        layers.append(nn.ReLU())
        depth = 3
        for number in range(depth):
            layers += [nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width)]
        unrelated = nn.Linear(1, 1)
        self.main = nn.Sequential(*layers)
        self.other = unrelated
        self.blocks = self._make(width, 2)
        self.stem = conv(width)
        self.long = nn.Sequential(
            nn.Linear(width, 1),
            nn.ReLU(),
            nn.Sequential(
                nn.Linear(1, 2),
                nn.Tanh(),
            ),
        )
        if width:
            self.both = nn.Linear(width, 5)
        else:
            self.both = nn.Linear(width, 6)
        self.taken = taken = nn.Linear(
            1, 1
        )

    def _make(self, width, count):
        made = []
        for _ in range(count):
            made.append(self._block(width))
        return nn.Sequential(*made)

    def _block(self, width):
        return nn.TransformerEncoderLayer(width, 4)
"""


def place(tmp_path: Path, attribute: str, *changes: tuple[str, str], names: tuple[str, ...] = ()) -> str:
    """The text that is found."""
    text = THEN
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = tmp_path / "net.py"
    path.write_text(text)
    lines = text.split("\n")
    line = lines.index("class Net(nn.Module):") + 1
    finder = Finder({"net.Net": ClassPlace(str(path), line, len(lines))}, lambda _: THEN)
    spot = finder.find(Symbol((("net.Net", attribute),)), names)
    assert spot is not None and spot.span.line == spot.span.end_line
    return lines[spot.span.line - 1][spot.span.column - 1 : spot.span.end_column - 1]


@pytest.mark.parametrize(
    ("attribute", "old", "new", "found"),
    [
        ("main", "nn.Conv2d(3, width, 3)", "nn.Conv2d(3, width, 5)", "layers = [nn.Conv2d(3, width, 5)]"),
        ("main", "nn.ReLU())", "nn.ReLU6())", "layers.append(nn.ReLU6())"),
        ("stem", "width=8)", "width=16)", "width"),
        ("main", "depth = 3", "depth = 4", "self.main = nn.Sequential(*layers)"),
        (
            "main",
            "nn.GELU()",
            "nn.SiLU()",
            "layers += [nn.Linear(width, width), nn.SiLU(), nn.LayerNorm(width)]",
        ),
        ("main", "nn.Linear(1, 1)", "nn.Linear(1, 1, bias=False)", "self.main = nn.Sequential(*layers)"),
        ("other", "nn.Linear(1, 1)", "nn.Linear(1, 1, False)", "unrelated = nn.Linear(1, 1, False)"),
        ("blocks", "layers.append(", "layers.extend(", "self.blocks = self._make(width, 2)"),
        ("blocks", "(width, 2)", "(width, 3)", "self.blocks = self._make(width, 3)"),
        ("blocks", "made.append(", "made.insert(0, ", "made.insert(0, self._block(width))"),
        ("blocks", "Layer(width, 4)", "Layer(width, 8)", "return nn.TransformerEncoderLayer(width, 8)"),
        ("stem", "kernel // 2", "0", "padding = 0"),
        ("stem", "conv(width)\n", "conv(2 * width)\n", "self.stem = conv(2 * width)"),
        ("long", "nn.ReLU(),\n", "nn.SiLU(),\n", "nn.SiLU()"),
        ("long", "nn.Tanh(),\n", "nn.Tanh(1),\n", "nn.Tanh(1)"),
        ("long", "nn.Tanh(),\n", "nn.Identity(), nn.Tanh(),\n", "nn.Identity()"),
        ("long", "nn.ReLU(),\n", "", "nn.Sequential("),
        ("long", "nn.Linear(1, 2),\n", "", "nn.Tanh()"),
        ("long", "nn.Tanh(),\n", "", "nn.Sequential("),
        ("both", "nn.Linear(width, 6)", "nn.Linear(width, 7)", "self.both = nn.Linear(width, 7)"),
        ("taken", "1, 1\n        )", "1, 1,\n        )", "self.taken = taken = nn.Linear("),
    ],
)
def test_the_line_that_changed(tmp_path: Path, attribute: str, old: str, new: str, found: str) -> None:
    assert place(tmp_path, attribute, (old, new)) == found


FORWARD = '''\
class Net:
    def forward(self, x, mask=None):
        """Of a batch."""
        if mask is not None:
            x = x + mask
        for block in self.blocks:
            x = block(x)
        return x
'''


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("x + mask", "x * mask", "x = x * mask"),
        ("Of a batch", "of one", "def forward(self, x, mask=None):"),
        ("mask is not None", "mask is None", "if mask is None:"),
        ("in self.blocks", "in self.blocks[1:]", "for block in self.blocks[1:]:"),
        ("return x", "return x + 1", "return x + 1"),
        ("    return x", "    x = x\n        return x", "x = x"),
        ("        if mask is not None:\n            x = x + mask\n", "", "def forward(self, x, mask=None):"),
        ("mask=None", "mask=0", "def forward(self, x, mask=0):"),
    ],
)
def test_a_method_by_its_first_statement_that_changed(tmp_path: Path, old: str, new: str, found: str) -> None:
    assert FORWARD.count(old) == 1
    text = FORWARD.replace(old, new)
    path = tmp_path / "net.py"
    path.write_text(text)
    spot = Finder({"net.Net": ClassPlace(str(path), 1, 8)}, lambda _: FORWARD).find(Symbol((("net.Net", "forward"),)))
    assert spot is not None
    line = text.split("\n")[spot.span.line - 1]
    assert line[spot.span.column - 1 : spot.span.end_column - 1] == found


OUTER = """\
class Net:
    def __init__(self, width=8, depth=2, heads=4):
        self.block = nn.Linear(width, heads)

    def forward(self, x):
        return self.block(x)


class Model:
    def __init__(self, width=8, depth=2):
        self.net = Net(width, depth)
"""


@pytest.mark.parametrize(
    ("attribute", "old", "new", "found"),
    [
        ("block", "self, width=8, depth=2):", "self, width=4, depth=2):", "width=4, depth=2):"),
        ("block", "heads=4", "heads=8", "heads=8):"),
        ("block", "Net(width, depth)", "Net(2 * width, depth)", "self.net = Net(2 * width, depth)"),
        ("block", "self, width=8, depth=2):", "self, width=8, depth=3):", "depth=3):"),
        ("block", "depth=2, heads", "depth=3, heads", "self.block = nn.Linear(width, heads)"),
        ("gone", "self, width=8, depth=2):", "self, width=4, depth=2):", "class Net:"),
        ("forward", "self, width=8, depth=2):", "self, width=4, depth=2):", "def forward(self, x):"),
    ],
)
def test_outwards_where_all_is_as_it_was(tmp_path: Path, attribute: str, old: str, new: str, found: str) -> None:
    assert OUTER.count(old) == 1
    text = OUTER.replace(old, new)
    path = tmp_path / "net.py"
    path.write_text(text)
    classes = {"net.Net": ClassPlace(str(path), 1, 6), "net.Model": ClassPlace(str(path), 9, 11)}
    spot = Finder(classes, lambda _: OUTER).find(Symbol((("net.Net", attribute), ("net.Model", "net"))))
    assert spot is not None
    assert text.split("\n")[spot.span.line - 1][spot.span.column - 1 :] == found


def test_of_several_the_one_with_the_class_in_it(tmp_path: Path) -> None:
    changes = ("nn.Conv2d(3, width, 3)", "nn.Conv2d(3, width, 5)"), ("nn.ReLU())", "nn.ReLU6())")
    assert place(tmp_path, "main", *changes) == "layers = [nn.Conv2d(3, width, 5)]"
    assert place(tmp_path, "main", *changes, names=("ReLU6",)) == "layers.append(nn.ReLU6())"
    assert place(tmp_path, "main", *changes, names=("GELU",)) == "layers = [nn.Conv2d(3, width, 5)]"
    changes = ("nn.Linear(width, 1),", "nn.Linear(width, 3),"), ("nn.Tanh()", "nn.Tanh(1)")
    assert place(tmp_path, "long", *changes) == "nn.Linear(width, 3)"
    assert place(tmp_path, "long", *changes, names=("Tanh",)) == "nn.Tanh(1)"


def test_what_does_not_lead_to_it_is_not_it(tmp_path: Path) -> None:
    change = ("unrelated = nn.Linear(1, 1)", "layer = unrelated = nn.Linear(2, 1)")
    assert place(tmp_path, "main", change) == "self.main = nn.Sequential(*layers)"
    assert place(tmp_path, "stem", ("(width, 2)", "(width, 3)")) == "self.stem = conv(width)"
