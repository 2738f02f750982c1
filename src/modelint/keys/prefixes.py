"""Prefixes: below which module of one side stands what the other side has below another one, or at its root."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from modelint.keys.situation import Situation, fits

_DEEPEST = 5
_MOST = 40
_SAMPLE = 64
#: A prefix of fewer keys than one in so many is none of a part.
_RARE = 25
_TRIED = 12
#: Modules in their place, and the tensors of them that must agree then: one in so many.
_ALL = 0.9
_PART = 5


class Pair(NamedTuple):
    """What stands below ``old`` in the file, seen below ``new`` in the model. Both end with a dot, or are empty."""

    old: str
    new: str
    #: Keys that agree in name and shape, and in name.
    agreed: int
    named: int
    #: Keys whose module is there, if without them: they may have other names.
    placed: int
    #: Keys below each.
    olds: int
    news: int

    def covers(self, keys: int) -> bool:
        """Whether it is more than half of ``keys``; less will do where every module is in its place."""
        placed = self.placed >= _ALL * self.olds
        return 2 * self.agreed > keys or (placed and _PART * self.agreed > keys)


def prefixes(keys: Iterable[str]) -> list[str]:
    """Those that many keys have, the commonest first; "" is the first."""
    counts: Counter[str] = Counter()
    total = 0
    for key in keys:
        total += 1
        at = -1
        for _ in range(_DEEPEST):
            at = key.find(".", at + 1)
            if at < 0:
                break
            counts[key[: at + 1]] += 1
    return ["", *(prefix for prefix, count in counts.most_common(_MOST) if count * _RARE >= total)]


def pairs(situation: Situation) -> list[Pair]:
    """Pairs of prefixes under which at least half of the keys of the smaller part agree; the best first."""
    olds, news = prefixes(situation.cells), prefixes(situation.new)
    below = {prefix: [key for key in situation.cells if key.startswith(prefix)] for prefix in olds}
    rough = []
    for old in olds:
        keys = below[old]
        sample = keys[:: max(1, len(keys) // _SAMPLE)]
        for new in news:
            if (old or new) and not _is_same_end(old, new):
                named = sum(new + key[len(old) :] in situation.new for key in sample)
                if named:
                    rough.append((named * len(keys) // len(sample), old, new))
    rough.sort(key=lambda each: (-each[0], len(each[1]) + len(each[2])))
    found = [pair for pair in _counted(situation, rough[:_TRIED], below) if pair.covers(min(pair.olds, pair.news) - 1)]
    return sorted(found, key=lambda pair: (-pair.agreed, len(pair.old) + len(pair.new)))


def _counted(
    situation: Situation, rough: Iterable[tuple[int, str, str]], below: dict[str, list[str]]
) -> Iterator[Pair]:
    modules = {key.rpartition(".")[0] for key in situation.new}
    for _, old, new in rough:
        agreed = named = placed = 0
        for key in below[old]:
            name = new + key[len(old) :]
            spec = situation.new.get(name)
            placed += name.rpartition(".")[0] in modules
            if spec is not None:
                named += 1
                agreed += fits(situation.cells[key].spec, spec)
        yield Pair(old, new, agreed, named, placed, len(below[old]), sum(key.startswith(new) for key in situation.new))


def _is_same_end(old: str, new: str) -> bool:
    """Two prefixes that end alike say no more than what stands before."""
    return bool(old and new) and old.split(".")[-2] == new.split(".")[-2]
