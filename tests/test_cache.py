"""The cache of findings: when an entry counts, and that no cache can do harm."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from modelint import cache as module
from modelint.cache import Cache, engine_version, folder
from modelint.lint.read import digest
from modelint.lint.trail import Trail


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MODELINT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "lint"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "pkg").mkdir(parents=True)
    for name in ("a.py", "b.py", "pkg/c.py"):
        (root / name).write_text(f"# {name}\n")
    return root


def put(root: Path, payload: object = None, version: str = "1") -> None:
    """``a.py`` was looked up in ``b.py``, and that in vain in ``d.py``."""
    cache = Cache.open(str(root), version)
    a, b, d = (str(root / name) for name in ("a.py", "b.py", "d.py"))
    cache.note({a: trail(a, links=[b]), b: trail(b, missing=[d])})
    cache.put(a, Path(a).read_bytes(), payload or {"found": [1, "x"]})
    cache.save()


def trail(path: str, *, links: Iterable[str] = (), missing: Iterable[str] = ()) -> Trail:
    return Trail(digest(Path(path).read_bytes()), frozenset(links), frozenset(missing))


def put_alone(root: Path, name: str, payload: object) -> None:
    cache = Cache.open(str(root), "1")
    path = str(root / name)
    cache.note({path: trail(path)})
    cache.put(path, Path(path).read_bytes(), payload)
    cache.save()


def got(root: Path, version: str = "1") -> object:
    return Cache.open(str(root), version).get(str(root / "a.py"), (root / "a.py").read_bytes())


def test_what_was_put_is_found_by_the_next_run(place: Path, root: Path) -> None:
    assert got(root) is None
    put(root)
    assert got(root) == {"found": [1, "x"]}
    assert [each.suffix for each in place.iterdir()] == [".json"]
    assert not list(root.rglob("*cache*"))


def test_a_file_that_changed_during_the_run_is_not_kept(place: Path, root: Path) -> None:
    cache = Cache.open(str(root), "1")
    a, b = str(root / "a.py"), str(root / "b.py")
    cache.note({a: trail(a, links=[b]), b: trail(b)})
    cache.put(a, b"other", 1)
    cache.save()
    assert not place.exists()
    (root / "b.py").write_text("# other")
    cache.note({b: trail(b)})  # of another worker
    cache.put(a, Path(a).read_bytes(), 1)
    cache.save()
    assert got(root) is None


@pytest.mark.parametrize("change", ["own content", "dependency", "dependency gone", "missing appears", "version"])
def test_what_makes_an_entry_invalid(place: Path, root: Path, change: str) -> None:
    put(root)
    if change == "own content":
        (root / "a.py").write_text("# other\n")
    elif change == "dependency":
        (root / "b.py").write_text("# other\n")
    elif change == "dependency gone":
        (root / "b.py").unlink()
    elif change == "missing appears":
        (root / "d.py").touch()
    assert got(root, "2" if change == "version" else "1") is None


def test_times_and_other_files_do_not_matter(place: Path, root: Path) -> None:
    put(root)
    os.utime(root / "a.py", (1, 1))
    os.utime(root / "b.py", (1, 1))
    (root / "pkg/c.py").write_text("changed")
    assert got(root) is not None


def test_projects_do_not_share(place: Path, root: Path, tmp_path: Path) -> None:
    put(root)
    other = tmp_path / "other"
    other.mkdir()
    for name in ("a.py", "b.py"):
        (other / name).write_bytes((root / name).read_bytes())
    assert got(other) is None


def test_entries_of_vanished_files_are_dropped(place: Path, root: Path) -> None:
    put(root)
    (root / "a.py").unlink()
    put_alone(root, "pkg/c.py", [])
    whole = json.loads(next(place.iterdir()).read_bytes())
    assert list(whole["entries"]) == [os.path.join("pkg", "c.py")]
    assert len(whole["paths"]) == len(whole["trails"]) == 1


def test_caches_of_forgotten_projects_are_removed(place: Path, root: Path) -> None:
    place.mkdir(parents=True)
    old, new = place / "old.json", place / "new.json"
    for each in (old, new):
        each.touch()
    os.utime(old, (time.time() - 100 * 24 * 3600,) * 2)
    put(root)
    assert not old.exists()
    assert new.exists()


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"\x80\x04\x95",
        b"[]",
        b"null",
        b"{}",
        b"[" * 100_000,
        b'{"format": 1, "version": "1"}',
        b"ENTRIES:[]",
        b"ENTRIES:7",
        b'ENTRIES:{"a.py": null}',
        b'ENTRIES:{"a.py": []}',
        b'ENTRIES:{"a.py": {"hash": "HASH"}}',
        b'ENTRIES:{"a.py": {"payload": 1}}',
        b"TRAILS:7",
        b'TRAILS:[[0, "HASH", [1], []]]',
        b'TRAILS:[[0, "HASH", [0], [0]]]',
        b'TRAILS:[[0, "HASH", 3, []]]',
        b'TRAILS:[["a.py", "HASH", [], []]]',
    ],
)
def test_a_damaged_cache_is_no_cache(place: Path, root: Path, damage: bytes) -> None:
    put(root)
    file = next(place.iterdir())
    found = digest((root / "a.py").read_bytes()).encode()
    parts = {b"ENTRIES": b'{"a.py": {"hash": "HASH", "payload": 1}}', b"TRAILS": b'[[0, "HASH", [], []]]'}
    name, _, given = damage.partition(b":")
    if name in parts:
        whole = json.loads(file.read_bytes())
        head = {each: whole[each] for each in ("format", "version", "root")}
        parts[name] = given
        damage = b'%b, "paths": ["a.py"], "entries": %b, "trails": %b}' % (
            json.dumps(head).encode()[:-1],
            *parts.values(),
        )
        damage = damage.replace(b"HASH", found)
    file.write_bytes(damage)
    assert got(root) is None
    put(root)
    assert got(root) is not None


def test_a_cache_that_cannot_be_written_is_no_cache(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    for where in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/none"), Path("/dev/null")):
        monkeypatch.setenv("MODELINT_CACHE_DIR", str(where))
        put(root)
        assert got(root) is None


def test_what_json_cannot_hold_is_not_saved(place: Path, root: Path) -> None:
    put(root, {"a": object()})
    assert got(root) is None
    assert not place.exists() or not list(place.iterdir())


def test_a_cache_too_large_keeps_what_this_run_used(place: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(root, "x" * 3000)
    monkeypatch.setattr(module, "_MAX_BYTES", 4000)
    assert got(root) is not None
    put_alone(root, "b.py", "y" * 3000)
    assert got(root) is None
    assert Cache.open(str(root), "1").get(str(root / "b.py"), b"# b.py\n") == "y" * 3000
    put(root, "z" * 5000)
    assert got(root) is None


def _write(root: Path, number: int) -> None:
    for _ in range(20):
        put(root, {"writer": number, "text": "x" * 10_000})


def test_writers_at_once_never_leave_half_a_file(place: Path, root: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write, args=(root, number)) for number in range(4)]
    for each in writers:
        each.start()
    while any(each.is_alive() for each in writers):
        for file in place.glob("*.json"):
            json.loads(file.read_bytes())
    assert [each.exitcode for each in writers] == [0] * 4
    assert len(list(place.iterdir())) == 1
    assert got(root) is not None


def test_odd_names(place: Path, root: Path) -> None:
    path = str(root / "\udcff -'\n.py")
    Path(path).write_bytes(b"x")
    cache = Cache.open(str(root), "1")
    cache.note({path: trail(path, missing=["/elsewhere/\udcfe.py"])})
    cache.put(path, b"x", 1)
    cache.save()
    assert Cache.open(str(root), "1").get(path, b"x") == 1


def test_nothing_is_written_when_nothing_was_put(place: Path, root: Path) -> None:
    Cache.open(str(root), "1").save()
    assert not place.exists()


def test_where_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MODELINT_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    for platform, variables, expected in [
        ("linux", {}, "/home/me/.cache/modelint"),
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/modelint"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "/home/me/.cache/modelint"),
        ("darwin", {}, "/home/me/Library/Caches/modelint"),
        ("win32", {}, None),
        ("win32", {"LOCALAPPDATA": "/l"}, "/l/modelint"),
        ("linux", {"MODELINT_CACHE_DIR": "/own"}, "/own"),
    ]:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "platform", platform)
            for name, value in variables.items():
                patch.setenv(name, value)
            assert folder() == expected


def test_the_version_stands_for_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine_version() == engine_version()
    before = engine_version()
    monkeypatch.setattr(sys, "version", "4.0")
    assert engine_version() != before
