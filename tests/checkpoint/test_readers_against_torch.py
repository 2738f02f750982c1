"""Files that torch writes, in each of its formats: keys, shapes, dtypes and ties are those that torch itself says."""

from __future__ import annotations

import collections
import pickle
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelint.checkpoint import open as checkpoints
from modelint.checkpoint.contents import Contents

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")

FORMATS = ("zip", "legacy", "pickle 2", "pickle 4", "pickle 5")

DTYPES = [
    getattr(torch, name)
    for name in (
        "float32 float64 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64 complex128 complex32 "
        "uint16 uint32 uint64 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu"
    ).split()
]


class Subclass(torch.Tensor):
    pass


def write(value: Any, path: Path, format: str) -> None:
    if format == "zip":
        torch.save(value, path)
    elif format == "legacy":
        torch.save(value, path, _use_new_zipfile_serialization=False)
    else:
        path.write_bytes(pickle.dumps(value, int(format[-1])))


def load(path: Path, format: str) -> Any:
    if format in ("zip", "legacy"):
        return torch.load(path, weights_only=False)
    return pickle.loads(path.read_bytes())


def ties(loaded: dict[str, Any]) -> set[frozenset[str]]:
    """Groups of keys with one place, as torch has them in memory."""
    groups: dict[object, set[str]] = {}
    for key, value in loaded.items():
        if value.layout != torch.strided or value.is_nested or not value.numel() or value.is_meta:
            continue
        place = (value.untyped_storage()._cdata, value.storage_offset(), tuple(value.shape), value.stride())
        groups.setdefault(place, set()).add(key)
    return {frozenset(group) for group in groups.values() if len(group) > 1}


def shape_of(value: Any) -> tuple[int, ...] | None:
    return None if value.is_nested else tuple(value.shape)


def check(contents: Contents, loaded: dict[str, Any], path: str = "/") -> None:
    root = contents.roots[0]
    assert root.path == path
    tensors = {key: value for key, value in loaded.items() if isinstance(value, torch.Tensor)}
    assert list(root.tensors) == list(tensors)
    table = root.table()
    for key, value in tensors.items():
        assert table.specs[key].shape == shape_of(value), key
        assert "torch." + table.specs[key].dtype == str(value.dtype), key
    assert {frozenset(group) for group in table.ties} == ties(tensors)
    assert set(root.extra) == {key for key in loaded if key not in tensors}
    assert [fact for fact in contents.facts if type(fact).__name__ not in ("NoTensors", "WholeModule")] == []


def blank(dtype: Any, shape: tuple[int, ...]) -> Any:
    size = 1
    for each in shape:
        size *= each
    return torch.zeros(size * dtype.itemsize, dtype=torch.uint8).view(dtype).reshape(shape)


@st.composite
def state_dicts(draw: Any) -> dict[str, Any]:
    made: list[Any] = []
    held: dict[str, Any] = {}
    keys = draw(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=8, unique=True))
    for key in keys:
        way = draw(st.sampled_from(("new", "view", "same", "parameter", "subclass", "transposed", "meta", "other")))
        shape = tuple(draw(st.lists(st.integers(0, 4), max_size=4)))
        value = blank(draw(st.sampled_from(DTYPES)), shape)
        if way == "view" and made:
            base = draw(st.sampled_from(made))
            if base.dim() and base.shape[0] > 1:
                start = draw(st.integers(0, base.shape[0] - 1))
                base = base[start : start + draw(st.integers(1, 3))]
            value = base
        elif way == "same" and made:
            value = draw(st.sampled_from(made))
        elif way == "parameter":
            value = torch.nn.Parameter(torch.zeros(shape))
        elif way == "subclass":
            value = torch.zeros(shape).as_subclass(Subclass)
        elif way == "transposed" and len(shape) >= 2:
            value = value.transpose(0, 1)
        elif way == "meta":
            value = torch.zeros(shape, device="meta")
        elif way == "other":
            held[key] = draw(st.none() | st.integers() | st.text() | st.lists(st.integers()) | st.binary())
            continue
        made.append(value)
        held[key] = value
    return collections.OrderedDict(held) if draw(st.booleans()) else held


@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(held=state_dicts())
def test_state_dicts(format: str, held: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / f"drawn-{format}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            write(held, path, format)
            loaded = load(path, format)
        except (RuntimeError, AttributeError):
            # Outside of zip files torch writes no storage as two dtypes, and does not load dtypes without a storage
            # class of their own.
            assert format != "zip"
            return
        contents = checkpoints.read(str(path))
        if any(isinstance(value, torch.Tensor) for value in loaded.values()):
            check(contents, loaded)
        else:
            assert contents.roots == ()


def odd_tensors() -> dict[str, Any]:
    plain = torch.zeros(4, 6)
    with_state = torch.nn.Parameter(torch.zeros(2))
    with_state.note = "n"
    return {
        "coo": plain.to_sparse(),
        "csr": plain.to_sparse_csr(),
        "csc": plain.to_sparse_csc(),
        "bsr": plain.to_sparse_bsr((2, 2)),
        "nested": torch.nested.nested_tensor([torch.zeros(2, 3), torch.zeros(4, 3)]),
        "per tensor": torch.quantize_per_tensor(plain, 0.1, 0, torch.qint8),
        "per channel": torch.quantize_per_channel(plain, torch.ones(4), torch.zeros(4), 0, torch.quint8),
        "conjugate": torch.zeros(2, dtype=torch.complex64).conj(),
        "expanded": torch.zeros(1, 3).expand(5, 3),
        "as strided": torch.zeros(10).as_strided((3, 3), (2, 1), 1),
        "state": with_state,
        "scalar": torch.tensor(1.0),
    }


@pytest.mark.parametrize("format", FORMATS)
def test_odd_tensors(format: str, tmp_path: Path) -> None:
    held = odd_tensors()
    if format == "legacy":
        # torch looks into the sizes before it has read them.
        del held["nested"]
    path = tmp_path / "odd.pt"
    write(held, path, format)
    contents = checkpoints.read(str(path))
    check(contents, load(path, format))
    forms = {key: stored.form for key, stored in contents.roots[0].tensors.items() if stored.form}
    sparse = dict.fromkeys(("coo", "csr", "csc", "bsr"), "sparse")
    if format != "legacy":
        assert forms.pop("nested") == "nested"
    assert forms == {**sparse, "per tensor": "quantized", "per channel": "quantized"}
    assert contents.roots[0].tensors["state"].spec.kind == "parameter"


class Inner(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(3)
        self.register_buffer("kept", torch.zeros(2))
        self.register_buffer("dropped", torch.zeros(2), persistent=False)
        self.register_parameter("nothing", None)


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(3, 4)
        self.second = torch.nn.Linear(3, 4, bias=False)
        self.second.weight = self.first.weight
        self.inner = Inner()
        self.layers = torch.nn.ModuleList([Inner(), torch.nn.LSTM(2, 3)])
        self.layers.append(self.layers[0])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner.norm(self.first(x)[:, :3])


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("beside", (False, True))
def test_whole_modules(format: str, beside: bool, tmp_path: Path) -> None:
    model = Model()
    path = tmp_path / "whole.pt"
    write({"model": model, "epoch": 3, "best": 0.5} if beside else model, path, format)
    contents = checkpoints.read(str(path))
    loaded = load(path, format)
    check(contents, (loaded["model"] if beside else loaded).state_dict(), "/model" if beside else "/")
    parameters = {key for key, _ in model.named_parameters(remove_duplicate=False)}
    for key, stored in contents.roots[0].tensors.items():
        assert stored.spec.kind == ("parameter" if key in parameters else "buffer")
    (whole,) = [fact for fact in contents.facts if type(fact).__name__ == "WholeModule"]
    assert whole.cls == f"{Model.__module__}.Model"
    assert contents.entries == ({"/epoch": "int 3", "/best": "float 0.5", "/model": "Model"} if beside else {})


@pytest.mark.parametrize("format", FORMATS)
def test_training_checkpoint(format: str, tmp_path: Path) -> None:
    import argparse

    model = Inner()
    optimizer = torch.optim.AdamW(model.parameters())
    sum(each.sum() for each in model.parameters()).backward()
    optimizer.step()
    held = {
        "epoch": 12,
        "args": argparse.Namespace(lr=0.1),
        "optimizer": optimizer.state_dict(),
        "ema": model.state_dict(),
        "state_dict": Inner().state_dict(),
        "rng": torch.get_rng_state(),
    }
    path = tmp_path / "last.ckpt"
    write(held, path, format)
    contents = checkpoints.read(str(path))
    assert [root.path for root in contents.roots] == ["/state_dict", "/ema", "/", "/optimizer"]
    check(contents, load(path, format)["state_dict"], "/state_dict")
    assert "state.0.exp_avg" in contents.roots[3].tensors
    assert contents.entries["/epoch"] == "int 12"
    assert "argparse.Namespace" in contents.calls


def test_distributed_tensor(tmp_path: Path) -> None:
    distributed = pytest.importorskip("torch.distributed")
    if not distributed.is_available():
        pytest.skip("torch without torch.distributed")
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Shard, distribute_tensor

    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/rendezvous", rank=0, world_size=1)
    try:
        mesh = init_device_mesh("cpu", (1,))
        torch.save({"w": distribute_tensor(torch.zeros(6, 2), mesh, [Shard(0)])}, tmp_path / "d.pt")
    finally:
        distributed.destroy_process_group()
    contents = checkpoints.read(str(tmp_path / "d.pt"))
    stored = contents.roots[0].tensors["w"]
    assert (stored.spec.shape, stored.spec.dtype, stored.form) == ((6, 2), "float32", "sharded")


def test_lazy_parameters(tmp_path: Path) -> None:
    torch.save(torch.nn.LazyLinear(3).state_dict(), tmp_path / "lazy.pt")
    contents = checkpoints.read(str(tmp_path / "lazy.pt"))
    assert {key: stored.spec.shape for key, stored in contents.roots[0].tensors.items()} == {
        "weight": None,
        "bias": None,
    }


def test_torchscript(tmp_path: Path) -> None:
    model = Model().eval()
    path = tmp_path / "script.pt"
    torch.jit.save(torch.jit.script(model), path)
    contents = checkpoints.read(str(path))
    assert contents.format == "TorchScript"
    loaded = torch.jit.load(path).state_dict()
    tensors = contents.roots[0].tensors
    # Nothing in the file says that a buffer is not persistent: torch itself has it after a load.
    assert set(tensors) == set(loaded)
    assert {key: each.spec.shape for key, each in tensors.items()} == {k: tuple(v.shape) for k, v in loaded.items()}
    assert {frozenset(group) for group in contents.roots[0].table().ties} == ties(loaded)
    parameters = {key for key, _ in model.named_parameters(remove_duplicate=False)}
    assert {key for key, stored in tensors.items() if stored.spec.kind == "parameter"} == parameters
    assert not any(name.startswith("__torch__") for name in contents.calls)
    assert contents.facts == ()


def test_exported_program(tmp_path: Path) -> None:
    path = tmp_path / "program.pt2"
    program = torch.export.export(Model().eval(), (torch.zeros(4, 3),))
    torch.export.save(program, path)
    contents = checkpoints.read(str(path))
    assert contents.format == "torch.export"
    tensors = contents.roots[0].tensors
    loaded = program.state_dict
    assert {key: each.spec.shape for key, each in tensors.items()} == {k: tuple(v.shape) for k, v in loaded.items()}
    assert {key: "torch." + each.spec.dtype for key, each in tensors.items()} == {
        key: str(value.dtype) for key, value in loaded.items()
    }
    assert {frozenset(group) for group in contents.roots[0].table().ties} == ties(loaded)
    assert contents.facts == ()


def test_without_checksums(tmp_path: Path) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(Inner().state_dict(), tmp_path / "c.pt")
    finally:
        torch.serialization.set_crc32_options(True)
    check(checkpoints.read(str(tmp_path / "c.pt")), torch.load(tmp_path / "c.pt"))
