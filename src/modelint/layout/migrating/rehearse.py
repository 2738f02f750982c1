"""Migrations rehearsed on names and shapes, before a line is written: where each tensor of a file would end up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from modelint.keys.table import TensorSpec
from modelint.layout.migrating.migration import (
    Added,
    Change,
    Copied,
    Dropped,
    Joined,
    Normed,
    Permuted,
    Renamed,
    Reset,
    Reshaped,
    Resized,
    Split,
    Undecided,
)

#: What stands for the values that the model was built with.
BUILT = ("",)


class Held(NamedTuple):
    """What is held under a key: its spec, and the keys of the file that its values come from, in their order."""

    spec: TensorSpec
    sources: tuple[str, ...]


State = dict[str, Held]


def opened(specs: Mapping[str, TensorSpec]) -> State:
    """A file as it is."""
    return {key: Held(spec, (key,)) for key, spec in specs.items()}


def below(name: str, keys: Iterable[str]) -> Iterator[str]:
    """The key ``name``, and those of the module ``name``."""
    start = f"{name}."
    return (key for key in keys if key == name or key.startswith(start))


def apply(state: State, changes: Sequence[Change], path: str, own: Mapping[str, TensorSpec]) -> None:
    """Change ``state`` as the module at ``path`` would, in place. ``own``: all keys of the model."""
    start = f"{path}." if path else ""
    for change in changes:
        _one(state, change, start, own)


def _one(state: State, change: Change, start: str, own: Mapping[str, TensorSpec]) -> None:
    match change:
        case Renamed(before, after):
            for key in list(below(start + before, state)):
                target = start + after + key[len(start + before) :]
                if target not in state:
                    state[target] = state.pop(key)
        case Dropped(name):
            for key in list(below(start + name, state)):
                del state[key]
        case Added(names):
            for name in names:
                for key in below(start + name, own):
                    state.setdefault(key, Held(own[key], BUILT))
        case Copied(source, name):
            if start + source in state:
                state.setdefault(start + name, state[start + source])
        case Joined(parts, whole, axis):
            held = [state[start + part] for part in parts if start + part in state]
            if len(held) == len(parts) and start + whole not in state:
                for part in parts:
                    del state[start + part]
                shape = list(held[0].spec.shape or ())
                shape[axis] = sum((each.spec.shape or ())[axis] for each in held)
                sources = tuple(key for each in held for key in each.sources)
                state[start + whole] = Held(held[0].spec._replace(shape=tuple(shape)), sources)
        case Split(whole, parts, sizes, axis):
            if start + whole in state and not any(start + part in state for part in parts):
                from_whole = state.pop(start + whole)
                for number, (part, size) in enumerate(zip(parts, sizes, strict=True)):
                    shape = list(from_whole.spec.shape or ())
                    shape[axis] = size
                    spec = from_whole.spec._replace(shape=tuple(shape))
                    state[start + part] = Held(spec, (*from_whole.sources, str(number)))
        case Permuted(name, _, old, new) | Reshaped(name, old, new):
            key = start + name
            if key in state and state[key].spec.shape == old:
                state[key] = state[key]._replace(spec=state[key].spec._replace(shape=new))
        case Resized(name) | Reset(name):
            key = start + name
            if key in state and key in own and state[key].spec.shape != own[key].shape:
                sources = BUILT if isinstance(change, Reset) else state[key].sources
                state[key] = Held(own[key], sources)
        case Normed(length, direction, weight, divide):
            _normed(state, start + length, start + direction, start + weight, divide, own)
        case Undecided(_, _, options):
            for each in options[-1].changes if options else ():  # it stops; this is what somebody may choose
                _one(state, each, start, own)


def _normed(
    state: State, length: str, direction: str, weight: str, divide: bool, own: Mapping[str, TensorSpec]
) -> None:
    if divide and weight in state and length not in state and direction not in state:
        held = state.pop(weight)
        state[direction] = held
        state[length] = Held(own.get(length, held.spec), held.sources)
    elif not divide and length in state and direction in state and weight not in state:
        one, other = state.pop(length), state.pop(direction)
        state[weight] = Held(other.spec, (*one.sources, *other.sources))
