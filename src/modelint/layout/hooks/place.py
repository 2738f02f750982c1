"""Where in a file the class and its methods are, in whole lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

NAME = "_load_from_state_dict"
_VERSION = "_version"
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")


class Unplaced(Exception):
    """Why the class cannot be edited, and what to do."""


class Suite(NamedTuple):
    """A body. Lines count from 0."""

    #: Where a statement could come: before the first one, behind a docstring.
    top: int
    #: Behind the last statement, and the comments that belong to it.
    end: int
    indent: str
    #: It stands on the line of the colon: (line, column behind the colon, column of the first statement).
    inline: tuple[int, int, int] | None


class Override(NamedTuple):
    """A ``_load_from_state_dict`` that the class has."""

    #: Its first line: of comments before it, decorators, or ``def``.
    first: int
    suite: Suite
    #: Names of the parameters by position, ``self`` first.
    parameters: tuple[str, ...]
    #: That of ``*args``.
    rest: str | None
    #: All names in it.
    names: frozenset[str]


class Version(NamedTuple):
    """``_version = 1``: where the number stands."""

    line: int
    start: int
    end: int
    value: int


class Place(NamedTuple):
    name: str
    first: int
    suite: Suite
    #: What one more level of indentation is.
    unit: str
    #: Behind the constructor.
    constructor: int | None
    override: Override | None
    version: Version | None
    #: The name of torch in the module; None: it has none.
    torch: str | None
    #: The line before which ``import torch`` would go, and whether other imports are there.
    imports: tuple[int, bool]


def lines_of(text: str) -> list[str]:
    """Lines with their ends; form feeds end none."""
    return _LINE.findall(text)


def find(text: str, qualname: str, line: int) -> Place:
    """Raises Unplaced, and what libcst raises for text that is no Python."""
    wrapper = MetadataWrapper(cst.parse_module(text), unsafe_skip_copy=True)
    return _Finder(wrapper.module, wrapper.resolve(PositionProvider), lines_of(text)).find(qualname, line)


class _Finder:
    def __init__(self, module: cst.Module, at: Mapping[cst.CSTNode, CodeRange], lines: Sequence[str]) -> None:
        self._module = module
        self._at = at
        self._lines = lines

    def find(self, qualname: str, line: int) -> Place:
        found = [node for name, node in _classes(self._module, "") if name == qualname]
        known = bool(found)
        if len(found) > 1:
            found = [node for node in found if self._first(node) < line <= self._at[node].start.line]
        if len(found) != 1:
            several = "there are several classes of that name, none of them there"
            raise Unplaced(several if known else "there is no class of that name")
        return self._place(found[0], qualname)

    def _place(self, node: cst.ClassDef, qualname: str) -> Place:
        constructor, override, version = None, None, None
        for each in node.body.body:
            if isinstance(each, cst.FunctionDef) and each.name.value == "__init__":
                constructor = self._end(each)
            elif isinstance(each, cst.FunctionDef) and each.name.value == NAME:
                override = self._override(each)
            elif isinstance(each, cst.SimpleStatementLine | cst.BaseSmallStatement):
                small = each.body if isinstance(each, cst.SimpleStatementLine) else [each]
                version = next(filter(None, map(self._version, small)), version)
            if not isinstance(each, cst.FunctionDef) and _binds(each, NAME):
                raise Unplaced(f"{qualname} has a {NAME} that is no plain method")
            if version is None and _binds(each, _VERSION):
                raise Unplaced(f"{qualname} has a {_VERSION} that is no number")
        suite = self._suite(node, node.body)
        return Place(
            qualname,
            self._first(node),
            suite,
            self._module.default_indent,
            constructor,
            override,
            version,
            self._torch(),
            self._imports(),
        )

    # --- lines

    def _first(self, node: cst.CSTNode) -> int:
        """That of its decorators, or of itself."""
        decorators = node.decorators if isinstance(node, cst.ClassDef | cst.FunctionDef) else ()
        return min(self._at[each].start.line for each in (*decorators, node)) - 1

    def _end(self, node: cst.CSTNode) -> int:
        """Behind its last line, and the comments below it that are indented by more than it is."""
        column = len(_column(self._lines[self._first(node)]))
        last = end = self._at[node].end.line
        for number in range(last, len(self._lines)):
            line = self._lines[number].strip(" \t\f\r\n")
            if line and not (line.startswith("#") and len(_column(self._lines[number])) > column):
                break
            if line:
                end = number + 1
        return end

    def _suite(self, node: cst.ClassDef | cst.FunctionDef, body: cst.BaseSuite) -> Suite:
        first = body.body[0]
        begin = self._at[first].start
        outer = _column(self._lines[self._first(node)])
        end = self._end(node)
        if isinstance(body, cst.SimpleStatementSuite):
            line = begin.line - 1
            colon = self._lines[line].rfind(":", 0, begin.column)
            if colon < 0:
                raise Unplaced(f"line {line + 1} goes on behind a backslash")
            inline = (line, colon + 1, begin.column)
            return Suite(line + 1, end, outer + self._module.default_indent, inline)
        start = self._first(first)
        top = self._at[first].end.line if _is_text(first) else start
        return Suite(top, end, _column(self._lines[start]), None)

    # --- what the class has

    def _override(self, node: cst.FunctionDef) -> Override:
        if any(_named(each.decorator) in ("staticmethod", "classmethod", "overload") for each in node.decorators):
            raise Unplaced(f"its {NAME} is no plain method")
        parameters = [each.name.value for each in (*node.params.posonly_params, *node.params.params)]
        star = node.params.star_arg
        first = self._first(node)
        while first and self._lines[first - 1].lstrip(" \t\f").startswith("#"):
            first -= 1
        names = frozenset(each.value for each in _nodes(node) if isinstance(each, cst.Name))
        rest = star.name.value if isinstance(star, cst.Param) else None
        return Override(first, self._suite(node, node.body), tuple(parameters), rest, names)

    def _version(self, node: cst.CSTNode) -> Version | None:
        targets: Sequence[cst.CSTNode] = ()
        if isinstance(node, cst.Assign):
            targets = [each.target for each in node.targets]
        elif isinstance(node, cst.AnnAssign):
            targets = [node.target]
        if not any(_named(each) == _VERSION for each in targets):
            return None
        assert isinstance(node, cst.Assign | cst.AnnAssign)
        if not isinstance(node.value, cst.Integer):
            return None
        at = self._at[node.value]
        return Version(at.start.line - 1, at.start.column, at.end.column, node.value.evaluated_value)

    # --- torch

    def _torch(self) -> str | None:
        for node in _executed(self._module.body):
            for alias in node.names if isinstance(node, cst.Import) else ():
                name = alias.evaluated_alias
                if alias.evaluated_name == "torch" or (name is None and alias.evaluated_name.startswith("torch.")):
                    return name or "torch"
        return None

    def _imports(self) -> tuple[int, bool]:
        imports, start = [], 0
        for each in self._module.body:
            small = each.body[0] if isinstance(each, cst.SimpleStatementLine) else None
            if isinstance(small, cst.Import | cst.ImportFrom):
                imports.append(small)
            elif not (_is_text(each) and not imports):
                break
            start = self._at[each].end.line
        return self._before(imports, start), bool(imports)

    def _before(self, imports: Sequence[cst.Import | cst.ImportFrom], start: int) -> int:
        """As isort would have it: behind those of its section that begin with ``import``."""
        near = [self._at[each] for each in imports if _root(each) == "torch"]
        if not near:
            return start
        at = near[0].start.line - 1
        section = [each for each in imports if self._is_joined(self._at[each].start.line - 1, at)]
        plain = [each for each in section if isinstance(each, cst.Import)]
        later = [each for each in plain if each.names[0].evaluated_name > "torch"]
        if later or not plain:
            return self._at[(later or section)[0]].start.line - 1
        return self._at[plain[-1]].end.line

    def _is_joined(self, one: int, other: int) -> bool:
        """No empty line between them."""
        return all(self._lines[number].strip() for number in range(min(one, other), max(one, other)))


def _executed(body: Sequence[cst.CSTNode]) -> Iterator[cst.CSTNode]:
    """Small statements that importing the module runs; what is for type checkers alone is none."""
    for each in body:
        if isinstance(each, cst.SimpleStatementLine):
            yield from each.body
        elif isinstance(each, cst.Try | cst.If) and not _is_for_types(each):
            yield from _executed(each.body.body)


def _is_for_types(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.If) and any(_named(each) == "TYPE_CHECKING" for each in _nodes(node.test))


def _root(node: cst.Import | cst.ImportFrom) -> str:
    """The package that is imported, or imported from."""
    name: cst.CSTNode | None = node.names[0].name if isinstance(node, cst.Import) else node.module
    while isinstance(name, cst.Attribute):
        name = name.value
    relative = isinstance(node, cst.ImportFrom) and bool(node.relative)
    return name.value if isinstance(name, cst.Name) and not relative else ""


def _classes(node: cst.CSTNode, prefix: str) -> Iterator[tuple[str, cst.ClassDef]]:
    for child in node.children:
        if isinstance(child, cst.ClassDef):
            name = prefix + child.name.value
            yield name, child
            yield from _classes(child, f"{name}.")
        elif isinstance(child, cst.FunctionDef):
            yield from _classes(child, f"{prefix}{child.name.value}.<locals>.")
        elif not isinstance(child, cst.BaseExpression):
            yield from _classes(child, prefix)


def _nodes(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    yield node
    for child in node.children:
        yield from _nodes(child)


def _binds(node: cst.CSTNode, name: str) -> bool:
    """Whether a statement of a class body gives it this attribute."""
    if isinstance(node, cst.FunctionDef | cst.ClassDef):
        return bool(node.name.value == name)
    if isinstance(node, cst.AssignTarget | cst.AnnAssign | cst.NamedExpr):
        return _named(node.target) == name or any(_binds(child, name) for child in node.children)
    return any(_binds(child, name) for child in node.children)


def _named(node: cst.CSTNode) -> str | None:
    return node.value if isinstance(node, cst.Name) else None


def _is_text(node: cst.CSTNode) -> bool:
    """A docstring."""
    return (
        isinstance(node, cst.SimpleStatementLine)
        and isinstance(node.body[0], cst.Expr)
        and isinstance(node.body[0].value, cst.SimpleString | cst.ConcatenatedString)
    )


def _column(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t\f"))]
