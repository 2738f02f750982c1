"""The cache of findings: when an entry counts, and that no cache can do harm."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from pathlib import Path

import pytest

from modelint import cache as module
from modelint.cache import Cache, engine_version, folder
from modelint.lint.read import digest


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
    cache = Cache.open(str(root), version)
    depends = {str(root / "b.py"): digest((root / "b.py").read_bytes()), str(root / "d.py"): None}
    cache.put(str(root / "a.py"), (root / "a.py").read_bytes(), depends, payload or {"found": [1, "x"]})
    cache.save()


def got(root: Path, version: str = "1") -> object:
    return Cache.open(str(root), version).get(str(root / "a.py"), (root / "a.py").read_bytes())


def test_what_was_put_is_found_by_the_next_run(place: Path, root: Path) -> None:
    assert got(root) is None
    put(root)
    assert got(root) == {"found": [1, "x"]}
    assert [each.suffix for each in place.iterdir()] == [".json"]
    assert not list(root.rglob("*cache*"))


def test_it_is_found_in_the_same_run(place: Path, root: Path) -> None:
    cache = Cache.open(str(root), "1")
    cache.put(str(root / "a.py"), b"x", {}, [1])
    assert cache.get(str(root / "a.py"), b"x") == [1]
    assert cache.get(str(root / "a.py"), b"y") is None
    assert cache.get(str(root / "b.py"), b"x") is None


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
    cache = Cache.open(str(root), "1")
    cache.put(str(root / "pkg/c.py"), b"c", {}, [])
    cache.save()
    entries = json.loads(next(place.iterdir()).read_bytes())["entries"]
    assert list(entries) == [os.path.join("pkg", "c.py")]


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
        b'ENTRIES:{"a.py": {"hash": "HASH", "depends": 3, "payload": 1}}',
        b'ENTRIES:{"a.py": {"hash": "HASH", "depends": {"x\\u0000": 3}, "payload": 1}}',
    ],
)
def test_a_damaged_cache_is_no_cache(place: Path, root: Path, damage: bytes) -> None:
    put(root)
    file = next(place.iterdir())
    if damage.startswith(b"ENTRIES:"):
        entries = damage.removeprefix(b"ENTRIES:").replace(b"HASH", digest((root / "a.py").read_bytes()).encode())
        damage = b'{"format": 1, "version": "1", "root": %s, "entries": %s}' % (json.dumps(str(root)).encode(), entries)
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
    cache = Cache.open(str(root), "1")
    cache.put(str(root / "b.py"), b"", {}, "y" * 3000)
    cache.save()
    assert got(root) is None
    assert Cache.open(str(root), "1").get(str(root / "b.py"), b"") == "y" * 3000
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
    cache.put(path, b"x", {"/elsewhere/\udcfe.py": None}, 1)
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
