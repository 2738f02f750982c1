"""Inputs found one argument at a time: of all that it may be, what lets the forward come further is kept.

Combinations of several arguments are too many to be tried; a forward that stops at the second one has taken the first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch.overrides import TorchFunctionMode

#: How far a forward came that ended.
WHOLE = float("inf")
#: So much of what comes equally far as first argument is tried with the others, which are gone over so often.
_TIED, _ROUNDS = 6, 2
#: Of one argument, by its number and what is known of all.
Options = Callable[[int, Sequence[str]], Sequence[str]]


class Counted(TorchFunctionMode):
    """How many operations came to an end."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.count += 1
        return result


def climb(count: int, options: Options, reached: Callable[[Sequence[str]], float]) -> list[str] | None:
    """``options``: what one of the ``count`` arguments may be beside the others, the likeliest first; ``reached``: how
    far the forward comes. None: nowhere does it end.
    """
    starts = [[first, *(options(number, [first])[0] for number in range(1, count))] for first in options(0, ())]
    far = [reached(each) for each in starts]
    best = max(far, default=0)
    for start in [each for each, own in zip(starts, far) if own == best][:_TIED]:
        found = _climb(start, options, reached)
        if found is not None:
            return found
    return None


def _climb(given: list[str], options: Options, reached: Callable[[Sequence[str]], float]) -> list[str] | None:
    best, far = given, reached(given)
    for _ in range(_ROUNDS):
        before = far
        for number in range(1, len(best)):
            reached(best)  # the options follow its error
            for option in options(number, best):
                tried = [*best[:number], option, *best[number + 1 :]]
                now = reached(tried) if tried != best else far
                if now > far:
                    best, far = tried, now
                if far == WHOLE:
                    return best
        if far == before:
            break
    return best if far == WHOLE else None
