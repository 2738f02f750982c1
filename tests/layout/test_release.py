"""Files of releases: names, records beside them, and what is wrong with one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelint.keys.table import KeyTable, TensorSpec
from modelint.layout import manifest, proof, release
from modelint.layout.facts import Load
from modelint.layout.layout import Layout
from modelint.layout.manifest import Manifest
from modelint.layout.release import Losses, Release

NOTHING = Losses()


def layout(*keys: str) -> Layout:
    return Layout(KeyTable({key: TensorSpec("float32", (2,), "parameter") for key in keys}), {}, {}, {}, {})


def keep(home: Path, name: str, text: str | None = None) -> Path:
    path = Path(release.path(str(home), name))
    path.parent.mkdir(exist_ok=True)
    path.write_text(manifest.text("net", layout("a")) if text is None else text)
    return path


def record(home: Path, kind: str, name: str, text: str) -> None:
    path = home / "releases" / kind / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_names_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("v10", "v9", "base", "2.1", "v9-hf"):
        keep(tmp_path, name)
    (tmp_path / "releases" / "notes.txt").write_text("")
    assert release.names(str(tmp_path)) == ["2.1", "base", "v9", "v9-hf", "v10"]
    assert [each.name for each in release.find(str(tmp_path), but=["base"]).releases] == ["2.1", "v9", "v9-hf", "v10"]
    assert release.find(str(tmp_path / "nowhere")) == ((), ())


def test_a_retired_release_stays_and_is_not_proved(tmp_path: Path) -> None:
    keep(tmp_path, "v1")
    record(tmp_path, "retired", "v1", release.retirement("v1", 'w\u00fcrde "nie"'))
    assert release.names(str(tmp_path)) == ["v1"]
    assert release.find(str(tmp_path)) == ((), ())
    assert release.read_reason(release.retired_path(str(tmp_path), "v1")) == 'w\u00fcrde "nie"'


def test_two_reasons_in_one_record_are_a_conflict_that_is_told(tmp_path: Path) -> None:
    keep(tmp_path, "v1")
    ours, theirs = release.retirement("v1", "ours"), release.retirement("v1", "theirs")
    record(tmp_path, "retired", "v1", f"<<<<<<< HEAD\n{ours}=======\n{theirs}>>>>>>> other\n")
    ((name, error),) = release.find(str(tmp_path)).wrong
    assert (name, error.reason) == ("v1", "a merge left conflict markers in it")


@pytest.mark.parametrize("kind", ["", "retired", "losses"])
@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema": 2}', '{"schema": 1, "release": 3}', "\udcff"])
def test_a_file_that_cannot_be_used(tmp_path: Path, kind: str, text: str) -> None:
    keep(tmp_path, "v1")
    keep(tmp_path, "v2")
    path = tmp_path / "releases" / kind / "v1.json"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    found = release.find(str(tmp_path))
    assert [each.name for each in found.releases] == ["v2"]
    ((name, error),) = found.wrong
    assert (name, error.path, error.line) == ("v1", str(path), 1) and error.reason
    assert ("newer modelint" in error.reason) == ("2" in text)
    assert not release.find(str(tmp_path), but=["v1"]).wrong


def test_a_torn_record_of_losses_is_written_anew(tmp_path: Path) -> None:
    keep(tmp_path, "v1")
    record(tmp_path, "losses", "v1", "<<<<<<< HEAD\n")
    assert [name for name, _ in release.find(str(tmp_path)).wrong] == ["v1"]
    (found,) = release.find(str(tmp_path), anew=True).releases
    assert (found.losses, found.torn) == (NOTHING, True)
    record(tmp_path, "losses", "v1", '{"schema": 2}')
    assert [name for name, _ in release.find(str(tmp_path), anew=True).wrong] == ["v1"]


def test_a_folder_where_a_file_should_be(tmp_path: Path) -> None:
    (tmp_path / "releases" / "v1.json").mkdir(parents=True)
    ((_, error),) = release.find(str(tmp_path)).wrong
    assert error.reason == "it cannot be read: Is a directory"


def test_accepted_losses_are_a_key_a_line(tmp_path: Path) -> None:
    losses = Losses(("a", "b"), (), ("c",))
    text = release.losses_text("v1", losses)
    assert json.loads(text)["dropped"] == ["a", "b"] and '\n    "b"\n' in text
    keep(tmp_path, "v1")
    record(tmp_path, "losses", "v1", text)
    assert release.find(str(tmp_path)).releases[0].losses == losses
    assert Losses(("a", "x"), ("c",), ("c",)).without(losses) == Losses(("x",), ("c",), ())


def kept(name: str, *keys: str, losses: Losses = NOTHING) -> Release:
    return Release(name, f"{name}.json", Manifest("net", layout(*keys), {}), losses)


def test_equal_layouts_are_loaded_once() -> None:
    releases = [kept("v1", "a"), kept("v2", "a", "b"), kept("v3", "a"), kept("v4", "b", "a"), kept("v5", "a", "b")]
    asked = proof.asked({"manifest": layout("a")}, releases)
    assert list(asked.olds) == ["manifest", "@v2", "@v4"]
    assert asked.speaks == {"v1": "manifest", "v2": "@v2", "v3": "manifest", "v4": "@v4", "v5": "@v2"}


def test_those_that_load_alike_are_said_together() -> None:
    fails = Load(False, unexpected=("b",))
    partly = Load(True, dropped=("b",), hooks=True)
    releases = [
        kept("v1", "a", "b"),
        kept("v2", "a"),
        kept("v3", "a", "b"),
        kept("v4", "a", "b", losses=Losses(("b",))),
        kept("v5", "a", "b"),
    ]
    loads = {"x": fails, "y": Load(True), "z": partly}
    speaks = {"v1": "x", "v2": "y", "v3": "x", "v4": "z", "v5": "z"}
    found = proof.proofs("net", releases, speaks, layout("a"), loads)
    assert [(each.fact.releases, each.fact.outcome) for each in found] == [(("v1", "v3"), "fails"), (("v5",), "partly")]
    assert found[0].fact.causes == ("b is gone",)


def test_what_only_fails_to_be_proved_is_no_failure() -> None:
    load = Load(False, proved=False, why="loading reads values", unexpected=("b",))
    (found,) = proof.proofs("net", [kept("v1", "b")], {"v1": "x"}, layout("a"), {"x": load})
    assert (found.fact.outcome, found.fact.why, found.fact.drift) == ("unproved", "loading reads values", None)
