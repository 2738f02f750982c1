"""The pages are true: their examples are reported, what they advise is not.

Every rule runs over every example and every fixture, and ``findings.txt`` holds what came out, so that a change to one
rule shows what it does to the others. Read the difference, then accept it with

    MODELINT_UPDATE_SNAPSHOT=1 python -m pytest tests/rules/test_pages.py -k snapshot
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from rule_cases import HERE, LINT_CODES, Case, fences, fixtures, lint, written

from modelint import catalogue

SNAPSHOT = os.path.join(HERE, "findings.txt")
HEADINGS = ["What it does", "Why it bites", "Example", "Use instead", "When to ignore", "Evidence"]


def examples(heading: str) -> list[tuple[str, int]]:
    return [(code, number) for code in LINT_CODES for number in range(len(fences(code, heading)))]


def codes_of(case: Case) -> set[str]:
    return {finding.diagnostic.code for finding in lint(case)}


@pytest.mark.parametrize("code", LINT_CODES)
def test_headings(code: str) -> None:
    page = catalogue.page(code)
    assert page.splitlines()[0] == f"# {catalogue.codes()[code]} ({code})"
    assert re.findall(r"^## (.*)$", page, re.MULTILINE) == HEADINGS
    assert fences(code, "Example") and fences(code, "Use instead")


@pytest.mark.parametrize(("code", "number"), examples("Example"))
def test_example_is_reported(code: str, number: int, tmp_path: Path) -> None:
    text = fences(code, "Example")[number]
    assert code in codes_of(written(str(tmp_path), {"example.py": text}, code))


@pytest.mark.parametrize(("code", "number"), examples("Use instead"))
def test_advice_is_not_reported(code: str, number: int, tmp_path: Path) -> None:
    text = fences(code, "Use instead")[number]
    assert code not in codes_of(written(str(tmp_path), {"advice.py": text}, code))


def snapshot(folder: str) -> Iterator[str]:
    for heading in ("Example", "Use instead"):
        for code, number in examples(heading):
            name = f"{code.lower()}_{heading.lower().replace(' ', '_')}_{number + 1}"
            case_folder = os.path.join(folder, name)
            os.mkdir(case_folder)
            yield from described(written(case_folder, {"page.py": fences(code, heading)[number]}, name))
    for case in fixtures():
        yield from described(case)


def described(case: Case) -> Iterator[str]:
    yield f"{case.name}\n"
    for spot, preview, diagnostic in lint(case):
        severity = "" if diagnostic.severity == "warning" else f" {diagnostic.severity}"
        yield f"    {spot.path}:{spot.line} {diagnostic.code}{severity}{' preview' if preview else ''}\n"


def test_snapshot(tmp_path: Path) -> None:
    lines = list(snapshot(str(tmp_path)))
    if os.environ.get("MODELINT_UPDATE_SNAPSHOT"):
        with open(SNAPSHOT, "w", encoding="utf-8") as file:
            file.writelines(lines)
    with open(SNAPSHOT, encoding="utf-8") as file:
        assert lines == list(file)
