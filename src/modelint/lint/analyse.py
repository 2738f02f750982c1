"""One file, from source to diagnostics, and what it was looked up in. Imported only where there is work for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from modelint import catalogue
from modelint.diagnostics import Diagnostic, NotAnalysed, Related, Span
from modelint.lint.interpret import Interpreter
from modelint.lint.places import spans
from modelint.lint.project import Project
from modelint.lint.select import select
from modelint.lint.trail import Trail
from modelint.rule import Place, Report, Rule


class Found(NamedTuple):
    """One report with its rule, before positions are known."""

    rule: Rule
    report: Report


class FileRun(NamedTuple):
    """What interpreting one file gave, reports in files that it imports included."""

    #: Each with whether it is of the form that only --preview shows.
    diagnostics: list[tuple[Diagnostic, bool]]
    not_analysed: list[NotAnalysed]
    #: The trails, that of the file itself among them, that this process has not told of before, or not in full.
    consulted: dict[str, Trail]


class Analyser:
    """Analyses files of one project, one after the other, in one process."""

    def __init__(self, project: Project, *, triage: bool, trace: bool) -> None:
        self.project = project
        self.triage = triage
        #: Whether somebody wants to know what was consulted.
        self.trace = trace
        self._rules: dict[type, list[Rule]] = {}
        for rule in catalogue.rules("lint"):
            if not isinstance(rule, Rule):
                continue
            for fact_type in rule.facts:
                self._rules.setdefault(fact_type, []).append(rule)
        #: Several files lead to the same places.
        self._spans: dict[Place, Span] = {}

    def run(self, path: str) -> FileRun:
        project = self.project
        loaded = project.load(path)
        if isinstance(loaded, NotAnalysed):
            return FileRun([], [loaded], self._consulted(path))
        statements = select(loaded) if self.triage else [s.index for s in loaded.source.statements]
        found: list[tuple[Diagnostic, bool]] = []
        if statements:
            try:
                interpreter = Interpreter(project)
                interpreter.run(loaded, statements)
                found = self._locate(self._judge(interpreter.facts))
            except Exception as error:  # one file must not cost the findings of all the others
                reason = f"internal error ({type(error).__name__}: {error}): please report it with this file"
                loaded.refused.append(NotAnalysed(path, reason, internal=True))
        run = FileRun(found, [*loaded.source.skipped, *loaded.refused], self._consulted(path))
        project.trim()
        return run

    def _consulted(self, path: str) -> dict[str, Trail]:
        return self.project.consulted(path) if self.trace else {}

    def _judge(self, facts: Iterable[object]) -> list[Found]:
        """Give each fact to the rules that asked for its type."""
        return [
            Found(rule, report)
            for fact in facts
            for rule in self._rules.get(type(fact), ())
            for report in rule.check(fact)
        ]

    def _locate(self, found: list[Found]) -> list[tuple[Diagnostic, bool]]:
        """Turn reports into diagnostics."""
        wanted: dict[tuple[str, int], set[int]] = {}
        for _, report in found:
            for place in (report.at, *(p for p, _ in report.related)):
                if place not in self._spans:
                    wanted.setdefault((place.path, place.statement), set()).add(place.node)
        for (path, statement), nodes in wanted.items():
            file = self.project.file(path)
            if file is not None:
                for node, span in spans(file, statement, sorted(nodes)).items():
                    self._spans[Place(path, statement, node)] = span
        return [(self._diagnostic(rule, report), report.preview) for rule, report in found]

    def _diagnostic(self, rule: Rule, report: Report) -> Diagnostic:
        where = self._spans
        span = where.get(report.at, Span(1, 1, 1, 1))
        related = tuple(Related(p.path, where[p], text) for p, text in report.related if p in where and p != report.at)
        severity = report.severity or rule.severity
        return Diagnostic(rule.code, rule.name, severity, report.message, report.at.path, span, report.help, related)
