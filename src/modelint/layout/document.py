"""Reading the JSON files that modelint commits: errors name the line, and what has happened to the file."""

from __future__ import annotations

import json
import re
from json import JSONDecodeError
from typing import Any

_MARKER = re.compile(r"^(<{7} |={7}\r?$|>{7} |\|{7} )", re.MULTILINE)


class DocumentError(ValueError):
    """A committed file that cannot be used."""

    def __init__(self, path: str, line: int, reason: str) -> None:
        super().__init__(f"{path}:{line}: {reason}")
        self.path = path
        self.line = line
        self.reason = reason


class Document:
    """The text of a JSON file, and its content."""

    def __init__(self, path: str, data: bytes) -> None:
        self.path = path
        #: Names that stand in one object twice with equal content, as merged branches leave them.
        self.repeated: list[str] = []
        try:
            self.text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise DocumentError(path, data.count(b"\n", 0, error.start) + 1, "it is not UTF-8") from None
        self.content = self._parsed()

    def error(self, reason: str, *names: str) -> DocumentError:
        """Where ``names`` lead, each looked for below the one before; the first line where they are not found."""
        return DocumentError(self.path, self.line(*names), reason)

    def line(self, *names: str, last: bool = False) -> int:
        """The line of the first (or last) entry called by the last of ``names``, below the others."""
        at, line = 0, 1
        for name in names:
            found = list(re.finditer(re.escape(json.dumps(name)) + r"\s*:", self.text[at:]))
            if not found:
                return line
            chosen = found[-1 if last and name == names[-1] else 0]
            at += chosen.start()
            line = self.text.count("\n", 0, at) + 1
        return line

    def twice(self, name: str) -> DocumentError:
        return DocumentError(self.path, self.line(name, last=True), f"{name!a} stands in it twice")

    def _unique(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = dict(pairs)
        if len(found) != len(pairs):
            seen: dict[str, Any] = {}
            for name, value in pairs:
                if name in seen:
                    if seen[name] != value:
                        raise _Twice(name)
                    self.repeated.append(name)
                seen[name] = value
        return found

    def _parsed(self) -> Any:
        if not self.text.strip():
            raise DocumentError(self.path, 1, "it is empty")
        try:
            return json.loads(self.text, object_pairs_hook=self._unique, parse_constant=_no_number)
        except JSONDecodeError as error:
            marker = _MARKER.search(self.text)
            if marker is not None:
                line = self.text.count("\n", 0, marker.start()) + 1
                raise DocumentError(self.path, line, "a merge left conflict markers in it") from None
            if error.pos >= len(self.text.rstrip()):
                last = self.text.rstrip().count("\n") + 1
                raise DocumentError(self.path, last, "it ends in the middle: it was cut off") from None
            raise DocumentError(self.path, error.lineno, f"it is no JSON: {error.msg}") from None
        except _Twice as error:
            raise self.twice(error.name) from None
        except (ValueError, RecursionError) as error:
            raise DocumentError(self.path, 1, f"it cannot be read: {error}") from None


class _Twice(Exception):
    def __init__(self, name: str) -> None:
        self.name = name


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON")
