"""The format sarif: SARIF 2.1.0, as code scanning services read it."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from modelint import __version__, catalogue
from modelint.diagnostics import Diagnostic, Fix, NotAnalysed, Severity, Span
from modelint.report import Outcome
from modelint.report.escape import shown
from modelint.report.json import to_ascii
from modelint.report.paths import to_root

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
#: What every relative URI is relative to. Where it lies is left to the reader: no path of this machine goes out.
BASE = "%SRCROOT%"

_LEVELS: dict[Severity, str] = {"information": "note", "warning": "warning", "error": "error"}
_NOT_ANALYSED = "MDL904"


def text(outcome: Outcome) -> str:
    """The whole report."""
    reported = {diagnostic.code: diagnostic for diagnostic in outcome.diagnostics}
    index = {code: position for position, code in enumerate(sorted(reported))}
    driver: dict[str, Any] = {
        "name": "modelint",
        "version": __version__,
        "rules": [_rule(code, reported[code].name) for code in index],
    }
    if outcome.not_analysed:
        driver["notifications"] = [_rule(_NOT_ANALYSED, "file-not-analysed")]
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {BASE: {"description": {"text": "The root of the repository."}}},
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [_notification(outcome, skipped) for skipped in outcome.not_analysed],
            }
        ],
        "results": [_result(outcome, diagnostic, index[diagnostic.code]) for diagnostic in outcome.diagnostics],
    }
    return to_ascii({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(code: str, name: str) -> dict[str, Any]:
    """Identity, default level and page of a rule. A code without a page (of a later engine) is named and no more."""
    rule = catalogue.rule(code)
    if rule is None:
        return {"id": code, "name": name}
    page = catalogue.page(code)
    parts = catalogue.sections(page)
    return {
        "id": code,
        "name": rule.name,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": " ".join(parts.get("What it does", rule.summary).split())},
        "help": {"text": page, "markdown": page},
        "defaultConfiguration": {"level": _LEVELS[rule.severity], "enabled": rule.status == "on"},
    }


def _result(outcome: Outcome, diagnostic: Diagnostic, index: int) -> dict[str, Any]:
    words = shown(diagnostic.message)
    if diagnostic.help:
        words += f"\n{shown(diagnostic.help)}"
    result: dict[str, Any] = {
        "ruleId": diagnostic.code,
        "ruleIndex": index,
        "level": _LEVELS[diagnostic.severity],
        "message": {"text": _no_links(words)},
        "locations": [_location(outcome, diagnostic.path, diagnostic.span)],
    }
    if diagnostic.related:
        result["relatedLocations"] = [
            {
                "id": number,
                **_location(outcome, related.path, related.span),
                "message": {"text": _no_links(shown(related.message))},
            }
            for number, related in enumerate(diagnostic.related, start=1)
        ]
    if diagnostic.fix is not None:
        result["fixes"] = [_fix(outcome, diagnostic.path, diagnostic.fix)]
    properties = {} if diagnostic.model is None else {"model": diagnostic.model}
    if diagnostic.drift is not None:
        properties["drift"] = diagnostic.drift.cls
    if properties:
        result["properties"] = properties
    return result


def _no_links(message: str) -> str:
    """In a message of SARIF ``[a](b)`` is a link; here it is a piece of code."""
    return re.sub(r"\[(?=[^\[\]]*\]\()", r"\\[", message)


def _location(outcome: Outcome, path: str, span: Span) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": _artifact(outcome, path), "region": _region(span)}}


def _artifact(outcome: Outcome, path: str) -> dict[str, str]:
    relative = to_root(outcome, path)
    uri = quote(relative.encode("utf-8", "surrogateescape"))
    if uri.startswith("/"):
        return {"uri": f"file://{uri}"}
    if relative[1:3] == ":/":  # outside the root, on Windows
        return {"uri": f"file:///{relative[:2]}{uri[4:]}"}
    return {"uri": uri, "uriBaseId": BASE}


def _region(span: Span) -> dict[str, int]:
    return {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }


def _fix(outcome: Outcome, path: str, fix: Fix) -> dict[str, Any]:
    replacements = [{"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.text}} for edit in fix.edits]
    change = {"artifactLocation": _artifact(outcome, path), "replacements": replacements}
    return {"description": {"text": shown(fix.message)}, "artifactChanges": [change]}


def _notification(outcome: Outcome, skipped: NotAnalysed) -> dict[str, Any]:
    span = Span(skipped.line, 1, skipped.line, 1)
    return {
        "descriptor": {"id": _NOT_ANALYSED, "index": 0},
        "level": "warning",
        "message": {"text": _no_links(f"not analysed: {shown(skipped.reason)}")},
        "locations": [_location(outcome, skipped.path, span)],
    }
