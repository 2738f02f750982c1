"""What could be tracked: the models that are found by reading, built for real, and the lines that would track them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from modelint.keys.words import counted
from modelint.layout import building, discover
from modelint.layout.affected import Verdicts
from modelint.layout.building import Interpreters, NotBuilt, Progress, Wish
from modelint.layout.declare import MODELS_FILE, Declaration, Project
from modelint.layout.discover import Candidate
from modelint.layout.traced import Failure, Result

#: More would take too long to try, and to read.
_MOST = 40
#: A module of functions that make what needs a configuration; it stands in a folder of its own while it is tried.
_MODULE = "modelint_proposed_models"


class Proposal(NamedTuple):
    #: What to paste; comments say the rest.
    lines: tuple[str, ...]
    #: For stderr.
    notes: tuple[str, ...]
    could_not_look: bool


def propose(
    project: Project,
    declared: Sequence[Declaration],
    files: Sequence[str],
    *,
    python: str | None,
    jobs: int,
    progress: Progress | None,
) -> Proposal:
    """Try the candidates in ``files`` (absolute) in the project's interpreter."""
    taken = {each.factory for each in declared}
    folders = (project.folder, os.path.join(project.folder, "src"), *_extra(project))
    found = [each for each in discover.candidates(_read(files), folders) if each.factory not in taken]
    names: list[str] = [each.name for each in declared]
    tried: dict[str, Candidate] = {}
    for each in found:
        if (not each.needs or each.config is not None) and len(tried) < _MOST:
            names.append(discover.model_name(each.name, names))
            tried[names[-1]] = each
    needing = [each for each in found if each.needs and each.config is None]
    if not tried:
        return Proposal(tuple(_needs(needing)), ("no model was found that needs no arguments",), False)
    interpreters = Interpreters(python)
    interpreter = interpreters.find(project, Verdicts.open(None, project.folder))
    if interpreter.python is None:
        missed = building.missing_words(interpreter)
        return Proposal((), (missed.reason, *(f"  {line}" for line in missed.trail)), True)
    with tempfile.TemporaryDirectory(prefix="modelint-") as folder:
        with open(os.path.join(folder, f"{_MODULE}.py"), "w", encoding="utf-8") as module:
            module.write("\n\n".join(_function(name, each) for name, each in tried.items() if each.config))
        wishes = [Wish(_declaration(name, each, project, folders, folder), {}) for name, each in tried.items()]
        outcomes = {
            declaration.name: built
            for declaration, built in building.build({interpreter.python: wishes}, jobs=jobs, progress=progress)
        }
    return _said(tried, outcomes, needing, project)


def _said(
    tried: dict[str, Candidate],
    outcomes: dict[str, Result | Failure | NotBuilt],
    needing: Sequence[Candidate],
    project: Project,
) -> Proposal:
    plain: list[str] = []
    functions: list[str] = []
    failed: list[str] = []
    missed: list[str] = []
    for name, each in tried.items():
        built = outcomes[name]
        if isinstance(built, NotBuilt):
            missed = [built.reason]
        elif isinstance(built, Failure):
            failed.append(f"# {each.name} ({_place(each, project)}) could not be built: {built.message}")
        elif not built.layout.keys.specs:
            failed.append(f"# {each.name} ({_place(each, project)}) has no weights")
        elif each.config is None:
            plain += ["", f"# {_size(built)}", *discover.table(name, each.factory).splitlines()]
        else:
            functions += ["", "", *_function(name, each, _size(built)).splitlines()]
    if missed:
        return Proposal((), tuple(missed), True)
    lines: list[str] = []
    if plain:
        lines += ["# For pyproject.toml:", *plain]
    if functions:
        lines += ["", f"# For {MODELS_FILE}, beside pyproject.toml:", *functions]
    rest = [*failed, *_needs(needing)]
    lines += ["", *rest] if rest else []
    good = len(tried) - len(failed)
    return Proposal(tuple(lines), (f"{good} of {len(tried)} models that need no arguments can be tracked",), False)


def _size(built: Result) -> str:
    specs = built.layout.keys.specs.values()
    numbers = sum(prod(spec.shape) for spec in specs if spec.shape is not None and spec.kind == "parameter")
    return f"{counted(specs)}, {numbers:,} parameters"


def _needs(needing: Sequence[Candidate]) -> list[str]:
    lines = [f"# {each.name} needs {', '.join(each.needs)}: factory, and args or kwargs" for each in needing[:_MOST]]
    return [*lines, f"# and {len(needing) - _MOST} more"] if len(needing) > _MOST else lines


def _function(name: str, each: Candidate, words: str = "") -> str:
    """A function that makes a model with the configuration that it needs."""
    module, _, cls = each.factory.partition(":")
    home, _, config = (each.config or "").partition(":")
    imports = [f"from {module} import {cls}"] if home != module else [f"from {module} import {cls}, {config}"]
    imports += [f"from {home} import {config}"] if home != module else []
    body = [*imports, "", f"return {cls}({config}())"]
    lines = [f"def {_identifier(name)}():", *([f"# {words}"] if words else []), *body]
    return "\n".join(f"    {line}" if line and number else line for number, line in enumerate(lines)) + "\n"


def _identifier(name: str) -> str:
    return name.replace("-", "_").replace(".", "_")


def _declaration(name: str, each: Candidate, project: Project, folders: Sequence[str], extra: str) -> Declaration:
    factory = each.factory if each.config is None else f"{_MODULE}:{_identifier(name)}"
    return Declaration(
        name=name,
        shown=name,
        factory=factory,
        args=(),
        kwargs={},
        inputs=None,
        optional=False,
        folder=project.folder,
        path=each.path,
        line=each.line,
        manifests=project.folder,
        pythonpath=(*folders, extra),
        python=None,
    )


def _extra(project: Project) -> tuple[str, ...]:
    return tuple(os.path.normpath(os.path.join(project.folder, each)) for each in project.settings.pythonpath)


def _place(each: Candidate, project: Project) -> str:
    return f"{os.path.relpath(each.path, project.folder)}:{each.line}"


def _read(files: Sequence[str]) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for path in files:
        try:
            with open(path, "rb") as file:
                found.append((path, file.read()))
        except OSError:
            continue
    return found
