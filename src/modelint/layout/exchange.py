"""Slots of a module that trade places without a change of what it computes: the branches of a sum."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from modelint.layout.layout import Definition

#: So many orders of one module are tried.
_MOST = 24


def orders(names: Sequence[str], *definitions: Definition) -> Iterator[tuple[str, ...]]:
    """``names`` first, then every other order of them that means the same, as far as one of the definitions tells."""
    trades = next((each.alike for each in definitions if each.alike), ())
    found = [tuple(names)]
    for order in found:  # grows
        if len(found) >= _MOST:
            break
        for one, other in trades:
            traded = list(order)
            for first, second in zip(one, other, strict=True):
                if max(first, second) >= len(traded):
                    break
                traded[first], traded[second] = traded[second], traded[first]
            else:
                if tuple(traded) not in found:
                    found.append(tuple(traded))
    yield from found


def fitting(
    names: Sequence[str], fits: Callable[[Sequence[str]], bool], one: Definition, other: Definition
) -> tuple[str, ...]:
    """The order of ``names`` that fits, else as they are."""
    return next((order for order in orders(names, other, one) if fits(order)), tuple(names))
