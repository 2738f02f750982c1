"""Each rule reports the marked lines of its fixtures, and no other."""

from __future__ import annotations

import pytest
from rule_cases import LINT_CODES, Case, all_marks, fixtures, lint, marks

from modelint import catalogue

CASES = fixtures()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_fixture(case: Case) -> None:
    found = [finding for finding in lint(case) if finding.diagnostic.code == case.code]
    either = marks(case, "either", case.code)
    plain = {finding.spot for finding in found if not finding.preview} - either
    wide = {finding.spot for finding in found if finding.preview} - either
    assert sorted(plain) == sorted(marks(case, "expect", case.code))
    assert sorted(wide) == sorted(marks(case, "expect-preview", case.code))
    assert len(found) == len({finding.spot for finding in found}), "one defect is one diagnostic"


@pytest.mark.parametrize("code", LINT_CODES)
def test_every_rule_has_bad_and_tempting_code(code: str) -> None:
    own = [case for case in CASES if case.code == code]
    assert any(marks(case, "expect", code) for case in own)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_marks_name_the_rule_of_the_fixture(case: Case) -> None:
    assert case.code in catalogue.codes()
    assert {code for _, _, code in all_marks(case)} <= {case.code}
