"""What modelint says of a file is what torch, or safetensors, says of it: keys in order, shapes, dtypes, ties.

MODELINT_ORACLE=2000 runs each property on 2,000 cases; by default on 40.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import warnings
from collections.abc import Iterator
from tempfile import TemporaryDirectory
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("numpy")
pytest.importorskip("safetensors")

import safetensors  # noqa: E402
import safetensors.torch  # noqa: E402
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from oracle import compare, modules, tensors  # noqa: E402

from modelint.checkpoint import open as entrance  # noqa: E402
from modelint.checkpoint.contents import Contents, Root  # noqa: E402

CASES = int(os.environ.get("MODELINT_ORACLE", "40"))
warnings.filterwarnings("ignore", module="torch")

cases = settings(
    max_examples=CASES,
    deadline=None,
    derandomize="MODELINT_ORACLE" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read(save: Any, name: str = "model.pt") -> Contents:
    """Of the file that ``save`` writes to the path it is given."""
    with TemporaryDirectory() as folder:
        path = os.path.join(folder, name)
        save(path)
        return entrance.read(path)


def root(contents: Contents, path: str) -> Root:
    return next(each for each in contents.roots if each.path == path)


def agree(contents: Contents, loaded: Any, path: str, **options: bool) -> None:
    """The state dict that was saved is a root, and every root says what torch says of the dict at its path."""
    for each in contents.roots:
        state = compare.at(loaded, each.path)
        assert not compare.differences(each, state, **options), each.path
    wanted = compare.at(loaded, path)
    if compare.tensors(wanted):
        each = root(contents, path)
        assert contents.roots[0].path == path
        if options.get("places", True):
            assert not compare.sizes(contents, each, compare.tensors(wanted))
    assert not [
        fact for fact in contents.facts if type(fact).__name__ not in ("NoTensors", "WholeModule", "WrongExtension")
    ]


def reloaded(buffer: io.BytesIO) -> Any:
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


@cases
@given(st.data())
def test_zip(data: st.DataObject) -> None:
    saved, path = data.draw(tensors.checkpoint(data.draw(tensors.state_dict())))
    buffer = io.BytesIO()
    torch.save(saved, buffer, pickle_protocol=data.draw(st.integers(2, 5)))
    agree(read(lambda at: write(at, buffer)), reloaded(buffer), path)


def write(path: str, buffer: io.BytesIO) -> None:
    with open(path, "wb") as file:
        file.write(buffer.getvalue())


@cases
@given(st.data())
def test_legacy(data: st.DataObject) -> None:
    # torch cannot load a nested tensor of a legacy stream: its sizes are read before they are filled.
    saved, path = data.draw(tensors.checkpoint(data.draw(tensors.state_dict(tensors.CLASSIC, nested=False))))
    buffer = io.BytesIO()
    protocol = data.draw(st.integers(2, 5))
    torch.save(saved, buffer, _use_new_zipfile_serialization=False, pickle_protocol=protocol)
    agree(read(lambda at: write(at, buffer)), reloaded(buffer), path)


@cases
@given(st.data())
def test_plain_pickle(data: st.DataObject) -> None:
    saved, path = data.draw(tensors.checkpoint(data.draw(tensors.state_dict(tensors.CLASSIC, odds=False))))
    buffer = io.BytesIO(pickle.dumps(saved, data.draw(st.integers(2, 5))))
    # Each storage is written anew for each tensor: nothing is tied after the load, but what the memo shares.
    agree(read(lambda at: write(at, buffer), "model.pkl"), pickle.loads(buffer.getvalue()), path, places=False)


@cases
@given(st.data())
def test_numpy_in_plain_pickle(data: st.DataObject) -> None:
    import numpy

    names = st.sampled_from(
        ("float32", "float64", "float16", "int64", "int32", "int8", "uint8", "bool", "complex64", ">f4")
    )
    arrays = st.builds(lambda shape, name: numpy.zeros(shape, name), tensors.SHAPES, names)
    state = data.draw(st.dictionaries(tensors.KEYS, arrays, min_size=1, max_size=6))
    contents = read(
        lambda at: write(at, io.BytesIO(pickle.dumps({"model": state}, data.draw(st.integers(2, 5))))), "m.pkl"
    )
    said = {key: (each.spec.dtype, each.spec.shape) for key, each in root(contents, "/model").tensors.items()}
    assert said == {key: (each.dtype.newbyteorder("=").name, each.shape) for key, each in state.items()}


@cases
@given(st.data())
def test_safetensors(data: st.DataObject) -> None:
    state = data.draw(tensors.state_dict(tensors.PLAIN, odds=False, views=False, extra=False))
    state = {key: each.detach() for key, each in state.items() if key != "__metadata__"}
    with TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.safetensors")
        safetensors.torch.save_file(state, path, data.draw(st.sampled_from((None, {"format": "pt"}))))
        contents = entrance.read(path)
        loaded = safetensors.torch.load_file(path)
        with safetensors.safe_open(path, "pt") as file:
            order = file.offset_keys()
    assert not contents.facts or not state
    said = contents.roots[0] if contents.roots else Root("/", {})
    assert not compare.differences(said, loaded, places=False, order=False)
    assert sorted(order) == sorted(said.tensors)


@cases
@given(st.data())
def test_sharded(data: st.DataObject) -> None:
    state = data.draw(tensors.state_dict(tensors.SHARED, odds=False, views=False, extra=False))
    state = {key: each.detach() for key, each in state.items()}
    kind = data.draw(st.sampled_from(("safetensors", "bin")))
    number = data.draw(st.integers(1, 3))
    homes = {key: data.draw(st.integers(1, number)) for key in state}
    with TemporaryDirectory() as folder:
        names = {each: f"model-{each:05}-of-{number:05}.{kind}" for each in range(1, number + 1)}
        for each in sorted(set(homes.values())):
            shard = {key: tensor for key, tensor in state.items() if homes[key] == each}
            path = os.path.join(folder, names[each])
            if kind == "bin":
                torch.save(shard, path)
            else:
                safetensors.torch.save_file(shard, path)
        weight_map = {key: names[home] for key, home in homes.items()}
        index = os.path.join(
            folder, "model.safetensors.index.json" if kind != "bin" else "pytorch_model.bin.index.json"
        )
        with open(index, "w") as file:
            json.dump({"metadata": {}, "weight_map": weight_map}, file)
        by_index, by_folder = entrance.read(index), entrance.read(folder)
    for contents in (by_index, by_folder):
        assert not contents.facts
        assert not compare.differences(contents.roots[0], state, places=False, order=False)


@cases
@given(width=st.integers(1, 5), depth=st.integers(0, 3), new=st.booleans(), protocol=st.integers(2, 5))
def test_whole_module(width: int, depth: int, new: bool, protocol: int) -> None:
    module = modules.Block(width, depth)
    buffer = io.BytesIO()
    torch.save(module, buffer, _use_new_zipfile_serialization=new, pickle_protocol=protocol)
    contents = read(lambda at: write(at, buffer))
    state = module.state_dict(keep_vars=True)
    assert not compare.differences(contents.roots[0], state)
    assert kinds(contents) == {
        key: "parameter" if isinstance(each, torch.nn.Parameter) else "buffer" for key, each in state.items()
    }
    assert any(type(fact).__name__ == "WholeModule" for fact in contents.facts)


def kinds(contents: Contents) -> dict[str, str]:
    return {key: each.spec.kind for key, each in contents.roots[0].tensors.items()}


@settings(cases, max_examples=max(CASES // 10, 6))
@given(width=st.integers(1, 5), depth=st.integers(0, 3), traced=st.booleans())
def test_torchscript(width: int, depth: int, traced: bool) -> None:
    module = modules.Block(width, depth).eval()
    scripted = torch.jit.trace(module, torch.zeros(2, width)) if traced else torch.jit.script(module)
    contents = read(lambda at: torch.jit.save(scripted, at))
    state = dict(scripted.state_dict(keep_vars=True))
    said = contents.roots[0]
    # What is not persistent is written too, and nothing of the file says so.
    assert set(said.tensors) - set(state) <= {"mask"}
    for key, tensor in state.items():
        assert (said.tensors[key].spec.dtype, said.tensors[key].spec.shape) == compare.row(tensor)[:2]
    tied = {frozenset(group) for group in said.table().ties}
    assert tied == ({frozenset({"head.weight", "layers.0.weight"})} if depth else set())


@settings(cases, max_examples=max(CASES // 30, 2))
@given(width=st.integers(1, 5), depth=st.integers(0, 2))
def test_exported(width: int, depth: int) -> None:
    module = modules.Block(width, depth).eval()
    program = torch.export.export(module, (torch.zeros(2, width),))
    contents = read(lambda at: torch.export.save(program, at), "model.pt2")
    said = contents.roots[0]
    assert {key: each.spec[:2] for key, each in said.tensors.items()} == {
        key: compare.row(each)[:2] for key, each in program.state_dict.items()
    }
    assert kinds(contents) == {
        key: "parameter" if isinstance(each, torch.nn.Parameter) else "buffer"
        for key, each in program.state_dict.items()
    }


@settings(cases, max_examples=max(CASES // 6, 10))
@given(st.data())
def test_distributed(data: st.DataObject) -> None:
    import torch.distributed.checkpoint as distributed

    state = data.draw(tensors.state_dict(tensors.CLASSIC, odds=False, views=False, extra=False))
    state = {key: each.detach() for key, each in state.items()}
    with TemporaryDirectory() as folder:
        distributed.save({"model": state, "step": 3}, checkpoint_id=folder, no_dist=True)
        metadata = distributed.FileSystemReader(folder).read_metadata().state_dict_metadata
        contents = entrance.read(folder)
    wanted = {
        key: (str(each.properties.dtype).removeprefix("torch."), tuple(each.size))
        for key, each in metadata.items()
        if hasattr(each, "size")
    }
    said = {}
    for each in contents.roots:
        # torch flattens what is nested into keys with dots.
        prefix = each.path.strip("/").replace("/", ".")
        said |= {f"{prefix}.{key}" if prefix else key: stored.spec[:2] for key, stored in each.tensors.items()}
    assert said == wanted


def test_dtensor(tmp_path: Any) -> None:
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor

    if not dist.is_available():
        pytest.skip("torch without distributed")
    store = dist.FileStore(str(tmp_path / "store"), 1)
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        mesh = init_device_mesh("cpu", (1,))
        state = {
            "sharded": distribute_tensor(torch.zeros(4, 3), mesh, [Shard(0)]),
            "whole": distribute_tensor(torch.zeros(5), mesh, [Replicate()]),
            "plain": torch.zeros(2),
        }
        torch.save(state, tmp_path / "model.pt")
        contents = entrance.read(str(tmp_path / "model.pt"))
    finally:
        dist.destroy_process_group()
    said = contents.roots[0].tensors
    assert {key: each.spec[:2] for key, each in said.items()} == {
        key: compare.row(each)[:2] for key, each in state.items()
    }
    assert said["sharded"].form.startswith("sharded")
    assert said["plain"].form == ""
