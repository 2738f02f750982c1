"""The code that a manifest was written with: which commit, and its files in a temporary folder.

git is only read: no index, no worktree, no lock and no object is made, no filter of the user runs, nothing is fetched.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, NamedTuple

#: Of the environment of a hook, what speaks of another repository or index.
_HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR")
#: So many commits that touched a manifest are looked at.
_MOST = 1000
#: Bytes: larger files are data, and are left out.
_LARGE = 20_000_000
_POINTER = b"version https://git-lfs.github.com/spec/"


class NoRevision(Exception):
    """Why the code cannot be had: one line."""


class Revision(NamedTuple):
    commit: str
    #: The work tree of its repository, symbolic links resolved.
    root: str
    #: The history ends here, because the clone is shallow: an older commit may be the right one.
    boundary: bool

    @property
    def short(self) -> str:
        return self.commit[:10]


class Copy(NamedTuple):
    """The files of a revision, in a folder."""

    folder: str
    #: What is not in it: words for each kind.
    lacks: tuple[str, ...]


def base(manifest: str) -> Revision:
    """The last commit that gave the manifest the content that it has now. Raises NoRevision."""
    folder, name = os.path.split(manifest)
    root = os.path.realpath(_text(folder, "rev-parse", "--show-toplevel", why="it is in no git repository"))
    try:
        blob = _text(folder, "hash-object", "--", name, why="its manifest cannot be read")
        path = os.path.relpath(os.path.join(os.path.realpath(folder), name), root).replace(os.sep, "/")
        touched = _text(folder, "rev-list", f"--max-count={_MOST}", "HEAD", "--", name, why="there is no commit yet")
        commits = touched.split()
        asked = "".join(f"{commit}:{path}\n" for commit in commits)
        listed = _run(folder, "cat-file", "--batch-check=%(objectname)", given=asked.encode()).decode().splitlines()
    except UnicodeDecodeError:
        raise NoRevision("git answers in an encoding that is not known") from None
    commit = next((each for each, found in zip(commits, listed, strict=False) if found == blob), None)
    if commit is None:
        raise NoRevision("its manifest was never committed as it is now")
    return Revision(commit, root, commit in _boundary(folder))


class Then:
    """Files as they were when a manifest was written. Nothing is asked of git before the first."""

    def __init__(self, manifest: str) -> None:
        self._manifest = manifest
        self._base: Revision | None = None
        self._known: dict[str, str | None] = {}

    def __call__(self, path: str) -> str | None:
        """The text of what is now the file at ``path``; None: it is not known."""
        if path not in self._known:
            try:
                self._base = self._base or base(self._manifest)
                name = os.path.relpath(os.path.realpath(path), self._base.root).replace(os.sep, "/")
                self._known[path] = _run(self._base.root, "cat-file", "blob", f"{self._base.commit}:{name}").decode()
            except (NoRevision, UnicodeDecodeError):
                self._known[path] = None
        return self._known[path]


def changed(found: Revision, paths: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Those of ``paths`` that are other bytes than in the revision, and what they were; what it lacks is left out, and
    so is what lies in a submodule. Raises NoRevision.
    """
    objects = {entry.path: entry.object for entry in _entries(found.root, found.commit)}
    for path in paths:
        name = os.path.relpath(os.path.realpath(path), found.root).replace(os.sep, "/")
        before = objects.get(name)
        if before is not None and _name(path, before) != before:
            yield path, _run(found.root, "cat-file", "blob", before)


def _name(path: str, like: str) -> str | None:
    """Of a file of the work tree, as git calls its content; ``like`` tells which digest it uses."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return None
    digest = hashlib.sha1(usedforsecurity=False) if len(like) == 40 else hashlib.sha256()
    digest.update(b"blob %d\0" % len(data) + data)
    return digest.hexdigest()


def _boundary(folder: str) -> set[str]:
    """The commits at which a shallow clone ends."""
    place = _text(folder, "rev-parse", "--git-path", "shallow", why="git does not answer")
    try:
        with open(os.path.join(folder, place), encoding="ascii") as file:
            return set(file.read().split())
    except (OSError, UnicodeDecodeError):
        return set()


def extract(revision: Revision, folder: str) -> Copy:
    """Write the files of a revision below ``folder``, which must be there. Raises NoRevision."""
    lacks: dict[str, list[str]] = {}
    _extract(revision.root, revision.commit, folder, "", lacks)
    words = tuple(f"{kind}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}" for kind, names in lacks.items())
    return Copy(folder, words)


class _Entry(NamedTuple):
    mode: str
    object: str
    size: int
    path: str


def _extract(repository: str, commit: str, folder: str, below: str, lacks: dict[str, list[str]]) -> None:
    wanted = []
    for entry in _entries(repository, commit):
        shown = f"{below}{entry.path}"
        if entry.mode == "160000":
            inner = os.path.join(repository, entry.path)
            target = os.path.join(folder, entry.path)
            if not os.path.lexists(os.path.join(inner, ".git")) or not _has(inner, entry.object):
                lacks.setdefault("a submodule that is not there", []).append(shown)
                continue
            os.makedirs(target, exist_ok=True)
            _extract(inner, entry.object, target, f"{shown}/", lacks)
        elif entry.size > _LARGE and not entry.path.endswith(".py"):
            lacks.setdefault("large files", []).append(shown)
        else:
            wanted.append(entry)
    for entry, data in zip(wanted, _contents(repository, [each.object for each in wanted]), strict=True):
        if data.startswith(_POINTER):
            lacks.setdefault("git-lfs pointers, not their files", []).append(f"{below}{entry.path}")
        path = os.path.join(folder, entry.path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if entry.mode == "120000":
            target = os.path.normpath(os.path.join(os.path.dirname(path), os.fsdecode(data)))
            if target.startswith(folder + os.sep):
                os.symlink(os.fsdecode(data), path)
            continue
        with open(path, "xb") as file:
            file.write(data)


def _entries(repository: str, commit: str) -> Iterator[_Entry]:
    listed = _run(repository, "ls-tree", "-r", "-z", "--long", "--full-tree", commit)
    for line in listed.split(b"\0"):
        if line:
            facts, _, name = line.partition(b"\t")
            mode, _, digest, size = facts.decode("ascii").split()
            path = os.fsdecode(name)
            if not {"", ".", "..", ".git"} & set(path.split("/")):  # no tree that git made has them
                yield _Entry(mode, digest, int(size) if size.isdigit() else 0, path)


def _has(repository: str, commit: str) -> bool:
    try:
        _run(repository, "cat-file", "-e", f"{commit}^{{tree}}")
    except NoRevision:
        return False
    return True


def _contents(repository: str, objects: Sequence[str]) -> Iterator[bytes]:
    """In their order; one at a time is in memory."""
    with tempfile.TemporaryFile() as asked:
        asked.write("".join(f"{each}\n" for each in objects).encode("ascii"))
        asked.seek(0)
        with subprocess.Popen(
            _command(repository, "cat-file", "--batch"),
            stdin=asked,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        ) as process:
            assert process.stdout is not None
            try:
                for each in objects:
                    yield _content(process.stdout, each)
            finally:
                process.kill()


def _content(stream: IO[bytes], name: str) -> bytes:
    head = stream.readline().split()
    if len(head) != 3:
        raise NoRevision(f"object {name[:10]} is not in this clone")
    data = stream.read(int(head[2]) + 1)
    return data[:-1]


def _text(folder: str, *arguments: str, why: str) -> str:
    return os.fsdecode(_run(folder, *arguments, why=why)).strip("\n")


def _run(folder: str, *arguments: str, given: bytes = b"", why: str = "git cannot read it") -> bytes:
    try:
        ran = subprocess.run(
            _command(folder, *arguments), input=given, capture_output=True, check=False, env=_environment()
        )
    except OSError as error:
        raise NoRevision(f"git cannot be run: {error.strerror}") from None
    if ran.returncode:
        raise NoRevision(why)
    return ran.stdout


def _command(folder: str, *arguments: str) -> list[str]:
    # A partial clone would fetch what it lacks.
    return ["git", "--no-optional-locks", "-c", "protocol.allow=never", "-C", folder, *arguments]


def _environment() -> dict[str, str]:
    return {**{name: value for name, value in os.environ.items() if name not in _HOOK}, "LC_ALL": "C"}
