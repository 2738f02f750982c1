"""Outcome: what a run has to say; render: write it in one of the output formats.

Each format lives in a module of its own, which is imported only when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import IO, Literal, NamedTuple, get_args

from modelint.diagnostics import Diagnostic, NotAnalysed

Format = Literal["full", "concise", "json", "sarif", "github"]

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


def render(outcome: Outcome, format: str, stream: IO[str], *, color: bool = False) -> None:
    """Write ``outcome`` to ``stream`` in one of FORMATS. ``color`` matters to full alone."""
    raise NotImplementedError


def render_statistics(outcome: Outcome, format: str, stream: IO[str]) -> None:
    """Write how often each code was found, the most frequent first: as JSON for the format json, else as text."""
    raise NotImplementedError
