"""What a rule is: its identity, the facts it asks for, and the predicate over them.

A rule file in ``rules/`` holds its page as the module docstring and one ``RULE``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

from modelint.diagnostics import Severity

#: on: by default. off: with its full code, or --preview.
Status = Literal["on", "off"]


class Place(NamedTuple):
    """Where a node stands, before anyone has worked out its line: file, top-level statement, node."""

    path: str
    statement: int
    node: int


class Report(NamedTuple):
    """What a predicate says of one fact. Severity and status override those of the rule."""

    at: Place
    message: str
    help: str
    related: tuple[tuple[Place, str], ...] = ()
    severity: Severity | None = None
    preview: bool = False


class Rule(NamedTuple):
    """One lint rule. ``check`` is called with each fact whose type is in ``facts``."""

    code: str
    name: str
    summary: str
    facts: tuple[type, ...]
    check: Callable[[Any], Iterator[Report]]
    severity: Severity = "warning"
    status: Status = "on"


class DriftReport(NamedTuple):
    """What a predicate says of one fact about a tracked model; the fact knows the place. No severity: the rule's."""

    message: str
    help: str
    severity: Severity | None = None
    #: Of a rename: what speaks for it, or against it.
    proof: str = ""


class LayoutRule(NamedTuple):
    """One rule over drift. ``check`` is called with each fact whose type is in ``facts``."""

    code: str
    name: str
    summary: str
    facts: tuple[type, ...]
    check: Callable[[Any], Iterator[DriftReport]]
    severity: Severity = "error"
    status: Status = "on"


class FileReport(NamedTuple):
    """What a predicate says of one fact about a checkpoint file: what is so, and what to do, in one line."""

    message: str


class FileRule(NamedTuple):
    """One rule over checkpoint files. ``check`` is called with each fact whose type is in ``facts``."""

    code: str
    name: str
    summary: str
    facts: tuple[type, ...]
    check: Callable[[Any], Iterator[FileReport]]
    severity: Severity = "error"
    status: Status = "on"


class CauseRule(NamedTuple):
    """One reason why a file does not fit a model. ``check`` is called with the situation; it yields candidates."""

    code: str
    name: str
    summary: str
    #: Causes of an earlier stage are looked for first: what all keys have in common before what a few tell.
    stage: int
    check: Callable[[Any], Iterator[Any]]
    severity: Severity = "information"
    status: Status = "on"
