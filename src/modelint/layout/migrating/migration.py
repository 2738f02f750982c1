"""What a migration does: changes of the keys below one module, for the class that assigns them.

Names are relative to the module whose class it is (``fc1`` or ``fc1.weight``; a name may be a module, then all below it
is meant). Changes apply one after the other. All of them leave alone what is in the new form already.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from modelint.keys.fold import folded
from modelint.keys.likeness import Names, template


class Renamed(NamedTuple):
    """A key, or a module with all below it."""

    before: str
    after: str


class Dropped(NamedTuple):
    """What the module has no place for any more: it is left out."""

    name: str


class Added(NamedTuple):
    """Keys that old files lack: they keep the values that the model was built with."""

    names: tuple[str, ...]


class Joined(NamedTuple):
    """Several keys that became one, in this order, on ``axis``."""

    parts: tuple[str, ...]
    whole: str
    axis: int = 0


class Split(NamedTuple):
    """One key that became several, in this order, on axis ``axis``, each of ``sizes``."""

    whole: str
    parts: tuple[str, ...]
    sizes: tuple[int, ...]
    axis: int = 0


class Permuted(NamedTuple):
    """Axes in another order, as ``Tensor.permute`` counts them. The shapes tell the forms apart, unless equal."""

    name: str
    axes: tuple[int, ...]
    old: tuple[int, ...]
    new: tuple[int, ...]


class Reshaped(NamedTuple):
    """The same values in another shape."""

    name: str
    old: tuple[int, ...]
    new: tuple[int, ...]


class Resized(NamedTuple):
    """The rows that both have; what the model has beyond them stays as it was built."""

    name: str


class Reset(NamedTuple):
    """What has another shape: the values that the model was built with take its place."""

    name: str


class Copied(NamedTuple):
    """A key that shares its tensor with another one, under whose name alone old files have it."""

    source: str
    name: str


class Normed(NamedTuple):
    """A weight that became length and direction of a weight norm (``divide``), or came from them."""

    length: str
    direction: str
    weight: str
    divide: bool


class Option(NamedTuple):
    """One way to go on."""

    #: What it is called; "": by the names that it gives, which are others in each module.
    label: str
    changes: tuple[Change, ...]

    @property
    def title(self) -> str:
        return self.label or _words((each.before, each.after) for each in self.changes if isinstance(each, Renamed))


class Undecided(NamedTuple):
    """What nothing decides: the code stops, loudly, for files of the old form until somebody picks one."""

    names: tuple[str, ...]
    why: str
    options: tuple[Option, ...] = ()


Change = (
    Renamed | Dropped | Added | Joined | Split | Permuted | Reshaped | Resized | Reset | Copied | Normed | Undecided
)


class ClassMigration(NamedTuple):
    """The changes of one class of the project; each of its modules applies them to what stands below it."""

    #: Qualified name in its module, as ``__qualname__`` gives it.
    qualname: str
    #: The file, and the line of ``class``.
    path: str
    line: int
    changes: tuple[Change, ...]
    #: ``_version`` of the class, as files of the old form tell it.
    version: int = 1


def _words(pairs: Iterable[tuple[str, str]]) -> str:
    """``a -> x, b -> y``: by modules, those of all layers as one."""
    found: dict[tuple[Names, Names], tuple[list[str], list[str]]] = {}
    for key, name in pairs:
        one, other = key.rpartition(".")[0] or key, name.rpartition(".")[0] or name
        olds, news = found.setdefault((template(one)[0], template(other)[0]), ([], []))
        olds.append(one)
        news.append(other)
    return ", ".join(f"{folded(olds)[0]} -> {folded(news)[0]}" for olds, news in found.values())
