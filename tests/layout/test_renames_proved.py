"""Renames: which are proved, which nothing decides, and which are none. Numbers are asked, too."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from renamed_models import CASES, Case
from torch import nn

from modelint.layout import drift, manifest
from modelint.layout.client import trace
from modelint.layout.facts import KeyRenamed
from modelint.layout.layout import Layout
from modelint.layout.traced import Failure, Request

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))

import truth

pytestmark = pytest.mark.slow
HERE = str(Path(__file__).parent)
cases = pytest.mark.parametrize("name", CASES)


@pytest.fixture(scope="module")
def layouts() -> dict[str, Layout]:
    """Of both sides, as manifests that were committed and read again."""
    wanted = [(name, side) for name in CASES for side in ("old", "new")]
    requests = [
        Request(f"{side} {name}", "renamed_models:built", (name, side), {}, HERE, (HERE,)) for name, side in wanted
    ]
    found = {}
    for each in trace(sys.executable, requests, timeout=60, memory=None, jobs=2):
        assert not isinstance(each, Failure), each
        text = manifest.text("model", each.layout)
        found[each.id] = manifest.parse("layout.json", text.encode()).layout
    return found


@pytest.fixture(scope="module")
def drifts(layouts: dict[str, Layout]) -> dict[str, drift.Drift]:
    return {name: drift.compare("model", layouts[f"old {name}"], layouts[f"new {name}"]) for name in CASES}


def wanted(case: Case) -> dict[str, str]:
    """The proved renames, key by key."""
    found = {}
    for key in case.old().state_dict():
        for before, after in case.proved.items():
            if key == before or key.startswith(f"{before}."):
                found[key] = after + key[len(before) :]
    return found


def verdict(case: Case, renames: Mapping[str, str]) -> truth.Class:
    """What the new model computes with old weights under other names, measured."""

    def renamed() -> nn.Module:
        def rename(module: Any, state: dict[str, Any], prefix: str, *_: Any) -> None:
            taken = {renames[key]: state.pop(key) for key in list(state) if key in renames}
            state.update(taken)

        model = case.new()
        model.register_load_state_dict_pre_hook(rename)
        return model

    def inputs() -> tuple[torch.Tensor, ...]:
        return (torch.randn(case.shape),)

    old = truth.record(case.old, inputs)
    for results in old.results.values():
        for part in ("gradients", "after"):
            results[part] = {renames.get(key, key): each for key, each in results.get(part, {}).items()}
    return truth.judge(old, renamed, inputs).cls


@cases
def test_what_is_proved(drifts: dict[str, drift.Drift], name: str) -> None:
    case, found = CASES[name], drifts[name]
    assert {key: found.renames.renames[key] for key in found.proved} == wanted(case)
    assert {key for each in found.renames.ambiguous for key in each.old} == case.ambiguous
    facts = [fact for fact in found.facts if isinstance(fact, KeyRenamed)]
    assert all((fact.certainty == "proved") == (fact.renames.keys() <= found.proved) for fact in facts)
    if case.proved and not case.ambiguous:
        assert facts and {type(fact) for fact in found.facts} == {KeyRenamed}, found.facts


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.different])
def test_what_differs_is_breaking_and_different(drifts: dict[str, drift.Drift], name: str) -> None:
    found = drifts[name]
    assert found.cls == "breaking"
    told = [fact for fact in found.facts if isinstance(fact, KeyRenamed)]
    assert any(fact.different for fact in told) or any(fact.drift.cls == "silent" for fact in found.facts)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.different or case.proved])
def test_numbers_agree(drifts: dict[str, drift.Drift], name: str) -> None:
    """Of what is left open the obvious names are taken, so that the file loads."""
    case = CASES[name]
    renames = dict(drifts[name].renames.renames)
    free = [key for key in case.new().state_dict() if key not in renames.values()]
    renames.update(zip((key for key in case.old().state_dict() if key not in renames), free, strict=True))
    assert verdict(case, renames) == ("different" if case.different else "same")
