from __future__ import annotations

import json

from report_samples import BARE, BROKEN, WRAPPED, outcome, rendered

from modelint.diagnostics import Drift


def test_every_field_is_there_and_none_else() -> None:
    drifted = BARE._replace(model="net", drift=Drift("breaking", ("a.weight",), "f32", None))
    report = outcome(WRAPPED, drifted)._replace(not_analysed=[BROKEN], files=214, models=3)
    assert json.loads(rendered(report, "json")) == {
        "schema": 1,
        "diagnostics": [
            {
                "code": "MDL201",
                "name": "save-wrapped-state-dict",
                "severity": "warning",
                "message": "every key of this file will begin with `module.`",
                "path": "pkg/train.py",
                "line": 4,
                "column": 12,
                "end_line": 4,
                "end_column": 30,
                "help": "save `model.module.state_dict()`",
                "url": None,
                "related": [{"path": "pkg/train.py", "line": 2, "column": 9, "message": "wrapped here"}],
                "fix": None,
                "model": None,
                "drift": None,
            },
            {
                "code": "MDL902",
                "name": "bare-ignore",
                "severity": "information",
                "message": "this comment names no code",
                "path": "pkg/other.py",
                "line": 1,
                "column": 1,
                "end_line": 2,
                "end_column": 3,
                "help": "",
                "url": None,
                "related": [],
                "fix": {
                    "safe": True,
                    "message": "name the code",
                    "edits": [{"line": 1, "column": 5, "end_line": 1, "end_column": 5, "text": "[MDL201]"}],
                },
                "model": "net",
                "drift": {"class": "breaking", "keys": ["a.weight"], "old": "f32", "new": None},
            },
        ],
        "not_analysed": [{"path": "pkg/bad, file.py", "reason": "invalid syntax: 100%"}],
        "summary": {"files": 214, "diagnostics": 2, "models": 3},
    }


def test_fields_stand_in_their_documented_order() -> None:
    document = json.loads(rendered(outcome(WRAPPED), "json"))
    assert list(document) == ["schema", "diagnostics", "not_analysed", "summary"]
    assert list(document["diagnostics"][0])[:6] == ["code", "name", "severity", "message", "path", "line"]


def test_nothing_found_is_a_whole_document() -> None:
    assert json.loads(rendered(outcome(), "json")) == {
        "schema": 1,
        "diagnostics": [],
        "not_analysed": [],
        "summary": {"files": 2, "diagnostics": 0, "models": 0},
    }


def test_it_is_ascii_and_reads_back_as_it_was() -> None:
    message = "模型 \x00\x1b\x7f\x9b\u202e\udc80\U0001f600\n"
    text = rendered(outcome(WRAPPED._replace(message=message)), "json", encoding="ascii")
    assert all(" " <= character <= "~" or character == "\n" for character in text)
    read_back = json.loads(text)["diagnostics"][0]["message"]
    assert read_back == message
