"""Tables of Markdown, and numbers in them."""

from __future__ import annotations

from collections.abc import Iterable

Row = tuple[str, ...]


def table(head: Row, rows: Iterable[Row]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def seconds(cost: float) -> str:
    return f"{cost * 1000:.0f} ms" if cost < 1 else f"{cost:.1f} s"


def replaced(text: str, title: str, body: str) -> str:
    """The text with this section anew, at its end if it is new."""
    mark = f"\n## {title}\n"
    before, found, after = text.partition(mark)
    rest = after[after.find("\n## ") :] if found and "\n## " in after else ""
    return f"{before.rstrip()}\n{mark}\n{body}\n{rest}"
