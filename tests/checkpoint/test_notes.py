"""Advice about files: what a load will refuse, wrappers, optimizer state, views, dtypes."""

from __future__ import annotations

import argparse
import builtins
import collections
import datetime
import pathlib
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from modelint.checkpoint.notes import notes
from modelint.checkpoint.open import pick, read

MANY = {
    "w": torch.zeros(2),
    "args": argparse.Namespace(lr=0.1),
    "array": numpy.zeros(3),
    "scalar": numpy.float32(2),
    "flag": numpy.bool_(True),
    "path": pathlib.PosixPath("/x"),
    "lists": collections.defaultdict(list),
    "took": datetime.timedelta(1),
}
MODULES = {module.__name__: module for module in (argparse, builtins, collections, datetime, numpy, pathlib, torch)}


def said(path: Path, value: object, root: str | None = None, save: Callable[..., Any] = torch.save) -> dict[str, str]:
    save(value, path)
    contents = read(str(path))
    if root is not None:
        contents = pick(contents, root)
    found = notes(contents)
    assert len({note.name for note in found}) == len(found)
    return dict(found)


def test_what_weights_only_refuses_and_the_line_that_allows_it(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    message = said(path, MANY)["weights-only-refuses"]
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)
    advice = re.search(r"torch\.serialization\.add_safe_globals\((.*)\)", message)
    assert advice is not None
    with torch.serialization.safe_globals(eval(advice[1], dict(MODULES))):
        assert list(torch.load(path, weights_only=True)) == list(MANY)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("zipped", [True, False])
def test_what_weights_only_refuses_of_pickle_itself(protocol: int, zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    options = {"pickle_protocol": protocol, "_use_new_zipfile_serialization": zipped}
    found = said(path, {"w": torch.zeros(2)}, save=lambda value, at: torch.save(value, at, **options))
    try:
        torch.load(path, weights_only=True)
    except pickle.UnpicklingError:
        assert f"it is pickled with protocol {protocol}" in found["weights-only-refuses"]
    else:
        assert "weights-only-refuses" not in found


def test_a_file_that_weights_only_takes_has_no_such_note(tmp_path: Path) -> None:
    taken = {
        "w": torch.nn.Parameter(torch.zeros(2, dtype=torch.float16)),
        "half": torch.zeros(2).to_sparse(),
        "set": {1, 2},
        "counts": collections.Counter("ab"),
        "size": torch.Size([1]),
        "dtype": torch.bfloat16,
        "device": torch.device("cpu"),
        "complex": 1j,
        "bytes": bytearray(b"x"),
        "scheme": torch.per_tensor_affine,
    }
    path = tmp_path / "a.pt"
    assert "weights-only-refuses" not in said(path, taken)
    torch.load(path, weights_only=True)


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (eval, ("1",))


def test_what_can_run_anything_is_not_advised(tmp_path: Path) -> None:
    message = said(tmp_path / "a.pt", {"w": torch.zeros(1), "x": Evil()})["weights-only-refuses"]
    assert "builtins.eval" in message and "add_safe_globals" not in message


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        ("module.", "inside DataParallel or DistributedDataParallel;"),
        ("_orig_mod.", "inside torch.compile;"),
        ("module._orig_mod.", "inside DataParallel or DistributedDataParallel, inside that torch.compile;"),
    ],
)
def test_wrapper_prefix(tmp_path: Path, prefix: str, words: str) -> None:
    state = {prefix + key: torch.zeros(1) for key in ("a.weight", "b.weight")}
    assert words in said(tmp_path / "a.pt", state)["wrapper-prefix"]
    assert "wrapper-prefix" not in said(tmp_path / "a.pt", {**state, "other": torch.zeros(1)})


def test_optimizer_share(tmp_path: Path) -> None:
    model = torch.nn.Linear(100, 100)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(2, 100)).sum().backward()
    optimizer.step()
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    assert said(tmp_path / "a.pt", state)["optimizer-share"].startswith(
        "67% of it is optimizer state: 80.8 kB of 121 kB"
    )
    assert said(tmp_path / "a.pt", {"model": model.state_dict()}) == {}


def test_views_of_a_larger_storage(tmp_path: Path) -> None:
    large = torch.zeros(2_000_000)
    state = {"w": large[:10], "v": torch.zeros(3)}
    assert said(tmp_path / "a.pt", state) == {
        "larger-storage": "w is a view of 40 bytes, and the whole storage of 8 MB is in the file; "
        ".clone() before saving"
    }
    # Two views that cover it, and one that is all of it.
    assert said(tmp_path / "a.pt", {"a": large[:1_000_000], "b": large[1_000_000:]}) == {}
    assert said(tmp_path / "a.pt", {"a": large, "b": large[:10]}) == {}


def test_mixed_dtypes(tmp_path: Path) -> None:
    state = {f"layers.{n}.w": torch.zeros(2, dtype=torch.bfloat16) for n in range(5)}
    state |= {"n": torch.zeros(1, dtype=torch.int64)}
    assert said(tmp_path / "a.pt", state) == {}
    state |= {"head": torch.zeros(2)}
    assert said(tmp_path / "a.pt", state) == {"mixed-dtypes": "5 tensors bfloat16, 1 tensor float32 (head)"}


def test_placeholders_and_special_tensors(tmp_path: Path) -> None:
    assert "ZeRO-3" in said(tmp_path / "a.pt", {"a": torch.empty(0), "b": torch.empty(0)})["placeholders"]
    assert said(tmp_path / "a.pt", {"a": torch.empty(0), "b": torch.ones(2), "c": torch.ones(2)}) == {}
    assert said(tmp_path / "a.pt", {"a": torch.eye(2).to_sparse(), "b": torch.ones(2)}) == {
        "special-tensors": "1 tensor sparse: a"
    }


def test_plain_pickles_are_not_for_torch_load(tmp_path: Path) -> None:
    def dump(value: object, path: Path) -> None:
        path.write_bytes(pickle.dumps(value))

    path = tmp_path / "a.pkl"
    assert set(said(path, {"w": torch.zeros(2)}, save=dump)) == {"plain-pickle"}
    with pytest.raises(Exception, match="magic number"):
        torch.load(path, weights_only=False)
