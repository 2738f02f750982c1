"""What the tracer is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from modelint.layout import manifest
from modelint.layout.facts import ClassPlace, Load, Misfit
from modelint.layout.layout import Layout

Stage = Literal["import", "call", "not-a-module", "record", "timeout", "memory", "exit", "signal", "fork"]
Blame = Literal["meta", "arguments", "import", "code", "network", "gpu", "missing-package", "resources"]


class Old(NamedTuple):
    """A layout of which files exist: does the model of today load them?"""

    id: str
    layout: Layout


class Request(NamedTuple):
    #: The name that is shown.
    id: str
    #: ``package.module:callable``
    factory: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    #: Where it is built.
    folder: str
    #: Folders that come first on sys.path.
    path: Sequence[str]
    olds: Sequence[Old] = ()
    inputs: Sequence[str] | None = None
    #: This is one side of a comparison by numbers: ``side``, the ``folder`` in which the sides meet, and what to run.
    numbers: Mapping[str, Any] | None = None


class Package(NamedTuple):
    version: str | None
    #: Its dist-info folder, else its module.
    at: str


class Uses(NamedTuple):
    """What building used; all paths are absolute."""

    python: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    #: Looked for, and not there.
    missing: tuple[str, ...] = ()
    packages: Mapping[str, Package] = {}


class Where(NamedTuple):
    path: str
    line: int
    function: str


class Numbers(NamedTuple):
    """What one side of a comparison by numbers told."""

    id: str
    told: Mapping[str, Any]
    uses: Uses


class Result(NamedTuple):
    id: str
    #: The rung of the ladder that bore.
    how: Literal["meta", "parameters", "no-init", "cpu"]
    layout: Layout
    #: By the id of the old layout.
    loads: Mapping[str, Load]
    uses: Uses
    #: Classes of the project, by their name in ``Definition.cls``.
    classes: Mapping[str, ClassPlace]
    notes: tuple[str, ...]
    seconds: float
    #: Bytes.
    peak: int


class Failure(NamedTuple):
    id: str
    stage: Stage
    blame: Blame
    #: One line.
    message: str
    #: The line of the user's own code.
    where: Where | None
    #: The one that is missing.
    package: str | None
    #: The last lines that the model's code printed.
    tail: tuple[str, ...]
    uses: Uses


def question(request: Request) -> dict[str, Any]:
    """The request as JSON."""
    return {
        "id": request.id,
        "factory": request.factory,
        "args": list(request.args),
        "kwargs": dict(request.kwargs),
        "inputs": None if request.inputs is None else list(request.inputs),
        "folder": request.folder,
        "path": list(request.path),
        "olds": [_old(each) for each in request.olds],
        "numbers": request.numbers,
    }


def _old(old: Old) -> dict[str, Any]:
    layout = old.layout
    document = manifest.to_json(layout)
    versions = {path: layout.definitions[each].version for path, each in layout.modules.items()}
    return {
        "id": old.id,
        **{field: document[field] for field in ("keys", "ties", "extra")},
        "versions": {path: version for path, version in versions.items() if version is not None},
    }


def result(event: Mapping[str, Any]) -> Result:
    return Result(
        event["id"],
        event["how"],
        manifest.from_json(event["layout"]),
        {old: _load(each) for old, each in event["loads"].items()},
        uses(event["uses"]),
        {
            name: ClassPlace(each["path"], each["line"], each["end_line"], tuple(each["bases"]))
            for name, each in event["places"]["classes"].items()
        },
        tuple(event["notes"]),
        event["seconds"],
        event["peak"],
    )


def numbers(event: Mapping[str, Any]) -> Numbers:
    return Numbers(event["id"], event["numbers"], uses(event["uses"]))


def failure(event: Mapping[str, Any]) -> Failure:
    where = event["where"]
    return Failure(
        event["id"],
        event["stage"],
        event["blame"],
        event["message"],
        None if where is None else Where(where["path"], where["line"], where["function"]),
        event["package"],
        tuple(event["tail"]),
        uses(event["uses"]),
    )


def _load(data: Mapping[str, Any]) -> Load:
    return Load(
        data["loads"],
        data["proved"],
        data["why"],
        tuple(data["missing"]),
        tuple(data["unexpected"]),
        tuple(Misfit(each["key"], tuple(each["old"]), tuple(each["new"])) for each in data["reshaped"]),
        data["hooks"],
        data["error"],
        tuple(data["dropped"]),
        tuple(data["unreached"]),
        tuple(data["filled"]),
    )


def uses(data: Mapping[str, Any]) -> Uses:
    return Uses(
        tuple(data["python"]),
        tuple(data["data"]),
        tuple(data["missing"]),
        {name: Package(each["version"], each["at"]) for name, each in data["packages"].items()},
    )
