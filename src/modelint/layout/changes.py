"""Which statements two versions of the code do not share, and whether they ran.

Numbers say nothing about a statement that did not run. It counts where the forward could come to it: in a function
that ran, or whose name is mentioned where something ran. A branch that the model's own settings (``if self.flash:``)
rule out does not count, for no input of this model leads there.
"""

from __future__ import annotations

import ast
import builtins
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

Lines = Mapping[str, frozenset[int]]

#: Functions of other names are one function where so much of their statements is shared.
_ALIKE = 0.5
#: They end a block.
_ENDS = ast.Return | ast.Raise | ast.Continue | ast.Break
#: No line of theirs is ever seen to run.
_UNSEEN = ast.Global | ast.Nonlocal | ast.Pass | ast.Continue | ast.Break | ast.Try | ast.TryStar


class Missed(NamedTuple):
    """Statements of one of the sides that differ from the other, and did not run."""

    #: Path and line of each.
    places: tuple[tuple[str, int], ...]
    #: Others did.
    partly: bool


class _Setting(NamedTuple):
    """A test, and a block that runs (or does not) where it rules a statement out."""

    test: int
    block: range
    runs: bool

    def rules_out(self, lines: frozenset[int]) -> bool:
        return self.test in lines and self.runs is any(line in lines for line in self.block)


class _Statement(NamedTuple):
    text: str
    line: int
    end: int
    names: frozenset[str]
    #: The tests that it depends on, where these look at the model's settings alone.
    settings: tuple[_Setting, ...]


class _File(NamedTuple):
    functions: dict[str, _Function]
    #: The names of the classes that others are derived from.
    bases: frozenset[str]


class _Function(NamedTuple):
    name: str
    path: str
    statements: tuple[_Statement, ...]

    #: The class that it is a method of.
    cls: str | None

    @property
    def needs(self) -> frozenset[str]:
        """The names that must be mentioned for a call of it."""
        own = self.name.rpartition(".")[2]
        if self.cls is None:
            return frozenset({own})
        return frozenset({self.cls} if own.startswith("__") or own == "forward" else {self.cls, own})


def missed(olds: Mapping[str, str], news: Mapping[str, str], old_ran: Lines, new_ran: Lines) -> Missed:
    """``olds``, ``news``: the files of either side, by their names in the repository; the lines that ran, by file."""
    before = {name: _read(path) for name, path in olds.items()}
    after = {name: _read(path) for name, path in news.items()}
    changed = [
        (is_new, function, each)
        for one, other in _matched(before, after)
        for is_new, function, each in _differing(one, other)
    ]
    if not changed:
        return Missed((), False)
    relevant = {True: _relevant(after.values(), new_ran), False: _relevant(before.values(), old_ran)}
    counted = [(new, of, each) for new, of, each in changed if relevant[new].counts(of, each)]
    places = [(of.path, each.line) for new, of, each in counted if not relevant[new].ran(of, each)]
    return Missed(tuple(sorted(set(places))), len(places) < len(counted))


def _matched(
    before: Mapping[str, _File], after: Mapping[str, _File]
) -> Iterator[tuple[_Function | None, _Function | None]]:
    """Each function with its counterpart: of the same name in the same file, else the one that is most alike."""
    olds = {(name, each): found for name, file in before.items() for each, found in file.functions.items()}
    news = {(name, each): found for name, file in after.items() for each, found in file.functions.items()}
    for key in olds.keys() & news.keys():
        yield olds.pop(key), news.pop(key)
    texts = {key: {each.text for each in function.statements} for key, function in olds.items()}
    for function in news.values():
        own = {each.text for each in function.statements}
        alike = {key: len(own & other) / max(1, len(own | other)) for key, other in texts.items() if key in olds}
        best = max(alike, key=lambda key: alike[key], default=None)
        if best is None or alike[best] < _ALIKE:
            yield None, function
        else:
            yield olds.pop(best), function
    for function in olds.values():
        yield function, None


def _read(path: str | None) -> _File:
    """The functions of a file, by their qualified names; none where it cannot be read."""
    if path is None:
        return _File({}, frozenset())
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return _File({}, frozenset())
    found: dict[str, _Function] = {}
    bases: set[str] = set()
    todo: list[tuple[str, str | None, list[ast.stmt]]] = [("", None, tree.body)]
    while todo:
        outer, cls, body = todo.pop()
        for node in _definitions(body):
            name = f"{outer}.{node.name}" if outer else node.name
            if not isinstance(node, ast.ClassDef):
                parameters = {each.arg for each in ast.walk(node.args) if isinstance(each, ast.arg)} - {"self"}
                statements = tuple(_statements(node.body, (), parameters | _assigned(node.body)))
                # Of two functions of one name (a property and its setter) both count.
                before = found[name].statements if name in found else ()
                found[name] = _Function(name, path, before + statements, cls)
            else:
                bases.update(name for base in node.bases for name in _mentioned(base))
            todo.append((name, node.name if isinstance(node, ast.ClassDef) else None, node.body))
    return _File(found, frozenset(bases))


def _definitions(body: Sequence[ast.stmt]) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    todo: list[ast.AST] = list(body)
    while todo:
        node = todo.pop(0)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
        elif isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
            todo += ast.iter_child_nodes(node)


def _assigned(body: Sequence[ast.stmt]) -> set[str]:
    return {
        each.id
        for node in body
        for each in ast.walk(node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    }


def _statements(body: Sequence[ast.stmt], settings: tuple[_Setting, ...], local: set[str]) -> Iterator[_Statement]:
    """Simple statements, and the heads of others; ``local``: names that hang on what the function is called with."""
    after: tuple[_Setting, ...] = ()
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue  # a docstring
        blocks = [(name, value) for name, value in ast.iter_fields(node) if _is_block(value)]
        if not isinstance(node, _UNSEEN) and not (isinstance(node, ast.AnnAssign) and node.value is None):
            yield _head(node, [name for name, _ in blocks], settings)
        decides = isinstance(node, ast.If) and _is_setting(node.test, local)
        for name, block in blocks:
            inner = settings
            if decides:
                inner = (*settings, _Setting(node.lineno, _lines(block), runs=False))
                if name == "body" and isinstance(block[-1], _ENDS):
                    after = (*settings, _Setting(node.lineno, _lines(block), runs=True))
            for each in block:
                if not isinstance(each, ast.stmt):  # a handler, a case
                    yield from _statements(each.body, inner, local)
            yield from _statements([each for each in block if isinstance(each, ast.stmt)], inner, local)
        settings, after = after or settings, ()


def _lines(block: Sequence[ast.stmt]) -> range:
    return range(block[0].lineno, (block[-1].end_lineno or block[-1].lineno) + 1)


def _is_block(value: object) -> bool:
    return (
        isinstance(value, list) and bool(value) and isinstance(value[0], ast.stmt | ast.ExceptHandler | ast.match_case)
    )


def _head(node: ast.stmt, blocks: Sequence[str], settings: tuple[_Setting, ...]) -> _Statement:
    parts = [each for name, value in ast.iter_fields(node) if name not in blocks for each in _nodes(value)]
    text = " ".join([type(node).__name__, *(ast.dump(each) for each in parts)])
    ends = [each.end_lineno for each in parts if isinstance(each, ast.expr) and each.end_lineno]
    end = max(ends, default=node.lineno) if blocks else node.end_lineno or node.lineno
    return _Statement(text, node.lineno, end, frozenset(name for part in parts for name in _mentioned(part)), settings)


def _mentioned(node: ast.AST) -> Iterator[str]:
    """The names in it; a class of which something is only asked to be an instance is not made."""
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr
    inner: Iterable[ast.AST] = ast.iter_child_nodes(node)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("isinstance", "issubclass"):
        inner = node.args[:1]
    for each in inner:
        yield from _mentioned(each)


def _nodes(value: object) -> Iterator[ast.AST]:
    for each in value if isinstance(value, list) else (value,):
        if isinstance(each, ast.AST):
            yield each


def _is_setting(test: ast.expr, local: set[str]) -> bool:
    names = {each.id for each in ast.walk(test) if isinstance(each, ast.Name)}
    # ``self.training`` is no setting: a model is run both ways.
    return not names & local and not any(
        isinstance(each, ast.Attribute) and each.attr == "training" for each in ast.walk(test)
    )


def _differing(one: _Function | None, other: _Function | None) -> Iterator[tuple[bool, _Function, _Statement]]:
    """The statements that only one side has; True: the new one."""
    before, after = one.statements if one else (), other.statements if other else ()
    olds, news = [each.text for each in before], [each.text for each in after]
    if olds == news:
        return
    for kind, i, j, k, end in SequenceMatcher(None, olds, news, autojunk=False).get_opcodes():
        if kind != "equal":
            yield from ((False, one, each) for each in before[i:j] if one)
            yield from ((True, other, each) for each in after[k:end] if other)


def _relevant(files: Collection[_File], ran: Lines) -> _Relevant:
    functions = [each for file in files for each in file.functions.values()]
    return _Relevant(functions, {name for file in files for name in file.bases}, ran)


class _Relevant:
    """What of one side a forward could come to."""

    def __init__(self, functions: Iterable[_Function], bases: Iterable[str], ran: Lines) -> None:
        self._lines = {os.path.realpath(path): lines for path, lines in ran.items()}
        self._of: dict[str, frozenset[int]] = {}
        self._reachable: set[tuple[str, str]] = set()
        names = set(bases)  # what they have is called through other classes
        left = []
        for each in functions:
            if any(self.ran(each, statement) for statement in each.statements):
                names |= {each.cls} if each.cls else set()
                self._add(each, names)
            else:
                left.append(each)
        while near := [each for each in left if each.needs <= names]:
            left = [each for each in left if not each.needs <= names]
            for each in near:
                self._add(each, names)

    def _add(self, function: _Function, names: set[str]) -> None:
        self._reachable.add((function.path, function.name))
        for each in function.statements:
            if not self._is_ruled_out(function, each):
                names |= each.names - _COMMON

    def counts(self, function: _Function, statement: _Statement) -> bool:
        return (function.path, function.name) in self._reachable and not self._is_ruled_out(function, statement)

    def ran(self, function: _Function, statement: _Statement) -> bool:
        lines = self._ran_in(function.path)
        return any(line in lines for line in range(statement.line, statement.end + 1))

    def _is_ruled_out(self, function: _Function, statement: _Statement) -> bool:
        lines = self._ran_in(function.path)
        return any(each.rules_out(lines) for each in statement.settings) and not self.ran(function, statement)

    def _ran_in(self, path: str) -> frozenset[int]:
        if path not in self._of:
            self._of[path] = self._lines.get(os.path.realpath(path), frozenset())
        return self._of[path]


_COMMON = frozenset(dir(builtins))
