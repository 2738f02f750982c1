"""What changes of one kind are as statements on ``state_dict``, below ``prefix``; ``own``: the model's own tensors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TypeVar

from modelint.layout.hooks.format import comment, fitted, indented, tuple_of
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
)

#: Whether a key is a name or stands below it: the names end in a dot, too.
STARTS = '(key + ".").startswith'
#: The last part of a key under which a module keeps what is no tensor.
EXTRA = "_extra_state"
_BOTH = "old, new = state_dict.get(prefix + name), own.get(name)"
#: That of ``direction``, over the axes that a length of ``shape`` has not.
_NORM = (
    "shape += (1,) * (direction.dim() - len(shape))",
    "axes = [axis for axis, size in enumerate(shape) if size == 1]",
    "norm = torch.linalg.vector_norm(direction, dim=axes, keepdim=True)",
)
_Kind = TypeVar("_Kind")


def lines_of(changes: Sequence[Change], width: int, blind: bool) -> list[str]:
    """``changes`` are of one kind, and of one axis; ``blind``: shapes do not tell which of them the file has."""
    match changes[0]:
        case Renamed():
            return _renamed(_all(changes, Renamed), width)
        case Dropped():
            return _dropped([each.name for each in _all(changes, Dropped)], width)
        case Added():
            return _added([name for each in _all(changes, Added) for name in each.names], width)
        case Joined():
            return _joined(_all(changes, Joined), width)
        case Split():
            return _split(_all(changes, Split), width)
        case Permuted(_, axes, _, _):
            return _permuted([each.name for each in _all(changes, Permuted)], axes, blind, width)
        case Reshaped():
            return _reshaped([each.name for each in _all(changes, Reshaped)], width)
        case Resized():
            return _resized([each.name for each in _all(changes, Resized)], width)
        case Reset():
            return _reset([each.name for each in _all(changes, Reset)], width)
        case Copied():
            return _copied(_all(changes, Copied), width)
        case Normed(_, _, _, divide):
            return _divided(_all(changes, Normed), width) if divide else _multiplied(_all(changes, Normed), width)
        case other:
            raise AssertionError(other)


def _all(changes: Iterable[Change], kind: type[_Kind]) -> list[_Kind]:
    return [each for each in changes if isinstance(each, kind)]


def _renamed(changes: Sequence[Renamed], width: int) -> list[str]:
    return [
        *fitted("for old, new in ", {each.before: each.after for each in changes}, ".items():", width),
        "    for key in list(state_dict):",
        f'        if {STARTS}(prefix + old + "."):',
        "            moved = prefix + new + key[len(prefix + old) :]",
        "            if moved not in state_dict:",
        "                state_dict[moved] = state_dict.pop(key)",
    ]


def _dropped(names: list[str], width: int) -> list[str]:
    return [
        *fitted("for name in ", names, ":", width),
        "    for key in list(state_dict):",
        f'        if {STARTS}(prefix + name + "."):',
        "            del state_dict[key]",
    ]


def _added(names: list[str], width: int) -> list[str]:
    extra = [name for name in names if name.rpartition(".")[2] == EXTRA]
    names = [name for name in names if name not in extra]
    lines = comment("Old files lack these: they stay as the model was built.", width)
    if names:
        lines += [
            *tuple_of("news", names, "", width),
            "for name, tensor in own.items():",
            "    if assign and tensor.is_meta:  # nothing was built",
            "        continue",
            '    if (name + ".").startswith(news):',
            "        state_dict.setdefault(prefix + name, tensor.detach())",
        ]
    if extra:
        lines += [
            "modules = dict(self.named_modules(remove_duplicate=False))",
            *fitted("for name in ", extra, ":", width),
            '    module = modules.get(name.rpartition(".")[0])',
            "    if module is not None and prefix + name not in state_dict:",
            "        state_dict[prefix + name] = module.get_extra_state()",
        ]
    return lines


def _joined(changes: Sequence[Joined], width: int) -> list[str]:
    lines = []
    for kept, group in groupby(changes, lambda each: each.whole in each.parts):
        lines += [
            *fitted("for parts, whole in ", [(tuple(each.parts), each.whole) for each in group], ":", width),
            "    keys = [prefix + name for name in parts]",
            "    complete = all(key in state_dict for key in keys)",
            "    if complete:" if kept else "    if complete and prefix + whole not in state_dict:",
            "        pieces = [state_dict.pop(key) for key in keys]",
            f"        state_dict[prefix + whole] = torch.cat(pieces, dim={changes[0].axis})",
        ]
    return lines


def _split(changes: Sequence[Split], width: int) -> list[str]:
    lines = []
    for kept, group in groupby(changes, lambda each: each.whole in each.parts):
        axis = changes[0].axis
        fresh = ["    fresh = [name for name in parts if name != whole]"] if kept else []
        done = f"any(prefix + name in state_dict for name in {'fresh' if kept else 'parts'})"
        lines += [
            *fitted("for whole, parts in ", [(each.whole, tuple(each.parts)) for each in group], ":", width),
            "    tensor = state_dict.get(prefix + whole)",
            *fresh,
            f"    split = {done}",
            "    if tensor is None or split:",
            "        continue",
            f"    sizes = [own[name].shape[{axis}] for name in parts if name in own]",
            f"    if tensor.dim() > {axis} and sum(sizes) == tensor.shape[{axis}]:",
            "        del state_dict[prefix + whole]",
            f"        pieces = tensor.split(sizes, dim={axis})",
            "        for index, name in enumerate(parts):",
            "            state_dict[prefix + name] = pieces[index].clone()",
        ]
    return lines


def _permuted(names: list[str], axes: Sequence[int], blind: bool, width: int) -> list[str]:
    turned = "t()" if tuple(axes) == (1, 0) else f"permute({', '.join(map(str, axes))})"
    then = [
        f"if old.dim() == {len(axes)}:",
        f"    old = old.{turned}",
        "    state_dict[prefix + name] = old.contiguous()",
    ]
    if not blind:
        return _of_other_shape(names, width, then)
    return [
        *fitted("for name in ", names, ":", width),
        "    old = state_dict.get(prefix + name)",
        f"    if old is not None and old.dim() == {len(axes)}:",
        *indented(then[1:]),
    ]


def _of_other_shape(names: list[str], width: int, then: Sequence[str]) -> list[str]:
    """``then``: for those whose shape is not the model's."""
    return [
        *fitted("for name in ", names, ":", width),
        f"    {_BOTH}",
        "    if old is None or new is None or old.shape == new.shape:",
        "        continue",
        *indented(then),
    ]


def _reshaped(names: list[str], width: int) -> list[str]:
    then = ["if old.numel() == new.numel():", "    state_dict[prefix + name] = old.reshape(new.shape)"]
    return _of_other_shape(names, width, then)


def _resized(names: list[str], width: int) -> list[str]:
    then = [
        "if old.dim() and old.shape[1:] == new.shape[1:]:",
        "    rows = old[: len(new)].clone()",
        "    rest = new.detach()[len(rows) :]",
        "    if len(rest):",
        "        rows = torch.cat([rows, rest.to(rows)])",
        "    state_dict[prefix + name] = rows",
    ]
    return [
        *comment("Rows that old files lack stay as the model was built.", width),
        *_of_other_shape(names, width, then),
    ]


def _reset(names: list[str], width: int) -> list[str]:
    then = ["if not (assign and new.is_meta):", "    state_dict[prefix + name] = new.detach()"]
    return [
        *comment("Of another shape in old files: these stay as the model was built.", width),
        *_of_other_shape(names, width, then),
    ]


def _copied(changes: Sequence[Copied], width: int) -> list[str]:
    return [
        *fitted("for source, name in ", {each.source: each.name for each in changes}, ".items():", width),
        "    if prefix + source in state_dict:",
        "        state_dict.setdefault(prefix + name, state_dict[prefix + source])",
    ]


def _multiplied(changes: Sequence[Normed], width: int) -> list[str]:
    triples = [(each.length, each.direction, each.weight) for each in changes]
    return [
        *fitted("for length, direction, weight in ", triples, ":", width),
        "    keys = [prefix + length, prefix + direction]",
        "    complete = all(key in state_dict for key in keys)",
        "    if complete and prefix + weight not in state_dict:",
        "        length, direction = [state_dict.pop(key) for key in keys]",
        "        shape = length.shape",
        *indented(indented(_NORM)),
        "        state_dict[prefix + weight] = direction * (length / norm)",
    ]


def _divided(changes: Sequence[Normed], width: int) -> list[str]:
    triples = [(each.weight, each.length, each.direction) for each in changes]
    return [
        *fitted("for weight, length, direction in ", triples, ":", width),
        "    keys = [prefix + length, prefix + direction]",
        "    complete = any(key in state_dict for key in keys)",
        "    if prefix + weight in state_dict and length in own and not complete:",
        "        shape = own[length].shape",
        "        direction = state_dict.pop(prefix + weight)",
        *indented(indented(_NORM)),
        "        state_dict[keys[0]] = norm.reshape(own[length].shape)",
        "        state_dict[keys[1]] = direction",
    ]
