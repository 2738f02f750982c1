"""What the engine found in a file, kept until that file, or a file it was looked up in, has other content.

One JSON file per project, in the user's cache folder, never in the work tree. An entry is found by the file's path
under the project's root and counts only if the content has the same hash, each project file that was consulted has
the same hash, and each path that was probed in vain is still missing. A cache that is damaged, from another version or
cannot be written is no cache: it costs time, never a finding.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from modelint import atomic
from modelint.lint.read import digest, read_bytes

#: Of the shape of the cache file itself.
_FORMAT = 2
#: A larger cache file would cost more than it saves.
_MAX_BYTES = 64_000_000
#: Pairs of a file and one that it depends on, in all: where files hang together by the thousand, some are not kept.
_MOST_PAIRS = 3_000_000
#: Caches of projects that nobody has checked for so long (seconds) are removed.
_MAX_AGE = 90 * 24 * 3600

Payload = Any


def folder() -> str | None:
    """The user's cache folder for modelint; None where there is no home."""
    if own := os.environ.get("MODELINT_CACHE_DIR"):
        return os.path.abspath(own)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "")
    elif sys.platform == "darwin":
        base = os.path.expanduser("~/Library/Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME", "")
        if not os.path.isabs(base):  # the specification: relative paths are invalid and ignored
            base = os.path.expanduser("~/.cache")
    return os.path.join(base, "modelint") if os.path.isabs(base) else None


def engine_version() -> str:
    """Stands for all that decides what is found: this Python, libcst, and the files of modelint and its rules."""
    import importlib.util

    parts = [sys.version]
    for name in ("modelint", "modelint.lint", "modelint.rules.lint", "libcst"):
        spec = importlib.util.find_spec(name)
        for place in (spec and spec.submodule_search_locations) or ():
            for file in sorted(os.scandir(place), key=lambda each: each.name):
                if file.name.endswith(".py"):
                    status = file.stat()
                    parts.append(f"{name}/{file.name} {status.st_size} {status.st_mtime_ns}")
    return digest("\n".join(parts).encode())


class Cache:
    """The entries of one project. Payloads are opaque, and must be what JSON can hold."""

    def __init__(self, root: str, version: str, path: str | None) -> None:
        self.root = root
        self._version = version
        self._path = path
        self._entries: dict[str, Any] = {}
        #: What entries depend on, by number: many depend on the same files.
        self._table: list[list[str | None]] = []
        self._numbers: dict[tuple[str, str | None], int] = {}
        self._pairs = 0
        self._changed = False
        self._used: set[str] = set()
        self._held: dict[int, bool] = {}
        #: Hashes of consulted files in this run, so that each is read once.
        self._hashes: dict[str, str | None] = {}

    @classmethod
    def open(cls, root: str, version: str | None = None) -> Cache:
        """The cache of the project at ``root``; ``version`` stands for what decides the findings."""
        root = os.path.abspath(root)
        base = folder()
        name = hashlib.blake2b(os.fsencode(root), digest_size=10).hexdigest()
        cache = cls(root, version or engine_version(), base and os.path.join(base, "lint", f"{name}.json"))
        cache._entries = cache._load()
        return cache

    def get(self, path: str, data: bytes) -> Payload | None:
        """What was put for this file with this content, if nothing that it depends on has changed."""
        key = self._key(path)
        entry = self._entries.get(key)
        try:
            if entry is None or entry["hash"] != digest(data):
                return None
            if not all(map(self._holds, entry["depends"])):
                return None
            self._used.add(key)
            return entry["payload"]
        except (LookupError, TypeError, AttributeError, ValueError):  # not an entry of ours
            return None

    def put(self, path: str, data: bytes, dependencies: Mapping[str, str | None], payload: Payload) -> None:
        """``dependencies``: the project files consulted, each with its `digest`, or None where it was missing."""
        depends = {self._key(each): found for each, found in dependencies.items()}
        if depends.pop(self._key(path), digest(data)) != digest(data):
            return  # it changed while it was analysed
        self._pairs += len(depends)
        if self._pairs > _MOST_PAIRS:
            return
        numbers = [self._number(pair) for pair in depends.items()]
        self._entries[self._key(path)] = {"hash": digest(data), "depends": numbers, "payload": payload}
        self._used.add(self._key(path))
        self._changed = True

    def save(self) -> None:
        """Write what was put, atomically. Of two runs at once the last one wins; neither sees half a file."""
        if not self._changed or self._path is None:
            return
        kept = {key: entry for key, entry in self._entries.items() if os.path.exists(self._absolute(key))}
        try:
            text = self._text(kept)
            if len(text) > _MAX_BYTES:
                text = self._text({key: entry for key, entry in kept.items() if key in self._used})
            if len(text) > _MAX_BYTES:
                return
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            if not os.path.exists(self._path):
                _remove_old(os.path.dirname(self._path))
            atomic.write(self._path, text.encode())
            self._changed = False
        except (OSError, ValueError, TypeError, LookupError, RecursionError):
            return  # no room, no right to write: no cache

    def _text(self, entries: dict[str, Any]) -> str:
        """With the part of the table that these entries need."""
        used = sorted({number for entry in entries.values() for number in entry["depends"]})
        needed = {number: place for place, number in enumerate(used)}
        table = [self._table[number] for number in needed]
        kept = {key: {**e, "depends": [needed[number] for number in e["depends"]]} for key, e in entries.items()}
        head = {"format": _FORMAT, "version": self._version, "root": self.root}
        return json.dumps({**head, "table": table, "entries": kept}, separators=(",", ":"))

    def _load(self) -> dict[str, Any]:
        if self._path is None:
            return {}
        try:
            with open(self._path, "rb") as file:
                data = file.read(_MAX_BYTES + 1)
            whole = json.loads(data) if len(data) <= _MAX_BYTES else {}
            same = (whole["format"], whole["version"], whole["root"]) == (_FORMAT, self._version, self.root)
            entries, table = (whole["entries"], whole["table"]) if same else ({}, [])
            self._numbers = {(key, found): number for number, (key, found) in enumerate(table)}
            self._pairs = sum(len(entry["depends"]) for entry in entries.values())
            self._table = table
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, MemoryError):
            return {}
        return entries

    def _number(self, pair: tuple[str, str | None]) -> int:
        number = self._numbers.setdefault(pair, len(self._table))
        if number == len(self._table):
            self._table.append(list(pair))
        return number

    def _holds(self, number: int) -> bool:
        """Is that file still what it was?"""
        if number not in self._held:
            key, found = self._table[number]
            self._held[number] = key is not None and self._hash(self._absolute(key)) == found
        return self._held[number]

    def _hash(self, path: str) -> str | None:
        if path not in self._hashes:
            read = read_bytes(path)
            self._hashes[path] = digest(read) if isinstance(read, bytes) else None
        return self._hashes[path]

    def _key(self, path: str) -> str:
        """Relative to the root, so that what is stored stays short; absolute where it lies elsewhere."""
        prefix = self.root + os.sep
        return path[len(prefix) :] if path.startswith(prefix) else path

    def _absolute(self, key: str) -> str:
        return os.path.join(self.root, key)


def _remove_old(place: str) -> None:
    """Caches of projects that are gone would stay for ever: nobody asks for them."""
    for file in os.scandir(place):
        if time.time() - file.stat().st_mtime > _MAX_AGE:
            os.unlink(file.path)
