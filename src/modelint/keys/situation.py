"""A file and a model side by side, after the steps that have been found so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from modelint.keys.table import KeyTable, TensorSpec

if TYPE_CHECKING:
    from modelint.keys.steps import Step

Shape = tuple[int, ...]
#: Stands for the dtype of state that is no tensor.
_OTHER = "no tensor"


class Cell(NamedTuple):
    """A tensor of the file under its present name."""

    spec: TensorSpec
    #: The keys of the file that it comes from, or stands for.
    sources: tuple[str, ...]
    #: It is the tensor of its source, unchanged.
    plain: bool = True


Cells = dict[str, Cell]


class Recorded(NamedTuple):
    """What accepted steps did to the keys of files of one layout."""

    #: From which layout to which.
    label: str
    #: The keys of such a file; None: not known.
    table: KeyTable | None
    #: Old key -> new key.
    renames: Mapping[str, str]
    #: Keys that went without a new name.
    dropped: frozenset[str] = frozenset()
    #: Old keys of renames under which the forward is the same.
    proved: frozenset[str] = frozenset()


class Around(NamedTuple):
    """What is known beside the two key tables."""

    #: How the state dict is reached in the file: "/", "/state_dict".
    root: str = "/"
    #: The other state dicts of the file.
    others: Mapping[str, KeyTable] = {}
    #: Buffers of the model that no state dict holds.
    unsaved: frozenset[str] = frozenset()
    #: Buffers of the model that it makes anew, always alike.
    constants: frozenset[str] = frozenset()
    #: What is on record of older layouts of the model.
    recorded: tuple[Recorded, ...] = ()
    #: Old key -> new key, where the forwards of both sides prove it.
    proved: Mapping[str, str] = {}


NOTHING = Around()


class Situation:
    """``old`` is the file as changed so far, ``new`` the model. Both hold state that is no tensor, too."""

    def __init__(self, file: KeyTable, model: KeyTable, around: Around = NOTHING, steps: Sequence[Step] = ()) -> None:
        self.file, self.model, self.around = file, model, around
        self.steps = tuple(steps)
        self.new = _all(model)
        self.cells: Cells = {key: Cell(spec, (key,)) for key, spec in _all(file).items()}
        #: Keys of which is known that nothing decides what they are.
        self.settled: frozenset[str] = frozenset()
        for step in steps:
            self.cells = step.apply(self.cells, self.new)

    def after(self, steps: Iterable[Step]) -> Situation:
        """What the situation would be after some steps more."""
        other = Situation.__new__(Situation)
        other.file, other.model, other.around, other.new = self.file, self.model, self.around, self.new
        other.steps, other.settled = (*self.steps, *steps), self.settled
        other.cells = self.cells
        for step in other.steps[len(self.steps) :]:
            other.cells = step.apply(other.cells, other.new)
        return other

    @cached_property
    def old(self) -> dict[str, TensorSpec]:
        return {key: cell.spec for key, cell in self.cells.items()}

    @cached_property
    def missing(self) -> dict[str, TensorSpec]:
        """What the model has and the file lacks."""
        return {key: spec for key, spec in self.new.items() if key not in self.cells}

    @cached_property
    def unexpected(self) -> dict[str, TensorSpec]:
        """What the file has and the model has no place for."""
        return {key: cell.spec for key, cell in self.cells.items() if key not in self.new}

    @cached_property
    def reshaped(self) -> dict[str, tuple[Shape, Shape]]:
        """Keys of both with other shapes: those of the file, and of the model."""
        found: dict[str, tuple[Shape, Shape]] = {}
        for key, cell in self.cells.items():
            spec = self.new.get(key)
            if spec is not None and not fits(cell.spec, spec):
                found[key] = (cell.spec.shape or (), spec.shape or ())
        return found

    @cached_property
    def agreed(self) -> int:
        """Keys that agree in name and shape."""
        return len(self.cells) - len(self.unexpected) - len(self.reshaped)

    @property
    def loads(self) -> bool:
        return not (self.missing or self.unexpected or self.reshaped)

    @property
    def is_alike(self) -> bool:
        """Whether most keys of the smaller side agree, those aside that differ in shape alone."""
        return 2 * (self.agreed + len(self.reshaped)) > min(len(self.cells), len(self.new)) and self.agreed > 0

    def is_agreed(self, key: str) -> bool:
        """Whether ``key`` is one of both sides, with one shape."""
        return key in self.new and key in self.cells and key not in self.reshaped

    @cached_property
    def old_parts(self) -> Counter[str]:
        """How often each name stands in the keys of the file."""
        return Counter(part for key in self.cells for part in set(key.split(".")))

    @cached_property
    def new_parts(self) -> Counter[str]:
        return Counter(part for key in self.new for part in set(key.split(".")))

    @cached_property
    def old_leaves(self) -> Counter[str]:
        return Counter(key.rpartition(".")[2] for key in self.cells)

    @cached_property
    def new_leaves(self) -> Counter[str]:
        return Counter(key.rpartition(".")[2] for key in self.new)


def fits(old: TensorSpec, new: TensorSpec) -> bool:
    """Whether a load takes it: one element goes into a tensor without axes, and an unknown shape may fit."""
    if (old.dtype == _OTHER) != (new.dtype == _OTHER):
        return False
    if old.shape is None or new.shape is None:
        return True
    return old.shape == new.shape or (old.shape, new.shape) == ((1,), ())


def _all(table: KeyTable) -> dict[str, TensorSpec]:
    """Tensors and other state."""
    return {**table.specs, **{key: TensorSpec(_OTHER, None) for key in table.extra}}
