"""Puts a migration into the source of its class; every other byte of the file stays.

libcst says where things are. What changes are whole lines, so that encoding, newlines and layout are left alone.
"""

from __future__ import annotations

import codecs
import io
import re
import tokenize
from collections.abc import Callable, Iterable, Sequence

import libcst as cst

from modelint.layout.hooks import chain, code
from modelint.layout.hooks.code import Block, Method
from modelint.layout.hooks.place import NAME, Override, Place, Suite, Unplaced, find, lines_of
from modelint.layout.migrating.migration import Change, ClassMigration

_MARK = re.compile(r"^[ \t\f]*# modelint migration ([0-9a-f]{8}):")
_DEF = f"def {NAME}(self, state_dict, prefix, *args, **kwargs):"
_DOC = '"""Load files of older versions of this class, too."""'
_SUPER = f"super().{NAME}(state_dict, prefix, *args, **kwargs)"
_PARAMETERS = ("self", "state_dict", "prefix", "local_metadata")
#: Stands for the ``*args`` of an override.
_REST = "__rest__"
#: Formatters leave shorter lines alone.
_WIDTH = 79
_STRING = re.compile(r'("(?:[^"\\]|\\.)*")')


class EditError(Exception):
    """The class cannot be given its migration: place, why, and what to do, in one line."""


def edit(source: bytes, migration: ClassMigration) -> bytes:
    """The source with the changes in it; those that it has already are left alone."""
    place = f"{migration.path}:{migration.line}: {migration.qualname}"
    try:
        text, encode = _decoded(source)
        return encode(_edited(text, migration))
    except (SyntaxError, cst.ParserSyntaxError, UnicodeError) as error:
        raise EditError(f"{place}: the file does not parse; mend it first") from error
    except RecursionError as error:
        raise EditError(f"{place}: the file is nested too deep to be edited; move the class to another one") from error
    except Unplaced as error:
        raise EditError(f"{place}: {error}; write the migration by hand, or use a key map") from error


def _decoded(source: bytes) -> tuple[str, Callable[[str], bytes]]:
    encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
    mark = codecs.BOM_UTF8 if source.startswith(codecs.BOM_UTF8) else b""
    encoding = "utf-8" if mark else encoding
    return source[len(mark) :].decode(encoding), lambda text: mark + text.encode(encoding)


def _edited(text: str, migration: ClassMigration) -> str:
    place = find(text, migration.qualname, migration.line)
    lines = lines_of(text)
    marks = [found[1] for line in lines[place.first : place.suite.end] if (found := _MARK.match(line))]
    changes = _left(migration.changes, marks)
    if not changes:
        return text
    result = _Editor(lines, place, migration, marks).put(changes)
    cst.parse_module(result)
    return result


def _left(changes: tuple[Change, ...], marks: Sequence[str]) -> tuple[Change, ...]:
    """What is not there yet: nothing of the last migration, and of a list that begins with all of them the rest."""
    if not changes or (marks and code.digest(changes) == marks[-1]):
        return ()
    rest = changes
    for mark in marks:
        known = [count for count in range(1, len(rest) + 1) if code.digest(rest[:count]) == mark]
        if not known:
            return changes
        rest = rest[known[0] :]
    return rest


class _Editor:
    def __init__(self, lines: list[str], place: Place, migration: ClassMigration, marks: Sequence[str]) -> None:
        self._lines = list(lines)
        self._place = place
        self._migration = migration
        self._marks = marks
        header = lines[place.first]
        self._newline = header[len(header.rstrip("\r\n")) :] or "\n"
        self._single = _prefers_single_quotes(lines)
        #: Edits, by the line before which they come; made from the last to the first.
        self._inserted: dict[int, list[str]] = {}

    def put(self, changes: Sequence[Change]) -> str:
        version, raised = self._versions()
        override = self._place.override
        block = self._in_override(changes, override, version) if override else self._as_method(changes, version)
        if block.uses_version and raised:
            self._raise_version(version)
        if block.uses_torch and self._place.torch is None:
            self._import()
        for number in sorted(self._inserted, reverse=True):
            self._insert(number, self._inserted[number])
        return "".join(self._lines)

    # --- where the statements go

    def _as_method(self, changes: Sequence[Change], version: int) -> Block:
        suite = self._place.suite
        indent = suite.indent
        method = Method(f"{self._place.name}.{NAME}", width=self._width(indent + self._place.unit))
        block = code.block(changes, method, version)
        body = self._styled([_DOC, *block.lines, _SUPER], {})
        lines = [indent + _DEF, *(self._indented(body, indent + self._place.unit))]
        if block.uses_version and self._place.version is None:
            lines = [f"{indent}_version = {version}", "", *lines]
        if suite.inline:
            self._broken(suite)
        at = self._place.constructor or suite.end
        self._inserted[at] = ["", *lines, *([""] if self._is_followed(at) else [])]
        return block

    def _in_override(self, changes: Sequence[Change], override: Override, version: int) -> Block:
        suite = override.suite
        known = override.parameters
        if len(known) < len(_PARAMETERS) and override.rest is None:
            raise Unplaced(f"its {NAME} takes neither local_metadata nor *args")
        bound = {
            name: f"{_REST}[{number - len(known)}]" for number, name in enumerate(_PARAMETERS) if number >= len(known)
        }
        method = Method(f"{self._place.name}.{NAME}", bound, self._width(suite.indent))
        block = code.block(changes, method, version)
        earlier = [self._block(mark, suite) for mark in self._marks]
        names = dict(zip(_PARAMETERS, known, strict=False))
        if earlier:
            text = "".join(line for start, end in earlier for line in self._lines[start:end])
            clash = re.search(rf"\b({'|'.join(code.LOCALS)})_\b", text) is not None
        else:
            clash = bool(code.LOCALS & override.names)
        names |= {name: f"{name}_" for name in code.LOCALS if clash}
        names[_REST] = override.rest or ""
        for start, end in earlier:
            self._tell(start, end, changes, suite.indent, names)
        lines = self._indented(self._styled(block.lines, names), suite.indent)
        if suite.inline:
            self._broken(suite, lines)
        else:
            self._inserted[earlier[-1][1] if earlier else suite.top] = lines
        return block

    def _block(self, mark: str, suite: Suite) -> tuple[int, int]:
        """The lines of an earlier migration, from one mark to the other."""
        begin, end = code.begin(mark), code.end(mark)
        lines = [line.strip() for line in self._lines[: suite.end]]
        starts = [number for number in range(suite.top, suite.end) if lines[number].startswith(begin)]
        ends = [number + 1 for number in range(suite.top, suite.end) if lines[number] == end]
        if not starts or not ends or starts[-1] >= ends[-1]:
            raise Unplaced(f"the line `{end}` of the migration before this one is gone")
        return starts[-1], ends[-1]

    def _tell(self, start: int, end: int, changes: Sequence[Change], indent: str, names: dict[str, str]) -> None:
        """Makes an earlier migration right for what comes after it."""
        try:
            said = chain.read(self._lines[start:end])
        except SyntaxError:
            raise Unplaced("the migration before this one cannot be read") from None
        name = chain.conflict(said, changes)
        if name is not None:
            raise Unplaced(f"the migration before this one works on {name}, too, and would do it wrong from now on")
        lines = chain.renamed_since(said, changes, self._width(indent))
        own = [number for number in range(start, end) if "self.named_buffers(" in self._lines[number]]
        if lines and own:
            self._inserted[own[0] + 1] = self._indented(self._styled(lines, names), indent)

    def _broken(self, suite: Suite, before: Iterable[str] = ()) -> None:
        """Gives a body on the line of its colon lines of its own, behind others."""
        assert suite.inline is not None
        number, colon, start = suite.inline
        line = self._lines[number]
        self._lines[number] = self._newline.join((line[:colon], *before, suite.indent + line[start:]))

    def _is_followed(self, at: int) -> bool:
        """Whether the class goes on without an empty line."""
        return at < self._place.suite.end and bool(self._lines[at].strip())

    # --- version, import

    def _versions(self) -> tuple[int, bool]:
        """That of new files, and whether the class does not have it yet."""
        told = self._migration.version
        known = self._place.version
        if known is not None and known.value > told:
            return known.value, False
        return told + 1, True

    def _raise_version(self, version: int) -> None:
        known, override = self._place.version, self._place.override
        if known is not None:
            line = self._lines[known.line]
            self._lines[known.line] = f"{line[: known.start]}{version}{line[known.end :]}"
        elif override is not None:
            self._inserted[override.first] = [f"{self._place.suite.indent}_version = {version}", ""]

    def _import(self) -> None:
        at, beside = self._place.imports
        self._inserted[at] = (
            ["import torch"] if beside else [*([""] if at else []), "import torch", *([] if at else [""])]
        )

    # --- style

    def _width(self, indent: str) -> int:
        return max(_WIDTH - len(indent.expandtabs(4)), 40)

    def _styled(self, lines: Iterable[str], names: dict[str, str]) -> list[str]:
        names = {**names, **({"torch": self._place.torch} if self._place.torch else {})}
        names = {name: other for name, other in names.items() if name != other}
        styled = [_renamed(line, names) if names else line for line in lines]
        if self._single:
            return [line if "'" in line or '"""' in line else line.replace('"', "'") for line in styled]
        return styled

    def _indented(self, lines: Iterable[str], indent: str) -> list[str]:
        found = []
        for line in lines:
            body = line.lstrip(" ")
            found.append(indent + self._place.unit * ((len(line) - len(body)) // 4) + body)
        return found

    def _insert(self, at: int, lines: Sequence[str]) -> None:
        text = [line + self._newline for line in lines]
        if at and at == len(self._lines) and self._lines[-1].strip("\r\n") == self._lines[-1]:
            # The file ends without a newline, and still does.
            self._lines[-1] += self._newline
            text[-1] = text[-1].rstrip("\r\n")
        self._lines[at:at] = text


def _renamed(line: str, names: dict[str, str]) -> str:
    """Other names in code; in strings, where an f-string has them in braces."""
    word = re.compile(rf"(?<![\w.])({'|'.join(names)})\b(?!=)")
    parts = _STRING.split(line)
    for number, part in enumerate(parts):
        if number % 2 == 0:
            parts[number] = word.sub(lambda found: names[found[1]], part)
        elif parts[number - 1].endswith("f"):
            parts[number] = re.sub(r"(?<=\{)\w+(?=\})", lambda found: names.get(found[0], found[0]), part)
    return "".join(parts)


def _prefers_single_quotes(lines: Sequence[str]) -> bool:
    text = "".join(lines)
    return len(re.findall(r"(?<!')'(?!')", text)) > len(re.findall(r'(?<!")"(?!")', text))
