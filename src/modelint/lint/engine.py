"""The lint engine: files in, diagnostics out. Data flows source -> facts -> reports -> diagnostics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from modelint import catalogue
from modelint.diagnostics import Diagnostic, NotAnalysed, Related, Severity, Span
from modelint.lint.index import Project
from modelint.lint.interpret import Interpreter
from modelint.lint.places import spans
from modelint.lint.triage import worth_parsing
from modelint.rule import Place, Report, Rule

if TYPE_CHECKING:
    from modelint.cache import Cache


class LintRun(NamedTuple):
    """What was found, raw: every rule, unsuppressed, absolute paths. ``preview`` holds the wide forms."""

    diagnostics: list[Diagnostic]
    not_analysed: list[NotAnalysed]
    files: int
    preview: set[Diagnostic]


class Found(NamedTuple):
    """One report with its rule, before positions are known."""

    rule: Rule
    report: Report


class FileRun(NamedTuple):
    """What interpreting one file gave: reports (also in files that it imports), and what could not be looked at."""

    diagnostics: list[tuple[Diagnostic, bool]]
    not_analysed: list[NotAnalysed]


def lint_files(
    files: Sequence[str],
    *,
    root: str,
    jobs: int = 1,
    cache: Cache | None = None,
    overlay: Mapping[str, bytes] | None = None,
    triage: bool = True,
) -> LintRun:
    """Lint these files. ``root`` is the folder whose Python files may be read to follow imports.

    Raises nothing for bad input: what cannot be looked at stands in ``not_analysed``.
    """
    project = Project(root, overlay)
    asked = frozenset(files)
    runs = [lint_file(project, path, asked, triage=triage) for path in files]
    return gather(runs, len(files))


def gather(runs: Iterable[FileRun], files: int) -> LintRun:
    """Put the runs of all files together: one defect is one diagnostic, however many files lead to it."""
    found: dict[tuple[str, str, Span], tuple[Diagnostic, bool]] = {}
    not_analysed: dict[NotAnalysed, None] = {}
    for run in runs:
        for diagnostic, preview in run.diagnostics:
            key = (diagnostic.code, diagnostic.path, diagnostic.span)
            old = found.get(key)
            if old is None or (old[1] and not preview):
                found[key] = (diagnostic, preview)
        not_analysed.update(dict.fromkeys(run.not_analysed))
    ordered = sorted(found.values(), key=lambda pair: (pair[0].path, pair[0].span, pair[0].code))
    return LintRun([d for d, _ in ordered], list(not_analysed), files, {d for d, preview in ordered if preview})


def lint_file(project: Project, path: str, asked: frozenset[str], *, triage: bool) -> FileRun:
    loaded = project.load(path)
    if isinstance(loaded, NotAnalysed):
        return FileRun([], [loaded])
    statements = worth_parsing(loaded) if triage else [s.index for s in loaded.source.statements]
    interpreter = Interpreter(project)
    interpreter.run(loaded, statements)
    reports = judge(interpreter.facts)
    diagnostics = locate(project, reports, asked)
    return FileRun(diagnostics, [*loaded.source.skipped, *loaded.refused])


def judge(facts: Iterable[object]) -> list[Found]:
    """Give each fact to the rules that asked for its type."""
    by_type: dict[type, list[Rule]] = {}
    for rule in catalogue.rules():
        for fact_type in rule.facts:
            by_type.setdefault(fact_type, []).append(rule)
    return [
        Found(rule, report) for fact in facts for rule in by_type.get(type(fact), ()) for report in rule.check(fact)
    ]


def locate(project: Project, found: list[Found], asked: frozenset[str]) -> list[tuple[Diagnostic, bool]]:
    """Turn reports into diagnostics in files that were asked for.

    A report whose place is in another file moves to its first related place in a file that was asked for.
    """
    moved: list[Found] = []
    for rule, report in found:
        if report.at.path not in asked:
            other = next((r for r in report.related if r[0].path in asked), None)
            if other is None:
                continue
            report = report._replace(
                at=other[0], related=((report.at, "reached here"), *(r for r in report.related if r != other))
            )
        moved.append(Found(rule, report))
    wanted: dict[tuple[str, int], set[int]] = {}
    for _, report in moved:
        for place in (report.at, *(p for p, _ in report.related)):
            wanted.setdefault((place.path, place.statement), set()).add(place.node)
    where: dict[Place, Span] = {}
    for (path, statement), nodes in wanted.items():
        file = project.file(path)
        if file is not None:
            for node, span in spans(file, statement, sorted(nodes)).items():
                where[Place(path, statement, node)] = span
    out: list[tuple[Diagnostic, bool]] = []
    for rule, report in moved:
        span = where.get(report.at, Span(1, 1, 1, 1))
        related = tuple(Related(p.path, where[p], text) for p, text in report.related if p in where and p != report.at)
        severity: Severity = report.severity or rule.severity
        out.append(
            (
                Diagnostic(rule.code, rule.name, severity, report.message, report.at.path, span, report.help, related),
                report.preview,
            )
        )
    return out
