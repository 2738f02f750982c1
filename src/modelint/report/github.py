"""The format github: workflow commands that become annotations on the lines of a pull request.

What is so of a tracked model as a whole stands after them, folded in the log of the job.
"""

from __future__ import annotations

from modelint.diagnostics import Diagnostic, Severity, Span
from modelint.report import Outcome, review
from modelint.report.escape import shown
from modelint.report.paths import to_root

_COMMANDS: dict[Severity, str] = {"information": "notice", "warning": "warning", "error": "error"}


def text(outcome: Outcome) -> str:
    """The whole report. Files that could not be analysed are notices on their line."""
    lines = [_annotation(outcome, diagnostic) for diagnostic in outcome.diagnostics]
    for skipped in outcome.not_analysed:
        span = Span(skipped.line, 1, skipped.line, 1)
        title, message = "MDL904 file-not-analysed", f"not analysed: {shown(skipped.reason)}"
        lines.append(_command("notice", to_root(outcome, skipped.path), span, title, message))
    for model in review.models(outcome):
        lines += [f"::group::modelint: {_data(review.title(model))}", *review.summary(model), "::endgroup::"]
    return "".join(line + "\n" for line in lines)


def _annotation(outcome: Outcome, diagnostic: Diagnostic) -> str:
    words = [shown(diagnostic.message)]
    for related in diagnostic.related:
        place = f"{to_root(outcome, related.path)}:{related.span.line}:{related.span.column}"
        words.append(f"{shown(place)}: {shown(related.message)}")
    if diagnostic.help:
        words.append(f"help: {shown(diagnostic.help)}")
    title = f"{diagnostic.code} {diagnostic.name}"
    path = to_root(outcome, diagnostic.path)
    return _command(_COMMANDS[diagnostic.severity], path, diagnostic.span, title, "\n".join(words))


def _command(command: str, path: str, span: Span, title: str, message: str) -> str:
    place = f"file={_property(path)},line={span.line}"
    if span.line != span.end_line:
        # The runner refuses columns where the span has several lines.
        place += f",endLine={span.end_line}"
    else:
        place += f",col={span.column},endLine={span.end_line},endColumn={span.end_column}"
    return f"::{command} {place},title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    """The toolkit's escapeData."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """The toolkit's escapeProperty."""
    kept = "".join(part if part in "\r\n" else shown(part) for part in text)
    # Line breaks in a file name are kept (as %0A): else the annotation would miss its file.
    return _data(kept).replace(":", "%3A").replace(",", "%2C")
