"""The format gitlab: a Code Quality report, as GitLab's merge requests read it."""

from __future__ import annotations

import hashlib
from typing import Any

from modelint.diagnostics import Severity
from modelint.report import Outcome
from modelint.report.escape import shown
from modelint.report.json import to_ascii
from modelint.report.paths import to_root

_SEVERITIES: dict[Severity, str] = {"information": "info", "warning": "major", "error": "critical"}


def text(outcome: Outcome) -> str:
    """The whole report."""
    issues = [
        (
            diagnostic.code,
            f"{diagnostic.code} [{diagnostic.name}] {diagnostic.message}",
            _SEVERITIES[diagnostic.severity],
            diagnostic.path,
            diagnostic.span.line,
            diagnostic.span.end_line,
        )
        for diagnostic in outcome.diagnostics
    ]
    issues += [
        ("MDL904", f"not analysed: {skipped.reason}", "info", skipped.path, skipped.line, skipped.line)
        for skipped in outcome.not_analysed
    ]
    seen: dict[str, int] = {}
    entries: list[dict[str, Any]] = []
    for code, message, severity, path, line, end_line in issues:
        place = to_root(outcome, path)
        entries.append(
            {
                "description": shown(message),
                "check_name": code,
                "fingerprint": _fingerprint(f"{code}\0{place}\0{message}", seen),
                "severity": severity,
                "location": {"path": shown(place), "lines": {"begin": line, "end": end_line}},
            }
        )
    return to_ascii(entries)


def _fingerprint(identity: str, seen: dict[str, int]) -> str:
    """Without the line: what moves is not new. GitLab takes equal fingerprints for one, so equals are counted."""
    number = seen[identity] = seen.get(identity, 0) + 1
    return hashlib.blake2b(f"{identity}\0{number}".encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
