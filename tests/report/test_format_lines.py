"""concise, github and the statistics: formats of one line each."""

from __future__ import annotations

import json

import pytest
from report_samples import BARE, BROKEN, WRAPPED, counted, outcome, rendered

from modelint.diagnostics import Span
from modelint.report import FORMATS


def test_concise_is_one_line_each() -> None:
    assert rendered(outcome(WRAPPED._replace(message="a\nb"), BARE), "concise") == (
        "pkg/train.py:4:12: MDL201 [save-wrapped-state-dict] a\\nb\n"
        "pkg/other.py:1:1: MDL902 [bare-ignore] this comment names no code\n"
    )


@pytest.mark.parametrize("format", FORMATS)
def test_no_format_lets_control_characters_through(format: str) -> None:
    nasty = "\x1b\x07\x7f\x9b\u202e\udc80"
    bad = WRAPPED._replace(path=nasty, message=nasty, help=nasty)
    report = outcome(bad)._replace(not_analysed=[BROKEN._replace(path=nasty, reason=nasty)])
    assert all(line.isprintable() for line in rendered(report, format).split("\n"))


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="no such format: yaml"):
        rendered(outcome(), "yaml")


def test_github_annotates_the_span() -> None:
    assert rendered(outcome(WRAPPED), "github") == (
        "::warning file=pkg/train.py,line=4,col=12,endLine=4,endColumn=30,title=MDL201 save-wrapped-state-dict::"
        "every key of this file will begin with `module.`%0Apkg/train.py:2:9: wrapped here"
        "%0Ahelp: save `model.module.state_dict()`\n"
    )


@pytest.mark.parametrize(
    ("severity", "command"), [("information", "notice"), ("warning", "warning"), ("error", "error")]
)
def test_github_names_the_severity(severity: str, command: str) -> None:
    assert rendered(outcome(WRAPPED._replace(severity=severity)), "github").startswith(f"::{command} file=")  # type: ignore[arg-type]


def test_github_escapes_what_would_end_a_field() -> None:
    bad = WRAPPED._replace(path="a,b:c%d\ne\r.py", message="100% of: a, b\r\nnext ::error::", help="", related=())
    assert rendered(outcome(bad), "github") == (
        "::warning file=a%2Cb%3Ac%25d%0Ae%0D.py,line=4,col=12,endLine=4,endColumn=30,"
        "title=MDL201 save-wrapped-state-dict::100%25 of: a, b\\r\\nnext ::error::\n"
    )


def test_github_has_no_columns_for_a_span_of_several_lines() -> None:
    text = rendered(outcome(WRAPPED._replace(span=Span(4, 12, 6, 2))), "github")
    assert text.startswith("::warning file=pkg/train.py,line=4,endLine=6,title=")


def test_github_paths_are_relative_to_the_repository() -> None:
    found = (WRAPPED._replace(path="train.py"), WRAPPED._replace(path="../top.py"), WRAPPED._replace(path="../../x.py"))
    lines = rendered(outcome(*found, root="/repo", cwd="/repo/sub"), "github").splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "::warning file=sub/train.py",
        "::warning file=top.py",
        "::warning file=/x.py",
    ]


def test_github_says_what_was_not_analysed() -> None:
    assert rendered(outcome()._replace(not_analysed=[BROKEN]), "github") == (
        "::notice file=pkg/bad%2C file.py,line=7,col=1,endLine=7,endColumn=1,title=MDL904 file-not-analysed::"
        "not analysed: invalid syntax: 100%25\n"
    )


def test_statistics_are_sorted_by_count_then_code() -> None:
    first = BARE._replace(code="MDL101", name="first")
    report = outcome(BARE, *[WRAPPED] * 11, first)
    assert counted(report, "full") == (
        "11  MDL201  save-wrapped-state-dict\n 1  MDL101  first\n 1  MDL902  bare-ignore\n"
    )
    assert json.loads(counted(report, "json"))["statistics"][0] == {
        "code": "MDL201",
        "name": "save-wrapped-state-dict",
        "count": 11,
    }
    assert counted(outcome(), "full") == ""
