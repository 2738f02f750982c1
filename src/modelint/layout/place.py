"""Where drift stands in the source: the line that assigns an attribute, in the class that does, by ast.

The nearest class of the project counts: the line of it, or of its project bases, that assigns the attribute, else the
line of the class (an attribute that is gone has no other). Without one the caller takes the model's declaration.
Where the text of then is known, it is the line behind that one's value that is not as it was.
A value that the constructor keeps has no name: it is sought in what of the constructors around it, from the nearest
outwards, is not as it was when the manifest was written.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from modelint.diagnostics import Span
from modelint.layout.assigning import assigning, item
from modelint.layout.facts import ClassPlace, Symbol
from modelint.layout.narrowed import Code, narrowed
from modelint.layout.rewritten import named, rewritten

#: Keys that a method stands for.
_MADE_BY = {"_extra_state": "get_extra_state"}
#: Larger files are generated.
_MOST_BYTES = 2_000_000


class Spot(NamedTuple):
    path: str
    span: Span


class Finder:
    """Looks into the files of the classes of one model, each read once."""

    def __init__(self, classes: Mapping[str, ClassPlace], then: Callable[[str], str | None] | None = None) -> None:
        self._classes = classes
        #: What a file was when the manifest was written; None: that is not known.
        self._then = then
        self._read: dict[str, tuple[ast.Module, list[str]] | None] = {}

    def find(self, symbol: Symbol, names: Collection[str] = ()) -> Spot | None:
        """None: no class of the project is near. ``names``: what the line has in it, of several that may be it."""
        if symbol.owners and symbol.owners[0][1] == "__init__" and self._then is not None:
            spots = (self._rewritten(cls, attribute) for cls, attribute in symbol.owners if cls in self._classes)
            if (spot := next(filter(None, spots), None)) is not None:
                return spot
        for cls, attribute in symbol.owners:
            if cls in self._classes:
                bases = (cls, *self._classes[cls].bases)
                found = (self._in_class(each, attribute, symbol.below, names) for each in bases)
                return next(filter(None, found), None) or self._header(cls)
        return None

    def assigner(self, cls: str, attribute: str) -> str:
        """The class that assigns the attribute, ``cls`` or one of its bases; ``cls`` where none is seen to."""
        place = self._classes.get(cls)
        bases = () if place is None else (cls, *place.bases)
        return next((each for each in bases if self._in_class(each, attribute, "") is not None), cls)

    def _rewritten(self, cls: str, attribute: str) -> Spot | None:
        for each in (cls, *self._classes[cls].bases):
            place = self._classes.get(each)
            now = None if place is None else self._class(place)
            if place is None or now is None or self._then is None or (text := self._then(place.path)) is None:
                continue
            parsed = _parsed(text)
            then = None if parsed is None else named(parsed[0], now.name)
            found = None if then is None else rewritten(now, then, attribute)
            if found is not None:
                return Spot(place.path, self._span(place.path, found))
        return None

    def _in_class(self, cls: str, attribute: str, below: str, names: Collection[str] = ()) -> Spot | None:
        place = self._classes.get(cls)
        node = None if place is None else self._class(place)
        if place is None or node is None or not attribute:
            return None
        attribute = _MADE_BY.get(attribute, attribute)
        for wanted in dict.fromkeys((f"{attribute}.{below}" if below else attribute, attribute)):
            for found in assigning(node, wanted):
                return Spot(place.path, self._span(place.path, self._narrowed(place, node, found, names)))
        container, _, part = attribute.partition(".")
        for found in assigning(node, container) if part else ():
            return Spot(place.path, self._span(place.path, item(found, part.rpartition(".")[2]) or found))
        return None

    def _narrowed(
        self, place: ClassPlace, cls: ast.ClassDef, found: ast.stmt | ast.expr, names: Collection[str]
    ) -> ast.stmt | ast.expr:
        read = self._file(place.path)
        text = None if self._then is None else self._then(place.path)
        parsed = None if text is None else _parsed(text)
        then = None if parsed is None else named(parsed[0], cls.name)
        if read is None or parsed is None or then is None or not isinstance(found, ast.stmt):
            return found
        return narrowed(Code(read[0], cls), Code(parsed[0], then), found, names)

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
