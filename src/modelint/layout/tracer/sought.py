"""Inputs for a comparison where none are declared: what a model runs with, in several sizes, and at small cost.

One size is not enough: what rounds, pads or pools a length shows with odd ones, what looks at a window with long ones,
what cuts values off with large ones.
"""

from __future__ import annotations

import itertools
import math
import re
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from .guided import WHOLE, Counted, climb
from .inputs import Given, tensor
from .likely import Sizes, arguments, likely, optional
from .pinned import seed

#: Pixels: enough for something to be left behind five strides of two, and few enough to be quick; a model that refuses
#: them is made for one size, and the small ones are told from the others in no time.
_SIZES = Sizes(pixels=(96, 64, 32, 28, 84, 128, 224, 256), grids=(8,))
#: Where one argument is found after the other, and the rest of the sizes is known or named.
_FEW = Sizes(pixels=(32, 64), waves=(64,), grids=(8,))
#: So many that the model itself knows are tried beside them, none of them larger.
_KNOWN, _LARGEST = 8, 2048
#: Of an error so much is read, and sizes no larger.
_READ, _NAMED = 200, 256
#: CPU seconds: for the search, for one forward of what is tried first, and for one of each that is chosen.
_SEARCH, _FIRST, _ALL = 4.0, 0.15, 0.3
#: So many are compared, of so many kinds.
_MOST, _KINDS = 4, 3
#: So many optional arguments are tried beside the first of them, each with so many values.
_OPTIONAL, _VALUES = 4, 12
#: Factors of the values of each of them.
_LOUD = (1.0, 4.0, 0.25, 1.0)
_SMALLEST = 32

#: Tensors as they are declared, optional ones as ``name=tensor`` or ``name=True``; and a factor for their values.
Chosen = tuple[list[str], float]


def find(build: Callable[[], nn.Module], candidates: Iterable[Sequence[str]], declared: object = None) -> list[Chosen]:
    """None: nothing that was tried runs. ``declared``: what the model is made with, which may name a size."""
    search = _Search(build().eval(), declared)
    chosen = search.first(candidates)
    spent = sum(search.seconds[tuple(each)] for each in chosen)
    for other in search.others(chosen[0]) if chosen else ():
        if len(chosen) >= _MOST:
            break
        if spent + search.seconds[tuple(other)] <= _ALL:
            spent += search.seconds[tuple(other)]
            chosen.append(other)
    called = list(itertools.islice(search.called(chosen[0]), _OPTIONAL)) if chosen else []
    if len(chosen) == 1:
        chosen *= 2
    return [*zip(chosen, _LOUD), *((each, 1.0) for each in called)]


def maker(texts: Sequence[str], factor: float) -> Callable[[], Given]:
    """What makes one of those that were found, the same at every call."""

    def make() -> Given:
        args, kwargs = _given(texts)
        louder = {name: _louder(each, factor) for name, each in kwargs.items()}
        return tuple(_louder(each, factor) for each in args), louder

    return make


def called_with(texts: Sequence[str]) -> str:
    """The optional arguments among them."""
    return ", ".join(each for each in texts if "=" in each)


def _given(texts: Sequence[str]) -> Given:
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for number, text in enumerate(texts):
        name, _, value = text.rpartition("=")
        if not name:
            args.append(tensor(value, number))
        else:
            kwargs[name] = value == "True" if value in ("True", "False") else tensor(value, number)
    return tuple(args), kwargs


def _louder(value: Any, factor: float) -> Any:
    return value * factor if isinstance(value, torch.Tensor) and value.is_floating_point() else value


class _Search:
    def __init__(self, model: nn.Module, declared: object) -> None:
        self._model = model
        self._known = known = tuple(_known(model, declared))[:_KNOWN]
        self._sizes = Sizes((*_SIZES.pixels, *known), (*_SIZES.waves, *known), (*_SIZES.lengths, *known), _SIZES.grids)
        self._until = time.process_time() + _SEARCH
        #: The sizes of the last error, of all, and of those with fewer arguments.
        self._named: list[int] = []
        self._ever: set[int] = set()
        self._before: list[int] = []
        #: What one forward of each took.
        self.seconds: dict[tuple[str, ...], float] = {}

    def first(self, candidates: Iterable[Sequence[str]]) -> list[list[str]]:
        """The first that runs, and one that runs with more or fewer axes, which may be another use of the model."""
        every = [*map(list, candidates), *likely(self._model, self._sizes)]
        found: dict[tuple[int, ...], list[str]] = {}
        for each in every:
            kind = tuple(len(_numbers(text)) for text in each)
            if kind not in found and self._runs(each):
                found[kind] = self._handy(each)
                if len(found) == _KINDS:
                    break
        if not found:
            guided = self._guided()
            return [self._handy(guided)] if guided is not None and self._runs(guided) else []
        return sorted(found.values(), key=lambda each: -len(_numbers(each[0])))

    def _guided(self) -> list[str] | None:
        """One argument after the other; with one more where it does not run without."""
        for more in (False, True):
            self._until = time.process_time() + _SEARCH / 2
            asked = arguments(self._model, _FEW, self._known, self._sizes_of_errors, more=more)
            found = None if asked is None else climb(*asked, self._reached)
            if found is not None:
                self._until = time.process_time() + _SEARCH / 2
                return found
            self._before = sorted(self._ever)[:_KNOWN]
        return None

    def _sizes_of_errors(self) -> list[int]:
        return [*self._named, *self._before]

    def _name(self, error: Exception) -> None:
        """The sizes by which those that an error names are apart, and these."""
        named = [int(each) for each in re.findall(r"\d+", str(error)[:_READ])]
        apart = [abs(one - other) for one, other in zip(named, named[1:])]
        self._named = [each for each in dict.fromkeys((*apart, *named)) if 1 < each <= _NAMED][:_KNOWN]
        self._ever.update(self._named)

    def _handy(self, found: list[str]) -> list[str]:
        """With more than one sample where that runs, too, and smaller where it takes long."""
        several = _resized(found, 1, 2, batch=True)
        if several != found and self._runs(several):
            found = several
        while self.seconds[tuple(found)] > _FIRST:
            smaller = next((each for each in _halves(found) if self._runs(each)), None)
            if smaller is None:
                break
            found = smaller
        return found

    def others(self, first: list[str]) -> Iterator[list[str]]:
        """Of other sizes: for each size of the first a longer one, then an odd one."""
        for longer in (True, False):
            for size in _sizes(first):
                more = (8 * size + 1, 8 * size, 4 * size + 1, 4 * size, 2 * size + 1, 2 * size)
                for other in more if longer else (size + 1, size - 1):
                    resized = _resized(first, size, other, batch=False)
                    axes = max(_numbers(text)[1:].count(size) for text in first)
                    expected = self.seconds[tuple(first)] * (other / size) ** axes
                    if expected < _ALL and self._runs(resized):
                        yield resized
                        break

    def called(self, first: list[str]) -> Iterator[list[str]]:
        """With one more argument each, which may be left out."""
        for values in optional(self._model, first, self._sizes):
            tried = ([*first, each] for each in values[:_VALUES])
            found = next((each for each in tried if self._runs(each)), None)
            if found is not None and self.seconds[tuple(found)] <= _ALL:
                yield found

    def _runs(self, texts: Sequence[str]) -> bool:
        return self._reached(texts) == WHOLE

    def _reached(self, texts: Sequence[str]) -> float:
        """How far a forward comes."""
        if time.process_time() > self._until:
            return -1
        seed()
        with Counted() as done, warnings.catch_warnings(), torch.no_grad():
            try:
                args, kwargs = _given(texts)
                warnings.simplefilter("ignore")
                before = time.process_time()
                self._model(*args, **kwargs)
            except Exception as error:
                self._name(error)
                return float(done.count)
        self.seconds[tuple(texts)] = time.process_time() - before
        return WHOLE


def _known(model: nn.Module, declared: object) -> Iterator[int]:
    """Sizes that a model without free ones may be made for: those that it is declared with, those that its own modules
    keep, the lengths of tables of places, and the sides of squares.
    """
    own = [each for each in nn.Module.modules(model) if not type(each).__module__.startswith("torch.")]
    tables = [value for each in own for value in (*each._parameters.values(), *each._buffers.values())]
    shapes = [each.shape for each in tables if each is not None and each.dim() > 1]
    lengths = [size for each in shapes for size in each[:-1]]
    kept = [value for each in own for value in vars(each).values()]
    seen = {0, 1}
    for number in (*_integers(declared), *lengths, *_integers(kept), *(each[-1] for each in shapes)):
        sides = (math.isqrt(number), math.isqrt(max(0, number - 1))) if number > 0 else ()
        for size in (number, 2 * number, *(side for side in sides if side * side in (number, number - 1))):
            if 0 < size <= _LARGEST and size not in seen:
                seen.add(size)
                yield size


def _integers(value: object) -> Iterator[int]:
    if type(value) is int:
        yield value
    elif type(value) is dict:
        yield from _integers(list(value.values()))
    elif type(value) in (list, tuple):
        for each in value:  # type: ignore[attr-defined]
            yield from _integers(each)


def _sizes(texts: Sequence[str]) -> list[int]:
    """Those behind the first axis, the largest first: lengths are larger than features where they are free."""
    found = {size for text in texts for size in _numbers(text)[1:] if size > 1}
    return sorted(found, reverse=True)


def _halves(texts: Sequence[str]) -> Iterator[list[str]]:
    for size in _sizes(texts):
        if size // 2 >= _SMALLEST:
            yield _resized(texts, size, size // 2, batch=False)


def _numbers(text: str) -> list[int]:
    return [int(each) for each in re.findall(r"\d+", text.partition("[")[2].partition("]")[0])]


def _resized(texts: Sequence[str], old: int, new: int, *, batch: bool) -> list[str]:
    """Every axis that has the old size with the new one: the first axes, or those behind them."""

    def one(text: str) -> str:
        head, _, rest = text.partition("[")
        sizes = [new if size == old and (axis == 0) == batch else size for axis, size in enumerate(_numbers(text))]
        return f"{head}[{', '.join(map(str, sizes))}]{rest.partition(']')[2]}"

    return [one(text) for text in texts]
