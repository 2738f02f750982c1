"""Causes: every pair of a file and a model through every rule, and the code of each run on real tensors.

``cause_matrix.txt`` holds what is said of every pair, and which rules had something to propose at the start, so that a
change to one rule shows what it does to the others. Read the difference, then accept it with

    MODELINT_UPDATE_SNAPSHOT=1 python -m pytest tests/rules/test_cause_rules.py -k snapshot
"""

from __future__ import annotations

import ast
import inspect
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from cause_pairs import Pair, pairs, unrelated
from recorded_pairs import recorded
from torch import nn

from modelint import catalogue
from modelint.keys.cause import Explanation, explain
from modelint.keys.situation import NOTHING, Around, Recorded, Situation
from modelint.keys.table import KeyTable, TensorSpec
from modelint.report.program import NAME, Origin, program
from modelint.rule import CauseRule

MATRIX = Path(__file__).parent / "cause_matrix.txt"
RULES = [rule for rule in catalogue.rules("checkpoint") if isinstance(rule, CauseRule)]
PAIRS = [*pairs(), *recorded()]
UNRELATED = list(unrelated())
CODES = [rule.code for rule in RULES]


_explained: dict[str, Explanation] = {}


def explained(pair: Pair) -> Explanation:
    if pair.name not in _explained:
        _explained[pair.name] = explain(pair.file, pair.model, RULES, pair.around)
    return _explained[pair.name]


def codes(explanation: Explanation) -> str:
    return " ".join(found.code.removeprefix("MDL") for found in explanation.causes)


def function(explanation: Explanation) -> Any:
    """The printed code, run as it is."""
    space: dict[str, Any] = {}
    exec(compile(program(explanation, Origin("old.pt")), "fit.py", "exec"), space)
    return space[NAME]


def holder(table: KeyTable) -> nn.Module:
    """A module of these keys."""
    whole = nn.Module()
    for key, spec in table.specs.items():
        *path, leaf = key.split(".")
        module = whole
        for name in path:
            if name not in dict(module.named_children()):
                module.add_module(name, nn.Module())
            module = module.get_submodule(name)
        module.register_buffer(leaf, torch.zeros(spec.shape or ()))
    return whole


def tensors(table: KeyTable) -> dict[str, torch.Tensor]:
    """Each of its own value."""
    return {key: torch.full(spec.shape or (), at + 1.0) for at, (key, spec) in enumerate(table.specs.items())}


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_each_situation_is_named_right(pair: Pair) -> None:
    assert codes(explained(pair)) == pair.codes


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair.loads], ids=lambda pair: pair.name)
def test_the_code_loads_strictly(pair: Pair) -> None:
    explanation = explained(pair)
    assert explanation.fits
    load = function(explanation)
    wanted = {name for name, each in inspect.signature(load).parameters.items() if each.kind is each.KEYWORD_ONLY}
    assert wanted == set(pair.asked)
    state = dict(pair.state) if pair.state is not None else tensors(pair.file)
    given = {key: tensor.clone() for key, tensor in state.items()}
    model = pair.module if pair.module is not None else holder(pair.model)
    result = load(model, state, **pair.asked)
    assert not result.missing_keys and not result.unexpected_keys
    loaded = model.state_dict()
    for new, old in (pair.truth or {}).items():
        tensor = given[old]
        assert torch.equal(loaded[new], tensor if tensor.shape == loaded[new].shape else tensor.t()), new


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if not pair.loads], ids=lambda pair: pair.name)
def test_what_nothing_makes_fit_stops_loudly(pair: Pair) -> None:
    explanation = explained(pair)
    assert not explanation.fits
    with pytest.raises(RuntimeError, match="Error\\(s\\) in loading state_dict"):
        function(explanation)(holder(pair.model), tensors(pair.file))


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if "copy" in pair.asked], ids=lambda pair: pair.name)
def test_a_copy_is_asked_for_and_never_guessed(pair: Pair) -> None:
    explanation = explained(pair)
    load = function(explanation)
    with pytest.raises(TypeError, match="copy"):
        load(holder(pair.model), tensors(pair.file))
    with pytest.raises(ValueError, match="copy is one of these"):
        load(holder(pair.model), tensors(pair.file), copy="the other one")
    assert explanation.ambiguous
    undecided = {key for each in explanation.ambiguous for key in each.old}
    assert not undecided & set(explanation.renamed())


@pytest.mark.parametrize("pair", UNRELATED, ids=lambda pair: pair.name)
def test_nothing_is_renamed_between_unrelated_models(pair: Pair) -> None:
    explanation = explained(pair)
    assert explanation.renamed() == {}
    assert not explanation.fits
    assert set(codes(explanation).split()) & {"830", "859"}


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_a_file_that_fits_has_no_cause(pair: Pair) -> None:
    assert codes(explain(pair.model, pair.model, RULES)) == ""


@pytest.mark.parametrize("code", CODES)
def test_every_rule_has_a_pair(code: str) -> None:
    assert any(code.removeprefix("MDL") in pair.codes.split() for pair in PAIRS) or code == "MDL859"


@pytest.mark.parametrize("code", CODES)
def test_the_example_of_a_page_is_what_its_rule_names(code: str) -> None:
    sections = catalogue.sections(catalogue.page(code))
    file, model, recorded = example(code)
    around = Around(recorded=(Recorded("v1 -> today", file, recorded),)) if recorded else NOTHING
    found = explain(file, model, RULES, around)
    assert {each.code for each in found.causes} == {code}
    for each in found.causes:
        assert len(each.cause.message) < 400 and "\n" not in each.cause.message + each.cause.help
    for fence in catalogue.code_fences(sections["Use instead"]):
        ast.parse(fence)
    if found.fits:
        load = function(found)
        asked = {"copy": "student", "scaling": 1.0}
        wanted = {name: asked[name] for name in inspect.signature(load).parameters if name in asked}
        load(holder(model), tensors(file), **wanted)


def example(code: str) -> tuple[KeyTable, KeyTable, dict[str, str]]:
    """The two key tables of the page, and what is on record."""
    (fence,) = catalogue.code_fences(catalogue.sections(catalogue.page(code))["Example"])
    values = {}
    for statement in ast.parse(fence).body:
        assert isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)
        values[statement.targets[0].id] = ast.literal_eval(statement.value)
    tied = tuple(tuple(group) for group in values.get("tied", ()))
    file, model = (
        {key: TensorSpec("float32", shape) for key, shape in values[name].items()} for name in ("file", "model")
    )
    return KeyTable(file), KeyTable(model, tied), values.get("recorded", {})


def matrix() -> Iterator[str]:
    for pair in (*PAIRS, *UNRELATED):
        start = Situation(pair.file, pair.model, pair.around)
        proposed = [rule.code.removeprefix("MDL") for rule in RULES for _ in rule.check(start)]
        explanation = explained(pair)
        yield f"{pair.name}\n    proposed at the start: {' '.join(proposed) or 'nothing'}\n"
        yield f"    renamed {len(explanation.renamed())}, {'fits' if explanation.fits else 'does not fit'}\n"
        for found in explanation.causes:
            yield f"    {found.code} {found.cause.message}\n"


def test_snapshot() -> None:
    text = "".join(matrix())
    if os.environ.get("MODELINT_UPDATE_SNAPSHOT"):
        MATRIX.write_text(text, encoding="utf-8")
    assert text.splitlines() == MATRIX.read_text(encoding="utf-8").splitlines()
