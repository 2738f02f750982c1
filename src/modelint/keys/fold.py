"""Folding: many keys as few lines. ``layers.{0..79}.attn.{q,k,v}.weight`` stands for 240 keys.

Keys that differ at one place become one, first over numbers, then over names, so that a line is always a full product
and the counts add up. Only canonical integers count as numbers (``01`` is a name). Braces of a key are escaped.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from itertools import islice, pairwise
from typing import Literal, NamedTuple

#: Longer keys are no names of modules; each stands for itself.
MAX_COMPONENTS = 64
_MAX_DIGITS = 9

#: Keys with more names, or more parts in all, have nothing in common; and how much is compared at most.
_MAX_NAMES = 100_000
_MAX_PARTS = 8_000_000
_EFFORT = 16_000_000

#: So many pieces of letters and digits a name may have, to be looked into.
MAX_PIECES = 8

#: The numbers or the names that stand at one place of a key.
_Choice = tuple[int, ...] | tuple[str, ...]

#: What stands at a place: a number or a name between dots, or the first or a later piece of a name with digits in it.
_Piece = Literal["number", "name", "first-number", "first-name", "on-number", "on-name"]
_Pattern = tuple[_Piece, ...]
_PIECES = re.compile(r"[0-9]+|[^0-9]+")
_INSIDE: dict[tuple[bool, bool], _Piece] = {
    (True, False): "first-number",
    (False, False): "first-name",
    (True, True): "on-number",
    (False, True): "on-name",
}


class Fold(NamedTuple):
    """One line, and the keys that it stands for in the order in which they were given."""

    text: str
    keys: tuple[str, ...]
    #: What stands between the dots of the text, which has dots of its own.
    parts: tuple[str, ...] = ()


def fold(
    keys: Iterable[str], marks: Mapping[str, Hashable] | None = None, *, inside: bool = False, names: bool = True
) -> list[Fold]:
    """Fold ``keys`` (each counts once), those of different ``marks`` (a shape, say) apart; by their first key.

    ``inside``: over numbers inside names too (``denselayer{1..32}``). Without ``names``: over numbers alone.
    """
    order: dict[str, int] = {}
    for key in keys:
        order.setdefault(key, len(order))
    if too_many(order):
        return [_alone(key) for key in order]
    buckets: dict[tuple[_Pattern, Hashable], list[tuple[list[_Choice], list[str]]]] = {}
    lines: list[Fold] = []
    known: dict[str, tuple[list[_Choice], _Pattern]] = {}
    for key in order:
        parts = key.split(".")
        if len(parts) > MAX_COMPONENTS:
            lines.append(_alone(key))
            continue
        choices, pattern = _taken_apart(parts, inside, known)
        mark = marks.get(key) if marks is not None else None
        buckets.setdefault((pattern, mark), []).append((choices, [key]))
    effort = _EFFORT
    for (pattern, _), boxes in buckets.items():
        for place in _places(pattern, names):
            effort -= len(boxes) * len(pattern)
            if len(boxes) == 1 or effort < 0:
                break
            boxes = _merged(boxes, place)
        for choices, found in boxes:
            parts = _put_together(choices, pattern)
            lines.append(Fold(".".join(parts), tuple(sorted(found, key=order.__getitem__)), tuple(parts)))
    return sorted(lines, key=lambda line: order[line.keys[0]])


def first(keys: Iterable[str], most: int) -> tuple[list[Fold], int]:
    """The first lines that ``keys`` fold to, and how many more there are. Of very many keys no more are made."""
    names = dict.fromkeys(keys)
    if too_many(names):
        return [_alone(key) for key in islice(names, most)], max(len(names) - most, 0)
    lines = fold(names)
    return lines[:most], max(len(lines) - most, 0)


def _taken_apart(
    parts: Sequence[str], inside: bool, known: dict[str, tuple[list[_Choice], _Pattern]]
) -> tuple[list[_Choice], _Pattern]:
    """The choices of a key, one of each, and what stands where; ``known`` keeps what a part is."""
    choices: list[_Choice] = []
    pattern: _Pattern = ()
    for part in parts:
        if (taken := known.get(part)) is None:
            taken = known[part] = _of_part(part, inside)
        choices += taken[0]
        pattern += taken[1]
    return choices, pattern


def _of_part(part: str, inside: bool) -> tuple[list[_Choice], _Pattern]:
    if is_number(part):
        return [(int(part),)], ("number",)
    pieces = _PIECES.findall(part) if inside else ()
    if not 1 < len(pieces) <= MAX_PIECES:
        return [(part,)], ("name",)
    numbers = [is_number(piece) for piece in pieces]
    choices: list[_Choice] = [
        (int(piece),) if number else (piece,) for piece, number in zip(pieces, numbers, strict=True)
    ]
    return choices, tuple(_INSIDE[number, at > 0] for at, number in enumerate(numbers))


def _put_together(choices: Sequence[_Choice], pattern: _Pattern) -> list[str]:
    parts: list[str] = []
    for choice, piece in zip(choices, pattern, strict=True):
        if piece in ("on-number", "on-name"):
            parts[-1] += _written(choice)
        else:
            parts.append(_written(choice))
    return parts


def _places(pattern: _Pattern, names: bool) -> list[int]:
    """In which order places are folded: numbers, those inside names, names; of each the last first."""
    groups: tuple[tuple[_Piece, ...], ...] = (("number",), ("first-number", "on-number"))
    if names:
        groups += (("name", "first-name", "on-name"),)
    return [at for group in groups for at in range(len(pattern) - 1, -1, -1) if pattern[at] in group]


def too_many(keys: Collection[str]) -> bool:
    """Whether folding would take long, and leave nearly as many lines: then each key stands for itself."""
    if len(keys) <= _MAX_NAMES // MAX_COMPONENTS:
        return False
    names: set[str] = set()
    total = 0
    for key in keys:
        parts = key.split(".", MAX_COMPONENTS)
        total += len(parts)
        names.update(parts)
        if len(names) > _MAX_NAMES or total > _MAX_PARTS:
            return True
    return False


def folded(keys: Iterable[str]) -> tuple[str, ...]:
    """The lines alone."""
    return tuple(line.text for line in fold(keys))


def _merged(boxes: list[tuple[list[_Choice], list[str]]], place: int) -> list[tuple[list[_Choice], list[str]]]:
    """Join what differs at ``place`` alone."""
    groups: dict[tuple[_Choice, ...], list[tuple[list[_Choice], list[str]]]] = {}
    for box in boxes:
        choices = box[0]
        rest = (*choices[:place], *choices[place + 1 :])
        groups.setdefault(rest, []).append(box)
    if len(groups) == len(boxes):
        return boxes
    joined = []
    for group in groups.values():
        choices, keys = group[0]
        if len(group) > 1:
            every = [choice for box in group for choice in box[0][place]]
            if isinstance(every[0], int):
                every.sort()
            choices = [*choices]
            choices[place] = tuple(every)  # type: ignore[assignment]
            keys = [key for box in group for key in box[1]]
        joined.append((choices, keys))
    return joined


def is_number(text: str) -> bool:
    return (
        bool(text)
        and text.isdigit()
        and text.isascii()
        and len(text) <= _MAX_DIGITS
        and (text[0] != "0" or text == "0")
    )


def _written(choice: _Choice) -> str:
    if len(choice) == 1:
        return _escaped(str(choice[0]))
    numbers = [each for each in choice if isinstance(each, int)]
    if numbers:
        return "{" + _ranges(numbers) + "}"
    names = [str(each) for each in choice]
    return _numbered(names) or "{" + ",".join(_escaped(name).replace(",", "\\,") for name in names) + "}"


def _numbered(names: Sequence[str]) -> str:
    """``layer{1..4}`` for names that a number alone tells apart; "" for others."""
    stem = names[0].rstrip("0123456789")
    numbers = [name[len(stem) :] for name in names if name.startswith(stem)]
    if len(numbers) < max(len(names), 3) or not stem or not all(number and is_number(number) for number in numbers):
        return ""
    return _escaped(stem) + "{" + _ranges(sorted(int(number) for number in numbers)) + "}"


def _ranges(numbers: Sequence[int]) -> str:
    """``0..79``, ``0..10..2``, ``0..3,7``; the numbers ascend."""
    step = numbers[1] - numbers[0]
    if step > 1 and len(numbers) > 2 and all(b - a == step for a, b in pairwise(numbers)):
        return f"{numbers[0]}..{numbers[-1]}..{step}"
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(
        str(first) if first == last else f"{first},{last}" if last == first + 1 else f"{first}..{last}"
        for first, last in runs
    )


def _alone(key: str) -> Fold:
    text = _escaped(key)
    return Fold(text, (key,), (text,))


def _escaped(text: str) -> str:
    if "{" not in text and "}" not in text and "\\" not in text:
        return text
    return text.replace("\\", "\\\\").replace("{", "\\{").replace("}", "\\}")
