"""Words about keys, for the messages of causes. Names of files stay as they are: whoever shows them, escapes them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from modelint.keys.fold import first
from modelint.keys.patterns import summary


def some(keys: Iterable[str], most: int = 3) -> str:
    """The first lines that ``keys`` fold to: ``layers.{0..11}.fc.{weight,bias}``."""
    names = dict.fromkeys(keys)
    lines, _ = first(names, most)
    left = len(names) - sum(len(line.keys) for line in lines)
    return ", ".join(line.text for line in lines) + (f" and {left} more" if left else "")


def counted(keys: Collection[object] | int, noun: str = "key") -> str:
    number = keys if isinstance(keys, int) else len(keys)
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def changes(mapping: Mapping[str, str], most: int = 3) -> str:
    """What renames are made of: ``map_classifier -> world_classifier (6)``."""
    found = summary(mapping)
    words = [f"{old} -> {new}" + (f" ({count})" if len(found) > 1 else "") for old, new, count in found[:most]]
    left = sum(count for _, _, count in found[most:])
    return ", ".join(words) + (f" and {left} more" if left else "")


def shape(size: Iterable[int] | None) -> str:
    """``[64, 3, 7, 7]``."""
    return "[?]" if size is None else "[" + ", ".join(map(str, size)) + "]"
