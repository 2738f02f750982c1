"""The format json: the fields that other programs read. They change only with the number of the schema."""

from __future__ import annotations

import json
from typing import Any

from modelint.diagnostics import Diagnostic, Fix, Span
from modelint.report import Outcome


def text(outcome: Outcome) -> str:
    """The whole report, in ASCII."""
    document = {
        "schema": 1,
        "diagnostics": [_diagnostic(diagnostic) for diagnostic in outcome.diagnostics],
        "not_analysed": [{"path": skipped.path, "reason": skipped.reason} for skipped in outcome.not_analysed],
        "summary": {"files": outcome.files, "diagnostics": len(outcome.diagnostics), "models": outcome.models},
    }
    return to_ascii(document)


def to_ascii(document: object) -> str:
    """JSON in ASCII, with whatever is not between space and tilde escaped; ``ensure_ascii`` leaves DEL alone."""
    return escaped(json.dumps(document, indent=2, ensure_ascii=True)) + "\n"


def escaped(text: str) -> str:
    return text.replace("\x7f", "\\u007f")


def _diagnostic(diagnostic: Diagnostic) -> dict[str, Any]:
    drift = diagnostic.drift
    return {
        "code": diagnostic.code,
        "name": diagnostic.name,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "path": diagnostic.path,
        **_span(diagnostic.span),
        "help": diagnostic.help,
        "url": None,  # until there are docs
        "related": [
            {
                "path": related.path,
                "line": related.span.line,
                "column": related.span.column,
                "message": related.message,
            }
            for related in diagnostic.related
        ],
        "fix": None if diagnostic.fix is None else _fix(diagnostic.fix),
        "model": diagnostic.model,
        "drift": None
        if drift is None
        else {"class": drift.cls, "keys": list(drift.keys), "old": drift.old, "new": drift.new},
    }


def _span(span: Span) -> dict[str, int]:
    return {"line": span.line, "column": span.column, "end_line": span.end_line, "end_column": span.end_column}


def _fix(fix: Fix) -> dict[str, Any]:
    edits = [{**_span(edit.span), "text": edit.text} for edit in fix.edits]
    return {"safe": fix.safe, "message": fix.message, "edits": edits}
