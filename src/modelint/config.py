"""[tool.modelint] of pyproject.toml, or modelint.toml, to Config; with errors that name the file and the line.

For each file the nearest configuration counts, and that one alone: nothing is merged.
On the path of a hook with nothing to say: tomllib is imported only when a file speaks of modelint.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from modelint import selection
from modelint.diagnostics import SEVERITIES, Severity
from modelint.layout.declare import FACTORY, NAME, Declared, Settings, name_words, place, tensor_words

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
    #: The file it comes from; "" without one.
    path: str = ""
    layout: Settings = Settings()


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

    @property
    def is_given(self) -> bool:
        return self._given is not None

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
        raise ConfigError(f"{place(path)}: cannot be read: {error.strerror}") from None
    is_pyproject = os.path.basename(path) == "pyproject.toml"
    if is_pyproject and b"modelint" not in data:
        return None
    import tomllib

    try:
        text = data.decode("utf-8-sig")
        document = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{place(path)}:{line}: not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        words, _, where = str(error).partition(" (at line ")
        line_number = where.partition(",")[0] if where else str(text.count("\n") + 1)
        raise ConfigError(f"{place(path)}:{line_number}: not valid TOML: {_with_other(words, text)}") from None
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
        fields = self._fields(table, {**_KEYS, **_LAYOUT_KEYS})
        layout = {name: fields.pop(name) for each in _LAYOUT_KEYS if (name := each.replace("-", "_")) in fields}
        return Config(folder, path=self._path, layout=Settings(**layout), **fields)

    def _fields(self, table: dict[str, Any], known: Mapping[str, Callable[[_Reader, str, Any], Any]]) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for key, value in table.items():
            if key not in known:
                raise self._error(key, f"unknown key {key!r}{self._hint(key, known)}")
            fields[key.replace("-", "_")] = known[key](self, key, value)
        return fields

    def _hint(self, key: str, known: Iterable[str]) -> str:
        if key == "tool":
            return "; in modelint.toml the keys stand at the top, without [tool.modelint]"
        from difflib import get_close_matches

        wanted = key.replace("_", "-").lower()
        near = [each for each in known if f"-{wanted}" in each] or get_close_matches(wanted, known, n=1, cutoff=0.5)
        return f"; did you mean {near[0]!r}?" if near else f"; the keys are {', '.join(known)}"

    def _error(self, key: str, words: str) -> ConfigError:
        return ConfigError(f"{place(self._path)}:{self._line(key)}: {words}")

    def _line(self, key: str) -> int:
        """The line where ``key`` is given in this table, as far as the text shows it; else that of the table."""
        import re

        name = rf"""["']?{re.escape(key)}["']?"""
        given = re.compile(rf"(?:^|[{{,.])\s*{name}\s*[=.]")
        header, elsewhere, table = 0, 0, ""
        for number, line in enumerate(self._text.split("\n"), 1):
            if found := re.match(r"\s*\[+\s*([^]]+?)\s*\]", line):
                table = found[1].replace('"', "").replace("'", "")
                if re.fullmatch(re.escape(f"{self._table}.{key}" if self._table else key), table):
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

    def text(self, key: str, value: Any) -> str:
        if not isinstance(value, str) or not value.strip() or "\0" in value:
            raise self._error(key, f"{key!r} must be a string with something in it, not {_type(value)}")
        return value

    def silent(self, key: str, value: Any) -> str:
        return self._choice(key, value, ("error", "information"))

    def missing_interpreter(self, key: str, value: Any) -> str:
        return self._choice(key, value, ("error", "skip"))

    def _choice(self, key: str, value: Any, allowed: tuple[str, ...]) -> str:
        if value not in allowed:
            raise self._error(key, f"{key!r} must be one of {', '.join(allowed)}, not {value!r}")
        return str(value)

    def seconds(self, key: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
            raise self._error(key, f"{key!r} must be a number of seconds, not {value!r}")
        return float(value)

    def size(self, key: str, value: Any) -> int:
        import re

        found = re.fullmatch(r"([1-9]\d*)\s*([MG])B", value) if isinstance(value, str) else None
        if found is None:
            raise self._error(key, f"{key!r} must be a size such as '4GB' or '800MB', not {value!r}")
        return int(found[1]) * {"M": 10**6, "G": 10**9}[found[2]]

    def models(self, key: str, value: Any) -> tuple[Declared, ...]:
        if not isinstance(value, dict):
            raise self._error(key, f"{key!r} must hold one table for each model, not {_type(value)}")
        reader = _Reader(self._path, self._text, f"{self._table}.models".lstrip("."))
        return tuple(reader.model(name, table) for name, table in value.items())

    def model(self, name: str, table: Any) -> Declared:
        if NAME.fullmatch(name) is None:
            raise self._error(name, name_words(name))
        if not isinstance(table, dict):
            raise self._error(name, f"model {name!r} must be a table with a factory, not {_type(table)}")
        inner = _Reader(self._path, self._text, f"{self._table}.{name}")
        fields = inner._fields(table, _MODEL_KEYS)
        if "factory" not in fields:
            raise self._error(name, f'model {name!r} has no factory; write factory = "package.module:callable"')
        defaults: dict[str, Any] = {"args": (), "kwargs": {}, "inputs": None, "probe": None, "optional": False}
        return Declared(name=name, path=self._path, line=self._line(name), **{**defaults, **fields})

    def factory(self, key: str, value: Any) -> str:
        if not isinstance(value, str) or FACTORY.fullmatch(value) is None:
            given = repr(value) if isinstance(value, str) else _type(value)
            hint = ""
            if isinstance(value, str) and FACTORY.fullmatch(":".join(value.rsplit(".", 1))):
                hint = f"; did you mean {':'.join(value.rsplit('.', 1))!r}?"
            raise self._error(key, f'{key!r} must be "package.module:callable", not {given}{hint}')
        return value

    def args(self, key: str, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise self._error(key, f"{key!r} must be a list, not {_type(value)}")
        self._plain(key, value)
        return tuple(value)

    def kwargs(self, key: str, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise self._error(key, f"{key!r} must be a table, not {_type(value)}")
        self._plain(key, value)
        return value

    def _plain(self, key: str, value: Any) -> None:
        if isinstance(value, list | dict):
            for each in value.values() if isinstance(value, dict) else value:
                self._plain(key, each)
        elif not isinstance(value, str | bool | int | float):
            raise self._error(key, f"{key!r}: {_type(value)} cannot be handed to a model; give it as a string")

    def inputs(self, key: str, value: Any) -> tuple[str, ...] | str:
        if isinstance(value, str):
            return self.factory(key, value)
        tensors = self.strings(key, value)
        for words in filter(None, map(tensor_words, tensors)):
            raise self._error(key, f"{key!r}: {words}")
        return tensors


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

_LAYOUT_KEYS = {
    "python": _Reader.text,
    "pythonpath": _Reader.strings,
    "manifests": _Reader.text,
    "silent": _Reader.silent,
    "missing-interpreter": _Reader.missing_interpreter,
    "timeout": _Reader.seconds,
    "memory": _Reader.size,
    "models": _Reader.models,
}

_MODEL_KEYS = {
    "factory": _Reader.factory,
    "args": _Reader.args,
    "kwargs": _Reader.kwargs,
    "inputs": _Reader.inputs,
    "probe": _Reader.kwargs,
    "optional": _Reader.flag,
}


def _with_other(words: str, text: str) -> str:
    """Of a table that stands twice the parser names the second place alone."""
    import re

    if "twice" not in words:
        return words
    headers: dict[str, list[int]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if found := re.match(r"\s*\[\s*([^][]+?)\s*\]", line):
            headers.setdefault(found[1].replace('"', "").replace("'", ""), []).append(number)
    twice = next(((name, lines) for name, lines in headers.items() if len(lines) > 1), None)
    if twice is None:
        return words
    return f"[{twice[0]}] is declared twice, on lines {' and '.join(map(str, twice[1]))}"


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
