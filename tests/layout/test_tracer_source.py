"""Digests of source text: what counts in them, and that they are the same on every Python at hand."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap

import pytest

from modelint.layout.tracer import source

TEXT = '''
"""A module."""
import os


class Net(Base):
    """A class."""

    def forward(self, x: "Tensor", *, scale: float = 1.0) -> "Tensor":
        """Docs."""
        # A comment.
        total: int = 0
        for i, each in enumerate(x):
            total += each * 2 ** i if i % 2 else f"{each!r:>{i}} {i=}"
        try:
            return {**x, "a": [y for y in x if y], b"b": lambda k, /: k[1:2, ..., -1]}
        except (ValueError, TypeError) as error:
            raise RuntimeError("x" "y") from error
'''


def function_digest(text: str, tmp_path, name: str) -> str | None:
    path = tmp_path / f"{name}.py"
    path.write_text(textwrap.dedent(text))
    scope: dict[str, object] = {"__name__": name}
    exec(compile(path.read_text(), str(path), "exec"), scope)
    cls = scope["Net"]
    assert isinstance(cls, type)
    return source.class_digest(cls, cls.forward)  # type: ignore[attr-defined]


BASE = """
def helper(x):
    return x * 2

class Net:
    def forward(self, x):
        y = helper(x)
        return self.inner(y)

    def inner(self, y):
        return y + 1

    def other(self):
        return 3
"""


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("y = helper(x)", "z = helper(x)  # renamed", None),
        ("x * 2", "(x * 2)", True),
        ("x * 2", "x * 3", False),
        ("y + 1", "y + 2", False),
        ("return 3", "return 4", True),
        ("def forward(self, x):", 'def forward(self, x: "Tensor") -> "Tensor":\n        """Docs."""', True),
        ("helper", "scaled", True),
        ("inner", "finish", True),
        ("class Net:", "class Net(object):", True),
    ],
)
def test_what_counts(old: str, new: str, same: bool | None, tmp_path) -> None:
    changed = BASE.replace(old, new)
    if same is None:
        changed, same = changed.replace("self.inner(y)", "self.inner(z)"), True
    one, other = function_digest(BASE, tmp_path, "one"), function_digest(changed, tmp_path, "other")
    assert one is not None
    assert (one == other) is same


def test_a_file() -> None:
    digest = source.file_digest(TEXT)
    assert digest == source.file_digest(TEXT.replace("# A comment.", "").replace("Docs.", "Other docs.").encode())
    assert digest != source.file_digest(TEXT.replace("float", "int"))
    assert digest != source.file_digest(TEXT.replace("each", "item"))
    with pytest.raises(SyntaxError):
        source.file_digest("def (")


def test_no_source_at_hand() -> None:
    scope: dict[str, type] = {}
    exec("class Net:\n    def forward(self, x):\n        return x", scope)
    assert source.class_digest(scope["Net"], scope["Net"].forward) is None  # type: ignore[attr-defined]


def test_every_python_at_hand_agrees(tmp_path) -> None:
    script = tmp_path / "run.py"
    script.write_text(f"import runpy; print(runpy.run_path({source.__file__!r})['file_digest']({TEXT!r}))")
    expected = source.file_digest(TEXT)
    assert expected == "7a794ff41443a105"
    for minor in range(9, 16):
        python = shutil.which(f"python3.{minor}")
        if python is None or f"3.{minor}" == f"3.{sys.version_info[1]}":
            continue
        done = subprocess.run([python, "-I", str(script)], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            assert done.stdout.strip() == expected, python
