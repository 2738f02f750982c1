"""Suppression comments: which diagnostics they hide, and what is wrong with the comments themselves (901-903).

``# modelint: ignore[MDL401, MDL302] reason`` hides these codes where the diagnostic stands: on its line, and on the
first and the last line of the statement around it. ``# modelint: ignore-file[MDL401] reason`` hides them in the file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from modelint import catalogue
from modelint.diagnostics import Diagnostic, Severity, Span
from modelint.lint.comments import MARK, Comments, Directive, read_comments


class Applied(NamedTuple):
    """``kept`` is what is left to report, 901-903 among it, sorted by place and code."""

    kept: list[Diagnostic]
    suppressed: list[Diagnostic]


def apply(
    diagnostics: Iterable[Diagnostic],
    sources: Mapping[str, bytes] | Callable[[str], bytes | None],
    analysed: Iterable[str],
    settled: Collection[str] | None = None,
) -> Applied:
    """Drop what a comment hides and add 901-903 about the comments of the files ``analysed``.

    ``diagnostics`` must be those of every rule, before any selection: else a comment for a rule that is not selected
    would count as unused. ``analysed`` are the files that were wholly looked at; ``sources`` is asked for these, and
    for other files where a related line stands. ``settled`` are those whose whole
    project was looked at (None: all): in the others a comment may be needed for what only another file shows, so none
    is called unused.
    """
    read = sources if callable(sources) else sources.get
    comments: dict[str, Comments] = {}

    def comments_of(path: str) -> Comments:
        if path not in comments:
            data = read(path)
            comments[path] = read_comments(data) if data and MARK in data else Comments((), {}, whole=True)
        return comments[path]

    used = _Used()
    kept: list[Diagnostic] = []
    suppressed: list[Diagnostic] = []
    for diagnostic in diagnostics:
        places = [(diagnostic.path, diagnostic.span), *((place.path, place.span) for place in diagnostic.related)]
        # Every comment that fits counts as used: one at the wrap and one at the save are both meant.
        fitting = [
            used.note(path, directive, diagnostic.code)
            for path, span in places
            for directive in _fitting(comments_of(path), span.line, diagnostic.code)
        ]
        (suppressed if fitting else kept).append(diagnostic)

    for path in dict.fromkeys(analysed):
        found = comments_of(path)
        for diagnostic in _about(path, found, used, settled=settled is None or path in settled):
            hidden = any(
                diagnostic.code in each.codes for each in _fitting(found, diagnostic.span.line, diagnostic.code)
            )
            (suppressed if hidden else kept).append(diagnostic)
    kept.sort(key=lambda each: (each.path, each.span.line, each.span.column, each.code))
    return Applied(kept, suppressed)


class _Used:
    """Which codes each directive has hidden."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, Span], set[str]] = {}

    def note(self, path: str, directive: Directive, code: str) -> bool:
        self._codes.setdefault((path, directive.span), set()).add(code)
        return True

    def codes(self, path: str, directive: Directive) -> set[str]:
        return self._codes.get((path, directive.span), set())


def _fitting(comments: Comments, line: int, code: str) -> list[Directive]:
    """The directives of a file that hide ``code`` on ``line``."""
    lines = {line, *comments.statements.get(line, ())}
    return [
        directive
        for directive in comments.directives
        if (directive.whole_file or directive.span.line in lines) and (directive.everything or code in directive.codes)
    ]


def _about(path: str, comments: Comments, used: _Used, *, settled: bool) -> Iterable[Diagnostic]:
    """What is wrong with the comments of one file; ``settled``: a comment that hid nothing is known to be unused."""
    if not comments.whole:
        return
    for directive in comments.directives:
        hid = used.codes(path, directive)
        if directive.bare and (hid or settled or not directive.everything):
            yield _bare(path, directive, hid)
        for code, span in directive.codes.items():
            if code not in catalogue.codes():
                yield _unknown(path, code, span)
            elif settled and code not in hid and not code.startswith("MDL9"):
                # Of one code the whole comment goes, of several the code alone.
                yield _unused(path, directive, code, span if len(directive.codes) > 1 else directive.span)


def _bare(path: str, directive: Directive, hid: set[str]) -> Diagnostic:
    words = "ignore-file" if directive.whole_file else "ignore"
    if not directive.everything:
        message = f"this comment names no code, and hides nothing: {directive.flaw}"
        return _diagnostic("MDL902", path, directive.span, message, f"write `# modelint: {words}[CODE] reason`")
    if not hid:
        return _unused(path, directive, "every code", directive.span)
    usual = {code for code in hid if getattr(catalogue.rule(code), "status", "on") == "on"}
    codes = ", ".join(sorted(usual or hid))
    message = f"this comment hides {codes}, and whatever comes to this line later"
    return _diagnostic("MDL902", path, directive.span, message, f"write `# modelint: {words}[{codes}] reason`")


def _unused(path: str, directive: Directive, code: str, span: Span) -> Diagnostic:
    if directive.whole_file:
        return _diagnostic("MDL901", path, span, f"{code} is ignored, but not reported in this file", "remove it")
    message = f"{code} is ignored here, but not reported on this line"
    if directive.alone:
        advice = "move the comment to the end of the line that is reported, or remove it"
    else:
        advice = "remove it"
    return _diagnostic("MDL901", path, span, message, advice)


def _unknown(path: str, code: str, span: Span) -> Diagnostic:
    nearest = catalogue.nearest(code)
    advice = (
        f"did you mean {nearest} ({catalogue.codes()[nearest]})?" if nearest else "`modelint rules` lists the codes"
    )
    return _diagnostic("MDL903", path, span, f"{code} is no code of modelint, so it hides nothing", advice)


def _diagnostic(code: str, path: str, span: Span, message: str, advice: str) -> Diagnostic:
    severity: Severity = "warning" if code == "MDL903" else "information"
    return Diagnostic(code, catalogue.codes()[code], severity, message, path, span, advice)
