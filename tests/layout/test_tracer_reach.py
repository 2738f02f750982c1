"""What strict=True does not tell: keys of a file that go nowhere, and tensors of the model that nothing reaches."""

from __future__ import annotations

import sys
import textwrap
from typing import Any

import pytest

pytest.importorskip("torch")

from modelint.keys.table import KeyTable, TensorSpec
from modelint.layout.client import trace
from modelint.layout.layout import Layout
from modelint.layout.traced import Old, Request

MODELS = """
    import torch
    from torch import nn

    class Net(nn.Module):
        '''What the others have in common: a hook that is called ``take``.'''
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 3)
            self.scale = nn.Parameter(torch.ones(3))
            self._register_load_state_dict_pre_hook(self.take)

    class Renames(Net):
        def take(self, state, prefix, *_):
            if prefix + "old" in state:
                state[prefix + "scale"] = state.pop(prefix + "old")

    class Drops(Net):
        def take(self, state, prefix, *_):
            state.pop(prefix + "old", None)

    class KeepsItsOwn(Net):
        def take(self, state, prefix, *_):
            state.setdefault(prefix + "scale", self.scale)
            state.pop(prefix + "old", None)

    class Fills(Net):
        def take(self, state, prefix, *_):
            state.setdefault(prefix + "scale", torch.ones_like(self.scale))

    class FillsInPlace(Net):
        def take(self, state, prefix, *_):
            if prefix + "scale" not in state:
                nn.init.zeros_(self.scale)
                state[prefix + "scale"] = self.scale

    class Part(Net):
        '''One row comes from the file.'''
        def take(self, state, prefix, *_):
            with torch.no_grad():
                self.fc.weight[:1].copy_(state[prefix + "fc.weight"])
            state[prefix + "fc.weight"] = self.fc.weight

    class Fuses(nn.Module):
        '''A post hook forgives what is missing.'''
        def __init__(self):
            super().__init__()
            self.qkv = nn.Linear(3, 9)
            self._register_load_state_dict_pre_hook(self.take)
            self.register_load_state_dict_post_hook(lambda module, keys: keys.missing_keys.clear())

        def take(self, state, prefix, *_):
            for leaf in ("weight", "bias"):
                if prefix + "q." + leaf in state:
                    state[prefix + "qkv." + leaf] = torch.cat([state.pop(prefix + each + "." + leaf) for each in "qkv"])

    class Assigns(Net):
        '''It takes the tensors themselves.'''
        def take(self, state, prefix, *_):
            self.fc.weight = nn.Parameter(state.pop(prefix + "kernel").t().contiguous())
            state[prefix + "fc.weight"] = self.fc.weight
            self.scale.data = state.pop(prefix + "gain").exp()
            state[prefix + "scale"] = self.scale

    class Merges(nn.Module):
        '''What fits is merged into the model's own state; the rest is not told.'''
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 3)
            self.head = nn.Linear(3, 2)

        def load_state_dict(self, state, strict=True, assign=False):
            own = self.state_dict()
            own.update({key: each for key, each in state.items() if key in own and own[key].shape == each.shape})
            return super().load_state_dict(own, strict)

    class Childless(nn.Module):
        '''No hook at all: torch asks whether the child is registered.'''
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 3)
            self.register_module("aux", None)

    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = nn.Linear(3, 3, bias=False)
            self.two = nn.Linear(3, 3, bias=False)
            self.two.weight = self.one.weight

    class Normed(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(3)

    class Compares(Net):
        '''It needs the values of the file and of the model.'''
        def take(self, state, prefix, *_):
            if not torch.equal(state[prefix + "scale"], self.scale * 0):
                raise ValueError("another scale")
            state.pop(prefix + "old", None)

    class ReadsVersion(nn.Module):
        '''Only one small tensor is needed, and all of them would be too many.'''
        def __init__(self):
            super().__init__()
            self.large = nn.Linear(1 << 20, 1 << 20)
            self.register_buffer("version", torch.zeros(1))

        def load_state_dict(self, state):
            if state["version"].item() == 0:
                state = {key: each for key, each in state.items() if key != "old"}
            return super().load_state_dict(state)

    class ThroughLists(Net):
        '''Values leave torch and come back.'''
        def take(self, state, prefix, *_):
            state[prefix + "scale"] = torch.tensor(state[prefix + "scale"].tolist())
            state.pop(prefix + "old", None)

    class Changes(Net):
        '''The next file must meet a new instance.'''
        def take(self, state, prefix, *_):
            assert self.scale.shape == (3,)
            self.scale.data = torch.empty_like(state[prefix + "scale"])
"""
FC = {"fc.weight": (3, 3), "fc.bias": (3,)}
SCALE = {"scale": (3,)}
OLD = {"old": (3,)}
LARGE = {"large.weight": (1 << 20, 1 << 20), "large.bias": (1 << 20,), "version": (1,)}


def old(name: str, keys: dict[str, tuple[int, ...]], *ties: tuple[str, ...]) -> Old:
    specs = {key: TensorSpec("float32", shape, "parameter") for key, shape in keys.items()}
    return Old(name, Layout(KeyTable(specs, ties), {}, {}, {}, {}))


CASES = {
    "Renames": (FC | OLD, "", "", ""),
    "Drops": (FC | SCALE | OLD, "old", "", ""),
    "KeepsItsOwn": (FC | OLD, "old", "scale", ""),
    "Fills": (FC, "", "", "scale"),
    "FillsInPlace": (FC, "", "", "scale"),
    "Part": ({"fc.weight": (1, 3), "fc.bias": (3,)} | SCALE, "", "", ""),
    "Fuses": ({f"{each}.weight": (3, 3) for each in "qkv"}, "", "qkv.bias", ""),
    "Assigns": ({"kernel": (3, 3), "fc.bias": (3,), "gain": (3,)}, "", "", ""),
    "Merges": (FC | {"head.weight": (5, 3), "head.bias": (2,)}, "head.weight", "head.weight", ""),
    "Childless": (FC | {"aux.weight": (3, 3)}, "aux.weight", "", ""),
    "Tied": ({"one.weight": (3, 3), "two.weight": (3, 3)}, "one.weight", "", ""),
    "Normed": ({f"norm.{each}": (3,) for each in ("weight", "bias", "running_mean", "running_var")}, "", "", ""),
    "Compares": (FC | SCALE | OLD, "old", "", ""),
    "ReadsVersion": (LARGE | OLD, "old", "", ""),
    "ThroughLists": (FC | SCALE | OLD, "old", "", ""),
}


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("project")
    (folder / "models.py").write_text(textwrap.dedent(MODELS))
    olds = {name: [old("old", keys)] for name, (keys, *_) in CASES.items()}
    olds["Tied"].append(old("tied", CASES["Tied"][0], ("one.weight", "two.weight")))
    olds["Changes"] = [old(str(size), FC | {"scale": (size,)}) for size in (5, 3, 4)]
    requests = [
        Request(name, f"models:{name}", (), {}, str(folder), [str(folder)], each) for name, each in olds.items()
    ]
    return {each.id: each for each in trace(sys.executable, requests, timeout=120, memory=None, jobs=2)}


@pytest.mark.parametrize("name", CASES)
def test_what_does_not_arrive(traced: dict[str, Any], name: str) -> None:
    load = traced[name].loads["old"]
    assert load.loads and load.proved, load
    _, *expected = CASES[name]
    assert [load.dropped, load.unreached, load.filled] == [tuple(each.split()) for each in expected]


def test_a_file_that_was_tied_loses_nothing(traced: dict[str, Any]) -> None:
    load = traced["Tied"].loads["tied"]
    assert (load.loads, load.dropped, load.unreached) == (True, (), ())


def test_a_load_that_changes_the_model_changes_it_for_itself_alone(traced: dict[str, Any]) -> None:
    loads = traced["Changes"].loads
    assert [loads[size].error for size in ("5", "3", "4")] == [None] * 3
    assert [loads[size].loads for size in ("5", "3", "4")] == [True] * 3
