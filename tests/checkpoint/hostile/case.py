"""What a hostile file is: a name, a builder, and what is claimed of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

Build = Callable[[str], str]


class Case(NamedTuple):
    #: Family and name, "zip/two-data-pkl".
    name: str
    #: Writes into an empty folder, returns the path to give to modelint, relative to it.
    build: Build
    #: The exit codes of `modelint show` that are right for it.
    exits: frozenset[int] = frozenset({0, 1, 3})
    #: What fires the canary when the file is really loaded: "pickle", "torch", or "" for what never fires.
    fires: str = ""
    #: The keys that must be shown; None: nothing is claimed.
    keys: tuple[str, ...] | None = None
    #: Takes its time: not for the plain suite, nor for torch.
    heavy: bool = False


READ = frozenset({0, 1})
CLEAN = frozenset({0})
#: Never "nothing to report": either named as a finding or refused.
ALARM = frozenset({1, 3})
REFUSED = frozenset({3})


def written(name: str, data: bytes) -> Build:
    """One file with this content."""

    def build(folder: str) -> str:
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)
        return name

    return build


def later(name: str, data: Callable[[], bytes]) -> Build:
    """One file whose content is made when it is needed: for the large ones."""
    return lambda folder: written(name, data())(folder)


def files(main: str, contents: dict[str, bytes]) -> Build:
    """Several files, in sub-folders where their names say so; ``main`` is what modelint is given ("." the folder)."""

    def build(folder: str) -> str:
        for name, data in contents.items():
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(data)
        return main

    return build
