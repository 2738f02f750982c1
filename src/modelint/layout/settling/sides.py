"""One comparison by numbers: what is asked of both sides, and what comes of their answers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from modelint.layout import drift, owners
from modelint.layout.declare import Declaration
from modelint.layout.drift import Drift
from modelint.layout.facts import Numbers
from modelint.layout.manifest import Manifest
from modelint.layout.settling import changes, doubt
from modelint.layout.settling.remembered import Remembered
from modelint.layout.settling.revision import Copy, Revision
from modelint.layout.traced import Failure, Request, Result
from modelint.layout.traced import Numbers as Told

_SIDES = ("inputs", "old", "new", "layout")
SMALLER = "declare a smaller configuration in [tool.modelint.models.{}.probe]"


class Case(NamedTuple):
    """A model whose drift is open."""

    declaration: Declaration
    base: Manifest
    built: Result
    drift: Drift
    python: str
    #: Code of a function ``load_old``, which puts old files into the model of today; None: the model takes them itself.
    loader: str | None = None


class Unsettled(Exception):
    """Why numbers do not settle it: one line."""


class Asked(NamedTuple):
    case: Case
    found: Revision
    #: Where no inputs are declared: those that the project shows.
    candidates: tuple[tuple[str, ...], ...]

    @property
    def on(self) -> str:
        """What the answer hangs on beside the files of the work tree."""
        return f"{self.found} {self.candidates}"


class Sides:
    """One comparison: what is asked of the tracer, and what comes of the answers."""

    def __init__(self, asked: Asked, old: Declaration, copy: Copy, meeting: str) -> None:
        self.asked = asked
        self.case, self._found = asked.case, asked.found
        self._old = old
        self._copy = copy
        self._meeting = meeting

    def verdict(self, answers: Mapping[str, Result | Told | Failure]) -> Numbers:
        """Raises Unsettled."""
        answers = {side: answers[self._id(side)] for side in _SIDES if self._id(side) in answers}
        layout, told = answers["layout"], {}
        if isinstance(layout, Failure):
            raise Unsettled(self._failed(f"the code of commit {self._found.short} does not build", layout))
        assert isinstance(layout, Result)
        self._refuse_other_layout(layout)
        for side in ("inputs", "old", "new"):
            answer = answers.get(side)
            if isinstance(answer, Failure):
                raise Unsettled(self._failed(self._does_not_run(side), answer))
            if isinstance(answer, Told):
                told[side] = answer
                if side == "inputs" and "why" in answer.told:
                    raise Unsettled(answer.told["why"])
                if side == "old":
                    self._refuse_mixture(answer)
        new = told["new"].told
        if new["verdict"] == "unsettled":
            raise Unsettled(new["why"])
        if new["verdict"] == "unclear":
            raise Unsettled(f"the results differ by {new['distance']:.1e}, more than rounding, less than a change")
        missed = None if new["verdict"] == "different" else self._missed(layout, told["old"].told, new)
        found = tuple(", ".join(each) for each in told["inputs"].told.get("found", ())) if "inputs" in told else ()
        if new["verdict"] == "optional":
            words = f"called with {new['arguments']}: {_words(new)}"
            return Numbers("optional", words, None, new["trained"], new["renamed"], found)
        if missed is not None and new["verdict"] == "same":
            outcome: Literal["partly", "unreached"] = "partly" if missed.partly and not missed.doubtful else "unreached"
            return Numbers(outcome, self._places(missed), None, new["trained"], new["renamed"], found)
        if missed is not None:
            raise Unsettled(f"{self._places(missed)} did not run with these inputs")
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
            "loader": case.loader,
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
            raise Unsettled(f"the clone is shallow, and ends at commit {self._found.short}, after the manifest's")
        raise Unsettled(f"the code of commit {self._found.short}, which wrote the manifest, has another layout here")

    def _refuse_mixture(self, old: Told) -> None:
        """An installed or a generated module of the work tree would be the new code."""
        root = os.path.join(self._found.root, "")
        for path in old.uses.python:
            if os.path.realpath(path).startswith(root):
                own = os.path.relpath(os.path.realpath(path), self._found.root)
                raise Unsettled(f"the code of commit {self._found.short} imports {own} of the work tree")

    def _missed(self, layout: Result, old: Mapping[str, Any], new: Mapping[str, Any]) -> changes.Missed | None:
        """None: all that changed did run. Raises Unsettled."""
        plain = [changes.Ran(side["made"], side["run"]) for side in (old, new)]
        if new["verdict"] == "optional" or not new["called"]:
            return self._missed_of(layout, plain)
        every = [changes.Ran(side["made"], _joined(side["run"], side["called"])) for side in (old, new)]
        try:
            return self._missed_of(layout, every)
        except Unsettled:  # optional arguments open no more than they prove
            return self._missed_of(layout, plain)

    def _missed_of(self, layout: Result, ran: list[changes.Ran]) -> changes.Missed | None:
        files = self._files(layout)
        counted = changes.changes(*files, *ran)
        missed = changes.missed(counted)
        found = self.case.declaration.inputs is None
        why = doubt.why(*files, counted) if found or missed.places else None
        if why is not None and not found:
            return missed._replace(doubtful=True)
        if why is not None and missed.places:
            raise Unsettled(f"{self._places(missed)} did not run with these inputs; {why}")
        if why is not None:
            raise Unsettled(f"equal on inputs that were found, but {why}; declare `inputs`")
        return missed if missed.places else None

    def _places(self, missed: changes.Missed) -> str:
        places = list(dict.fromkeys(f"{self._own(path)}:{line}" for path, line in missed.places))
        more = f" and {len(places) - 3} more" if len(places) > 3 else ""
        some = "some of " if missed.partly else ""
        return f"{some}the changed lines ({', '.join(places[:3])}{more})"

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
            found += f"; {SMALLER.format(self.case.declaration.name)}"
        if self._copy.lacks and failure.id in (self._id("old"), self._id("layout")):
            found += f" (its copy lacks {'; '.join(self._copy.lacks)})"
        return found


def _joined(one: Mapping[str, list[int]], other: Mapping[str, list[int]]) -> dict[str, list[int]]:
    return {path: [*one.get(path, ()), *other.get(path, ())] for path in (*one, *other)}


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
        case "later":
            return f"after two steps in training {where} differs {much}"
    if told.get("failed"):
        return f"only one of them runs in training: {told['failed']}"
    return f"in training the output{f' {where}' if where else ''} differs {much}"
