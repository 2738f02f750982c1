from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from report_samples import BARE, BROKEN, WRAPPED, outcome, rendered

from modelint import catalogue
from modelint.diagnostics import Diagnostic, Drift
from modelint.report import Outcome

#: The official schema, as the package sarif-om 1.0.4 carries it.
SCHEMA = json.loads(Path(__file__).with_name("sarif-2.1.0.schema.json").read_text())


def document(report: Outcome) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(rendered(report, "sarif"))
    jsonschema.Draft4Validator(SCHEMA, format_checker=jsonschema.FormatChecker()).validate(parsed)
    return parsed


def run_of(*diagnostics: Diagnostic, root: str = "", cwd: str = "") -> dict[str, Any]:
    run: dict[str, Any] = document(outcome(*diagnostics, root=root, cwd=cwd))["runs"][0]
    return run


def test_the_schema_refuses_what_is_wrong() -> None:
    parsed = document(outcome(WRAPPED))
    parsed["runs"][0]["results"][0]["level"] = "information"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft4Validator(SCHEMA).validate(parsed)


def test_reports_of_every_shape_are_valid() -> None:
    document(outcome())
    document(outcome(WRAPPED, BARE)._replace(not_analysed=[BROKEN]))
    document(outcome(BARE._replace(model="net", drift=Drift("silent", ("a",), None, None))))
    document(outcome(WRAPPED._replace(path="a b/\udc80#?%:模.py", message="\x00\udc80")))
    document(outcome(WRAPPED._replace(code="MDL799", name="of-a-later-engine")))


def test_every_page_makes_a_valid_rule() -> None:
    found = [WRAPPED._replace(code=code, name=name) for code, name in catalogue.codes().items()]
    rules = run_of(*found)["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == sorted(catalogue.codes())
    assert all(rule["shortDescription"]["text"] for rule in rules)


def test_a_result_names_its_rule_and_its_exact_span() -> None:
    run = run_of(BARE, WRAPPED)
    result = run["results"][1]
    assert run["columnKind"] == "unicodeCodePoints"
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "MDL201"
    assert [each["level"] for each in run["results"]] == ["note", "warning"]
    place = result["locations"][0]["physicalLocation"]
    assert place["region"] == {"startLine": 4, "startColumn": 12, "endLine": 4, "endColumn": 30}
    assert place["artifactLocation"] == {"uri": "pkg/train.py", "uriBaseId": "%SRCROOT%"}
    assert "%SRCROOT%" in run["originalUriBaseIds"]
    related = result["relatedLocations"][0]
    assert related["message"]["text"] == "wrapped here"
    assert related["physicalLocation"]["region"]["startLine"] == 2
    assert result["message"]["text"].splitlines() == [WRAPPED.message, WRAPPED.help]


def test_the_help_of_a_rule_is_its_page() -> None:
    rule = run_of(BARE)["tool"]["driver"]["rules"][0]
    assert rule["help"]["markdown"] == catalogue.page("MDL902")
    assert rule["defaultConfiguration"]["level"] == "note"


def test_paths_are_uris_relative_to_the_repository() -> None:
    found = [WRAPPED._replace(path=path) for path in ("a b.py", "../x:%.py", "../../模.py")]
    places = [
        result["locations"][0]["physicalLocation"]["artifactLocation"]
        for result in run_of(*found, root="/repo", cwd="/repo/sub")["results"]
    ]
    assert places == [
        {"uri": "sub/a%20b.py", "uriBaseId": "%SRCROOT%"},
        {"uri": "x%3A%25.py", "uriBaseId": "%SRCROOT%"},
        {"uri": "file:///%E6%A8%A1.py"},
    ]


def test_code_in_a_message_is_no_link() -> None:
    text = run_of(WRAPPED._replace(message='state["a"](x) and b[0]', help=""))["results"][0]["message"]["text"]
    assert text == 'state\\["a"](x) and b[0]'


def test_fixes_are_replacements() -> None:
    change = run_of(BARE)["results"][0]["fixes"][0]["artifactChanges"][0]
    assert change["replacements"][0]["insertedContent"] == {"text": "[MDL201]"}
    assert change["replacements"][0]["deletedRegion"]["startColumn"] == 5


def test_what_was_not_analysed_is_a_notification() -> None:
    run = document(outcome()._replace(not_analysed=[BROKEN]))["runs"][0]
    notification = run["invocations"][0]["toolExecutionNotifications"][0]
    assert run["tool"]["driver"]["notifications"][0]["id"] == notification["descriptor"]["id"] == "MDL904"
    assert "invalid syntax" in notification["message"]["text"]
    assert notification["locations"][0]["physicalLocation"]["region"]["startLine"] == 7
