"""Which codes are reported: what --select, --ignore, --extend-select, --preview and their configuration keys say.

On the path of a hook with nothing to say: the catalogue is asked only when a selector is given.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from modelint.rule import Status

#: The selector of every code.
ALL = "MDL"


class UnknownSelector(ValueError):
    """A text that selects no code; it names the nearest one that does."""


class Layer(NamedTuple):
    """What one place says. A later layer with ``select`` starts anew."""

    select: tuple[str, ...] | None = None
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


def parse(text: str) -> str:
    """A code or a prefix of codes, normalised; ALL for "ALL"."""
    from modelint import catalogue

    wanted = text.strip().upper()
    if wanted == "ALL":
        return ALL
    if wanted.startswith(ALL) and any(code.startswith(wanted) for code in catalogue.codes()):
        return wanted
    near = catalogue.nearest(text)
    hint = f"; did you mean {near} ({catalogue.codes()[near]})?" if near else "; `modelint rules` lists the codes"
    raise UnknownSelector(f"unknown code {text!a}{hint}")


def parse_list(values: Iterable[str]) -> tuple[str, ...]:
    """The selectors of comma lists."""
    return tuple(parse(each) for value in values for each in value.split(",") if each.strip())


def selects(code: str, status: Status, layers: Iterable[Layer], *, preview: bool) -> bool:
    """Whether ``code`` is reported. In a layer the longer selector wins, and ignore where both are equally long.

    A rule that is off by default needs its full code or --preview: a prefix does not reach it.
    """
    by_prefix = status == "on" or preview
    on = by_prefix
    for layer in layers:
        if layer.select is not None:
            on = False
        chosen = _longest(code, (*(layer.select or ()), *layer.extend_select), by_prefix)
        ignored = _longest(code, layer.ignore, True)
        if chosen > ignored:
            on = True
        elif ignored:
            on = False
    return on


def _longest(code: str, selectors: tuple[str, ...], by_prefix: bool) -> int:
    """The length of the longest selector that fits; 0 without one."""
    return max((len(each) for each in selectors if each == code or (by_prefix and code.startswith(each))), default=0)
