"""Outcome: what a run has to say; render: write it in one of the output formats.

Each format is a module of its own, imported only when it is asked for; ``text(outcome)`` yields the whole report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import IO, Literal, NamedTuple, get_args

from modelint.diagnostics import Diagnostic, NotAnalysed

Format = Literal["full", "concise", "json", "sarif", "github", "gitlab", "junit", "markdown"]

FORMATS: tuple[Format, ...] = get_args(Format)


def no_source(path: str) -> str | None:
    """The source callable of an outcome whose files cannot be read again."""
    return None


class Outcome(NamedTuple):
    """What a run has to say. Paths are relative to ``cwd``, with ``/`` (absolute when on another drive)."""

    diagnostics: Sequence[Diagnostic]
    not_analysed: Sequence[NotAnalysed] = ()
    #: How many files and models were looked at.
    files: int = 0
    models: int = 0
    #: Path, as in the diagnostics -> decoded text of the file, for the excerpts of the format full.
    sources: Callable[[str], str | None] = no_source
    #: Absolute folder of the repository: paths in sarif and github are relative to it. "" means ``cwd``.
    root: str = ""
    #: Absolute working directory of the run. "" means that of the process.
    cwd: str = ""
    #: Model -> its releases that are proved to load.
    loading: Mapping[str, Sequence[str]] = {}


def render(outcome: Outcome, format: str, stream: IO[str], *, color: bool = False) -> None:
    """Write ``outcome`` to ``stream`` in one of FORMATS. ``color`` matters to full alone."""
    if format == "full":
        from modelint.report import full

        if color:
            full.write_colored(outcome, stream)
            return
        text = full.text(outcome)
    elif format == "concise":
        from modelint.report import concise

        text = concise.text(outcome)
    elif format == "json":
        from modelint.report import json

        text = json.text(outcome)
    elif format == "sarif":
        from modelint.report import sarif

        text = sarif.text(outcome)
    elif format == "github":
        from modelint.report import github

        text = github.text(outcome)
    elif format == "gitlab":
        from modelint.report import gitlab

        text = gitlab.text(outcome)
    elif format == "junit":
        from modelint.report import junit

        text = junit.text(outcome)
    elif format == "markdown":
        from modelint.report import markdown

        text = markdown.text(outcome)
    else:
        raise ValueError(f"no such format: {format}")
    write(stream, text)


def render_statistics(outcome: Outcome, format: str, stream: IO[str]) -> None:
    """Write how often each code was found, the most frequent first: as JSON for the format json, else as text."""
    from modelint.report import statistics

    write(stream, statistics.text(outcome, as_json=format == "json"))


def write(stream: IO[str], text: str) -> None:
    """Write ``text`` to a stream of any encoding: a terminal that lacks a character must not end the run."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
