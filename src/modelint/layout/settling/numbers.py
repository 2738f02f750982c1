"""Settling by numbers: the code that the manifest was written with, and the code of today, run side by side.

Where inputs are declared, for all that is open and that numbers can tell; where none are, inputs are looked for, for
silent drift alone. The old code lies in a private temporary folder for as long as it runs; whatever happens, Ctrl-C
included, it is gone afterwards.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence

from modelint.layout import building, client
from modelint.layout.building import TIMEOUT
from modelint.layout.client import Servers
from modelint.layout.declare import Declaration
from modelint.layout.drift import Drift
from modelint.layout.facts import DriftFact, KeyRenamed, KeyRetyped, Numbers
from modelint.layout.settling import revision, samples
from modelint.layout.settling.remembered import Remembered
from modelint.layout.settling.revision import Copy, NoRevision, Revision
from modelint.layout.settling.settle import may_differ
from modelint.layout.settling.sides import SMALLER, Asked, Case, Sides, Unsettled
from modelint.layout.traced import Failure, Result
from modelint.layout.traced import Numbers as Told

#: Copies of the weights that one side holds: the model, its gradients, a file of it, and what it is made of.
_COPIES = 5
#: Both sides, and the layout of the old code.
_JOBS = 3
#: What one of them may take of the memory that is free: the others are small.
_SHARES = 3
#: Without declared inputs: parameters and buffers of a model that is run at all, and seconds that it is given.
_SMALL, _SHORT = 50_000_000, 60.0


#: The declaration of a model in another folder of the same project; None: nothing is declared there.
Declares = Callable[[str, str], Declaration | None]


def can_settle(found: Drift, declaration: Declaration) -> bool:
    """Whether something is open that running would tell."""
    if declaration.inputs is None:
        facts = [fact for fact in found.facts if not isinstance(fact, KeyRetyped)]
        broken = any(fact.drift.cls == "breaking" for fact in facts)
        silent = any((fact.drift.cls, fact.drift.severity) == ("silent", "error") for fact in facts)
        return silent and not broken and declaration.silent == "error"
    return any(not isinstance(fact, KeyRetyped) and _is_open(fact) for fact in found.facts)


def _is_open(fact: DriftFact) -> bool:
    breaks = fact.drift.cls == "breaking"
    return isinstance(fact, KeyRenamed) if breaks else fact.drift.cls == "silent" or may_differ(fact)


def settle(
    cases: Sequence[Case], declares: Declares, kept: Remembered | None = None, servers: Servers | None = None
) -> Iterator[tuple[Case, Numbers]]:
    """What numbers say of each; what they said in an earlier run is not run again."""
    with tempfile.TemporaryDirectory(prefix="modelint-numbers-") as folder:
        copies = _Copies(os.path.join(os.path.realpath(folder), "code"))
        groups: dict[tuple[str, float, int | None], list[Sides]] = {}
        for number, case in enumerate(cases):
            meeting = os.path.join(folder, str(number))
            os.mkdir(meeting)
            declared = case.declaration
            try:
                asked = _asked(case)
                known = kept.recall(case, asked.on) if kept is not None else None
                if known is not None:
                    yield case, known
                    continue
                sides = _sides(asked, copies, declares, meeting)
            except (Unsettled, NoRevision) as unsettled:
                yield case, Numbers("unsettled", str(unsettled))
            else:
                timeout = declared.timeout or TIMEOUT
                timeout = timeout if declared.inputs is not None else min(timeout, _SHORT)
                groups.setdefault((case.python, timeout, declared.memory), []).append(sides)
        for (python, timeout, memory), group in groups.items():
            yield from _run(group, python, timeout, memory, kept, servers)


def _run(
    group: Sequence[Sides],
    python: str,
    timeout: float,
    memory: int | None,
    kept: Remembered | None,
    servers: Servers | None,
) -> Iterator[tuple[Case, Numbers]]:
    """One run of the tracer for all of them."""
    requests = [each for sides in group for each in sides.requests()]
    answers: dict[str, Result | Told | Failure] = {}
    words = None
    try:
        for answer in client.answers(
            python, requests, timeout=timeout, memory=memory, jobs=_JOBS, shares=_SHARES, servers=servers
        ):
            answers[answer.id] = answer
    except client.Unusable as error:
        words = building.unusable_words(python, error.reason, error.detail)
    for sides in group:
        try:
            if words is not None:
                raise Unsettled(words)
            said = sides.verdict(answers)
        except Unsettled as unsettled:
            said = Numbers("unsettled", str(unsettled))
        if words is None and kept is not None:
            sides.keep(answers, said, kept)
        yield sides.asked.case, said


class _Copies:
    """Each revision is written once."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._known: dict[Revision, Copy] = {}

    def of(self, found: Revision) -> Copy:
        if found not in self._known:
            place = os.path.join(self._folder, str(len(self._known)))
            os.makedirs(place)
            self._known[found] = revision.extract(found, place)
        return self._known[found]


def _asked(case: Case) -> Asked:
    """Raises Unsettled and NoRevision."""
    breaking = [fact for fact in case.drift.facts if fact.drift.cls == "breaking"]
    if case.loader is None and not all(isinstance(fact, KeyRenamed) for fact in breaking):
        raise Unsettled("files of the old layout do not load")
    _refuse_large(case)
    found = revision.base(case.declaration.manifest)
    shown = samples.shown(case.declaration) if case.declaration.inputs is None else ()
    return Asked(case, found, tuple(each.inputs for each in shown))


def _sides(asked: Asked, copies: _Copies, declares: Declares, meeting: str) -> Sides:
    """What is to be run. Raises Unsettled and NoRevision."""
    copy = copies.of(asked.found)
    return Sides(asked, _in_copy(asked.case.declaration, asked.found, copy, declares), copy, meeting)


def _refuse_large(case: Case) -> None:
    """Before anything is started. Of a probe the size is not known: its limits hold while it runs."""
    declaration = case.declaration
    memory = declaration.memory or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _SHARES
    if declaration.probe is not None:
        return
    elements = sum(_elements(spec.shape or ()) for spec in case.base.layout.keys.specs.values())
    if declaration.inputs is None and elements > _SMALL:
        raise Unsettled(f"no inputs are declared, and it is too large ({elements:,} values) to look for some")
    size = 8 * _COPIES * elements
    if size > memory:
        raise Unsettled(
            f"it is too large (about {size / 2**30:.1f} GiB in float64); {SMALLER.format(declaration.name)}"
        )


def _elements(shape: Sequence[int]) -> int:
    count = 1
    for each in shape:
        count *= each
    return count


def _in_copy(declaration: Declaration, found: Revision, copy: Copy, declares: Declares) -> Declaration:
    """As the configuration of that time declares it, else as it is declared now; with the folders of the copy."""

    def there(path: str) -> str:
        relative = os.path.relpath(os.path.realpath(path), found.root)
        outside = relative == os.pardir or relative.startswith(os.pardir + os.sep)
        return path if outside else os.path.normpath(os.path.join(copy.folder, relative))

    folder = there(declaration.folder)
    if not os.path.isdir(folder):
        raise Unsettled(f"commit {found.short} has no folder {os.path.relpath(folder, copy.folder)}")
    declared = declares(folder, declaration.name)
    if declared is not None:
        return declared
    return declaration._replace(folder=folder, pythonpath=tuple(map(there, declaration.pythonpath)))
