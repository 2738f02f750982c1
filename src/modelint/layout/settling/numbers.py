"""Settling by numbers: the code that the manifest was written with, and the code of today, run side by side.

Where inputs are declared, for all that is open and that numbers can tell; where none are, inputs are looked for, for
silent drift alone. The old code lies in a private temporary folder for as long as it runs; whatever happens, Ctrl-C
included, it is gone afterwards.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from modelint.layout import building, client, drift, owners
from modelint.layout.building import TIMEOUT
from modelint.layout.client import Servers
from modelint.layout.declare import Declaration
from modelint.layout.drift import Drift
from modelint.layout.facts import DriftFact, KeyRenamed, KeyRetyped, Numbers
from modelint.layout.manifest import Manifest
from modelint.layout.settling import changes, doubt, revision, samples
from modelint.layout.settling.remembered import Remembered
from modelint.layout.settling.revision import Copy, NoRevision, Revision
from modelint.layout.settling.settle import may_differ
from modelint.layout.traced import Failure, Request, Result
from modelint.layout.traced import Numbers as Told

#: Copies of the weights that one side holds: the model, its gradients, a file of it, and what it is made of.
_COPIES = 5
#: Both sides, and the layout of the old code.
_JOBS = 3
#: What one of them may take of the memory that is free: the others are small.
_SHARES = 3
_SIDES = ("inputs", "old", "new", "layout")
#: Without declared inputs: parameters and buffers of a model that is run at all, and seconds that it is given.
_SMALL, _SHORT = 50_000_000, 60.0
_SMALLER = "declare a smaller configuration in [tool.modelint.models.{}.probe]"


class Case(NamedTuple):
    """A model whose drift is open."""

    declaration: Declaration
    base: Manifest
    built: Result
    drift: Drift
    python: str


#: The declaration of a model in another folder of the same project; None: nothing is declared there.
Declares = Callable[[str, str], Declaration | None]


class _Unsettled(Exception):
    """Why numbers do not settle it: one line."""


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
        groups: dict[tuple[str, float, int | None], list[_Sides]] = {}
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
            except (_Unsettled, NoRevision) as unsettled:
                yield case, Numbers("unsettled", str(unsettled))
            else:
                timeout = declared.timeout or TIMEOUT
                timeout = timeout if declared.inputs is not None else min(timeout, _SHORT)
                groups.setdefault((case.python, timeout, declared.memory), []).append(sides)
        for (python, timeout, memory), group in groups.items():
            yield from _run(group, python, timeout, memory, kept, servers)


def _run(
    group: Sequence[_Sides],
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
                raise _Unsettled(words)
            said = sides.verdict(answers)
        except _Unsettled as unsettled:
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


class _Asked(NamedTuple):
    case: Case
    found: Revision
    #: Where no inputs are declared: those that the project shows.
    candidates: tuple[tuple[str, ...], ...]

    @property
    def on(self) -> str:
        """What the answer hangs on beside the files of the work tree."""
        return f"{self.found} {self.candidates}"


def _asked(case: Case) -> _Asked:
    """Raises _Unsettled and NoRevision."""
    breaking = [fact for fact in case.drift.facts if fact.drift.cls == "breaking"]
    if not all(isinstance(fact, KeyRenamed) for fact in breaking):
        raise _Unsettled("files of the old layout do not load")
    _refuse_large(case)
    found = revision.base(case.declaration.manifest)
    shown = samples.shown(case.declaration) if case.declaration.inputs is None else ()
    return _Asked(case, found, tuple(each.inputs for each in shown))


def _sides(asked: _Asked, copies: _Copies, declares: Declares, meeting: str) -> _Sides:
    """What is to be run. Raises _Unsettled and NoRevision."""
    copy = copies.of(asked.found)
    return _Sides(asked, _in_copy(asked.case.declaration, asked.found, copy, declares), copy, meeting)


def _refuse_large(case: Case) -> None:
    """Before anything is started. Of a probe the size is not known: its limits hold while it runs."""
    declaration = case.declaration
    memory = declaration.memory or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _SHARES
    if declaration.probe is not None:
        return
    elements = sum(_elements(spec.shape or ()) for spec in case.base.layout.keys.specs.values())
    if declaration.inputs is None and elements > _SMALL:
        raise _Unsettled(f"no inputs are declared, and it is too large ({elements:,} values) to look for some")
    size = 8 * _COPIES * elements
    if size > memory:
        raise _Unsettled(
            f"it is too large (about {size / 2**30:.1f} GiB in float64); {_SMALLER.format(declaration.name)}"
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
        raise _Unsettled(f"commit {found.short} has no folder {os.path.relpath(folder, copy.folder)}")
    declared = declares(folder, declaration.name)
    if declared is not None:
        return declared
    return declaration._replace(folder=folder, pythonpath=tuple(map(there, declaration.pythonpath)))


class _Sides:
    """One comparison: what is asked of the tracer, and what comes of the answers."""

    def __init__(self, asked: _Asked, old: Declaration, copy: Copy, meeting: str) -> None:
        self.asked = asked
        self.case, self._found = asked.case, asked.found
        self._old = old
        self._copy = copy
        self._meeting = meeting

    def verdict(self, answers: Mapping[str, Result | Told | Failure]) -> Numbers:
        """Raises _Unsettled."""
        answers = {side: answers[self._id(side)] for side in _SIDES if self._id(side) in answers}
        layout, told = answers["layout"], {}
        if isinstance(layout, Failure):
            raise _Unsettled(self._failed(f"the code of commit {self._found.short} does not build", layout))
        assert isinstance(layout, Result)
        self._refuse_other_layout(layout)
        for side in ("inputs", "old", "new"):
            answer = answers.get(side)
            if isinstance(answer, Failure):
                raise _Unsettled(self._failed(self._does_not_run(side), answer))
            if isinstance(answer, Told):
                told[side] = answer
                if side == "inputs" and "why" in answer.told:
                    raise _Unsettled(answer.told["why"])
                if side == "old":
                    self._refuse_mixture(answer)
        new = told["new"].told
        if new["verdict"] == "unsettled":
            raise _Unsettled(new["why"])
        if new["verdict"] == "unclear":
            raise _Unsettled(f"the results differ by {new['distance']:.1e}, more than rounding, less than a change")
        if new["verdict"] != "different":
            self._refuse_missed(layout, told["old"].told, new)
        found = tuple(", ".join(each) for each in told["inputs"].told.get("found", ())) if "inputs" in told else ()
        if new["verdict"] == "same":
            return Numbers("equal", trained=new["trained"], renamed=new["renamed"], found=found)
        first = new.get("first")
        return Numbers(
            "different" if new["verdict"] == "different" else "training",
            _words(new),
            None if first is None else first["module"],
            new["trained"],
            new["renamed"],
            found,
        )

    def keep(self, answers: Mapping[str, Result | Told | Failure], said: Numbers, kept: Remembered) -> None:
        """Unless a side failed: the next time it may have more memory, or time."""
        own = {side: answers[self._id(side)] for side in _SIDES if self._id(side) in answers}
        news = [each for side, each in own.items() if side in ("inputs", "new") and not isinstance(each, Failure)]
        olds = [each for side, each in own.items() if side in ("old", "layout") and not isinstance(each, Failure)]
        if len(news) + len(olds) == len(own):
            kept.keep(self.case, self.asked.on, news, olds, said)

    def requests(self) -> Iterator[Request]:
        """The one that waits comes after the one that it waits for."""
        case, old = self.case, self._old
        renames = dict(case.drift.renames.renames)
        task = {
            "folder": self._meeting,
            "inputs": case.declaration.inputs,
            "renames": renames,
            "moved": owners.moved_modules(renames),
        }
        if case.declaration.inputs is None:
            yield self._request("inputs", case.declaration, {**task, "candidates": self.asked.candidates})
        elif isinstance(case.declaration.inputs, str):
            yield self._request("inputs", case.declaration, task)
        yield self._request("old", old, task)
        yield self._request("new", case.declaration, task)
        yield Request(self._id("layout"), old.factory, old.args, old.kwargs, old.folder, old.pythonpath)

    def _request(self, side: str, declaration: Declaration, task: Mapping[str, object]) -> Request:
        kwargs = {**declaration.kwargs, **(self.case.declaration.probe or {})}
        return Request(
            self._id(side),
            declaration.factory,
            declaration.args,
            kwargs,
            declaration.folder,
            declaration.pythonpath,
            numbers={**task, "side": side},
        )

    def _id(self, side: str) -> str:
        return f"{self._meeting}:{side}"

    def _refuse_other_layout(self, layout: Result) -> None:
        """The numbers of another code than that of the manifest would say nothing."""
        found = drift.compare(self.case.declaration.shown, self.case.base.layout, layout.layout)
        if all(fact.drift.cls == "safe" for fact in found.facts):
            return
        if self._found.boundary:
            raise _Unsettled(f"the clone is shallow, and ends at commit {self._found.short}, after the manifest's")
        raise _Unsettled(f"the code of commit {self._found.short}, which wrote the manifest, has another layout here")

    def _refuse_mixture(self, old: Told) -> None:
        """An installed or a generated module of the work tree would be the new code."""
        root = os.path.join(self._found.root, "")
        for path in old.uses.python:
            if os.path.realpath(path).startswith(root):
                own = os.path.relpath(os.path.realpath(path), self._found.root)
                raise _Unsettled(f"the code of commit {self._found.short} imports {own} of the work tree")

    def _refuse_missed(self, layout: Result, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        ran = [changes.Ran(side["made"], side["run"]) for side in (old, new)]
        files = self._files(layout)
        counted = changes.changes(*files, *ran)
        missed = changes.missed(counted)
        if missed.places:
            places = list(dict.fromkeys(f"{self._own(path)}:{line}" for path, line in missed.places))
            more = f" and {len(places) - 3} more" if len(places) > 3 else ""
            some = "some of " if missed.partly else ""
            raise _Unsettled(f"{some}the changed lines did not run with these inputs ({', '.join(places[:3])}{more})")
        why = doubt.why(*files, counted) if self.case.declaration.inputs is None else None
        if why is not None:
            raise _Unsettled(f"equal on inputs that were found, but {why}; declare `inputs`")

    def _files(self, layout: Result) -> tuple[dict[str, str], dict[str, str]]:
        """The files that either side is made of, by their names in the repository; of each name what both have."""
        olds = [path for path in layout.uses.python if self._is_in(path, self._copy.folder)]
        news = [path for path in self.case.built.uses.python if self._is_in(path, self._found.root)]
        names = {self._own(path) for path in (*olds, *news)}
        before, after = (
            {name: path for name in names if os.path.isfile(path := os.path.join(root, name))}
            for root in (self._copy.folder, self._found.root)
        )
        return before, after

    def _own(self, path: str) -> str:
        """Below the root of the repository, on either side."""
        real = os.path.realpath(path)
        root = self._copy.folder if self._is_in(path, self._copy.folder) else self._found.root
        return os.path.relpath(real, root).replace(os.sep, "/")

    @staticmethod
    def _is_in(path: str, folder: str) -> bool:
        return os.path.realpath(path).startswith(os.path.join(folder, ""))

    def _does_not_run(self, side: str) -> str:
        inputs = "the declared inputs" if self.case.declaration.inputs is not None else "inputs that were found"
        code = {"inputs": "the inputs cannot be made", "new": f"the code of today does not run with {inputs}"}
        return code.get(side, f"the code of commit {self._found.short} does not run with {inputs}")

    def _failed(self, words: str, failure: Failure) -> str:
        found = f"{words}: {failure.message}"
        if failure.stage in ("timeout", "memory"):
            found += f"; {_SMALLER.format(self.case.declaration.name)}"
        if self._copy.lacks and failure.id in (self._id("old"), self._id("layout")):
            found += f" (its copy lacks {'; '.join(self._copy.lacks)})"
        return found


def _words(told: Mapping[str, object]) -> str:
    """Where the sides part, and by how much."""
    where, away, first = str(told.get("where") or ""), told.get("distance"), told.get("first")
    much = f"by {away:.1e}" if isinstance(away, float) else "in structure"
    match told.get("part"):
        case "eval":
            end = f"the output{f' {where}' if where else ''} differs {much}"
            if not isinstance(first, dict):
                return end
            at = first["module"] or "the end of the forward"
            own = first["distance"]
            return f"outputs part first at {at}{f', by {own:.1e}' if isinstance(own, float) else ''}; {end}"
        case "gradients":
            return f"the gradient of {where} differs {much}"
        case "after":
            return f"after a step in training {where} differs {much}"
    if told.get("failed"):
        return f"only one of them runs in training: {told['failed']}"
    return f"in training the output{f' {where}' if where else ''} differs {much}"
