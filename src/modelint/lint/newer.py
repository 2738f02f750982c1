"""Is a syntax error one only because the running Python is older than the file?

A hook must not refuse a commit for being written in a newer Python than the one that runs the hook.
"""

from __future__ import annotations

import re
import sys

#: The version that brought it, and how the line reads on which an older Python stops.
_NEWER = (
    ((3, 12), re.compile(r"^\s*(?:async\s+)?(?:def|class)\s+\w+\s*\[")),
    ((3, 12), re.compile(r"^\s*type\s+\w+\s*(?:\[.*\]\s*)?=")),
    ((3, 12), re.compile(r"""\b(?:[fF][rR]?|[rR][fF])(['"]).*\{""")),
    ((3, 14), re.compile(r"^\s*except\*?\s+[A-Z][\w.]*\s*(?:,\s*[A-Z][\w.]*\s*)+:")),
    ((3, 14), re.compile(r"""\b(?:[tT][rR]?|[rR][tT])['"]""")),
)


def looks_newer(text: str, line: int, message: str) -> str | None:
    """The reason "newer syntax" if the line that Python stopped at has a construct that it does not know."""
    lines = text.split("\n")
    stopped = lines[line - 1] if 0 < line <= len(lines) else ""
    for version, pattern in _NEWER:
        if sys.version_info < version and (pattern.search(stopped) or _multi_line(version, message)):
            running = f"{sys.version_info[0]}.{sys.version_info[1]}"
            return f"syntax newer than Python {running}, which runs modelint (or invalid): {message}"
    return None


def _multi_line(version: tuple[int, int], message: str) -> bool:
    """An f-string of several lines: the line that is named may be any of them."""
    return version == (3, 12) and message.startswith("f-string")
