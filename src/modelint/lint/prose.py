"""Text that is written for people: comments and docstrings. No words of theirs do anything to weights."""

from __future__ import annotations

import re

_TRIPLE = r"""(?:\"{3}[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*\"{3}|'{3}[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'{3})"""
_SINGLE = r"""(?:"[^"\\\n]*(?:\\.[^"\\\n]*)*"|'[^'\\\n]*(?:\\.[^'\\\n]*)*')"""
#: Group 1 is what stays: other strings, inside of which neither comments nor docstrings begin.
_PROSE = re.compile(
    rf"\#[^\n]*|^[ \t]*[rRuU]?{_TRIPLE}[ \t]*$|({_TRIPLE}|{_SINGLE})",
    re.DOTALL | re.MULTILINE,
)


def without_prose(text: str) -> str:
    """The text without comments, and without strings that have whole lines to themselves."""
    return _PROSE.sub(r"\1", text)
