"""Words about keys, for the messages of causes. Names of files stay as they are: whoever shows them, escapes them."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from modelint.keys.fold import fold


def some(keys: Iterable[str], most: int = 3) -> str:
    """The first lines that ``keys`` fold to: ``layers.{0..11}.fc.{weight,bias}``."""
    lines = fold(keys)
    left = sum(len(line.keys) for line in lines[most:])
    return ", ".join(line.text for line in lines[:most]) + (f" and {left} more" if left else "")


def counted(keys: Collection[str] | int, noun: str = "key") -> str:
    number = keys if isinstance(keys, int) else len(keys)
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def shape(size: Iterable[int] | None) -> str:
    """``[64, 3, 7, 7]``."""
    return "[?]" if size is None else "[" + ", ".join(map(str, size)) + "]"
