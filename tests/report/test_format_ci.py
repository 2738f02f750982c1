"""gitlab, junit and markdown: the formats of CI services."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree

from report_samples import BARE, BROKEN, WRAPPED, outcome, rendered

from modelint.diagnostics import Span


def test_gitlab_is_a_code_quality_report() -> None:
    entries = json.loads(rendered(outcome(WRAPPED, BARE)._replace(not_analysed=[BROKEN]), "gitlab"))
    assert entries[0] == {
        "description": "MDL201 [save-wrapped-state-dict] every key of this file will begin with `module.`",
        "check_name": "MDL201",
        "fingerprint": entries[0]["fingerprint"],
        "severity": "major",
        "location": {"path": "pkg/train.py", "lines": {"begin": 4, "end": 4}},
    }
    assert [each["severity"] for each in entries] == ["major", "info", "info"]
    assert entries[2]["location"] == {"path": "pkg/bad, file.py", "lines": {"begin": 7, "end": 7}}
    assert rendered(outcome(), "gitlab") == "[]\n"


def test_gitlab_knows_what_moved_and_what_is_there_twice() -> None:
    def fingerprints(*spans: Span) -> list[str]:
        text = rendered(outcome(*(WRAPPED._replace(span=span) for span in spans)), "gitlab")
        return [each["fingerprint"] for each in json.loads(text)]

    here, there = Span(4, 1, 4, 9), Span(9, 1, 9, 9)
    first, second = fingerprints(here, there)
    assert first != second
    assert fingerprints(there) == [first]


def test_gitlab_paths_are_relative_to_the_repository() -> None:
    report = outcome(WRAPPED._replace(path="train.py"), root="/repo", cwd="/repo/sub")
    assert json.loads(rendered(report, "gitlab"))[0]["location"]["path"] == "sub/train.py"


def test_junit_has_a_suite_for_each_file() -> None:
    nasty = WRAPPED._replace(message='<a & "b"> é \x00 ]]>', severity="error")
    text = rendered(outcome(WRAPPED, nasty, BARE)._replace(not_analysed=[BROKEN]), "junit")
    assert text.isascii()
    root = ElementTree.fromstring(text)
    assert (root.tag, root.get("tests"), root.get("failures")) == ("testsuites", "4", "2")
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites) == ["pkg/train.py", "pkg/other.py", "pkg/bad, file.py"]
    first, second = suites["pkg/train.py"]
    assert first.get("name") == "MDL201 save-wrapped-state-dict: pkg/train.py:4:12"
    assert first[0].get("type") == "warning"
    assert first[0].text == (
        "pkg/train.py:4:12: every key of this file will begin with `module.`\n"
        "pkg/train.py:2:9: wrapped here\nhelp: save `model.module.state_dict()`"
    )
    assert second[0].get("message") == '<a & "b"> é \\x00 ]]>'
    assert [each[0].tag for each in (suites["pkg/other.py"][0], suites["pkg/bad, file.py"][0])] == [
        "system-out",
        "skipped",
    ]


def test_junit_without_a_diagnostic_has_a_case_that_passed() -> None:
    root = ElementTree.fromstring(rendered(outcome(), "junit"))
    assert (root.get("tests"), root.get("failures"), root[0][0].get("name")) == ("1", "0", "nothing to report")


def test_markdown_is_a_table() -> None:
    report = outcome(WRAPPED, BARE._replace(message="a|b <i> *c* `d_e|f` [x](y)"))._replace(not_analysed=[BROKEN])
    assert rendered(report, "markdown") == (
        "| place | code | severity | what |\n"
        "| --- | --- | --- | --- |\n"
        "| `pkg/train.py:4` | `MDL201` save-wrapped-state-dict | warning | every key of this file will begin with "
        "`module.`<br>save `model.module.state_dict()` |\n"
        "| `pkg/other.py:1` | `MDL902` bare-ignore | information | "
        "a\\|b &lt;i> \\*c\\* `d_e\\|f` \\[x\\](y) |\n"
        "| `pkg/bad, file.py:7` | `MDL904` file-not-analysed | information | invalid syntax: 100% |\n"
    )
    assert rendered(outcome(), "markdown") == "modelint: nothing to report\n"
