"""A step: what was accepted, from which layout to which. It covers that step alone, so that it hides no later one."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from modelint.layout.document import Document, DocumentError
from modelint.layout.facts import DriftClass

SCHEMA = 1
_FIELDS = ("schema", "from", "to", "class", "renames", "dropped", "reason")


class Step(NamedTuple):
    #: Digests of the two layouts.
    before: str
    after: str
    cls: DriftClass
    #: Old key -> new key.
    renames: Mapping[str, str] = {}
    #: Keys that went without a new name.
    dropped: tuple[str, ...] = ()
    reason: str | None = None

    @property
    def file_name(self) -> str:
        return f"{self.before}-{self.after}.json"


def text(step: Step) -> str:
    """The same for equal steps."""
    values = (SCHEMA, step.before, step.after, step.cls, dict(step.renames), list(step.dropped), step.reason)
    return json.dumps(dict(zip(_FIELDS, values, strict=True)), indent=2, ensure_ascii=True) + "\n"


def read(path: str) -> Step:
    """Raises DocumentError, and OSError where the file cannot be read."""
    with open(path, "rb") as file:
        document = Document(path, file.read())
    match document.content:
        case {"schema": int(schema)} if schema > SCHEMA:
            raise document.error(f"a newer modelint wrote it (schema {schema}; this one reads {SCHEMA})", "schema")
        case {
            "schema": 1,
            "from": str(before),
            "to": str(after),
            "class": "breaking" | "silent" | "safe" as cls,
            "renames": dict(renames),
            "dropped": list(dropped),
            "reason": str() | None as reason,
        } if _are_texts(renames.values()) and _are_texts(dropped):
            return Step(before, after, cls, renames, tuple(dropped), reason)
    raise DocumentError(path, 1, "it is no step: a field is missing, or has a wrong type")


def read_all(home: str) -> list[Step]:
    """Those of a model; what cannot be used is left out, for a step says nothing that must be known."""
    folder = os.path.join(home, "steps")
    found = []
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        if name.endswith(".json"):
            with contextlib.suppress(OSError, DocumentError):
                found.append(read(os.path.join(folder, name)))
    return found


def renames(steps: Iterable[Step], before: str, after: str) -> dict[str, str]:
    """Old key -> new key over the steps that lead from the layout ``before`` to ``after``; none where none do."""
    known = list(steps)
    ways: dict[str, dict[str, str]] = {before: {}}
    todo = [before]
    for here in todo:
        for each in known:
            if each.before == here and each.after not in ways:
                moved = {key: each.renames.get(name, name) for key, name in ways[here].items()}
                come = {key: name for key, name in each.renames.items() if key not in ways[here].values()}
                ways[each.after] = {**come, **moved}
                todo.append(each.after)
    return ways.get(after, {})


def _are_texts(values: Iterable[object]) -> bool:
    return all(isinstance(value, str) for value in values)
