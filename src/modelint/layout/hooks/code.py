"""The Python that brings the keys of an old file into the new form: statements for ``_load_from_state_dict``.

They stand in an override of that method, not in a hook that the constructor registers: it needs no constructor
(dataclasses, early returns), nothing is bound to an instance (so it survives deepcopy, pickle, and modules that were
pickled whole), it comes before every registered hook, is inherited, and is the same in all versions of torch, whose own
modules do it so. A registered hook would have its public name from torch 2.5 on.

What is in the new form already stays as it is. What is there in both forms stays twice, so that the load names it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import NamedTuple

from modelint.layout.hooks.form import Form, form_of
from modelint.layout.hooks.format import comment, fitted, indented, raised, tuple_of
from modelint.layout.hooks.lines import STARTS, lines_of
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

#: The names that the statements give to what they work with.
LOCALS = frozenset(
    "assign axes axis complete direction fresh given hides index is_old key keys length mine module modules moved name"
    " new news norm old olds own parts pieces rest rows same shape size sizes source split taken tensor value version"
    " weight whole".split()
)
_SUMMED = 4
_CHOOSE = "CHOOSE ONE of these, take the comment signs off its lines, and delete the lines from `for` to the end of"


class Block(NamedTuple):
    """Statements, indented by four spaces a level."""

    lines: tuple[str, ...]
    uses_torch: bool
    #: They ask which version of the class a file is of, which has to be raised.
    uses_version: bool


class Method(NamedTuple):
    """Where they will stand."""

    #: As messages name it.
    name: str
    #: What binds those of ``state_dict``, ``prefix``, ``local_metadata`` that are no parameters.
    bound: Mapping[str, str] = MappingProxyType({"local_metadata": "args[0]"})
    #: Columns that are left.
    width: int = 71


def digest(changes: Sequence[Change]) -> str:
    """What a migration is known by."""
    return hashlib.sha256(repr(tuple(changes)).encode()).hexdigest()[:8]


def begin(mark: str) -> str:
    return f"# modelint migration {mark}:"


def end(mark: str) -> str:
    return f"# end of migration {mark}"


def block(changes: Sequence[Change], method: Method, version: int = 2) -> Block:
    """``version``: the one that files of the new form tell, where nothing else tells."""
    return _Writer(changes, method, version).block()


class _Writer:
    def __init__(self, changes: Sequence[Change], method: Method, version: int) -> None:
        self._changes = changes
        self._form = form_of(changes)
        self._method = method
        self._version = version
        self._width = method.width

    def block(self) -> Block:
        body = [*self._is_old(), *self._statements(self._changes, self._width)]
        body = [*_preamble("\n".join(body)), *body]
        text = "\n".join(body)
        bound = [f"{name} = {value}" for name, value in self._method.bound.items() if re.search(rf"\b{name}\b", text)]
        mark = digest(self._changes)
        lines = (*self._title(mark), *bound, *body, end(mark))
        return Block(lines, "torch." in text, self._form.by_version)

    def _title(self, mark: str) -> list[str]:
        said = [words(each) for each in self._changes]
        if len(said) > _SUMMED + 1:
            said[_SUMMED:] = [f"and {len(said) - _SUMMED} more"]
        return comment(f"{begin(mark)[2:]} {'; '.join(said)}", self._width)

    def _is_old(self) -> list[str]:
        form, width = self._form, self._width
        if not form.blind:
            return []
        if not form.by_version:
            return [*_has_old_names(form, width), *_has_old_shapes(form, width), *self._is_completed("is_old")]
        lines = ['version = local_metadata.get("version")']
        if form.news:
            return [
                *lines,
                *tuple_of("news", list(form.news), "prefix + ", width),
                f"is_old = not any({STARTS}(news) for key in state_dict)",
                f"is_old = is_old and (version is None or version < {self._version})",
                *self._is_completed(f"(version is None or version < {self._version})"),
            ]
        names = ", ".join(f"{{prefix}}{name}" for name in form.doubtful[:3]) + (", ..." if form.doubtful[3:] else "")
        cls = self._method.name.rpartition(".")[0]
        error = raised(
            f"{names}: what this is called meant",
            f"another thing before version {self._version} of {cls}, and the file does not say what version it is of:"
            " it has to keep the `_metadata` of the state dict, as torch.save(model.state_dict(), ...) does",
            width - 4,
        )
        return [
            *lines,
            *tuple_of("olds", list(form.doubtful), "prefix + ", width),
            f"is_old = any({STARTS}(olds) for key in state_dict)",
            "if version is None and is_old:",
            *indented(error),
            f"is_old = is_old and version < {self._version}",
        ]

    def _is_completed(self, maybe: str) -> list[str]:
        """Stops where what old files lack was put there from the model itself; ``maybe``: the file may be old.

        FSDP2 does so (full_state_dict), and whoever merges a file into a state dict of the model.
        """
        form, width = self._form, self._width
        if not form.misleading:
            return []
        more = ", ..." if form.misleading[1:] else ""
        text = (
            "comes from the model itself (a merged state dict, or full_state_dict of FSDP2), which hides that the"
            " file is of an older form: load it into the model by itself, before that is sharded"
        )
        return [
            *comment("Values of the model's own among those of a file hide what the file is.", width),
            *tuple_of("given", list(form.misleading), "", width),
            "mine = {}",
            "for name, tensor in own.items():",
            "    value = state_dict.get(prefix + name)",
            "    if value is not None:",
            "        same = value.data_ptr() == tensor.data_ptr() != 0",
            "        mine[name] = same or value is tensor",
            'taken = [name + "." for name in mine if mine[name]]',
            "hides = any(name.startswith(given) for name in taken)",
            f"if hides and {maybe} and not all(mine.values()):",
            *indented(raised(f"{{prefix}}{form.misleading[0]}{more}", text, width - 4)),
        ]

    def _statements(self, changes: Sequence[Change], width: int, at: int | None = None) -> list[str]:
        """``at``: the position of what these changes are an option of."""

        def kind(pair: tuple[int, Change]) -> tuple[bool, object]:
            place, change = pair
            blind = (place if at is None else at) in self._form.blind and not isinstance(change, Undecided)
            return blind, _kind(change)

        lines: list[str] = []
        for (blind, _), group in groupby(enumerate(changes), kind):
            pairs = list(group)
            for some in _without_repeats([change for _, change in pairs]):
                if isinstance(some[0], Undecided):
                    for each in some:
                        assert isinstance(each, Undecided)
                        lines += self._undecided(each, pairs[0][0] if at is None else at)
                    continue
                code = lines_of(some, width - 4 * blind, blind)
                lines += ["if is_old:", *indented(code)] if blind else code
        return lines

    def _undecided(self, change: Undecided, at: int) -> list[str]:
        width = self._width
        lines = comment(f"UNDECIDED: {change.why}.", width)
        if change.options:
            lines += comment(f"{_CHOOSE} the `raise`:", width)
        for number, option in enumerate(change.options, 1):
            lines += comment(f"{number}. {option.title}", width)
            lines += [f"# {line}" for line in self._statements(option.changes, width - 2, at)]
        text = f"{change.why}: choose in {self._method.name}, then run `modelint migrate` again"
        return [
            *lines,
            *fitted("for name in ", list(change.names), ":", width),
            "    old, new = state_dict.get(prefix + name), own.get(name)",
            "    if old is not None and (new is None or old.shape != new.shape):",
            *indented(indented(raised("{prefix}{name}:", text, width - 8))),
        ]


def words(change: Change) -> str:
    """One change, in a few words."""
    match change:
        case Renamed(before, after):
            return f"{before} -> {after}"
        case Dropped(name):
            return f"{name} is gone"
        case Added(names):
            return f"{_some(names)} {'are' if names[1:] else 'is'} new"
        case Joined(parts, whole, _):
            return f"{' + '.join(parts)} -> {whole}"
        case Split(whole, parts, _, _):
            return f"{whole} -> {' + '.join(parts)}"
        case Permuted(name, _, _, _):
            return f"axes of {name}"
        case Reshaped(name, _, _) | Resized(name):
            return f"shape of {name}"
        case Reset(name):
            return f"{name} starts anew"
        case Copied(source, name):
            return f"{name} is {source}"
        case Normed(length, direction, weight, divide):
            both = f"{length}, {direction}"
            return f"{weight} -> {both}" if divide else f"{both} -> {weight}"
        case Undecided(names, _, _):
            return f"UNDECIDED: {_some(names)}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _kind(change: Change) -> object:
    """What changes that are done by one loop have in common."""
    match change:
        case Joined(axis=axis) | Split(axis=axis) | Permuted(axes=axis):
            return type(change), axis
        case Normed(divide=divide):
            return type(change), divide
    return type(change)


def _without_repeats(changes: list[Change]) -> Iterator[list[Change]]:
    """Cut where a name comes again: what one loop does must not hang on its order."""
    group: list[Change] = []
    seen: set[str] = set()
    for each in changes:
        if isinstance(each, Renamed):
            if each.before in seen:
                yield group
                group, seen = [], set()
            seen.add(each.before)
        group.append(each)
    yield group


def _preamble(text: str) -> list[str]:
    """The model's own tensors, where something looks at them."""
    lines = []
    if re.search(r"\bassign\b", text):
        lines.append('assign = local_metadata.get("assign_to_params_buffers", False)')
    if re.search(r"\bown\b", text):
        lines += [
            "own = dict(self.named_parameters(remove_duplicate=False))",
            "own.update(self.named_buffers(remove_duplicate=False))",
        ]
    return lines


def _has_old_names(form: Form, width: int) -> list[str]:
    if not form.olds:
        return []
    return [
        *tuple_of("olds", list(form.olds), "prefix + ", width),
        f"is_old = any({STARTS}(olds) for key in state_dict)",
    ]


def _has_old_shapes(form: Form, width: int) -> list[str]:
    if not form.shaped:
        return []
    return [
        *([] if form.olds else ["is_old = False"]),
        *fitted("for name in ", list(form.shaped), ":", width),
        "    old, new = state_dict.get(prefix + name), own.get(name)",
        "    if old is not None and new is not None:",
        "        is_old = is_old or old.shape != new.shape",
    ]
