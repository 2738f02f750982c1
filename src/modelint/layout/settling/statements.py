"""The statements of a file's functions, as far as they tell two versions of it apart and lead to other functions.

Comments, docstrings and layout are no part of a statement; of a compound one its head is.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

#: A name as it is mentioned: with the file that it belongs to, "" where it may belong to any.
Name = tuple[str, str]

#: They end a block.
_ENDS = ast.Return | ast.Raise | ast.Continue | ast.Break
#: No line of theirs is ever seen to run.
_UNSEEN = ast.Global | ast.Nonlocal | ast.Pass | ast.Continue | ast.Break | ast.Try | ast.TryStar
_ASKS = ("isinstance", "issubclass")
_COMMON = frozenset(dir(builtins))
_PURE = frozenset("bool dict enumerate float int len list max min range reversed set sorted str sum tuple zip".split())
#: In a test it stands for the mode, which is no setting: a model is run both ways.
_MODE = "self.training"


class Test(NamedTuple):
    """A test, and a block that runs (or does not) where the test rules a statement out."""

    line: int
    block: range
    runs: bool
    #: What it looks at beside the settings of the model: parameters, local names, the mode.
    names: frozenset[str]

    def rules_out(self, lines: frozenset[int]) -> bool:
        return self.line in lines and self.runs is any(line in lines for line in self.block)


class Statement(NamedTuple):
    text: str
    line: int
    end: int
    names: frozenset[Name]
    #: Those that it depends on.
    tests: tuple[Test, ...]
    #: It goes one way or another by a number that is no setting of the model.
    turns: bool = False


class Function(NamedTuple):
    path: str
    #: Qualified.
    name: str
    #: The class that it is a method of.
    cls: str | None
    parameters: frozenset[str]
    statements: tuple[Statement, ...]

    def is_called(self, names: frozenset[Name] | set[Name]) -> bool:
        """Whether what is mentioned is enough to call it."""
        own = self.name.rpartition(".")[2]
        if self.cls is None:
            return self._is_among(own, names)
        special = own.startswith("__") or own == "forward"
        return self._is_among(self.cls, names) and (special or self._is_among(own, names))

    def _is_among(self, name: str, names: frozenset[Name] | set[Name]) -> bool:
        return ("", name) in names or (self.path, name) in names


class File(NamedTuple):
    functions: Mapping[str, Function]
    #: The classes that others are derived from.
    bases: frozenset[Name]
    #: What is assigned outside of functions, and the parameters of functions with their defaults.
    values: tuple[str, ...] = ()


def read(path: str) -> File:
    """The functions of a file, by their qualified names; none where it is no Python that can be read."""
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return File({}, frozenset())
    return _Reader(path, tree).file()


class _Reader:
    def __init__(self, path: str, tree: ast.Module) -> None:
        self._path = path
        self._tree = tree
        self._own = {node.name for node in _definitions(tree.body)}
        self._aliases = {
            each.asname: each.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for each in node.names
            if each.asname
        }

    def file(self) -> File:
        found: dict[str, Function] = {}
        bases: set[Name] = set()
        values = _values(self._tree.body)
        todo: list[tuple[str, str | None, list[ast.stmt]]] = [("", None, self._tree.body)]
        while todo:
            outer, cls, body = todo.pop()
            for node in _definitions(body):
                name = f"{outer}.{node.name}" if outer else node.name
                if isinstance(node, ast.ClassDef):
                    bases.update(each for base in node.bases for each in self._mentioned(base))
                    values += _values(node.body)
                    todo.append((name, node.name, node.body))
                    continue
                values.append(f"{name} {ast.dump(node.args)}")
                parameters = {each.arg for each in ast.walk(node.args) if isinstance(each, ast.arg)} - {"self"}
                local = _Locals(node.body, parameters)
                statements = tuple(self._statements(node.body, (), local))
                # Of two functions of one name (a property and its setter) both count.
                before = found[name].statements if name in found else ()
                found[name] = Function(self._path, name, cls, frozenset(parameters), before + statements)
                todo.append((name, None, node.body))
        return File(found, frozenset(bases), tuple(values))

    def _statements(self, body: Sequence[ast.stmt], tests: tuple[Test, ...], local: _Locals) -> Iterator[Statement]:
        """Simple statements, and the heads of others."""
        for node in body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                continue  # a docstring
            blocks = {name: value for name, value in ast.iter_fields(node) if _is_block(value)}
            if not isinstance(node, _UNSEEN) and not (isinstance(node, ast.AnnAssign) and node.value is None):
                yield self._head(node, blocks, tests, local)
            after = tests
            for name, block in blocks.items():
                inner = tests
                if isinstance(node, ast.If):
                    looks = _looks_at(node.test, local.given)
                    inner = (*tests, Test(node.lineno, _lines(block, node.lineno), False, looks))
                    if name == "body" and isinstance(block[-1], _ENDS):
                        after = (*tests, Test(node.lineno, _lines(block, node.lineno), True, looks))
                for each in [block] if isinstance(block[0], ast.stmt) else [each.body for each in block]:
                    yield from self._statements(each, inner, local)
            tests = after

    def _head(self, node: ast.stmt, blocks: Iterable[str], tests: tuple[Test, ...], local: _Locals) -> Statement:
        parts = [each for name, value in ast.iter_fields(node) if name not in blocks for each in _nodes(value)]
        text = " ".join([type(node).__name__, *(ast.dump(each) for each in parts)])
        ends = [each.end_lineno for each in parts if isinstance(each, ast.expr) and each.end_lineno]
        end = max(ends, default=node.lineno) if blocks else node.end_lineno or node.lineno
        own = {each.id for part in parts for each in ast.walk(part) if isinstance(each, ast.Name)} & local.names
        attributes = {each.attr for part in parts for each in ast.walk(part) if isinstance(each, ast.Attribute)}
        mentioned = (name for part in parts for name in self._mentioned(part))
        # What the function itself calls so is nobody else's function.
        names = frozenset(name for name in mentioned if name[1] not in own or name[1] in attributes)
        turns = any(_turns(test, local.given) for part in (node, *parts) for test in _tests(part, node))
        return Statement(text, node.lineno, end, names, tests, turns)

    def _mentioned(self, node: ast.AST) -> Iterator[Name]:
        """The names in it; a class of which something is only asked to be an instance is not made."""
        if isinstance(node, ast.Name) and node.id not in _COMMON:
            yield (self._path if node.id in self._own else "", self._aliases.get(node.id, node.id))
        elif isinstance(node, ast.Attribute):
            yield "", node.attr
        inner: Iterable[ast.AST] = ast.iter_child_nodes(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _ASKS:
            inner = node.args[:1]
        for each in inner:
            yield from self._mentioned(each)


def _definitions(body: Sequence[ast.stmt]) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    todo: list[ast.AST] = list(body)
    while todo:
        node = todo.pop(0)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
        elif isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
            todo += ast.iter_child_nodes(node)


def _values(body: Sequence[ast.stmt]) -> list[str]:
    return [ast.dump(each) for each in body if isinstance(each, ast.Assign | ast.AnnAssign)]


class _Locals:
    """The local names of a function, and those of them that hang on what it is given.

    The others are settings of the model: made of its attributes, of constants, and of one another.
    """

    def __init__(self, body: Sequence[ast.stmt], parameters: set[str]) -> None:
        pairs = [pair for node in body for each in ast.walk(node) for pair in _bound(each)]
        stored = (each for node in body for each in ast.walk(node) if isinstance(each, ast.Name))
        self.names = frozenset(parameters | {each.id for each in stored if isinstance(each.ctx, ast.Store)})
        settings = self.names - parameters - {name for names, value in pairs if not _is_plain(value) for name in names}
        settings &= {name for names, _ in pairs for name in names}
        # Its methods may put something into it.
        calls = (each.func for node in body for each in ast.walk(node) if isinstance(each, ast.Call))
        called = (each.value for each in calls if isinstance(each, ast.Attribute))
        settings -= {each.id for each in called if isinstance(each, ast.Name)}
        while True:
            given = self.names - settings
            found = {name for names, value in pairs if given & _names(value) for name in names} & settings
            if not found:
                break
            settings -= found
        self.given = given


def _bound(node: ast.AST) -> Iterator[tuple[frozenset[str], ast.AST]]:
    """Names, and what they are bound to, or what that comes from."""
    if isinstance(node, ast.Assign):
        yield frozenset().union(*map(_names, node.targets)), node.value
    elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr) and node.value is not None:
        yield _names(node.target), node.value
    elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
        yield _names(node.target), node.iter
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        yield _names(node.optional_vars), node.context_expr


def _names(node: ast.AST) -> frozenset[str]:
    return frozenset(each.id for each in ast.walk(node) if isinstance(each, ast.Name))


def _is_plain(value: ast.AST) -> bool:
    """Only what is known to give the same for the same is called in it."""
    called = (each.func for each in ast.walk(value) if isinstance(each, ast.Call))
    return all(isinstance(each, ast.Name) and each.id in _PURE for each in called)


def _looks_at(test: ast.expr, local: frozenset[str]) -> frozenset[str]:
    names = {each.id for each in ast.walk(test) if isinstance(each, ast.Name)} & local
    modes = {_MODE for each in ast.walk(test) if isinstance(each, ast.Attribute) and each.attr == "training"}
    return frozenset(names | modes)


def _tests(part: ast.AST, head: ast.stmt) -> Iterator[ast.expr]:
    """Those that decide in a statement which way it goes."""
    if part is head:
        if isinstance(head, ast.If | ast.While):
            yield head.test
        return
    yield from (each.test for each in ast.walk(part) if isinstance(each, ast.IfExp))


def _turns(test: ast.expr, given: frozenset[str]) -> bool:
    """Whether a number is compared that hangs on more than the settings of the model."""
    return any(
        isinstance(each, ast.Compare) and _is_of_numbers(each) and (_looks_at(each, given) or not _is_plain(each))
        for each in ast.walk(test)
    )


def _is_of_numbers(node: ast.Compare) -> bool:
    if any(isinstance(each, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for each in node.ops):
        return True
    words = node.comparators[0]
    return isinstance(node.ops[0], ast.Eq | ast.NotEq) and not (
        isinstance(words, ast.Constant) and (words.value is None or isinstance(words.value, str | bool))
    )


def _lines(block: Sequence[ast.stmt], test: int) -> range:
    """``test``: its line, which stands for a block of which no line is ever seen to run."""
    if all(isinstance(each, _UNSEEN) for each in block):
        return range(test, test + 1)
    return range(block[0].lineno, (block[-1].end_lineno or block[-1].lineno) + 1)


def _is_block(value: object) -> bool:
    inner = ast.stmt | ast.ExceptHandler | ast.match_case
    return isinstance(value, list) and bool(value) and isinstance(value[0], inner)


def _nodes(value: object) -> Iterator[ast.AST]:
    for each in value if isinstance(value, list) else (value,):
        if isinstance(each, ast.AST):
            yield each
