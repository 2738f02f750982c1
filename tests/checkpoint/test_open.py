"""The one entrance: folders, indexes, links, what is no file."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
import torch.distributed.checkpoint
from checkpoint_files import index, safetensors

from modelint.checkpoint import facts, judge
from modelint.checkpoint.contents import Contents, Refused
from modelint.checkpoint.open import pick, read

ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


def sharded(folder: Path) -> Path:
    safetensors(folder / ONE, {"a": [2, 3], "b": [4]})
    safetensors(folder / TWO, {"c": [5]}, "BF16")
    return index(folder, {"c": TWO, "a": ONE, "b": ONE})


def specs(contents: Contents) -> dict[str, tuple[str, tuple[int, ...] | None]]:
    return {key: (stored.spec.dtype, stored.spec.shape) for key, stored in contents.roots[0].tensors.items()}


def codes(contents: Contents) -> list[str]:
    return [finding.code for finding in judge.findings(contents)]


def test_an_index_and_its_folder(tmp_path: Path) -> None:
    path = sharded(tmp_path)
    wanted = {"c": ("bfloat16", (5,)), "a": ("float32", (2, 3)), "b": ("float32", (4,))}
    for source in (path, tmp_path):
        contents = read(str(source))
        assert list(specs(contents).items()) == list(wanted.items())
        assert contents.format == "index of safetensors shards"
        assert codes(contents) == []
        assert contents.bytes == sum(each.stat().st_size for each in tmp_path.iterdir())


def test_an_index_of_torch_files(tmp_path: Path) -> None:
    tied = torch.zeros(2, 2)
    torch.save({"a": tied, "b": tied}, tmp_path / "pytorch_model-00001-of-00002.bin")
    torch.save({"c": torch.zeros(3)}, tmp_path / "pytorch_model-00002-of-00002.bin")
    where = {key: f"pytorch_model-0000{1 + (key == 'c')}-of-00002.bin" for key in "abc"}
    index(tmp_path, where, "pytorch_model.bin.index.json")
    contents = read(str(tmp_path))
    assert contents.format == "index of torch zip shards"
    # The storage "0" of one shard is not that of the other.
    assert contents.roots[0].table().ties == (("a", "b"),)
    assert sorted(contents.calls) == ["collections.OrderedDict", "torch._utils._rebuild_tensor_v2"]


def test_a_missing_shard(tmp_path: Path) -> None:
    path = sharded(tmp_path)
    (tmp_path / TWO).unlink()
    contents = read(str(path))
    assert specs(contents)["c"] == ("unknown", None)
    assert facts.MissingShards((TWO,), ("c",)) in contents.facts
    assert codes(contents) == ["MDL812"]
    (tmp_path / TWO).symlink_to("nowhere")
    assert codes(read(str(path))) == ["MDL812"]


def test_index_and_shards_of_two_saves(tmp_path: Path) -> None:
    sharded(tmp_path)
    index(tmp_path, {"a": TWO, "c": TWO, "gone": ONE})
    contents = read(str(tmp_path))
    assert set(specs(contents)) == {"a", "b", "c"}
    assert facts.WrongShard((("a", ONE, TWO), ("b", ONE, None))) in contents.facts
    assert facts.IndexedKeyAbsent((("gone", ONE),)) in contents.facts
    assert codes(contents) == ["MDL813", "MDL813", "MDL814"]


def test_a_shard_that_the_index_does_not_name(tmp_path: Path) -> None:
    sharded(tmp_path)
    index(tmp_path, {"a": ONE, "b": ONE})
    safetensors(tmp_path / "other-00001-of-00002.safetensors", {"x": [1]})
    assert facts.UnnamedShard((TWO,)) in read(str(tmp_path)).facts


@pytest.mark.parametrize(
    "name",
    [
        "../b.safetensors",
        "/etc/passwd",
        "sub/b",
        "sub\\b",
        "C:b",
        "https://x/y",
        "..",
        ".",
        "",
        "a\0b",
        "a\x1b[31m",
        "x" * 300,
    ],
)
def test_an_index_that_leads_elsewhere(tmp_path: Path, name: str) -> None:
    safetensors(tmp_path / ONE, {"a": [2]})
    path = index(tmp_path, {"a": ONE, "b": name})
    with pytest.raises(Refused, match="in the index's own folder") as raised:
        read(str(path))
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"weight_map": {"a": 1}}', "no file name"),
        ('{"weight_map": []}', "without a weight_map"),
        ('{"weight_map": {"a": "x", "a": "y"}}', "'a' twice"),
        ('{"weight_map": {}, "weight_map": {}}', "twice"),
        ("[" * 90_000, "truncated or damaged"),
        ("[" * 200_000, "more values"),
        ('{"weight_map": {"a": "b"', "truncated or damaged"),
        ('{"x": ' + "1" * 9000 + "}", "truncated or damaged"),
    ],
)
def test_an_index_that_is_none(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(text)
    with pytest.raises(Refused, match=words):
        read(str(path))


def test_an_index_that_names_itself_or_a_pointer(tmp_path: Path) -> None:
    path = index(tmp_path, {"a": "model.safetensors.index.json"})
    with pytest.raises(Refused, match=r"^model.safetensors.index.json: a JSON file, not a shard"):
        read(str(path))
    index(tmp_path, {"a": ONE})
    (tmp_path / ONE).write_text("version https://git-lfs.github.com/spec/v1\nsize 12\n")
    with pytest.raises(Refused, match=f"{ONE}: a git-lfs pointer"):
        read(str(path))


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="the folder is empty"):
        read(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(Refused, match="without a checkpoint"):
        read(str(tmp_path))
    safetensors(tmp_path / "anything.safetensors", {"a": [2]})
    assert specs(read(str(tmp_path))) == {"a": ("float32", (2,))}
    torch.save({"x": torch.zeros(1)}, tmp_path / "optimizer.pt")
    with pytest.raises(Refused, match=r"2 checkpoint files \(anything.safetensors, optimizer.pt\)"):
        read(str(tmp_path))
    safetensors(tmp_path / "model.safetensors", {"b": [2]})
    assert set(specs(read(str(tmp_path)))) == {"b"}
    safetensors(tmp_path / ONE, {"c": [2]})
    index(tmp_path, {"c": ONE})
    assert set(specs(read(str(tmp_path)))) == {"c"}


def test_a_folder_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "data.pkl").write_bytes(b"\x80\x02}.")
    (tmp_path / "version").write_text("3\n")
    (tmp_path / "data").mkdir()
    with pytest.raises(Refused, match="unpacked"):
        read(str(tmp_path))
    (tmp_path / "data.pkl").unlink()
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(Refused, match="TensorFlow"):
        read(str(tmp_path))


def test_links_are_followed(tmp_path: Path) -> None:
    # As the cache of the hub has it: a folder of links to blobs without a name.
    (tmp_path / "blobs").mkdir()
    (tmp_path / "snapshot").mkdir()
    for name, source in (
        (ONE, safetensors(tmp_path / "blobs" / "1", {"a": [2]})),
        (TWO, safetensors(tmp_path / "blobs" / "2", {"b": [2]})),
    ):
        (tmp_path / "snapshot" / name).symlink_to(source)
    index(tmp_path / "blobs", {"a": ONE, "b": TWO}, "3")
    (tmp_path / "snapshot" / "model.safetensors.index.json").symlink_to(tmp_path / "blobs" / "3")
    (tmp_path / "link").symlink_to(tmp_path / "snapshot")
    assert set(specs(read(str(tmp_path / "link")))) == {"a", "b"}
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(OSError):
        read(str(loop))


@pytest.mark.skipif(sys.platform == "win32", reason="has no such files")
def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pt")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        for path, words in (
            (tmp_path / "pipe.pt", "named pipe"),
            (tmp_path / "s", "socket"),
            (Path("/dev/zero"), "device"),
        ):
            with pytest.raises(Refused, match=words):
                read(str(path))
    os.mkfifo(tmp_path / ONE)
    with pytest.raises(Refused, match=f"{ONE}: a named pipe"):
        read(str(index(tmp_path, {"a": ONE})))


def test_nul_and_nothing(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="NUL"):
        read("a\0b")
    with pytest.raises(FileNotFoundError):
        read(str(tmp_path / "none.pt"))


def test_roots_are_picked(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save({"model": {"a": torch.zeros(2), "b": torch.zeros(1)}, "ema": {"a": torch.zeros(2)}}, path)
    contents = read(str(path))
    assert [root.path for root in contents.roots] == ["/model", "/ema"]
    for wanted in ("/ema", "ema", "/ema/"):
        assert [root.path for root in pick(contents, wanted).roots] == ["/ema", "/model"]
    with pytest.raises(Refused, match="no state dict at /x; there are /model, /ema"):
        pick(contents, "x")


def module() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))


def test_a_distributed_checkpoint(tmp_path: Path) -> None:
    model = module()
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(2, 4)).sum().backward()
    optimizer.step()
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}
    torch.distributed.checkpoint.save(state, checkpoint_id=tmp_path / "c", no_dist=True)
    contents = read(str(tmp_path / "c"))
    wanted = {key: (str(t.dtype).removeprefix("torch."), tuple(t.shape)) for key, t in model.state_dict().items()}
    assert specs(contents) == wanted
    assert [root.path for root in contents.roots] == ["/model", "/optimizer"]
    assert contents.entries["/epoch"] == "bytes"
    assert codes(contents) == []
    part = next((tmp_path / "c").glob("*.distcp"))
    os.truncate(part, 200)
    assert codes(read(str(tmp_path / "c"))) == ["MDL807"]
    part.unlink()
    assert codes(read(str(tmp_path / "c"))) == ["MDL812"]


def test_metadata_that_is_none(tmp_path: Path) -> None:
    (tmp_path / ".metadata").write_bytes(b"\x80\x02}.")
    with pytest.raises(Refused, match="no state_dict_metadata"):
        read(str(tmp_path))
    (tmp_path / ".metadata").write_bytes(b"garbage")
    with pytest.raises(Refused, match=r"\.metadata: "):
        read(str(tmp_path))


def deepspeed(folder: Path, name: str, state: object, **more: object) -> None:
    folder.mkdir(exist_ok=True)
    shapes = [OrderedDict((key, each.shape) for key, each in module().named_parameters())]
    buffers = [key for key, _ in module().named_buffers()]
    held = {"module": state, "param_shapes": shapes, "buffer_names": buffers, "dp_world_size": 2, "mp_world_size": 1}
    torch.save({**held, "optimizer": None, **more}, folder / name)


def test_zero_up_to_stage_2(tmp_path: Path) -> None:
    deepspeed(tmp_path / "global_step1", "mp_rank_00_model_states.pt", module().half().state_dict())
    (tmp_path / "latest").write_text("global_step1")
    contents = read(str(tmp_path))
    assert contents.format == "DeepSpeed ZeRO" and contents.roots[0].path == "/module"
    assert specs(contents)["0.weight"] == ("float16", (3, 4))
    assert codes(contents) == []
    (tmp_path / "latest").write_text("../elsewhere")
    with pytest.raises(Refused, match="names no folder"):
        read(str(tmp_path))


def test_zero_stage_3(tmp_path: Path) -> None:
    parameters = dict(module().named_parameters())
    state = {key: torch.empty(0) if key in parameters else each for key, each in module().state_dict().items()}
    more = {"shared_params": {"head.weight": "0.weight"}, "frozen_param_shapes": {"frozen": torch.Size([7])}}
    for rank in (0, 1):
        deepspeed(tmp_path, f"zero_pp_rank_{rank}_mp_rank_00_model_states.pt", state, **more)
    contents = read(str(tmp_path))
    found = contents.roots[0].tensors
    assert {key: each.spec.shape for key, each in found.items()} == {
        **{key: tuple(each.shape) for key, each in module().state_dict().items()},
        "frozen": (7,),
        "head.weight": (3, 4),
    }
    assert found["0.weight"].spec == ("unknown", (3, 4), "parameter") and found["1.running_var"].spec.kind == "buffer"
    assert contents.roots[0].table().ties == (("0.weight", "head.weight"),)
    assert codes(contents) == []
    (tmp_path / "zero_pp_rank_1_mp_rank_00_model_states.pt").unlink()
    assert codes(read(str(tmp_path))) == ["MDL812"]


def test_a_large_index_is_quick_to_read(tmp_path: Path) -> None:
    shapes = {f"layers.{n}.weight": [2, 2] for n in range(20_000)}
    safetensors(tmp_path / ONE, shapes)
    path = index(tmp_path, dict.fromkeys(shapes, ONE))
    assert json.loads(path.read_text())["weight_map"]
    assert len(specs(read(str(path)))) == 20_000
