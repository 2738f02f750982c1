"""The pairs of this folder mean what they claim: numbers, without modelint."""

from __future__ import annotations

import pytest
from pairs import PAIRS, Pair
from truth import judge, record


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_numbers_agree_with_the_header(pair: Pair) -> None:
    old, new = pair.load("old"), pair.load("new")
    before = record(old.model, old.inputs)
    assert before.error is None
    verdict = judge(before, new.model, new.inputs)
    expected = {"breaking": "breaking", "silent": "different", "training": "training"}.get(pair.drift, "same")
    assert verdict.cls == expected, verdict
