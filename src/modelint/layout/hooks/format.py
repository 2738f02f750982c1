"""Lines of Python as formatters write them: one line where it fits, else one item a line with a comma behind each."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence

TAB = "    "

#: What literals are made of; lists where there may be one item (a tuple of one has no magic comma).
Value = str | Sequence["Value"] | Mapping[str, str]


def fitted(before: str, value: Value, after: str, width: int) -> list[str]:
    """``value`` as a literal between two texts."""
    line = before + flat(value) + after
    if len(line) <= width or isinstance(value, str):
        return [line]
    if isinstance(value, Mapping):
        inner = [f"{quoted(key)}: {quoted(each)}," for key, each in value.items()]
        return [before + "{", *indented(inner), "}" + after]
    opening, closing = "[]" if isinstance(value, list) else "()"
    inner = [line for each in value for line in fitted("", each, ",", width - len(TAB))]
    return [before + opening, *indented(inner), closing + after]


def flat(value: Value) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{quoted(key)}: {quoted(each)}" for key, each in value.items()) + "}"
    opening, closing = "[]" if isinstance(value, list) else "()"
    return opening + ", ".join(map(flat, value)) + closing


def quoted(text: str) -> str:
    return json.dumps(text)


def tuple_of(name: str, values: list[str], before: str, width: int) -> list[str]:
    """The beginnings of what is called so, or stands below it."""
    each = f'{before}name + "."'
    line = f"{name} = tuple({each} for name in {flat(values)})"
    if len(line) <= width:
        return [line]
    return [*fitted(f"{name} = ", values, "", width), f"{name} = tuple({each} for name in {name})"]


def raised(first: str, text: str, width: int) -> list[str]:
    """A RuntimeError; ``first`` goes in as an f-string, ``text`` as it is. No formatter makes one line of it."""
    pieces = textwrap.wrap(text, width - len(TAB) - 3, break_on_hyphens=False, break_long_words=False)
    ended = [quoted(piece + " ") for piece in pieces[:-1]] + [quoted(piece) for piece in pieces[-1:]]
    return ["raise RuntimeError(", *indented([f'f"{first} "', *ended]), ")"]


def comment(text: str, width: int) -> list[str]:
    text = text.encode("ascii", "backslashreplace").decode()
    lines = textwrap.wrap(text, width - 2, break_on_hyphens=False, break_long_words=False)
    return [f"# {line}" for line in lines]


def indented(lines: Iterable[str]) -> list[str]:
    return [TAB + line if line else "" for line in lines]
