"""The format junit: XML in which each file is a test suite, and each diagnostic a test case that failed.

Information is a case that passed, with its words on its output: only what fails a run by default fails a test.
"""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from modelint.diagnostics import Diagnostic
from modelint.report import Outcome
from modelint.report.escape import shown
from modelint.report.paths import to_root


def text(outcome: Outcome) -> str:
    """The whole report, in ASCII. Without a diagnostic it has one case that passed: an empty one reads as an error."""
    suites: dict[str, list[tuple[str, bool]]] = {}
    for diagnostic in outcome.diagnostics:
        path = to_root(outcome, diagnostic.path)
        suites.setdefault(path, []).append((_case(diagnostic, path), diagnostic.severity != "information"))
    for skipped in outcome.not_analysed:
        words = _attribute(f"not analysed: {skipped.reason}")
        case = (
            f'<testcase name="MDL904 file-not-analysed" line="{skipped.line}">\n<skipped message={words}/>\n</testcase>'
        )
        suites.setdefault(to_root(outcome, skipped.path), []).append((case, False))
    if not suites:
        suites["modelint"] = [('<testcase name="nothing to report"/>', False)]
    cases = [case for suite in suites.values() for case in suite]
    lines = ['<?xml version="1.0" encoding="utf-8"?>', f'<testsuites name="modelint" {_counts(cases)}>']
    for path, suite in suites.items():
        lines.append(f"<testsuite name={_attribute(path)} {_counts(suite)}>")
        lines += [case for case, _ in suite]
        lines.append("</testsuite>")
    document = "\n".join([*lines, "</testsuites>"]) + "\n"
    return document.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _counts(cases: list[tuple[str, bool]]) -> str:
    return f'tests="{len(cases)}" failures="{sum(failed for _, failed in cases)}" errors="0"'


def _case(diagnostic: Diagnostic, path: str) -> str:
    place = f"{path}:{diagnostic.span.line}:{diagnostic.span.column}"
    name = _attribute(f"{diagnostic.code} {diagnostic.name}: {place}")
    words = [f"{place}: {diagnostic.message}"]
    words += [f"{each.path}:{each.span.line}:{each.span.column}: {each.message}" for each in diagnostic.related]
    words += [f"help: {diagnostic.help}"] if diagnostic.help else []
    body = escape("\n".join(map(shown, words)))
    head = f'<testcase name={name} classname={_attribute(path)} file={_attribute(path)} line="{diagnostic.span.line}">'
    if diagnostic.severity == "information":
        return f"{head}\n<system-out>{body}</system-out>\n</testcase>"
    failure = f'<failure type="{diagnostic.severity}" message={_attribute(diagnostic.message)}>{body}</failure>'
    return f"{head}\n{failure}\n</testcase>"


def _attribute(text: str) -> str:
    return quoteattr(shown(text))
