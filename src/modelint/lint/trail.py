"""What a file was looked up in: a graph of files, in which a finding counts while nothing that it reaches has changed.

Files of a large project hang together by the thousand. What one of them led to by itself is little; all that it reaches
through others is worked out where somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple


class Trail(NamedTuple):
    """One file: the hash of its content, the files that resolving its names led to, and the places where none was."""

    #: None: it cannot be read.
    digest: str | None
    links: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()


class Trails:
    """The trails of a project, of this run and of those before. ``hash_of`` tells what a file is now; None: missing."""

    def __init__(self, hash_of: Callable[[str], str | None], known: Mapping[str, Trail] | None = None) -> None:
        self.hash_of = hash_of
        self.known = dict(known or {})
        #: Files that reach nothing that has changed, and those that do.
        self._good: set[str] = set()
        self._bad: set[str] = set()
        self._users: dict[str, list[str]] | None = None

    def holds(self, path: str) -> bool:
        """Is the file, and all that it reaches, what it was?"""
        if path in self._bad:
            return False
        seen = {path} - self._good
        stack = list(seen)
        while stack:
            top = stack.pop()
            if not self._same(top):
                self._spoil(top)
                return False
            fresh = self.known[top].links - self._good - seen
            seen |= fresh
            stack += fresh
        self._good |= seen
        return True

    def _same(self, path: str) -> bool:
        trail = self.known.get(path)
        if trail is None or self.hash_of(path) != trail.digest:
            return False
        return all(self.hash_of(place) is None for place in trail.missing)

    def _spoil(self, path: str) -> None:
        """Note all that reaches a changed file."""
        if self._users is None:
            self._users = {}
            for user, trail in self.known.items():
                for link in trail.links:
                    self._users.setdefault(link, []).append(user)
        stack = [path]
        while stack:
            top = stack.pop()
            if top not in self._bad:
                self._bad.add(top)
                stack += self._users.get(top, ())

    def learn(self, fresh: Mapping[str, Trail]) -> set[str]:
        """Take over the trails of a run, and tell which files reached what has changed since: nothing that is kept
        of them from before that run counts any more."""
        gone = {place for trail in fresh.values() for place in trail.missing}
        for path in (*fresh, *gone):
            if path in self.known and path not in self._bad and not self._same(path):
                self._spoil(path)
        spoiled = set(self._bad)
        for path, trail in fresh.items():
            old = self.known.get(path)
            if old is not None and self._same(path):  # what earlier runs found in it is left
                trail = Trail(trail.digest, (old.links - trail.missing) | trail.links, old.missing | trail.missing)
            self.known[path] = trail
        self._good.clear()
        self._bad.clear()
        self._users = None
        return spoiled

    def reached(self, paths: set[str]) -> dict[str, Trail]:
        """The trails of these files, and of all that they reach."""
        out: dict[str, Trail] = {}
        stack = list(paths)
        while stack:
            top = stack.pop()
            if top not in out and top in self.known:
                out[top] = self.known[top]
                stack += out[top].links
        return out
