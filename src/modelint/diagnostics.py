"""Diagnostic, Span, Fix: the currency of every engine.

Lines and columns count from 1 and columns count characters, as in every output of modelint.
This module is imported on the path of a hook that has nothing to say: it stays free of heavy imports.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Severity = Literal["information", "warning", "error"]

#: From least to most severe; the index is the rank.
SEVERITIES: tuple[Severity, ...] = ("information", "warning", "error")


class Span(NamedTuple):
    """A stretch of source text; the end column is one past the last character."""

    line: int
    column: int
    end_line: int
    end_column: int


class Related(NamedTuple):
    """Another place that explains a diagnostic ("wrapped here")."""

    path: str
    span: Span
    message: str


class Edit(NamedTuple):
    """Replace the text of ``span`` by ``text``."""

    span: Span
    text: str


class Fix(NamedTuple):
    """Text edits that remove the cause; unsafe where they add, drop or rename a key."""

    safe: bool
    message: str
    edits: tuple[Edit, ...]


class Drift(NamedTuple):
    """What a layout diagnostic says of a tracked model. ``keys`` in full; empty where no key differs."""

    cls: str
    keys: tuple[str, ...]
    old: str | None
    new: str | None
    #: What a strict load of an old file says of them, folded.
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    reshaped: tuple[str, ...] = ()
    #: Of a rename, and what speaks for it.
    certainty: Literal["proved", "proposed"] | None = None
    proof: str = ""


class Diagnostic(NamedTuple):
    """One thing reported. ``path`` is absolute inside the engines, relative once reported."""

    code: str
    name: str
    severity: Severity
    message: str
    path: str
    span: Span
    help: str = ""
    related: tuple[Related, ...] = ()
    fix: Fix | None = None
    model: str | None = None
    drift: Drift | None = None


class NotAnalysed(NamedTuple):
    """A file that could not be looked at, and why: a syntax error, a fault of modelint's own, or something else."""

    path: str
    reason: str
    line: int = 1
    syntax: bool = False
    internal: bool = False
