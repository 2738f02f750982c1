from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from modelint.keys.diff import KeyDiff
from modelint.keys.table import KeyTable


class Ambiguous(NamedTuple):
    old: tuple[str, ...]
    new: tuple[str, ...]
    why: str


class Renames(NamedTuple):
    renames: Mapping[str, str]
    ambiguous: tuple[Ambiguous, ...] = ()


def detect(old: KeyTable, new: KeyTable, diff: KeyDiff) -> Renames:
    return Renames({})
