"""Files of old layouts, loaded through the model's own hooks and overrides."""

from __future__ import annotations

import sys
import textwrap
from typing import Any

import pytest

pytest.importorskip("torch")

from modelint.keys.table import KeyTable, TensorSpec
from modelint.layout.client import trace
from modelint.layout.layout import Definition, Layout
from modelint.layout.traced import Old, Request

MODELS = """
    import torch
    from torch import nn

    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 2)
            self.norm = nn.BatchNorm1d(2)

    class Renames(nn.Module):
        '''From linear to fc.'''
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 2)
            self._register_load_state_dict_pre_hook(self._rename)

        def _rename(self, state, prefix, *_):
            for key in list(state):
                state[key.replace("linear", "fc")] = state.pop(key)

    class Versioned(nn.Module):
        '''Version 1 had another name.'''
        _version = 2
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 2)

        def _load_from_state_dict(self, state, prefix, metadata, *rest):
            if metadata.get("version", None) == 1:
                state["fc.weight"] = state.pop("w")
                state["fc.bias"] = state.pop("b")
            super()._load_from_state_dict(state, prefix, metadata, *rest)

    class Splits(nn.Module):
        '''One fused weight became two.'''
        def __init__(self):
            super().__init__()
            self.q = nn.Linear(4, 2, bias=False)
            self.k = nn.Linear(4, 2, bias=False)
            self._register_load_state_dict_pre_hook(self._split)

        def _split(self, state, prefix, *_):
            if "qk.weight" in state:
                state["q.weight"], state["k.weight"] = state.pop("qk.weight").chunk(2)

    class Reads(nn.Module):
        '''Looks at values.'''
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 2)
            self._register_load_state_dict_pre_hook(self._look)

        def _look(self, state, prefix, *_):
            if state["fc.weight"].abs().max().item() > 100:
                raise ValueError("too large")

    class Drops(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 2)

        def load_state_dict(self, state, strict=True, assign=False):
            return super().load_state_dict(state, strict=False)

    class Resizes(nn.Module):
        '''Becomes what the file says; the next file must meet a new one.'''
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 2)
            self._register_load_state_dict_pre_hook(self._resize)

        def _resize(self, state, prefix, *_):
            assert self.fc.weight.shape == (2, 4)
            self.fc.weight = nn.Parameter(torch.empty_like(state["fc.weight"]))

    class Extra(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 2)

        def get_extra_state(self):
            return {"a": 1}

        def set_extra_state(self, state):
            assert state["a"] == 1

    class Lopsided(nn.Module):
        '''Saves what it does not load.'''
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 2)
            self._register_state_dict_hook(self._leave_out)

        @staticmethod
        def _leave_out(module, state, prefix, metadata):
            del state["fc.bias"]

    class Lazy(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.LazyLinear(2)

    class OnCpu(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 2)
            self.register_buffer("table", torch.zeros(3, device="cpu"))
"""
FC = {"fc.weight": (2, 4), "fc.bias": (2,)}
NORM = {"norm.weight": (2,), "norm.bias": (2,), "norm.running_mean": (2,), "norm.running_var": (2,)}
COUNT = {"norm.num_batches_tracked": ()}


def old(name: str, keys: dict[str, tuple[int, ...]], versions: dict[str, int] | None = None, **extra: str) -> Old:
    specs = {key: TensorSpec("float32", shape, "parameter") for key, shape in keys.items()}
    definitions = {
        str(version): Definition("any.Class", version, {}, "none", None, None, (), None)
        for version in (versions or {}).values()
    }
    modules = {path: str(version) for path, version in (versions or {}).items()}
    return Old(name, Layout(KeyTable(specs, (), extra), {}, {}, modules, definitions))


OLDS = {
    "Plain": (
        old("same", FC | NORM | COUNT),
        old("other-names", {"linear.weight": (2, 4), "linear.bias": (2,)} | NORM | COUNT),
        old("wider", FC | {"fc.weight": (2, 8)} | NORM | COUNT),
        old("scalar", FC | {"fc.bias": ()} | NORM | COUNT),
        old("before-counts", FC | NORM),
        old("with-versions-but-no-counts", FC | NORM, {"": 1, "fc": 1, "norm": 2}),
    ),
    "Renames": (old("old", {"linear.weight": (2, 4), "linear.bias": (2,)}), old("odd", {"l.weight": (2, 4)})),
    "Versioned": (
        old("one", {"w": (2, 4), "b": (2,)}, {"": 1}),
        old("two", FC, {"": 2}),
        old("unversioned", {"w": (2, 4), "b": (2,)}),
    ),
    "Splits": (old("fused", {"qk.weight": (4, 4)}), old("narrow", {"qk.weight": (2, 4)})),
    "Reads": (old("same", FC), old("wider", FC | {"fc.weight": (2, 8)})),
    "Drops": (old("same", FC), old("lacks", {"fc.weight": (2, 4)})),
    "Resizes": (old("wider", FC | {"fc.weight": (2, 8)}), old("same", FC)),
    "Extra": (old("with", FC, _extra_state="dict"), old("without", FC)),
    "Lopsided": (old("same", FC),),
    "Lazy": (old("real", FC), old("none", {"fc.weight": (2, 4)})),
    "OnCpu": (old("same", FC | {"table": (3,)}), old("longer", FC | {"table": (4,)})),
}


@pytest.fixture(scope="module")
def traced(tmp_path_factory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("project")
    (folder / "models.py").write_text(textwrap.dedent(MODELS))
    requests = [
        Request(name, f"models:{name}", (), {}, str(folder), [str(folder)], olds) for name, olds in OLDS.items()
    ]
    return {each.id: each for each in trace(sys.executable, requests, timeout=60, memory=None, jobs=2)}


@pytest.mark.parametrize(
    "name, layout, loads, missing, unexpected, reshaped",
    [
        ("Plain", "same", True, "", "", ""),
        ("Plain", "other-names", False, "fc.weight fc.bias", "linear.weight linear.bias", ""),
        ("Plain", "wider", False, "", "", "fc.weight"),
        ("Plain", "scalar", False, "", "", "fc.bias"),
        ("Plain", "before-counts", True, "", "", ""),
        ("Plain", "with-versions-but-no-counts", False, "norm.num_batches_tracked", "", ""),
        ("Renames", "old", True, "", "", ""),
        ("Renames", "odd", False, "fc.weight fc.bias", "l.weight", ""),
        ("Versioned", "one", True, "", "", ""),
        ("Versioned", "two", True, "", "", ""),
        ("Versioned", "unversioned", False, "fc.weight fc.bias", "w b", ""),
        ("Splits", "fused", True, "", "", ""),
        ("Splits", "narrow", False, "", "", "q.weight k.weight"),
        ("Reads", "same", True, "", "", ""),
        ("Reads", "wider", False, "", "", "fc.weight"),
        ("Drops", "same", True, "", "", ""),
        ("Drops", "lacks", False, "fc.bias", "", ""),
        ("Resizes", "wider", True, "", "", ""),
        ("Resizes", "same", True, "", "", ""),
        ("Extra", "with", True, "", "", ""),
        ("Extra", "without", False, "_extra_state", "", ""),
        ("Lopsided", "same", True, "", "", ""),
        ("Lazy", "real", True, "", "", ""),
        ("Lazy", "none", False, "fc.bias", "", ""),
        ("OnCpu", "same", True, "", "", ""),
        ("OnCpu", "longer", False, "", "", "table"),
    ],
)
def test_a_load(traced, name, layout, loads, missing, unexpected, reshaped):
    load = traced[name].loads[layout]
    assert load.proved, load
    assert load.loads == loads, load
    assert (load.missing, load.unexpected) == (tuple(missing.split()), tuple(unexpected.split()))
    assert tuple(each.key for each in load.reshaped) == tuple(reshaped.split())
    assert load.hooks == (name not in ("Plain", "OnCpu", "Lopsided"))


def test_shapes_of_a_misfit(traced):
    (misfit,) = traced["Plain"].loads["scalar"].reshaped
    assert (misfit.old, misfit.new) == ((), (2,))
    (misfit,) = traced["Plain"].loads["wider"].reshaped
    assert (misfit.old, misfit.new) == ((2, 8), (2, 4))


def test_what_does_not_load_itself_is_noted(traced):
    assert {name for name, each in traced.items() if each.notes} == {"Lopsided"}
    assert "a second instance does not load what the first one saves" in traced["Lopsided"].notes[0]
