"""How text that comes from files is shown: nothing that moves the cursor or turns the writing around gets through."""

from __future__ import annotations

from unicodedata import combining, east_asian_width

#: A tab in a source line is shown as this many spaces, whatever its column, as the tools around us do.
TAB = 4


def shown(text: str) -> str:
    """``text`` on one line, with every character that is not printable written as an escape."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    number = ord(character)
    if character in "\n\r\t":
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}[character]
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def in_source(character: str) -> tuple[str, int]:
    """One character of a source line as it is shown, and the number of terminal cells that this takes."""
    if " " <= character <= "~":
        return character, 1
    if character == "\t":
        return " " * TAB, TAB
    if not character.isprintable():
        escape = _escaped(character)
        return escape, len(escape)
    if combining(character):
        return character, 0
    return character, 2 if east_asian_width(character) in "WF" else 1
