"""What the tracer records is what a model that is really constructed has: keys, shapes, dtypes, ties, buffers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from modelint.layout.client import trace  # noqa: E402
from modelint.layout.traced import Request, Result  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent))
import tricky_models  # noqa: E402

HERE = str(Path(__file__).parent)


@pytest.fixture(scope="module")
def traced() -> dict[str, Any]:
    requests = [Request(name, f"tricky_models:{name}", (), {}, HERE, [HERE]) for name in tricky_models.ALL]
    return {each.id: each for each in trace(sys.executable, requests, timeout=60, memory=None, jobs=2)}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", tricky_models.ALL)
def test_as_really_constructed(traced, name):
    result = traced[name]
    assert isinstance(result, Result), result
    model = getattr(tricky_models, name)()
    state = model.state_dict()
    tensors = {key: value for key, value in state.items() if isinstance(value, torch.Tensor)}
    lazy = torch.nn.parameter.UninitializedTensorMixin
    assert [(key, spec.dtype, spec.shape) for key, spec in result.layout.keys.specs.items()] == [
        (key, str(value.dtype).removeprefix("torch."), None if isinstance(value, lazy) else tuple(value.shape))
        for key, value in tensors.items()
    ]
    assert dict(result.layout.keys.extra) == {
        key: type(value).__name__ for key, value in state.items() if key not in tensors
    }
    assert set(result.layout.keys.ties) == ties(tensors)
    unsaved = {
        name: (str(buffer.dtype).removeprefix("torch."), tuple(buffer.shape))
        for name, buffer in model.named_buffers(remove_duplicate=False)
        if name not in state and not isinstance(buffer, lazy)
    }
    assert {name: spec[:2] for name, spec in result.layout.buffers.items()} == unsaved
    assert list(result.layout.modules) == [path for path, _ in model.named_modules(remove_duplicate=False)]


def ties(tensors: dict[str, Any]) -> set[tuple[str, ...]]:
    groups: dict[Any, list[str]] = {}
    for key, value in tensors.items():
        try:
            memory = value.untyped_storage()
            groups.setdefault(memory.data_ptr() or memory._cdata, []).append(key)
        except Exception:  # a lazy one shares with none
            continue
    return {tuple(group) for group in groups.values() if len(group) > 1}


def test_kinds_do_not_go_by_names(traced):
    specs = traced["Renames"].layout.keys.specs
    assert {key: spec.kind for key, spec in specs.items()} == {"lin.bias": "parameter", "l.weight": "parameter"}
    assert traced["Unsaved"].layout.keys.specs["kept"].kind == "buffer"
    assert traced["tensor_extra"].layout.keys.specs["_extra_state"].kind == "unknown"


@pytest.mark.parametrize(
    "name, how",
    [
        ("Tied", "meta"),
        ("Lazy", "meta"),
        ("Recurrent", "meta"),
        ("ReadsSchedule", "parameters"),
        ("ReadsWeights", "no-init"),
        ("MixesDevices", "no-init"),
        ("Orthogonal", "no-init"),
    ],
)
def test_the_first_rung_that_bears(traced, name, how):
    assert traced[name].how == how


def test_notes(traced):
    assert "every key starts with the wrapper prefix '_orig_mod.'" in traced["compiled"].notes
    assert "every key starts with the wrapper prefix 'module.'" in traced["parallel"].notes
    assert not any("second instance" in note for each in traced.values() for note in each.notes)
