"""Every pair of this folder through the real tracer, for every code. ``matrix.txt`` keeps what is reported."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pairs import PAIRS, Pair

from modelint.diagnostics import Diagnostic, Span
from modelint.layout import manifest
from modelint.layout.client import trace
from modelint.layout.diagnose import diagnose
from modelint.layout.drift import compare
from modelint.layout.place import Spot
from modelint.layout.traced import Failure, Old, Request, Result

pytestmark = pytest.mark.slow
#: What the comparison does not see, or takes for a change, today. Strict: who mends one takes it off this list.
KNOWN = frozenset(("refactors/chunk_to_split", "refactors/negative_axis"))
SNAPSHOT = Path(__file__).with_name("matrix.txt")
HEAD = "# pair: what is expected => what is reported. Renew: MODELINT_UPDATE_SNAPSHOT=1 pytest tests/models -k matrix\n"
Found = dict[Pair, list[Diagnostic]]


def these(changes: bool) -> list[object]:
    """The pairs that are changes, or those that are not, as parameters of a test."""
    known = pytest.mark.xfail(strict=True, reason="known")
    chosen = [pair for pair in PAIRS if (pair.code is not None) == changes]
    return [pytest.param(each, id=str(each), marks=known if str(each) in KNOWN else ()) for each in chosen]


def traced(requests: list[Request]) -> Iterator[Result]:
    for each in trace(sys.executable, requests, timeout=60, memory=None, jobs=os.cpu_count() or 1):
        assert not isinstance(each, Failure), each
        yield each


def request(pair: Pair, side: str, olds: tuple[Old, ...] = ()) -> Request:
    return Request(str(pair), f"{side}:model", (), {}, str(pair.folder), (str(pair.folder),), olds)


@pytest.fixture(scope="module")
def found() -> Found:
    """Both sides of all pairs, in two runs of the tracer: the new side is asked to load the old one."""
    by_name = {str(pair): pair for pair in PAIRS}
    layouts = {}
    for result in traced([request(pair, "old") for pair in PAIRS]):
        # As a manifest that was committed and read again.
        text = manifest.text("model", result.layout)
        layouts[by_name[result.id]] = manifest.parse("layout.json", text.encode()).layout
    reports: Found = {}
    for result in traced([request(pair, "new", (Old("manifest", layouts[pair]),)) for pair in PAIRS]):
        pair = by_name[result.id]
        drift = compare("model", layouts[pair], result.layout, result.loads["manifest"])
        spot = Spot("pyproject.toml", Span(1, 1, 1, 1))
        reports[pair] = diagnose(drift.facts, spot, model="model", classes=result.classes)
    return reports


def told(diagnostic: Diagnostic, pair: Pair) -> str:
    cls = diagnostic.drift.cls if diagnostic.drift else "-"
    line = "declaration" if diagnostic.path == "pyproject.toml" else f"line {diagnostic.span.line}"
    return f"{diagnostic.code} {cls} {diagnostic.severity} at {line}"


def matrix(found: Found) -> str:
    lines = []
    for pair in PAIRS:
        expected = f"{pair.code} {pair.drift}" if pair.code else "nothing"
        lines.append(f"{pair}: {expected} => {'; '.join(told(each, pair) for each in found[pair]) or 'nothing'}\n")
    return HEAD + "".join(lines)


@pytest.mark.parametrize("pair", these(changes=True))
def test_a_change_is_reported(found: Found, pair: Pair) -> None:
    reported = [each for each in found[pair] if each.code == pair.code]
    assert reported, found[pair]
    cls = {each.drift.cls for each in found[pair] if each.drift}
    severity = {each.severity for each in reported}
    if pair.drift in ("breaking", "silent"):
        assert pair.drift in cls and severity == {"error"}
    else:
        assert cls == {"safe"}
        assert severity == {"information" if pair.drift == "information" else "warning"}


@pytest.mark.parametrize("pair", these(changes=False))
def test_a_refactor_is_no_more_than_information(found: Found, pair: Pair) -> None:
    assert {each.severity for each in found[pair]} <= {"information"}, found[pair]


def test_matrix_of_every_code(found: Found) -> None:
    text = matrix(found)
    if os.environ.get("MODELINT_UPDATE_SNAPSHOT"):
        SNAPSHOT.write_text(text, encoding="utf-8")
    assert text == SNAPSHOT.read_text(encoding="utf-8")
