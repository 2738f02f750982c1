"""Where drift stands in the source: the line that assigns an attribute, in the class that does, by ast.

The nearest class of the project counts: the line of it, or of its project bases, that assigns the attribute, else the
line of the class (an attribute that is gone has no other). Without one the caller takes the model's declaration.
Where the text of then is known, it is the line behind that value that is not as it was, from the nearest outwards.
A value that the constructor keeps has no name: it is sought in what of the constructors around it, from the nearest
outwards, is not as it was when the manifest was written.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from modelint.diagnostics import Span
from modelint.layout.assigning import assigning, item
from modelint.layout.facts import ClassPlace, Symbol
from modelint.layout.narrowed import Code, Function, Node, narrowed
from modelint.layout.rewritten import named, rewritten

#: Keys that a method stands for.
_MADE_BY = {"_extra_state": "get_extra_state"}
#: Larger files are generated.
_MOST_BYTES = 2_000_000


class Spot(NamedTuple):
    path: str
    span: Span


class _Assigned(NamedTuple):
    cls: str
    node: ast.stmt | ast.expr


class Finder:
    """Looks into the files of the classes of one model, each read once."""

    def __init__(self, classes: Mapping[str, ClassPlace], then: Callable[[str], str | None] | None = None) -> None:
        self._classes = classes
        #: What a file was when the manifest was written; None: that is not known.
        self._then = then
        self._read: dict[str, tuple[ast.Module, list[str]] | None] = {}

    def find(self, symbol: Symbol, names: Collection[str] = ()) -> Spot | None:
        """None: no class of the project is near. ``names``: what the line has in it, of several that may be it."""
        kept = bool(symbol.owners) and symbol.owners[0][1] == "__init__"
        if self._then is not None:
            find = self._rewritten if kept else partial(self._narrowed, below=symbol.below, names=names)
            owners = (each for each in symbol.owners if each[0] in self._classes)
            for cls, attribute in owners:
                if (spot := find(cls, attribute)) is not None:
                    return spot
                first = next(self._assigning(cls, attribute, symbol.below), None)
                if not kept and (first is None or isinstance(first.node, Function)):
                    break  # nothing leads to what is gone, nor to a method
        for cls, attribute in symbol.owners:
            if cls in self._classes:
                return self._in_class(cls, attribute, symbol.below) or self._header(cls)
        return None

    def assigned(self, symbol: Symbol) -> Spot | None:
        """The statement that gives it its value, changed or not; a method has none."""
        for cls, attribute in symbol.owners:
            if cls in self._classes:
                found = next(self._assigning(cls, attribute, symbol.below), None)
                return None if found is None or isinstance(found.node, Function) else self._spot(found.cls, found.node)
        return None

    def assigner(self, cls: str, attribute: str) -> str:
        """The class that assigns the attribute, ``cls`` or one of its bases; ``cls`` where none is seen to."""
        found = next(self._assigning(cls, attribute, ""), None)
        return cls if found is None else found.cls

    def _rewritten(self, cls: str, attribute: str) -> Spot | None:
        for each in (cls, *self._classes[cls].bases):
            now, then = self._sides(each)
            found = None if now is None or then is None else rewritten(now.cls, then.cls, attribute)
            if found is not None:
                return self._spot(each, found)
        return None

    def _narrowed(self, cls: str, attribute: str, below: str, names: Collection[str]) -> Spot | None:
        for assigned in self._assigning(cls, attribute, below):
            now, then = self._sides(assigned.cls)
            found = None if now is None or then is None else narrowed(now, then, assigned.node, names)
            if found is not None:
                return self._spot(assigned.cls, found)
        return None

    def _in_class(self, cls: str, attribute: str, below: str) -> Spot | None:
        return next((self._spot(each.cls, each.node) for each in self._assigning(cls, attribute, below)), None)

    def _assigning(self, cls: str, attribute: str, below: str) -> Iterator[_Assigned]:
        """What in the class, or in its bases, gives an attribute its value."""
        attribute = _MADE_BY.get(attribute, attribute)
        place = self._classes.get(cls)
        for each in (cls, *place.bases) if place is not None and attribute else ():
            now = self._code(each)
            if now is None:
                continue
            for wanted in dict.fromkeys((f"{attribute}.{below}" if below else attribute, attribute)):
                yield from (_Assigned(each, found) for found in assigning(now.cls, wanted))
            container, _, part = attribute.partition(".")
            for found in assigning(now.cls, container) if part else ():
                yield _Assigned(each, item(found, part.rpartition(".")[2]) or found)

    def _sides(self, cls: str) -> tuple[Code | None, Code | None]:
        """The class as it is, and as it was."""
        now = self._code(cls)
        text = None if now is None or self._then is None else self._then(self._classes[cls].path)
        parsed = None if text is None else _parsed(text)
        before = None if parsed is None or now is None else named(parsed[0], now.cls.name)
        return now, None if parsed is None or before is None else Code(parsed[0], before)

    def _code(self, cls: str) -> Code | None:
        place = self._classes.get(cls)
        read = None if place is None else self._file(place.path)
        node = None if place is None else self._class(place)
        return None if read is None or node is None else Code(read[0], node)

    def _spot(self, cls: str, node: Node) -> Spot:
        path = self._classes[cls].path
        return Spot(path, self._span(path, node))

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
            self._read[path] = _read(path)
        return self._read[path]

    def _span(self, path: str, node: Node) -> Span:
        """Of its first line, in characters."""
        read = self._file(path)
        assert read is not None
        line = read[1][node.lineno - 1]
        start = len(line.encode()[: node.col_offset].decode(errors="replace")) + 1
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.end_lineno != node.lineno:
            return Span(node.lineno, start, node.lineno, len(line.rstrip()) + 1)
        end = len(line.encode()[: node.end_col_offset].decode(errors="replace")) + 1
        return Span(node.lineno, start, node.lineno, end)


def _read(path: str) -> tuple[ast.Module, list[str]] | None:
    import tokenize

    try:
        with tokenize.open(path) as file:
            return _parsed(file.read(_MOST_BYTES))
    except (OSError, SyntaxError, ValueError):
        return None


def _parsed(text: str) -> tuple[ast.Module, list[str]] | None:
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text), text.split("\n")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
