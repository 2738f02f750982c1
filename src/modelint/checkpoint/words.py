"""How messages about files name keys, numbers and sizes."""

from __future__ import annotations

from collections.abc import Sequence

from modelint.keys.fold import folded

_MOST = 3
_LONG = 110
#: Folding more names for one message would take longer than reading the file.
_FOLDED = 2_000


def listed(names: Sequence[str], most: int = _MOST) -> str:
    """``a, b, c and 4 more``."""
    shown = [cut(name) for name in names[:most]]
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


def keys(names: Sequence[str]) -> str:
    """``layers.{0..11}.attn.weight`` for many keys that differ in a number alone; the first ones of others."""
    lines = folded(names[:_FOLDED])
    if len(names) > _FOLDED or len(lines) > _MOST:
        return listed(names)
    return ", ".join(map(cut, lines))


def cut(text: str) -> str:
    return text if len(text) <= _LONG else text[: _LONG - 3] + "..."


def many(number: int, noun: str) -> str:
    """``1 key``, ``1,205 keys``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def size(number: int) -> str:
    """``97.8 MB``: decimal, as disks and hubs count."""
    value = float(number)
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB"):
        if value < 999.5 or unit == "PB":
            break
        value /= 1000
    if unit == "bytes":
        return many(number, "byte")
    if value >= 1e6:
        return f"{value:.1e} {unit}"
    return f"{value:.3g} {unit}"
