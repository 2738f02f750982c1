"""Where drift stands in the source: the line that assigns an attribute, in the class that does, by ast.

The nearest class of the project counts: the line of it, or of its project bases, that assigns the attribute, else the
line of the class (an attribute that is gone has no other). Without one the caller takes the model's declaration.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from modelint.diagnostics import Span
from modelint.layout.facts import ClassPlace, Symbol

#: Calls on self that give the attribute of their first argument a value.
_REGISTER = ("register_buffer", "register_parameter", "register_module", "add_module")
#: Keys that a method stands for.
_MADE_BY = {"_extra_state": "get_extra_state"}
#: Larger files are generated.
_MOST_BYTES = 2_000_000


class Spot(NamedTuple):
    path: str
    span: Span


class Finder:
    """Looks into the files of the classes of one model, each read once."""

    def __init__(self, classes: Mapping[str, ClassPlace]) -> None:
        self._classes = classes
        self._read: dict[str, tuple[ast.Module, list[str]] | None] = {}

    def find(self, symbol: Symbol) -> Spot | None:
        """None: no class of the project is near."""
        for cls, attribute in symbol.owners:
            if cls in self._classes:
                bases = (cls, *self._classes[cls].bases)
                found = (self._in_class(each, attribute, symbol.below) for each in bases)
                return next(filter(None, found), None) or self._header(cls)
        return None

    def assigner(self, cls: str, attribute: str) -> str:
        """The class that assigns the attribute, ``cls`` or one of its bases; ``cls`` where none is seen to."""
        place = self._classes.get(cls)
        bases = () if place is None else (cls, *place.bases)
        return next((each for each in bases if self._in_class(each, attribute, "") is not None), cls)

    def _in_class(self, cls: str, attribute: str, below: str) -> Spot | None:
        place = self._classes.get(cls)
        node = None if place is None else self._class(place)
        if place is None or node is None or not attribute:
            return None
        attribute = _MADE_BY.get(attribute, attribute)
        for wanted in dict.fromkeys((f"{attribute}.{below}" if below else attribute, attribute)):
            for found in _assigning(node, wanted):
                return Spot(place.path, self._span(place.path, found))
        container, _, item = attribute.partition(".")
        for found in _assigning(node, container) if item else ():
            return Spot(place.path, self._span(place.path, _item(found, item.rpartition(".")[2]) or found))
        return None

    def _header(self, cls: str) -> Spot:
        place = self._classes[cls]
        read = self._file(place.path)
        node = self._class(place)
        if read is None or node is None:
            return Spot(place.path, Span(place.line, 1, place.line, 1))
        line = read[1][node.lineno - 1]
        start = len(line) - len(line.lstrip())
        return Spot(place.path, Span(node.lineno, start + 1, node.lineno, len(line.rstrip()) + 1))

    def _class(self, place: ClassPlace) -> ast.ClassDef | None:
        read = self._file(place.path)
        if read is None:
            return None
        return next(
            (
                node
                for node in ast.walk(read[0])
                if isinstance(node, ast.ClassDef)
                # inspect counts from the first decorator on.
                and min([node.lineno, *(each.lineno for each in node.decorator_list)]) <= place.line <= node.lineno
            ),
            None,
        )

    def _file(self, path: str) -> tuple[ast.Module, list[str]] | None:
        if path not in self._read:
            self._read[path] = _parsed(path)
        return self._read[path]

    def _span(self, path: str, node: ast.stmt | ast.expr) -> Span:
        """Of its first line, in characters."""
        read = self._file(path)
        assert read is not None
        line = read[1][node.lineno - 1]
        start = len(line.encode()[: node.col_offset].decode(errors="replace")) + 1
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.end_lineno != node.lineno:
            return Span(node.lineno, start, node.lineno, len(line.rstrip()) + 1)
        end = len(line.encode()[: node.end_col_offset].decode(errors="replace")) + 1
        return Span(node.lineno, start, node.lineno, end)


def _parsed(path: str) -> tuple[ast.Module, list[str]] | None:
    import tokenize
    import warnings

    try:
        with tokenize.open(path) as file:
            text = file.read(_MOST_BYTES)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text), text.split("\n")
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _assigning(cls: ast.ClassDef, name: str) -> Iterator[ast.stmt | ast.expr]:
    """What gives ``self.name`` its value, __init__ first; the method of that name; a value in the body of the class."""
    methods = [node for node in cls.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for method in sorted(methods, key=lambda method: method.name != "__init__"):
        receiver = method.args.args[0].arg if method.args.args else "self"
        for node in _in_order(method):
            if any(_is_attribute(target, receiver, name) for target in _targets(node)):
                assert isinstance(node, ast.stmt)
                yield node
            elif isinstance(node, ast.Call) and _registers(node, receiver, name):
                yield node
    yield from (method for method in methods if method.name == name)
    for statement in cls.body:
        if any(isinstance(target, ast.Name) and target.id == name for target in _targets(statement)):
            yield statement


def _item(node: ast.AST, name: str) -> ast.expr | None:
    """What makes the item of a ModuleDict, or of an OrderedDict: ``name=...``, ``"name": ...``, ``("name", ...)``."""
    for each in ast.walk(node):
        if isinstance(each, ast.keyword) and each.arg == name:
            return each.value
        if isinstance(each, ast.Dict):
            for key, value in zip(each.keys, each.values, strict=True):
                if key is not None and _may_be(key, name):
                    return value
        if isinstance(each, ast.Tuple | ast.List) and len(each.elts) == 2 and _may_be(each.elts[0], name):
            return each.elts[1]
    return None


def _in_order(node: ast.AST) -> list[ast.AST]:
    found = [each for each in ast.walk(node) if hasattr(each, "lineno")]
    return sorted(found, key=lambda each: (each.lineno, each.col_offset))  # type: ignore[attr-defined]


def _targets(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Assign):
        targets: Iterable[ast.expr] = node.targets
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        targets = (node.target,)
    else:
        return
    for target in targets:
        yield from target.elts if isinstance(target, ast.Tuple | ast.List) else (target,)


def _is_attribute(target: ast.expr, receiver: str, name: str) -> bool:
    """Whether it is ``self.name``; the name may have dots."""
    names: list[str] = []
    while isinstance(target, ast.Attribute):
        names.append(target.attr)
        target = target.value
    return isinstance(target, ast.Name) and target.id == receiver and ".".join(reversed(names)) == name


def _registers(call: ast.Call, receiver: str, name: str) -> bool:
    """``self.register_buffer("name", ...)``, ``setattr(self, "name", ...)``; a name in an f-string may be any."""
    function = call.func
    if isinstance(function, ast.Attribute) and function.attr in _REGISTER:
        of_self = isinstance(function.value, ast.Name) and function.value.id == receiver
        given = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "name"), None)
    elif isinstance(function, ast.Name) and function.id == "setattr" and len(call.args) == 3:
        of_self = isinstance(call.args[0], ast.Name) and call.args[0].id == receiver
        given = call.args[1]
    else:
        return False
    return of_self and given is not None and _may_be(given, name)


def _may_be(given: ast.expr, name: str) -> bool:
    if isinstance(given, ast.Constant):
        return given.value == name
    if isinstance(given, ast.JoinedStr):
        import re

        pattern = "".join(
            re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".*" for part in given.values
        )
        return pattern.strip(".*") != "" and re.fullmatch(pattern, name) is not None
    return False
