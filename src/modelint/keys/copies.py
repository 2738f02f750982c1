"""Copies: parts of a file that fit the model as well as each other. Nothing in names and shapes says which is meant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from modelint.keys.forms import ByModel
from modelint.keys.prefixes import Pair, pairs
from modelint.keys.situation import Situation, fits
from modelint.keys.steps import Drop, Option, Rename, Take

#: A part fits as well as another one where so much of it agrees.
_AS_WELL = 0.9
#: The copy that has no prefix.
PLAIN = "plain"


class Copies(NamedTuple):
    options: tuple[Option, ...]
    #: Of the file, in all copies; and of the model.
    keys: tuple[str, ...]
    targets: tuple[str, ...]


class Average(NamedTuple):
    """How a library names the averaged tensors: a prefix, and what becomes of the dots."""

    prefix: str
    dot: str

    def of(self, key: str) -> str:
        return self.prefix + key.replace(".", self.dot)

    def python(self) -> str:
        return f"{self.prefix!a} + key.replace({'.'!a}, {self.dot!a})"


AVERAGES = (Average("ema_", "_"), Average("model_ema.", ""), Average("ema.", "_"), Average("ema.", ""))


def rivals(at: Situation, pair: Pair, found: Sequence[Pair]) -> list[Pair]:
    """Other parts of the file that fit the same part of the model as well."""
    return [
        other
        for other in found
        if other.new == pair.new
        and not other.old.startswith(pair.old)
        and not pair.old.startswith(other.old)
        and other.agreed >= _AS_WELL * max(pair.agreed, other.olds)
        and pair.agreed >= _AS_WELL * other.agreed
    ]


def towers(pair: Pair, found: Sequence[Pair]) -> list[Pair]:
    """Other parts of the model that the same part of the file fits as well."""
    return [
        other
        for other in found
        if other.old == pair.old
        and not other.new.startswith(pair.new)
        and not pair.new.startswith(other.new)
        and other.agreed >= _AS_WELL * pair.agreed
    ]


def copies(at: Situation) -> Copies | None:
    """Parts of the file below several prefixes; one of them may have none."""
    if not at.unexpected:
        return None
    found = pairs(at)
    best = next((pair for pair in found if pair.old), None)
    if best is None or not best.covers(min(len(at.cells), len(at.new))):
        return None
    group = [best, *rivals(at, best, found)]
    options = [_option(pair) for pair in group]
    keys = [key for key in at.cells if key.startswith(tuple(pair.old for pair in group))]
    if not best.new and at.agreed >= _AS_WELL * best.agreed:
        inside = tuple(key for key in keys if key in at.unexpected)
        options.insert(0, Option(PLAIN, (Drop(inside),)))
    targets = tuple(key for key in at.new if key.startswith(best.new))
    if options[0].label != PLAIN and 2 * sum(map(at.is_agreed, targets)) > len(targets):
        return None  # what they would go to is there already
    return Copies(tuple(options), tuple(keys), targets)


def _option(pair: Pair) -> Option:
    return Option(pair.old[:-1], (Take(pair.old, pair.new),))


def averaged(at: Situation) -> Copies | None:
    """The weights, and their moving average under names of its own making; None where there is one of them alone."""
    for average in AVERAGES:
        names = average_of(at, average)
        plain = {key for key in names.values() if key in at.cells}
        if names and len(plain) >= _AS_WELL * len(names):
            steps = (Drop(tuple(plain)), renamed_average(at, average, names))
            options = (Option(PLAIN, (Drop(tuple(names)),)), Option(average.prefix.rstrip("._"), steps))
            return Copies(options, (*plain, *names), tuple(names.values()))
    return None


def average_of(at: Situation, average: Average) -> dict[str, str]:
    """Key of an averaged tensor -> key of the model; empty where hardly a weight has one."""
    names = {average.of(key): key for key in at.new}
    found = {key: names[key] for key in at.unexpected if key in names and fits(at.cells[key].spec, at.new[names[key]])}
    weights = sum(spec.kind != "buffer" for spec in at.new.values())
    return found if found and 2 * len(found) >= weights else {}


def renamed_average(at: Situation, average: Average, names: dict[str, str]) -> Rename:
    made: Callable[[str], str] = average.of
    return Rename(names, ByModel.over(at.new, made, average.python()))
