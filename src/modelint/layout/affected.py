"""Which tracked models a change can affect: the good verdicts of earlier runs, and what each of them hangs on.

One JSON file per project in the user's cache folder, never in the work tree. A verdict holds only while everything it
was given on is the same; a file of verdicts that is damaged, or of another modelint, is none: every model is built.
This is on the path of a hook with nothing to say.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from modelint import __version__, atomic
from modelint.layout.declare import Declaration

_FORMAT = 1
#: Before the name of a model: what numbers said of it.
_NUMBERS = "/numbers/"
_MAX_BYTES = 64_000_000
#: Verdicts on projects that nobody has checked for so long (seconds) are removed.
_MAX_AGE = 90 * 24 * 3600
#: As modelint.layout.release has them, which reads JSON documents and is not needed here.
_RELEASES = ("releases", os.path.join("releases", "retired"), os.path.join("releases", "losses"))


class Uses(NamedTuple):
    """What a building used. Paths are absolute."""

    #: Python files of the project that were imported, and other files of it that were opened.
    python: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    #: What was looked for in the project in vain.
    missing: tuple[str, ...] = ()
    #: Of each installed package that was imported, its metadata folder or, without one, its module.
    packages: tuple[str, ...] = ()


class Verdicts:
    """The verdicts on the models of one project."""

    def __init__(self, path: str | None, version: str) -> None:
        self._path = path
        self._version = version
        self._entries: dict[str, dict[str, Any]] = {}
        #: [path, digest of the content, digest of the code in it], shared by the entries.
        self._table: list[tuple[str, str | None, str | None]] = []
        self._started = time.time_ns()
        self._changed = False
        self._contents: dict[str, str | None] = {}
        self._codes: dict[str, str | None] = {}

    @classmethod
    def open(cls, cache: str | None, folder: str) -> Verdicts:
        """Those on the project at ``folder``; ``cache`` is the user's cache folder, None: nothing is kept."""
        name = hashlib.blake2b(os.fsencode(folder), digest_size=10).hexdigest()
        verdicts = cls(cache and os.path.join(cache, "layout", f"{name}.json"), _version())
        verdicts._load()
        return verdicts

    def uses(self, name: str) -> Uses | None:
        """What building the model used when it was last built; None: not known."""
        entry = self._entries.get(name)
        if entry is None:
            return None
        python = tuple(self._table[each][0] for each in entry["python"])
        data = tuple(self._table[each][0] for each in entry["data"])
        return Uses(python, data, tuple(entry["missing"]), tuple(path for path, _ in entry["packages"]))

    def is_unaffected(self, declaration: Declaration, python: str) -> bool:
        """Is the last verdict on it good, and everything that it hangs on the same?"""
        return self._holds_all(self._entries.get(declaration.name), declaration, python)

    def keep(
        self, declaration: Declaration, python: str, uses: Uses, *, good: bool, written: Sequence[str] = ()
    ) -> None:
        """A new verdict; ``good``: nothing at all is to be said of the model. ``written``: what this run wrote."""
        for path in written:
            self._contents.pop(path, None)
        self._entries[declaration.name] = self._entry(declaration, python, uses, good, written)
        self._changed = True

    def numbers(self, declaration: Declaration, python: str, on: str) -> Any:
        """What `keep_numbers` was given, if everything is the same that it hangs on; else None."""
        entry = self._entries.get(_NUMBERS + declaration.name)
        same = entry is not None and entry.get("on") == on and self._holds_all(entry, declaration, python)
        return entry.get("numbers") if same and entry is not None else None

    def uses_of_numbers(self, name: str) -> Uses | None:
        """What the run used that `keep_numbers` was told of; None: of none."""
        return self.uses(_NUMBERS + name)

    def keep_numbers(self, declaration: Declaration, python: str, uses: Uses, on: str, numbers: Sequence[Any]) -> None:
        """What numbers say of the drift of a model; ``on``: what else than these files and packages it hangs on."""
        entry = self._entry(declaration, python, uses, True, ())
        self._entries[_NUMBERS + declaration.name] = {**entry, "on": on, "numbers": list(numbers)}
        self._changed = True

    def _entry(
        self, declaration: Declaration, python: str, uses: Uses, good: bool, written: Sequence[str]
    ) -> dict[str, Any]:
        hangs_on = {*uses.python, *uses.data, *_files_of(declaration)}.difference(written)
        return {
            # What was written while the model was built may not be what was built.
            "good": good and not any(self._is_younger(path) for path in hangs_on),
            "declaration": _declaration(declaration),
            "manifest": self._manifest(declaration),
            "interpreter": _interpreter(python),
            "missing": sorted(set(uses.missing)),
            "packages": [[path, file_stamp(path)] for path in _with_folders(uses.packages)],
            "data": [self._number(path, code=False) for path in sorted(set(uses.data))],
            "python": [self._number(path, code=True) for path in sorted(set(uses.python))],
        }

    def _holds_all(self, entry: Mapping[str, Any] | None, declaration: Declaration, python: str) -> bool:
        return (
            entry is not None
            and entry["good"] is True
            and entry["declaration"] == _declaration(declaration)
            and entry["manifest"] == self._manifest(declaration)
            and entry["interpreter"] == _interpreter(python)
            and not any(os.path.lexists(path) for path in entry["missing"])
            and all(file_stamp(path) == stamp for path, stamp in entry["packages"])
            and all(self._holds(each) for each in entry["data"])
            and all(self._holds(each) for each in entry["python"])
        )

    def recall(self, key: str) -> Any:
        """What `remember` was given in an earlier run."""
        return self._entries.get(f"/{key}", {}).get("value")

    def remember(self, key: str, value: Any) -> None:
        """Keep something of the project that is no verdict (the name starts with ``/``, as no model's does)."""
        if self.recall(key) != value:
            self._entries[f"/{key}"] = {"value": value}
            self._changed = True

    def save(self, names: Iterable[str] | None = None) -> None:
        """Write what is new, atomically; of ``names``, where they are given, and of no other models."""
        if not self._changed or self._path is None:
            return
        kept = set(self._entries if names is None else names)
        kept |= {_NUMBERS + name for name in kept} | {key for key, entry in self._entries.items() if "value" in entry}
        entries = {name: entry for name, entry in self._entries.items() if name in kept}
        used = sorted({each for entry in entries.values() for each in _numbers(entry)})
        place = {number: position for position, number in enumerate(used)}
        for entry in entries.values():
            for field in ("data", "python"):
                if field in entry:
                    entry[field] = [place[each] for each in entry[field]]
        head = {"format": _FORMAT, "version": self._version, "table": [self._table[each] for each in used]}
        self._table = [self._table[each] for each in used]
        self._entries = entries
        try:
            text = json.dumps({**head, "models": entries}, separators=(",", ":"))
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            if not os.path.exists(self._path):
                _remove_old(os.path.dirname(self._path))
            atomic.write(self._path, text.encode())
            self._changed = False
        except (OSError, ValueError, RecursionError):
            return  # no room, no right to write: every model is built again

    def _load(self) -> None:
        if self._path is None:
            return
        try:
            with open(self._path, "rb") as file:
                data = file.read(_MAX_BYTES + 1)
            whole = json.loads(data) if len(data) <= _MAX_BYTES else {}
            if (whole["format"], whole["version"]) != (_FORMAT, self._version):
                return
            table = [(str(path), content, code) for path, content, code in whole["table"]]
            entries = {str(name): entry for name, entry in whole["models"].items() if _is_entry(entry, len(table))}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, MemoryError):
            return
        self._table, self._entries = table, entries

    def _number(self, path: str, *, code: bool) -> int:
        self._table.append((path, self._content(path), self._code(path) if code else None))
        return len(self._table) - 1

    def _holds(self, number: int) -> bool:
        path, content, code = self._table[number]
        now = self._content(path)
        if now is None or now == content:
            return now == content
        if code is None or self._code(path) != code:
            return False
        self._table[number] = (path, now, code)  # so that the next run need not parse it
        self._changed = True
        return True

    def _content(self, path: str) -> str | None:
        if path not in self._contents:
            data = _read(path)
            self._contents[path] = None if data is None else _digest(data)
        return self._contents[path]

    def _code(self, path: str) -> str | None:
        if path not in self._codes:
            data = _read(path)
            self._codes[path] = None if data is None else code_digest(data)
        return self._codes[path]

    def _manifest(self, declaration: Declaration) -> dict[str, str | None]:
        return {os.path.relpath(path, declaration.home): self._content(path) for path in _files_of(declaration)}

    def _is_younger(self, path: str) -> bool:
        try:
            return os.stat(path).st_mtime_ns >= self._started
        except OSError:
            return False


def code_digest(data: bytes) -> str:
    """Of the source without comments, docstrings and layout; of the bytes where they are no Python that we know."""
    import ast
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(data)
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                match node.body:
                    case [ast.Expr(value=ast.Constant(value=str())), *rest]:
                        node.body = rest
        return _digest(ast.dump(tree, annotate_fields=False).encode("utf-8", "surrogatepass"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _digest(data)


def _declaration(declaration: Declaration) -> str:
    """All that is declared, but where."""
    said = declaration._replace(path="", line=0, shown="")
    return _digest(json.dumps(said, sort_keys=True, default=str).encode())


def _files_of(declaration: Declaration) -> list[str]:
    """The manifest, the releases and what is on record of them, whether they are there or not."""
    found = [declaration.manifest]
    for folder in _RELEASES:
        place = os.path.join(declaration.home, folder)
        try:
            found += (os.path.join(place, name) for name in sorted(os.listdir(place)) if name.endswith(".json"))
        except OSError:
            continue
    return found


def _interpreter(python: str) -> list[Any]:
    """What tells one interpreter, and one state of its environment, from another."""
    settings = os.path.join(os.path.dirname(os.path.dirname(python)), "pyvenv.cfg")
    data = _read(settings)
    return [python, file_stamp(os.path.realpath(python)), None if data is None else _digest(data)]


def _with_folders(packages: Iterable[str]) -> list[str]:
    """With the folders that hold them: a package that is installed later may be imported the next time."""
    return sorted({*packages, *map(os.path.dirname, packages)})


def file_stamp(path: str) -> list[int] | None:
    """What changes with the content of a file; None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return [status.st_mtime_ns, status.st_size]


def _numbers(entry: Mapping[str, Any]) -> Iterator[int]:
    yield from entry.get("data", ())
    yield from entry.get("python", ())


def _is_entry(entry: Any, size: int) -> bool:
    if "value" in entry:
        return True
    fields = ("good", "declaration", "manifest", "interpreter", "missing", "packages", "data", "python")
    return all(field in entry for field in fields) and all(
        isinstance(each, int) and 0 <= each < size for each in _numbers(entry)
    )


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except (OSError, ValueError):
        return None


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _version() -> str:
    """Stands for all that decides a verdict: modelint, this Python, and the files of the layout engine."""
    import modelint.layout
    import modelint.rules

    parts = [__version__, sys.version]
    base = os.path.dirname(modelint.layout.__path__[0])
    folders = [os.path.join(base, name) for name in ("layout", os.path.join("layout", "tracer"), "keys")]
    for folder in (*folders, *(os.path.join(each, "layout") for each in modelint.rules.__path__)):
        with os.scandir(folder) as entries:
            files = sorted((entry.name, entry.stat()) for entry in entries if entry.name.endswith(".py"))
        parts += [f"{name} {status.st_size} {status.st_mtime_ns}" for name, status in files]
    return _digest("\n".join(parts).encode())


def _remove_old(place: str) -> None:
    for file in os.scandir(place):
        if time.time() - file.stat().st_mtime > _MAX_AGE:
            os.unlink(file.path)
