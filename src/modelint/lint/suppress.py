"""Suppression comments: which diagnostics they hide, and what is wrong with the comments themselves (901-903)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from modelint.diagnostics import Diagnostic


class Applied(NamedTuple):
    """``kept`` is what is left to report, 901-903 among it, sorted by place and code."""

    kept: list[Diagnostic]
    suppressed: list[Diagnostic]


def apply(
    diagnostics: Iterable[Diagnostic],
    sources: Mapping[str, bytes] | Callable[[str], bytes | None],
    analysed: Iterable[str],
) -> Applied:
    """Drop what a comment hides and add 901-903 about the comments of the files ``analysed``.

    ``diagnostics`` must be those of every rule, before any selection: else a comment for a rule that is not selected
    would count as unused. ``analysed`` are the files that were wholly looked at; ``sources`` is asked for these, and
    for other files where a related line stands.
    """
    raise NotImplementedError
