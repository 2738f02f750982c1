"""What tells one configuration of a model from another: layers, sizes, parts that one side has alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from modelint.keys.fold import fold, is_number
from modelint.keys.situation import Situation
from modelint.keys.words import counted, some

#: So many facts of a kind are enough to see it.
_FEW = 2
#: Modules further down are not told by themselves.
_DEEPEST = 12


class Fact(NamedTuple):
    words: str
    #: How many keys it is about.
    keys: int


def facts(at: Situation) -> list[Fact]:
    """What is left of the difference, in words; what concerns most keys first."""
    missing = {key: None for key in at.missing if key not in at.settled}
    unexpected = {key: None for key in at.unexpected if key not in at.settled}
    layers, explained = _layers(at, missing, unexpected)
    found = [*layers, *_sizes(at)]
    found += _alone("the file", [key for key in unexpected if key not in explained], at.new)
    found += _alone("the model", [key for key in missing if key not in explained], at.cells)
    return sorted(found, key=lambda fact: -fact.keys)


def _layers(at: Situation, missing: Iterable[str], unexpected: Iterable[str]) -> tuple[list[Fact], set[str]]:
    """Containers that go further on one side; and the keys that stand in what is beyond."""
    odd = [*missing, *unexpected]
    stems = {stem for key in odd for stem, _ in _numbered(key)}
    if not stems:
        return [], set()
    olds, news = _indices(at.cells, stems), _indices(at.new, stems)
    found: Counter[tuple[str, str, str]] = Counter()
    explained: set[str] = set()
    for key in odd:
        for stem, number in _numbered(key):
            one, other = olds.get(stem, set()), news.get(stem, set())
            if one and other and (number in one) != (number in other):
                found[_template(stem), _range(one), _range(other)] += 1
                explained.add(key)
                break
    return [
        Fact(f"{stem} has {one} in the file, {other} in the model", count)
        for (stem, one, other), count in found.most_common(_FEW)
    ], explained


def _numbered(key: str) -> list[tuple[str, int]]:
    """The containers on the way to a key, each with the number that follows."""
    parts = key.split(".", _DEEPEST)[:_DEEPEST]
    return [(".".join(parts[:at]), int(part)) for at, part in enumerate(parts) if is_number(part)]


def _indices(keys: Iterable[str], stems: set[str]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for key in keys:
        for stem, number in _numbered(key):
            if stem in stems:
                found.setdefault(stem, set()).add(number)
    return found


def _range(numbers: set[int]) -> str:
    low, high = min(numbers), max(numbers)
    if low == high:
        return str(low)
    return f"{low}..{high}" if len(numbers) == high - low + 1 else ",".join(map(str, sorted(numbers)[:6]))


def _template(stem: str) -> str:
    """The numbers on the way are any."""
    return ".".join("N" if is_number(part) else part for part in stem.split("."))


def _sizes(at: Situation) -> list[Fact]:
    """Sizes that differ: all that share a ratio are one fact, told by the commonest of them."""
    ratios: dict[tuple[int, int], Counter[tuple[int, int]]] = {}
    keys: Counter[tuple[int, int]] = Counter()
    ranks = []
    for key, (old, new) in at.reshaped.items():
        if key in at.settled:
            continue
        if len(old) != len(new):
            ranks.append(key)
            continue
        pairs = [(one, other) for one, other in zip(old, new, strict=True) if one != other]
        for ratio in {_ratio(pair) for pair in pairs}:
            keys[ratio] += 1
        for pair in pairs:
            ratios.setdefault(_ratio(pair), Counter())[pair] += 1
    found = []
    for ratio, count in keys.most_common(_FEW):
        (one, other), _ = max(ratios[ratio].items(), key=lambda each: each[1])
        found.append(Fact(f"size {one} in the file, {other} in the model in {counted(count)}", count))
    if ranks:
        found.append(
            Fact(f"{some(ranks, 2)} {'has' if len(ranks) == 1 else 'have'} another number of axes", len(ranks))
        )
    return found


def _ratio(pair: tuple[int, int]) -> tuple[int, int]:
    one, other = pair
    while other:
        one, other = other, one % other
    return (pair[0] // one, pair[1] // one) if one else pair


def _alone(side: str, keys: Iterable[str], others: Mapping[str, object]) -> list[Fact]:
    """Parts that one side has alone: each by the shortest name that the other side does not have."""
    known = {part for key in others for part in _parts(key)}
    parts: dict[str, list[str]] = {}
    for key in keys:
        part = next((part for part in _parts(key) if part not in known), key)
        parts.setdefault(part if part == key else f"{part}.", []).append(key)
    lines = [(line.text, sum(len(parts[part]) for part in line.keys)) for line in fold(parts)]
    lines.sort(key=lambda each: -each[1])
    found = [Fact(f"only {side} has {text} ({counted(count)})", count) for text, count in lines[:_FEW]]
    rest = lines[_FEW:]
    if rest:
        number = sum(count for _, count in rest)
        found.append(Fact(f"only {side} has {counted(number)} more in {counted(len(rest), 'other place')}", number))
    return found


def _parts(key: str) -> Iterator[str]:
    """The modules on the way to a key, as far down as anybody would name one."""
    at = key.find(".")
    for _ in range(_DEEPEST):
        if at < 0:
            return
        yield key[:at]
        at = key.find(".", at + 1)
