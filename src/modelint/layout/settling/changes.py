"""Which statements two versions of the code do not share, and whether they ran.

Numbers say nothing about a statement that did not run. It counts where the forward could come to it: in a function
that ran, or whose name is mentioned where something ran. What other inputs cannot reach does not count: a branch that
the settings of the model rule out (``if self.flash:``, any test of a constructor), or one that waits for a parameter
that the old code did not have.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from modelint.layout.settling.statements import File, Function, Name, Statement, read

#: Functions of other names are one function where so much of their statements is shared.
_ALIKE = 0.5


class Missed(NamedTuple):
    """Statements of one of the sides that differ from the other, and did not run."""

    #: Path and line of each.
    places: tuple[tuple[str, int], ...]
    #: Others did.
    partly: bool
    #: They wait for a number that these inputs may not have.
    doubtful: bool = False


class Ran:
    """The lines of one side that ran: while the model was made, and when it was run."""

    def __init__(self, made: Mapping[str, Collection[int]], run: Mapping[str, Collection[int]]) -> None:
        self._made, self._run = _by_real_path(made), _by_real_path(run)
        self._lines: dict[str, tuple[frozenset[int], frozenset[int]]] = {}

    def of(self, path: str) -> tuple[frozenset[int], frozenset[int]]:
        """All lines of a file that ran, and those of them that did with the inputs."""
        if path not in self._lines:
            real = os.path.realpath(path)
            run = self._run.get(real, frozenset())
            self._lines[path] = self._made.get(real, frozenset()) | run, run
        return self._lines[path]


def _by_real_path(lines: Mapping[str, Collection[int]]) -> dict[str, frozenset[int]]:
    return {os.path.realpath(path): frozenset(each) for path, each in lines.items()}


class Change(NamedTuple):
    """A statement that only one side has, and to which a forward could come."""

    is_new: bool
    function: Function
    statement: Statement
    ran: bool
    #: No statement of the function ran with the inputs: it makes the model, or nothing calls it.
    makes: bool


def missed(counted: Sequence[Change]) -> Missed:
    """Those that did not run."""
    places = [(each.function.path, each.statement.line) for each in counted if not each.ran]
    return Missed(tuple(sorted(set(places))), len(places) < len(counted))


def changes(olds: Mapping[str, str], news: Mapping[str, str], old_ran: Ran, new_ran: Ran) -> list[Change]:
    """Those that count. ``olds``, ``news``: the files of either side, by their names in the repository."""
    before = {name: read(path) for name, path in olds.items()}
    after = {name: read(path) for name, path in news.items()}
    pairs = list(_matched(before, after))
    changed = [each for one, other in pairs for each in _differing(one, other)]
    if not changed:
        return []
    added = {(new.path, new.name): new.parameters - old.parameters for old, new in pairs if old and new}
    sides = {False: _Side(before.values(), old_ran, {}), True: _Side(after.values(), new_ran, added)}
    return [
        Change(is_new, of, each, sides[is_new].ran(of, each), sides[is_new].makes(of))
        for is_new, of, each in changed
        if sides[is_new].counts(of, each)
    ]


def _matched(
    before: Mapping[str, File], after: Mapping[str, File]
) -> Iterator[tuple[Function | None, Function | None]]:
    """Each function with its counterpart: the one of the same name in the same file, unless that is another one and
    the old one goes by another name now; else the one that is most alike.
    """
    olds = {(name, each): found for name, file in before.items() for each, found in file.functions.items()}
    news = {(name, each): found for name, file in after.items() for each, found in file.functions.items()}
    for key in olds.keys() & news.keys():
        if _likeness(olds[key], news[key]) >= _ALIKE:
            yield olds.pop(key), news.pop(key)
    for key, function in list(news.items()):
        alike = {each: _likeness(old, function) for each, old in olds.items()}
        best = max(alike, key=lambda each: alike[each], default=None)
        if best is not None and alike[best] >= _ALIKE:
            yield olds.pop(best), news.pop(key)
    for key, function in news.items():
        yield olds.pop(key, None), function
    for function in olds.values():
        yield function, None


def _likeness(one: Function, other: Function) -> float:
    """The share of their statements that both have."""
    before, after = ({each.text for each in function.statements} for function in (one, other))
    return len(before & after) / max(1, len(before | after))


def _differing(one: Function | None, other: Function | None) -> Iterator[tuple[bool, Function, Statement]]:
    """The statements that only one side has; True: the new one."""
    before, after = one.statements if one else (), other.statements if other else ()
    olds, news = [each.text for each in before], [each.text for each in after]
    if olds == news:
        return
    for kind, i, j, k, end in SequenceMatcher(None, olds, news, autojunk=False).get_opcodes():
        if kind != "equal":
            yield from ((False, one, each) for each in before[i:j] if one)
            yield from ((True, other, each) for each in after[k:end] if other)


class _Side:
    """What of one side a forward could come to. ``added``: parameters that the counterpart of a function lacks."""

    def __init__(self, files: Collection[File], ran: Ran, added: Mapping[tuple[str, str], frozenset[str]]) -> None:
        self._ran = ran
        self._added = added
        self._reachable: set[tuple[str, str]] = set()
        # What a base class has is called through others.
        names: set[Name] = {name for file in files for name in file.bases}
        left = []
        for each in (function for file in files for function in file.functions.values()):
            if any(self.ran(each, statement) for statement in each.statements):
                names |= {(each.path, each.cls)} if each.cls else set()
                self._add(each, names)
            else:
                left.append(each)
        while near := [each for each in left if each.is_called(names)]:
            left = [each for each in left if not each.is_called(names)]
            for each in near:
                self._add(each, names)

    def _add(self, function: Function, names: set[Name]) -> None:
        self._reachable.add((function.path, function.name))
        for each in function.statements:
            if not self._is_ruled_out(function, each):
                names |= each.names

    def counts(self, function: Function, statement: Statement) -> bool:
        return (function.path, function.name) in self._reachable and not self._is_ruled_out(function, statement)

    def ran(self, function: Function, statement: Statement) -> bool:
        lines, _ = self._ran.of(function.path)
        return any(line in lines for line in range(statement.line, statement.end + 1))

    def makes(self, function: Function) -> bool:
        _, run = self._ran.of(function.path)
        return not any(line in run for each in function.statements for line in range(each.line, each.end + 1))

    def _is_ruled_out(self, function: Function, statement: Statement) -> bool:
        lines, _ = self._ran.of(function.path)
        makes = self.makes(function)
        added = self._added.get((function.path, function.name), frozenset())
        return not self.ran(function, statement) and any(
            each.rules_out(lines) and (makes or each.names <= added) for each in statement.tests
        )
