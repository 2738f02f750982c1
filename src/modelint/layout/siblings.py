"""Siblings of one shape that names do not tell apart: in which ways they may belong to each other, and which is right.

The forward decides where one way leaves it as it was and every other way changes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import permutations

from modelint.keys.fold import folded
from modelint.keys.likeness import Names, template
from modelint.keys.situation import Shape
from modelint.keys.table import TensorSpec
from modelint.layout import meaning
from modelint.layout.layout import Layout

#: They are tried in every order, up to so many.
_MOST = 4

#: Old key -> new key.
Way = Mapping[str, str]
#: The numbers of its layer, its name and its shape -> the key of a tensor.
_Unit = dict[tuple[tuple[str, ...], str, Shape | None], str]


def ways(
    olds: Iterable[str], news: Iterable[str], old: Mapping[str, TensorSpec], new: Mapping[str, TensorSpec]
) -> Iterator[Way]:
    """Each way: all tensors of one module to those of one other, alike in all layers."""
    befores, afters = _units(olds, old), _units(news, new)
    if not 1 < len(befores) == len(afters) <= _MOST:
        return
    for order in permutations(afters):
        if all(one.keys() == other.keys() for one, other in zip(befores, order, strict=True)):
            pairs = zip(befores, order, strict=True)
            yield {key: other[slot] for one, other in pairs for slot, key in one.items()}


def _units(keys: Iterable[str], specs: Mapping[str, TensorSpec]) -> list[_Unit]:
    found: dict[Names, _Unit] = {}
    for key in keys:
        path, _, leaf = key.rpartition(".")
        names, index = template(path or key)
        found.setdefault(names, {})[index, leaf if path else "", specs[key].shape] = key
    return list(found.values())


def by_forward(old: Layout, new: Layout, renames: Way, choices: Sequence[Way]) -> Way | None:
    """The one of ``choices`` under which, beside ``renames``, the forward differs in fewer places than under any."""
    if len(choices) < 2:
        return None
    places = []
    for way in choices:
        parts = meaning.compare(old, new, {**renames, **way}).parts
        places.append({(part.path, part.what) for part in parts if part.traced and not part.training_only})
    least = min(range(len(choices)), key=lambda at: len(places[at]))
    others = (each for at, each in enumerate(places) if at != least)
    return choices[least] if all(places[least] < each for each in others) else None


def words(way: Way) -> str:
    """``a -> x, b -> y``: by modules, those of all layers as one."""
    found: dict[tuple[Names, Names], tuple[list[str], list[str]]] = {}
    for key, name in way.items():
        one, other = key.rpartition(".")[0] or key, name.rpartition(".")[0] or name
        olds, news = found.setdefault((template(one)[0], template(other)[0]), ([], []))
        olds.append(one)
        news.append(other)
    return ", ".join(f"{folded(olds)[0]} -> {folded(news)[0]}" for olds, news in found.values())
