"""What the engine found in a file, kept until that file, or a file it was looked up in, has other content.

One JSON file per project, in the user's cache folder, never in the work tree. An entry is found by the file's path
under the project's root and counts only if the content has the same hash, each project file that it reaches (`trail`)
has the same hash, and each path that was probed in vain is still missing. A cache that is damaged, from another
version or cannot be written is no cache: it costs time, never a finding.
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
from modelint.lint.trail import Trail, Trails

#: Of the shape of the cache file itself.
_FORMAT = 3
#: A larger cache file would cost more than it saves.
_MAX_BYTES = 64_000_000
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
        self._trails = Trails(self._hash)
        #: What this run consulted.
        self._fresh: dict[str, Trail] = {}
        self._put: set[str] = set()
        self._used: set[str] = set()
        #: Hashes of consulted files in this run, so that each is read once.
        self._hashes: dict[str, str | None] = {}

    @classmethod
    def open(cls, root: str, version: str | None = None) -> Cache:
        """The cache of the project at ``root``; ``version`` stands for what decides the findings."""
        root = os.path.abspath(root)
        base = folder()
        name = hashlib.blake2b(os.fsencode(root), digest_size=10).hexdigest()
        cache = cls(root, version or engine_version(), base and os.path.join(base, "lint", f"{name}.json"))
        cache._load()
        return cache

    def get(self, path: str, data: bytes) -> Payload | None:
        """What was put for this file with this content by an earlier run, if nothing that it reaches has changed."""
        key, now = self._key(path), digest(data)
        self._hashes[path] = now
        try:
            entry = self._entries.get(key)
            if entry is None or entry["hash"] != now or not self._trails.holds(path):
                return None
            self._used.add(key)
            return entry["payload"]
        except (LookupError, TypeError, AttributeError, ValueError):  # not an entry of ours
            return None

    def note(self, consulted: Mapping[str, Trail]) -> None:
        """What the run consulted, file by file; it may be told of a file more than once."""
        for path, trail in consulted.items():
            old = self._fresh.get(path)
            if old is not None:
                same = old.digest == trail.digest  # it changed during the run where not: then it never holds
                links, missing = old.links | trail.links, old.missing | trail.missing
                trail = Trail(trail.digest if same else "", links, missing)
            self._fresh[path] = trail

    def put(self, path: str, data: bytes, payload: Payload) -> None:
        """To be kept for later runs; what it was worked out from must have been noted by the time it is saved."""
        trail = self._fresh.get(path)
        now = digest(data)
        if trail is None or trail.digest != now:
            return  # it changed while it was analysed
        key = self._key(path)
        self._entries[key] = {"hash": now, "payload": payload}
        self._put.add(key)
        self._used.add(key)

    def save(self) -> None:
        """Write what was put, atomically. Of two runs at once the last one wins; neither sees half a file."""
        if not self._put or self._path is None:
            return
        try:
            spoiled = {self._key(path) for path in self._trails.learn(self._fresh)} - self._put
            kept = {
                key: entry
                for key, entry in self._entries.items()
                if key not in spoiled and os.path.exists(self._absolute(key))
            }
            text = self._text(kept)
            if len(text) > _MAX_BYTES:
                text = self._text({key: entry for key, entry in kept.items() if key in self._used})
            if len(text) > _MAX_BYTES:
                return
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            if not os.path.exists(self._path):
                _remove_old(os.path.dirname(self._path))
            atomic.write(self._path, text.encode())
            self._put.clear()
        except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
            return  # no room, no right to write: no cache

    def _text(self, entries: dict[str, Any]) -> str:
        """With the trails that these entries need; a path is written once, and else stands for its number."""
        numbers: dict[str, int] = {}
        trails = [
            [
                numbers.setdefault(path, len(numbers)),
                trail.digest,
                [numbers.setdefault(each, len(numbers)) for each in sorted(trail.links)],
                [numbers.setdefault(each, len(numbers)) for each in sorted(trail.missing)],
            ]
            for path, trail in self._trails.reached({self._absolute(key) for key in entries}).items()
        ]
        head = {"format": _FORMAT, "version": self._version, "root": self.root}
        paths = [self._key(path) for path in numbers]
        return json.dumps({**head, "paths": paths, "trails": trails, "entries": entries}, separators=(",", ":"))

    def _load(self) -> None:
        if self._path is None:
            return
        try:
            with open(self._path, "rb") as file:
                data = file.read(_MAX_BYTES + 1)
            whole = json.loads(data) if len(data) <= _MAX_BYTES else {}
            if (whole["format"], whole["version"], whole["root"]) != (_FORMAT, self._version, self.root):
                return
            paths = [self._absolute(key) for key in whole["paths"]]
            known = {
                paths[number]: Trail(
                    found, frozenset(map(paths.__getitem__, links)), frozenset(map(paths.__getitem__, missing))
                )
                for number, found, links, missing in whole["trails"]
            }
            self._entries = dict(whole["entries"])
            self._trails = Trails(self._hash, known)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, MemoryError):
            return

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
