"""Steps: what makes a file fit. Each is applied here to names and shapes, written as Python that does it to tensors.

In the Python, ``state`` is the state dict at hand and ``own`` the one of the model. Steps chain: each takes the table
that the one before has left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from modelint.keys.forms import Form, chosen
from modelint.keys.situation import Cell, Cells
from modelint.keys.table import TensorSpec

Model = Mapping[str, TensorSpec]


class Step(Protocol):
    def apply(self, cells: Cells, model: Model) -> Cells:
        """The table after this step."""

    def code(self, cells: Cells, model: Model) -> list[str]:
        """Python that does the same, given the table before it."""


class Rename(NamedTuple):
    """Other names. ``form``: a short way to say it, used where it changes no other key."""

    mapping: Mapping[str, str]
    form: Form | None = None

    def apply(self, cells: Cells, model: Model) -> Cells:
        return {self.mapping.get(key, key): cell for key, cell in cells.items()}

    def code(self, cells: Cells, model: Model) -> list[str]:
        form = self.form
        if form is not None and all(form.of(key) == self.mapping.get(key, key) for key in cells):
            expression = form.expression()
            return [*form.setup(), f"state = {{{expression}: value for key, value in state.items()}}"]
        pairs = [(key, name) for key, name in self.mapping.items() if key in cells and key != name]
        lines = ["renames = {", *(f"    {key!a}: {name!a}," for key, name in pairs), "}"]
        return [*lines, "state = {renames.get(key, key): value for key, value in state.items()}"]


class Take(NamedTuple):
    """Only what stands below a prefix of the file, put below one of the model."""

    prefix: str
    put: str = ""

    def apply(self, cells: Cells, model: Model) -> Cells:
        start = len(self.prefix)
        return {self.put + key[start:]: cell for key, cell in cells.items() if key.startswith(self.prefix)}

    def code(self, cells: Cells, model: Model) -> list[str]:
        prefix, put = ascii(self.prefix), f"{self.put!a} + " if self.put else ""
        values = "value for key, value in state.items()"
        return [f"state = {{{put}key.removeprefix({prefix}): {values} if key.startswith({prefix})}}"]


class Drop(NamedTuple):
    """Left out."""

    keys: tuple[str, ...]

    def apply(self, cells: Cells, model: Model) -> Cells:
        gone = set(self.keys)
        return {key: cell for key, cell in cells.items() if key not in gone}

    def code(self, cells: Cells, model: Model) -> list[str]:
        return _loop(chosen(self.keys, cells), "del state[key]")


class Own(NamedTuple):
    """The model's own values, as it was built."""

    keys: tuple[str, ...]

    def apply(self, cells: Cells, model: Model) -> Cells:
        return _filled(cells, self.keys, model)

    def code(self, cells: Cells, model: Model) -> list[str]:
        return _loop(chosen(self.keys, model, "own"), "state[key] = own[key]")


class Rows(NamedTuple):
    """The rows that both have; what the model has beyond them stays as it was built."""

    keys: tuple[str, ...]

    def apply(self, cells: Cells, model: Model) -> Cells:
        return _filled(cells, self.keys, model)

    def code(self, cells: Cells, model: Model) -> list[str]:
        return _loop(
            chosen(self.keys, cells),
            "rows = min(len(state[key]), len(own[key]))",
            "grown = own[key].clone()",
            "grown[:rows] = state[key][:rows]",
            "state[key] = grown",
        )


class Copy(NamedTuple):
    """One tensor under a second name: (source, target)."""

    pairs: tuple[tuple[str, str], ...]

    def apply(self, cells: Cells, model: Model) -> Cells:
        return {**cells, **{target: cells[source]._replace(plain=False) for source, target in self.pairs}}

    def code(self, cells: Cells, model: Model) -> list[str]:
        return [f"state[{target!a}] = state[{source!a}]" for source, target in self.pairs]


class Permute(NamedTuple):
    """Axes in another order, as ``Tensor.permute`` counts them."""

    keys: tuple[str, ...]
    axes: tuple[int, ...]

    def apply(self, cells: Cells, model: Model) -> Cells:
        return {**cells, **{key: self._turned(cells[key]) for key in self.keys}}

    def _turned(self, cell: Cell) -> Cell:
        shape = cell.spec.shape or ()
        return cell._replace(spec=cell.spec._replace(shape=tuple(shape[axis] for axis in self.axes)), plain=False)

    def code(self, cells: Cells, model: Model) -> list[str]:
        turned = "t()" if self.axes == (1, 0) else f"permute{self.axes}"
        return _loop(chosen(self.keys, cells), f"state[key] = state[key].{turned}")


class Joined(NamedTuple):
    """Several tensors that become one: names below a module, and the name that they get there."""

    module: str
    parts: tuple[str, ...]
    whole: str


class Join(NamedTuple):
    """Concatenated on axis 0."""

    groups: tuple[Joined, ...]

    def apply(self, cells: Cells, model: Model) -> Cells:
        cells = dict(cells)
        for module, parts, whole in self.groups:
            joined = [cells.pop(module + part) for part in parts]
            shapes = [cell.spec.shape or () for cell in joined]
            spec = joined[0].spec._replace(shape=(sum(shape[0] for shape in shapes), *shapes[0][1:]))
            cells[module + whole] = Cell(spec, tuple(key for cell in joined for key in cell.sources), False)
        return cells

    def code(self, cells: Cells, model: Model) -> list[str]:
        lines = []
        for (parts, whole), modules in _by_names(self.groups).items():
            pieces = ", ".join(f"state.pop(module + {part!a})" for part in parts)
            lines += _modules(parts[0], modules, cells, f"state[module + {whole!a}] = torch.cat([{pieces}])")
        return lines


class Split(NamedTuple):
    """Cut on axis 0, into the sizes that the model asks for."""

    groups: tuple[Joined, ...]

    def apply(self, cells: Cells, model: Model) -> Cells:
        cells = dict(cells)
        for module, parts, whole in self.groups:
            sources = cells.pop(module + whole).sources
            cells.update({module + part: Cell(model[module + part], sources, False) for part in parts})
        return cells

    def code(self, cells: Cells, model: Model) -> list[str]:
        lines = []
        for (parts, whole), modules in _by_names(self.groups).items():
            lines += _modules(
                whole,
                modules,
                cells,
                f"names = [module + name for name in {parts!a}]",
                f"pieces = state.pop(module + {whole!a}).split([len(own[name]) for name in names])",
                "state.update(zip(names, pieces))",
            )
        return lines


class Normed(NamedTuple):
    """Weights in the two tensors of a weight norm: keys of length, direction, and their product."""

    length: str
    direction: str
    weight: str


class Multiply(NamedTuple):
    """Length times direction: the weight that both stand for."""

    groups: tuple[Normed, ...]

    def apply(self, cells: Cells, model: Model) -> Cells:
        cells = dict(cells)
        for length, direction, weight in self.groups:
            one, other = cells.pop(length), cells.pop(direction)
            cells[weight] = Cell(other.spec, (*one.sources, *other.sources), False)
        return cells

    def code(self, cells: Cells, model: Model) -> list[str]:
        triples = [f"    ({length!a}, {direction!a}, {weight!a})," for length, direction, weight in self.groups]
        return [
            "for length, direction, weight in [",
            *triples,
            "]:",
            "    g, v = state.pop(length), state.pop(direction)",
            "    axes = [axis for axis in range(v.dim()) if g.shape[axis] == 1]",
            "    state[weight] = v * (g / torch.linalg.vector_norm(v, dim=axes, keepdim=True))",
        ]


class Divide(NamedTuple):
    """The weight, in length and direction: its norm over the axes that the model's length has not, and itself."""

    groups: tuple[Normed, ...]

    def apply(self, cells: Cells, model: Model) -> Cells:
        cells = dict(cells)
        for length, direction, weight in self.groups:
            cells[direction] = cells.pop(weight)._replace(plain=False)
            cells[length] = Cell(model[length], cells[direction].sources, False)
        return cells

    def code(self, cells: Cells, model: Model) -> list[str]:
        triples = [f"    ({length!a}, {direction!a}, {weight!a})," for length, direction, weight in self.groups]
        return [
            "for length, direction, weight in [",
            *triples,
            "]:",
            "    v, shape = state.pop(weight), own[length].shape",
            "    state[direction] = v",
            "    axes = [axis for axis in range(v.dim()) if shape[axis] == 1]",
            "    state[length] = torch.linalg.vector_norm(v, dim=axes, keepdim=True)",
        ]


class Positions(NamedTuple):
    """Position embeddings over a square grid behind ``extra`` tokens, resampled to the model's grid."""

    keys: tuple[str, ...]
    extra: int

    def apply(self, cells: Cells, model: Model) -> Cells:
        return _filled(cells, self.keys, model)

    def code(self, cells: Cells, model: Model) -> list[str]:
        return _loop(
            chosen(self.keys, cells),
            "table, shape = state[key].reshape(-1, state[key].shape[-1]), own[key].shape",
            f"extra, grid = table[:{self.extra}], table[{self.extra}:]",
            f"side, size = int(len(grid) ** 0.5 + 0.5), int((shape[-2] - {self.extra}) ** 0.5 + 0.5)",
            "grid = grid.reshape(1, side, side, -1).permute(0, 3, 1, 2).float()",
            'grid = torch.nn.functional.interpolate(grid, size=(size, size), mode="bicubic", align_corners=False)',
            "grid = grid.permute(0, 2, 3, 1).reshape(size * size, -1).to(extra.dtype)",
            "state[key] = torch.cat([extra, grid]).reshape(shape)",
        )


class Offsets(NamedTuple):
    """Tables of relative positions, one row for each offset of a square window, resampled to the model's window."""

    keys: tuple[str, ...]

    def apply(self, cells: Cells, model: Model) -> Cells:
        return _filled(cells, self.keys, model)

    def code(self, cells: Cells, model: Model) -> list[str]:
        return _loop(
            chosen(self.keys, cells),
            "table, (rows, heads) = state[key], own[key].shape",
            "side, size = int(len(table) ** 0.5 + 0.5), int(rows**0.5 + 0.5)",
            "grid = table.t().reshape(1, heads, side, side).float()",
            'grid = torch.nn.functional.interpolate(grid, size=(size, size), mode="bicubic", align_corners=False)',
            "state[key] = grid.reshape(heads, rows).t().to(table.dtype)",
        )


class Adapted(NamedTuple):
    """Keys of a weight, and of the two matrices whose product is added to it."""

    weight: str
    down: str
    up: str


class Merge(NamedTuple):
    """Low-rank adapters, added to the weights that they belong to; how strongly, the file does not say."""

    groups: tuple[Adapted, ...]

    def apply(self, cells: Cells, model: Model) -> Cells:
        cells = dict(cells)
        for weight, down, up in self.groups:
            joined = (cells[weight], cells.pop(down), cells.pop(up))
            cells[weight] = Cell(joined[0].spec, tuple(key for cell in joined for key in cell.sources), False)
        return cells

    def code(self, cells: Cells, model: Model) -> list[str]:
        _, down, up = self.groups[0]
        stem = _shared_end(self.groups[0].weight, down)
        downs, ups = down[len(stem) :], up[len(stem) :]
        tail = self.groups[0].weight[len(stem) :]
        return [
            f"for key in [key for key in state if key.endswith({downs!a})]:",
            f"    stem = key.removesuffix({downs!a})",
            f"    product = state.pop(stem + {ups!a}) @ state.pop(key)",
            f"    state[stem + {tail!a}] = state[stem + {tail!a}] + scaling * product",
        ]


class Option(NamedTuple):
    """One way to go on, and what it is called."""

    label: str
    steps: tuple[Step, ...]


class Choose(NamedTuple):
    """Several ways that fit as well as each other: whoever calls the code says which. Here the first stands for all."""

    options: tuple[Option, ...]
    #: The argument of the code that says which.
    argument: str = "copy"

    def apply(self, cells: Cells, model: Model) -> Cells:
        for step in self.options[0].steps:
            cells = step.apply(cells, model)
        return cells

    def code(self, cells: Cells, model: Model) -> list[str]:
        lines: list[str] = []
        for at, option in enumerate(self.options):
            lines.append(f"{'elif' if at else 'if'} {self.argument} == {option.label!a}:")
            inside = cells
            if not option.steps:
                lines.append("    pass")
            for step in option.steps:
                lines += [f"    {line}" for line in step.code(inside, model)]
                inside = step.apply(inside, model)
        labels = " or ".join(ascii(option.label) for option in self.options)
        return [*lines, "else:", f"    raise ValueError({f'{self.argument} is one of these: {labels}'!a})"]


def _filled(cells: Cells, keys: Sequence[str], model: Model) -> Cells:
    """The shapes of the model under ``keys``; where the file has the key, the tensor stands for that of the file."""
    return {**cells, **{key: Cell(model[key], cells[key].sources if key in cells else (), False) for key in keys}}


def _loop(keys: Sequence[str], *body: str) -> list[str]:
    """``for key in <keys>:`` with a body."""
    first, *rest = keys
    lines = [f"for key in {first}", *rest]
    lines[-1] += ":"
    return [*lines, *(f"    {line}" for line in body)]


def _by_names(groups: Sequence[Joined]) -> dict[tuple[tuple[str, ...], str], list[str]]:
    found: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for module, parts, whole in groups:
        found.setdefault((parts, whole), []).append(module)
    return found


def _modules(leaf: str, modules: Sequence[str], cells: Cells, *body: str) -> list[str]:
    """A loop over the modules in which ``leaf`` stands."""
    every = [key for key in cells if key.endswith(f".{leaf}") or key == leaf]
    if len(modules) > 2 and len(every) == len(modules) and all(modules):
        head = [f"for module in [key.removesuffix({leaf!a}) for key in state if key.endswith({f'.{leaf}'!a})]:"]
    else:
        head = ["for module in [", *(f"    {module!a}," for module in modules), "]:"]
    return [*head, *(f"    {line}" for line in body)]


def _shared_end(one: str, other: str) -> str:
    """What two keys begin with, up to a dot."""
    at = 0
    while at < min(len(one), len(other)) and one[at] == other[at]:
        at += 1
    return one[: one.rfind(".", 0, at) + 1]
