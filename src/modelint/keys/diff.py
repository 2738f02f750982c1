"""What differs between two key tables, in the words and the order of ``load_state_dict`` of NEW given a file of OLD.

Renames are not applied here: a renamed key is missing under its new name and unexpected under its old one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from modelint.keys.table import KeyTable, TensorSpec

_NOTHING: Mapping[str, TensorSpec] = MappingProxyType({})


class Change(NamedTuple):
    """One key of both sides, and what it stands for on each."""

    key: str
    old: TensorSpec
    new: TensorSpec


class TieChange(NamedTuple):
    """Keys of both sides (under their new names) that one side keeps in one tensor and the other does not."""

    keys: tuple[str, ...]
    tied: bool


class KeyDiff(NamedTuple):
    #: Keys of NEW that a file of OLD lacks, in the order of NEW.
    missing: tuple[str, ...]
    #: Keys of OLD that NEW has no place for, by the module of NEW that refuses them.
    unexpected: tuple[str, ...]
    #: Keys that both have, and that do not load: other shapes, or a tensor against other state.
    reshaped: tuple[Change, ...]
    #: Other shapes that load all the same: torch takes the one element of a (1,) tensor for a parameter without axes.
    unpacked: tuple[Change, ...]
    #: Other dtypes; they load, and are converted.
    retyped: tuple[Change, ...]
    #: Buffers that one side saves and the other keeps to itself; each is also missing or unexpected.
    persistence: tuple[str, ...]
    ties: tuple[TieChange, ...]

    @property
    def loads(self) -> bool:
        """Whether a file of OLD loads into NEW, strictly and without any hook."""
        return not (self.missing or self.unexpected or self.reshaped)

    @property
    def same(self) -> bool:
        return not any(self)


#: Past so many keys they stay in the order of their table: nobody reads them one by one.
_MOST_RANKED = 200_000


def diff(
    old: KeyTable,
    new: KeyTable,
    *,
    old_buffers: Mapping[str, TensorSpec] = _NOTHING,
    new_buffers: Mapping[str, TensorSpec] = _NOTHING,
) -> KeyDiff:
    """Compare two tables; the buffers are those that no state dict holds."""
    missing = [key for key in _keys(new) if key not in old.specs and key not in old.extra]
    unexpected = [key for key in _keys(old) if key not in new.specs and key not in new.extra]
    if (unexpected or new.extra) and len(missing) + len(unexpected) <= _MOST_RANKED:
        ranks = _Ranks(new.specs)
        missing.sort(key=ranks.of_owner)
        unexpected.sort(key=ranks.of_owner)
    reshaped: list[Change] = []
    unpacked: list[Change] = []
    retyped: list[Change] = []
    for key, spec in new.specs.items():
        before = old.specs.get(key)
        if before is None:
            if key in old.extra:
                reshaped.append(Change(key, _state(old, key), spec))
            continue
        if before.shape != spec.shape and before.shape is not None and spec.shape is not None:
            (unpacked if (before.shape, spec.shape) == ((1,), ()) else reshaped).append(Change(key, before, spec))
        if before.dtype != spec.dtype:
            retyped.append(Change(key, before, spec))
    reshaped += [Change(key, old.specs[key], _state(new, key)) for key in new.extra if key in old.specs]
    persistence = [key for key in unexpected if key in new_buffers] + [key for key in missing if key in old_buffers]
    return KeyDiff(
        tuple(missing),
        tuple(unexpected),
        tuple(reshaped),
        tuple(unpacked),
        tuple(retyped),
        tuple(persistence),
        tie_changes(old.ties, new.ties, new.specs.keys() & old.specs.keys()),
    )


def tie_changes(
    old: Iterable[tuple[str, ...]], new: Iterable[tuple[str, ...]], common: Iterable[str]
) -> tuple[TieChange, ...]:
    """Groups of NEW that OLD keeps apart, then groups of OLD that NEW keeps apart; only ``common`` keys count."""
    both = set(common)
    before = [tuple(key for key in group if key in both) for group in old]
    after = [tuple(key for key in group if key in both) for group in new]
    return tuple(
        TieChange(group, tied)
        for groups, others, tied in ((after, before, True), (before, after, False))
        for group in groups
        if len(group) > 1 and not any(set(group) <= set(other) for other in others)
    )


def _keys(table: KeyTable) -> Iterable[str]:
    yield from table.specs
    yield from table.extra


def _state(table: KeyTable, key: str) -> TensorSpec:
    """State that is no tensor, by the name of its type."""
    return TensorSpec(table.extra[key], None)


class _Ranks:
    """Modules in the order in which a load visits them. Flat, not nested: a key may have very many dots."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._ids: dict[tuple[int, str], int] = {}
        for key in keys:
            here = 0
            for name in key.split(".")[:-1]:
                here = self._ids.setdefault((here, name), len(self._ids) + 1)

    def of_owner(self, key: str) -> int:
        """The rank of the deepest module on the way to ``key``."""
        here = 0
        for name in key.split(".")[:-1]:
            found = self._ids.get((here, name))
            if found is None:
                break
            here = found
        return here
