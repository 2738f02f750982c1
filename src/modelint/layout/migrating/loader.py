"""What a function for old files makes the model compute, before the function is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from modelint.layout import building, judge, lock
from modelint.layout.affected import Verdicts
from modelint.layout.building import Interpreters, Wish
from modelint.layout.facts import Numbers
from modelint.layout.settling import numbers
from modelint.layout.settling.sides import Case
from modelint.layout.traced import Result

if TYPE_CHECKING:
    from modelint.layout.declare import Declaration, Project
    from modelint.layout.migrating.migrate import Options


class Tried(NamedTuple):
    #: What running says; None: no inputs are declared.
    numbers: Numbers | None
    #: Both sides were traced, and under the new names the model computes something else.
    differs: bool


def tried(project: Project, declaration: Declaration, options: Options, code: str, renames: Mapping[str, str]) -> Tried:
    """``code``: of the function; ``renames``: what it does to keys that only get another name. Raises LockError."""
    found = Interpreters(options.python).find(project, Verdicts.open(options.cache, project.folder))
    assert found.python is not None  # the model was just built
    base = lock.on_record(declaration, lock.Options()).bases[0].manifest
    ((_, built),) = building.build({found.python: [Wish(declaration, {"manifest": base.layout})]}, jobs=1)
    if not isinstance(built, Result):
        return Tried(Numbers("unsettled", "the model could not be built again"), False)
    drift = judge.compare(declaration, base, built, known=renames)
    parts = (part for part in drift.meaning.parts if not part.training_only and not part.optional)
    differs = drift.differs or any(part.traced or part.what == "type" for part in parts)
    if declaration.inputs is None:
        return Tried(None, differs)
    ((_, said),) = numbers.settle([Case(declaration, base, built, drift, found.python, code)], options.declares)
    return Tried(said, differs)
