"""Text that is written for people: comments and docstrings. No words of theirs do anything to weights."""

from __future__ import annotations

import re

#: Group 1 is what stays: other strings, inside of which neither comments nor docstrings begin.
_PROSE = re.compile(
    r"""\#[^\n]*|^[ \t]*[rRuU]?(?:\"{3}[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*\"{3}|'{3}[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'{3})"""
    r"""[ \t]*$|(\"{3}[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*\"{3}|'{3}[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'{3}"""
    r"""|"[^"\\\n]*(?:\\.[^"\\\n]*)*"|'[^'\\\n]*(?:\\.[^'\\\n]*)*')""",
    re.DOTALL | re.MULTILINE,
)


def without_prose(text: str) -> str:
    """The text without comments, and without strings that have whole lines to themselves."""
    return _PROSE.sub(r"\1", text)
