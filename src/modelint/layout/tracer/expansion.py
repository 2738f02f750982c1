"""What is repeated along axes of length 1: ``expand``, by whichever function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def sizes(name: str, shape: Sequence[int], args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Any, ...] | None:
    """The arguments of ``expand`` that say the same, -1 for an axis that stays; None: it is something else."""
    if name == "repeat" and len(args) == 1 and isinstance(args[0], str):
        return _of_pattern(args[0], shape, kwargs)
    given = tuple(args[0]) if len(args) == 1 and type(args[0]) in (tuple, list) else tuple(args)
    if len(given) != len(shape) or kwargs:
        return None
    if name == "expand":
        return tuple(-1 if length != 1 or _is(size, 1) else size for size, length in zip(given, shape))
    if any(length != 1 and not _is(times, 1) for times, length in zip(given, shape)):
        return None
    return tuple(-1 if _is(times, 1) else times for times in given)


def _is(value: Any, number: int) -> bool:
    return type(value) is int and value == number


def _of_pattern(pattern: str, shape: Sequence[int], kwargs: dict[str, Any]) -> tuple[Any, ...] | None:
    before, _, after = pattern.replace("()", "1").partition("->")
    left, right = before.split(), after.split()
    if "..." in left and left.count("...") == right.count("...") == 1:
        at, missing = left.index("..."), len(shape) - len(left) + 1
        left[at : at + 1] = ["..."] * missing
        at = right.index("...")
        right[at : at + 1] = ["..."] * missing
    if len(left) != len(shape) or len(right) != len(left) or "(" in pattern.replace("()", ""):
        return None
    found: list[Any] = []
    for one, other, length in zip(left, right, shape):
        if one == other:
            found.append(-1)
        elif length == 1 and other in kwargs and other not in left:
            found.append(kwargs[other])
        elif length == 1 and other == "1":
            found.append(-1)
        else:
            return None
    return tuple(found)
