"""Damage to files of torch: what is still readable is told, and what is missing; what is not readable is refused."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelint.checkpoint import facts, torch_legacy, zipped
from modelint.checkpoint import open as checkpoints
from modelint.checkpoint.contents import Contents, Refused

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")

KEYS = ("first", "second", "half")


def state_dict() -> dict[str, Any]:
    base = torch.zeros(10, 4)
    return {"first": base, "second": torch.ones(5), "half": base[5:]}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "model.pt"
    torch.save(state_dict(), path)
    return path


@pytest.fixture
def legacy(tmp_path: Path) -> Path:
    path = tmp_path / "legacy.pt"
    torch.save(state_dict(), path, _use_new_zipfile_serialization=False)
    return path


def rewritten(path: Path, change: Callable[[dict[str, bytes]], None], compression: int = zipfile.ZIP_STORED) -> Path:
    """The archive with other records."""
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    change(records)
    other = path.with_name("changed.pt")
    with zipfile.ZipFile(other, "w", compression) as archive:
        for name, data in records.items():
            archive.writestr(name, data)
    return other


def keys(contents: Contents) -> tuple[str, ...]:
    return tuple(contents.roots[0].tensors)


def test_missing_record(saved: Path) -> None:
    contents = zipped.read(str(rewritten(saved, lambda records: records.pop("model/data/0"))))
    assert keys(contents) == KEYS
    assert contents.facts == (facts.MissingRecord("data/0", ("first", "half")),)


def test_short_record(saved: Path) -> None:
    path = rewritten(saved, lambda records: records.update({"model/data/1": b"1234"}))
    assert zipped.read(str(path)).facts == (facts.ShortRecord("data/1", 4, 20, ("second",)),)


def test_compressed_records_are_read(saved: Path) -> None:
    contents = zipped.read(str(rewritten(saved, lambda records: None, zipfile.ZIP_DEFLATED)))
    assert keys(contents) == KEYS
    assert contents.facts == ()


def test_many_missing_records_are_few_facts(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save({str(number): torch.zeros(2) for number in range(50)}, path)

    def without(records: dict[str, bytes]) -> None:
        for name in [name for name in records if "/data/" in name]:
            del records[name]

    found = zipped.read(str(rewritten(path, without))).facts
    assert len(found) == 8
    assert sorted(key for fact in found for key in fact.keys) == sorted(map(str, range(50)))


def test_view_outside_storage(saved: Path) -> None:
    def smaller(records: dict[str, bytes]) -> None:
        # The storage of 40 elements now says 20, as does its record.
        assert records["model/data.pkl"].count(b"K(tq") == 2
        records["model/data.pkl"] = records["model/data.pkl"].replace(b"K(tq", b"K\x14tq")
        records["model/data/0"] = records["model/data/0"][:80]

    contents = zipped.read(str(rewritten(saved, smaller)))
    assert contents.facts == (facts.ViewOutsideStorage(("first", "half"), 160, 80),)


def test_trailing_bytes(saved: Path) -> None:
    with saved.open("ab") as file:
        file.write(b"more")
    contents = zipped.read(str(saved))
    assert keys(contents) == KEYS
    assert contents.facts == (facts.TrailingBytes(4),)


def test_truncated_archive_still_shows_its_keys(saved: Path) -> None:
    data = saved.read_bytes()
    saved.write_bytes(data[: len(data) - 400])
    contents = checkpoints.read(str(saved))
    assert keys(contents) == KEYS
    assert [type(fact) for fact in contents.facts] == [facts.Truncated]
    assert contents.facts[0].needs > contents.facts[0].has == len(data) - 400


def test_truncated_anywhere_is_told(saved: Path) -> None:
    data = saved.read_bytes()
    for end in range(1, len(data), 31):
        saved.write_bytes(data[:end])
        try:
            contents = checkpoints.read(str(saved))
        except Refused as refused:
            assert "\n" not in str(refused)
        else:
            assert any(isinstance(fact, facts.Truncated) for fact in contents.facts)


def test_truncated_legacy_stream(legacy: Path) -> None:
    data = legacy.read_bytes()
    whole = checkpoints.read(str(legacy))
    assert keys(whole) == KEYS
    assert whole.facts == ()
    for end in range(len(data) - 1, 0, -9):
        legacy.write_bytes(data[:end])
        try:
            contents = checkpoints.read(str(legacy))
        except Refused as refused:
            assert "\n" not in str(refused)
            continue
        (fact,) = contents.facts
        assert (fact.has, fact.needs) == (end, len(data))
        assert set(fact.keys) & {"first", "second"}
    with legacy.open("wb") as file:
        file.write(data + b"behind")
    assert checkpoints.read(str(legacy)).facts == (facts.TrailingBytes(6),)


def test_legacy_storage_that_nothing_describes(legacy: Path) -> None:
    data = legacy.read_bytes()
    name = b"X" + torch_name(data)
    # It stands where it is described, twice, and in the list of all storages at the end.
    assert data.count(name) == 3
    place = data.rindex(name) + 5
    legacy.write_bytes(data[:place] + b"x" + data[place + 1 :])
    with pytest.raises(Refused, match="nothing in it describes"):
        torch_legacy.read(str(legacy))


def torch_name(data: bytes) -> bytes:
    """The name of the first storage, with its length before it."""
    place = data.index(b"FloatStorage\n") + len(b"FloatStorage\nq\x05X")
    return data[place : place + 4 + data[place]]


REFUSED: dict[str, tuple[Callable[[dict[str, bytes]], Any], str]] = {
    "no version": (lambda records: records.pop("model/version"), "no record `version`"),
    "no number": (lambda records: records.update({"model/version": b"x"}), "no version"),
    "no byte order": (lambda records: records.update({"model/byteorder": b"x"}), "neither little nor big"),
    "elsewhere": (lambda records: records.update({"other/data/0": b""}), "outside of its folder"),
    "cut pickle": (lambda records: records.update({"model/data.pkl": records["model/data.pkl"][:-9]}), "truncated"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_torch_does_not_open_is_refused(name: str, saved: Path) -> None:
    change, says = REFUSED[name]
    path = rewritten(saved, lambda records: change(records) and None)
    with pytest.raises(Refused, match=says):
        zipped.read(str(path))
    with pytest.raises(Exception):  # noqa: B017
        torch.load(path)


def test_two_pickles_in_one_archive(saved: Path) -> None:
    with zipfile.ZipFile(saved, "a") as archive:
        archive.writestr("model/DATA.pkl", b"N.")
    with pytest.raises(Refused, match="two records"):
        zipped.read(str(saved))


@pytest.mark.parametrize(
    ("records", "says"),
    [
        ({"a.npy": b""}, "NumPy"),
        ({"config.json": b"", "model.weights.h5": b""}, "Keras"),
        ({"model/best.pt": b"", "notes.txt": b""}, "unpack it if the checkpoint is inside"),
    ],
)
def test_other_archives_are_named(records: dict[str, bytes], says: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name, data in records.items():
            archive.writestr(name, data)
    with pytest.raises(Refused, match=says):
        zipped.read(str(tmp_path / "x.zip"))


def test_odd_arguments_are_told(saved: Path) -> None:
    def odd(records: dict[str, bytes]) -> None:
        # The offset of the view, 20, becomes None.
        assert records["model/data.pkl"].count(b"QK\x14") == 1
        records["model/data.pkl"] = records["model/data.pkl"].replace(b"QK\x14", b"QNNN0")

    path = rewritten(saved, odd)
    (fact,) = zipped.read(str(path)).facts
    assert isinstance(fact, facts.BadTensor)
    assert fact.key == "half"
