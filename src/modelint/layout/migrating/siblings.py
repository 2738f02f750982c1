"""Siblings of one shape that names do not tell apart: in which ways they may belong to each other, and which is right.

The forward decides where one way leaves it as it was and every other way changes it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import permutations

from modelint.keys.likeness import Names, template
from modelint.keys.situation import Shape
from modelint.keys.table import TensorSpec
from modelint.layout import meaning, owners
from modelint.layout.layout import Layout

#: They are tried in every order, up to so many.
_MOST = 5

#: The paths of the modules of both sides.
Places = tuple[Container[str], Container[str]]
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


def by_place(
    olds: Iterable[str], news: Iterable[str], old: Mapping[str, TensorSpec], new: Mapping[str, TensorSpec], at: Places
) -> Iterator[Way]:
    """The way, where in each module that both sides have as many went as came: in their order."""
    groups: dict[str, tuple[dict[str, dict[str, str]], dict[str, dict[str, str]]]] = {}
    for keys, there, side in ((olds, at[1], 0), (news, at[0], 1)):
        for key in keys:
            path, _, leaf = key.rpartition(".")
            home = path
            while home and home not in there:
                home = home.rpartition(".")[0]
            groups.setdefault(home, ({}, {}))[side].setdefault(path, {})[leaf] = key
    found: dict[str, str] = {}
    for befores, afters in groups.values():
        if len(befores) != len(afters):
            return
        for one, other in zip(befores.values(), afters.values(), strict=True):
            shapes = {leaf: old[key].shape for leaf, key in one.items()}
            if shapes != {leaf: new[key].shape for leaf, key in other.items()}:
                return
            found |= {key: other[leaf] for leaf, key in one.items()}
    yield found


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


def corrected(old: Layout, new: Layout, names: Way) -> Way:
    """Renames by names alone, with those exchanged of which the forward says that they are the other way round."""
    olds, news = old.keys.specs, new.keys.specs
    parts = meaning.compare(old, new, names).parts
    places = {part.path for part in parts if part.what == "order" and part.traced and not part.training_only}
    inside = {
        key: name
        for key, name in names.items()
        if name in news and key in olds and olds[key].shape == news[name].shape and _owner(name) in places
    }
    others = {key: name for key, name in names.items() if key not in inside}
    chosen = by_forward(old, new, others, list(ways(inside, inside.values(), olds, news)))
    return names if chosen is None else {**names, **chosen}


def doubtful(old: Layout, new: Layout, names: Way, asked: Way) -> dict[str, str]:
    """Those of ``asked`` that the forward does not bear out; whole modules that keep their class need it not."""
    olds, news = _by_module(old), _by_module(new)
    weak = {}
    for key, name in asked.items():
        path, there = key.rpartition(".")[0], name.rpartition(".")[0]
        whole = {names.get(each, each) for each in olds[path]} == news[there]
        if not (path and there and whole and owners.class_at(old, path) == owners.class_at(new, there)):
            weak[key] = name
    if not weak:
        return {}
    parts = meaning.compare(old, new, names).parts
    places = {part.path for part in parts if not part.training_only and not part.optional}
    around = {key: {name.rpartition(".")[0], _owner(name)} for key, name in weak.items()}
    borne = {
        key for key, at in around.items() if places.isdisjoint(at) and "traced" in {_label(new, path) for path in at}
    }
    return {key: name for key, name in weak.items() if key not in borne}


def _by_module(layout: Layout) -> dict[str, set[str]]:
    """The keys of each module, without those of its children."""
    found: dict[str, set[str]] = {}
    for key in layout.keys.specs:
        found.setdefault(key.rpartition(".")[0], set()).add(key)
    return found


def _label(layout: Layout, path: str) -> str | None:
    definition = layout.definitions.get(layout.modules.get(path, ""))
    return None if definition is None else definition.label


def _owner(key: str) -> str:
    """The module that calls the one whose tensor it is."""
    return key.rpartition(".")[0].rpartition(".")[0]
