"""[tool.modelint] of pyproject.toml, or modelint.toml, to Config; with errors that name the file and the line.

For each file the nearest configuration counts, and that one alone: nothing is merged.
On the path of a hook with nothing to say: tomllib is imported only when a file speaks of modelint.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from modelint import selection
from modelint.diagnostics import SEVERITIES, Severity

#: In one folder the first that configures modelint counts.
FILES = ("modelint.toml", "pyproject.toml")

#: Tests load, break and compare state on purpose. By folder only: evaluation scripts are called test.py too.
TEST_FOLDERS: Mapping[str, tuple[str, ...]] = {
    "tests/": ("MDL401", "MDL402", "MDL601"),
    "test/": ("MDL401", "MDL402", "MDL601"),
}


class ConfigError(Exception):
    """One line that names the file, the line, what is wrong, and what to write instead."""


class Config(NamedTuple):
    #: What the patterns are relative to.
    folder: str
    select: tuple[str, ...] | None = None
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    preview: bool = False
    extend_exclude: tuple[str, ...] = ()
    #: Leave out excluded files even when they are named on the command line, as pre-commit does.
    force_exclude: bool = False
    per_file_ignores: Mapping[str, tuple[str, ...]] = TEST_FOLDERS
    fail_on: Severity = "warning"


class Configs:
    """The configuration of each file. ``given`` (--config) replaces the search; its patterns start at ``cwd``."""

    def __init__(self, cwd: str, given: str | None = None) -> None:
        self._by_folder: dict[str, Config] = {}
        self._given: Config | None = None
        if given is not None:
            path = os.path.join(cwd, given)
            if not os.path.isfile(path):
                raise ConfigError(f"{given}: no such configuration file")
            self._given = _load(path, cwd) or Config(cwd)

    def of_folder(self, folder: str) -> Config:
        """The configuration of the files that stand in ``folder`` (absolute)."""
        if self._given is not None:
            return self._given
        found = self._by_folder.get(folder)
        if found is None:
            own = next((c for name in FILES if (c := _load(os.path.join(folder, name), folder))), None)
            parent = os.path.dirname(folder)
            found = own or (Config(folder) if parent == folder else self.of_folder(parent))
            self._by_folder[folder] = found
        return found

    def of_file(self, path: str) -> Config:
        return self.of_folder(os.path.dirname(path))


def _load(path: str, folder: str) -> Config | None:
    """The configuration in a file; None when the file is missing, or a pyproject.toml without [tool.modelint]."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"{_shown(path)}: cannot be read: {error.strerror}") from None
    is_pyproject = os.path.basename(path) == "pyproject.toml"
    if is_pyproject and b"modelint" not in data:
        return None
    import tomllib

    try:
        text = data.decode("utf-8-sig")
        document = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{_shown(path)}:{line}: not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        words, _, place = str(error).partition(" (at line ")
        line_number = place.partition(",")[0] if place else str(text.count("\n") + 1)
        raise ConfigError(f"{_shown(path)}:{line_number}: not valid TOML: {words}") from None
    if not is_pyproject:
        return _Reader(path, text, "").config(document, folder)
    tool = document.get("tool", {})
    if not isinstance(tool, dict) or "modelint" not in tool:
        return None
    return _Reader(path, text, "tool.modelint").config(tool["modelint"], folder)


class _Reader:
    """Checks the values of one table and knows where they stand in the text."""

    def __init__(self, path: str, text: str, table: str) -> None:
        self._path = path
        self._text = text
        self._table = table

    def config(self, table: Any, folder: str) -> Config:
        if not isinstance(table, dict):
            raise self._error("modelint", f"'tool.modelint' must be a table, not {_type(table)}")
        fields: dict[str, Any] = {}
        for key, value in table.items():
            field = key.replace("-", "_")
            if key not in _KEYS:
                raise self._error(key, f"unknown key {key!r}{self._hint(key)}")
            fields[field] = _KEYS[key](self, key, value)
        return Config(folder, **fields)

    def _hint(self, key: str) -> str:
        if key == "tool":
            return "; in modelint.toml the keys stand at the top, without [tool.modelint]"
        from difflib import get_close_matches

        near = get_close_matches(key.replace("_", "-").lower(), _KEYS, n=1, cutoff=0.5)
        return f"; did you mean {near[0]!r}?" if near else f"; the keys are {', '.join(_KEYS)}"

    def _error(self, key: str, words: str) -> ConfigError:
        return ConfigError(f"{_shown(self._path)}:{self._line(key)}: {words}")

    def _line(self, key: str) -> int:
        """The line where ``key`` is given in this table, as far as the text shows it; else that of the table."""
        import re

        name = rf"""["']?{re.escape(key)}["']?"""
        given = re.compile(rf"(?:^|[{{,.])\s*{name}\s*[=.]")
        header, elsewhere, table = 0, 0, ""
        for number, line in enumerate(self._text.split("\n"), 1):
            if found := re.match(r"\s*\[+\s*([^]]+?)\s*\]", line):
                table = found[1]
                if re.fullmatch(rf"{re.escape(self._table)}\.{name}" if self._table else name, table):
                    return number
                header = number if table == self._table else header
            elif given.search(line):
                if table == self._table or table.startswith(f"{self._table}."):
                    return number
                elsewhere = elsewhere or number
        return header or elsewhere or 1

    def flag(self, key: str, value: Any) -> bool:
        if not isinstance(value, bool):
            raise self._error(key, f"{key!r} must be true or false, not {_type(value)}")
        return value

    def strings(self, key: str, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            what = _type(value) if not isinstance(value, list) else "a list with other values"
            raise self._error(key, f"{key!r} must be a list of strings, not {what}")
        return tuple(value)

    def codes(self, key: str, value: Any) -> tuple[str, ...]:
        try:
            return tuple(selection.parse(each) for each in self.strings(key, value))
        except selection.UnknownSelector as error:
            raise self._error(key, f"{key!r}: {error}") from None

    def severity(self, key: str, value: Any) -> Severity:
        for severity in SEVERITIES:
            if value == severity:
                return severity
        raise self._error(key, f"{key!r} must be one of {', '.join(SEVERITIES)}, not {value!r}")

    def ignores(self, key: str, value: Any) -> Mapping[str, tuple[str, ...]]:
        if not isinstance(value, dict):
            raise self._error(key, f"{key!r} must be a table of pattern = [codes], not {_type(value)}")
        return {**TEST_FOLDERS, **{pattern: self.codes(pattern, codes) for pattern, codes in value.items()}}


_KEYS = {
    "select": _Reader.codes,
    "extend-select": _Reader.codes,
    "ignore": _Reader.codes,
    "preview": _Reader.flag,
    "extend-exclude": _Reader.strings,
    "force-exclude": _Reader.flag,
    "per-file-ignores": _Reader.ignores,
    "fail-on": _Reader.severity,
}


def _type(value: object) -> str:
    names = {
        str: "a string",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a table",
    }
    return names.get(type(value), "a date or time")


def _shown(path: str) -> str:
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative
