"""Where a name goes: through the steps that come, beside names that have moved, below modules that have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from modelint.keys import steps
from modelint.keys.likeness import template


def layer(name: str) -> tuple[str, ...]:
    """The numbers on the way to its module."""
    return template(name.rpartition(".")[0])[1]


def later(name: str, later: Iterable[steps.Step]) -> str:
    """What a name becomes in the steps that come."""
    for step in later:
        if isinstance(step, steps.Rename):
            name = step.mapping.get(name, name)
        elif isinstance(step, steps.Take) and name.startswith(step.prefix):
            name = step.put + name[len(step.prefix) :]
    return name


def beside(before: str, after: str) -> Callable[[str], str]:
    """Moves names that stand beside one that has moved as it was moved."""
    olds, news = before.split("."), after.split(".")
    while len(olds) > 1 and len(news) > 1 and olds[-1] == news[-1]:
        del olds[-1], news[-1]
    start, there = ".".join(olds), ".".join(news)
    return lambda name: there + name[len(start) :] if name == start or name.startswith(f"{start}.") else name


def translated(key: str, moved: Mapping[str, str]) -> str:
    """The name of a key that goes, below the module of today that held it."""
    *path, leaf = key.split(".")
    for end in range(len(path), 0, -1):
        target = moved.get(".".join(path[:end]))
        if target is not None:
            return ".".join((target, *path[end:], leaf))
    return key
