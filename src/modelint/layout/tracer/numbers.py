"""One side of a comparison by numbers: the old code tells weights and results, the new code takes them and judges.

Both sides are processes of their own. They meet in a private folder: the old one writes what it started from as soon
as it is built, and what it computed at the end; the new one waits for each. Nothing but tensors, containers and
scalars is handed on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Callable

import torch
from torch import nn

from . import parting, sought, weights
from .blame import Failed, one_line
from .build import load_factory
from .inputs import Given, maker, plain
from .meeting import INPUTS, START, Meeting, Unsettled
from .oldfile import is_equal, put, state
from .pinned import generator, pinned, seed
from .reached import Lines, together
from .results import DIFFERENT, SAME, differentiable, flat, kept, parted


def run(model: dict[str, Any], enter: Callable[..., None]) -> dict[str, Any]:
    """What one side has to tell; ``model`` is the request, its ``numbers`` say which side this is."""
    task = model["numbers"]
    meeting = Meeting(task["folder"], enter)
    side = _Side(model, task, meeting, enter)
    with meeting.joined(task["side"]):
        try:
            with pinned():
                return {"inputs": side.inputs, "old": side.old, "new": side.new}[task["side"]]()
        except Unsettled as unsettled:
            return {"verdict": "unsettled", "why": str(unsettled)}


class _Test:
    """What the model is run with, once in each regime."""

    def __init__(self, make: Callable[[], Given], lines: Lines, trains: bool, called: str = "") -> None:
        self.make = make
        #: With which optional arguments.
        self.called = called
        #: In training, too; of several one is enough.
        self.trains = trains
        #: Those that ran.
        self.lines = lines
        #: The old code does not run with it: it says nothing. Where this side is the old code, it failed.
        self.refused = self.failed = False


class _Side:
    def __init__(
        self, model: dict[str, Any], task: dict[str, Any], meeting: Meeting, enter: Callable[..., None]
    ) -> None:
        self._model = model
        self._task = task
        self._meeting = meeting
        self._enter = enter
        #: The lines that ran while the model was made and files were loaded.
        self._made = Lines(model)
        self._factory: Callable[..., nn.Module] | None = None
        self._found: list[_Test] = []
        #: The old weights were loaded under the proposed renames.
        self._renamed = False

    # The three sides

    def inputs(self) -> dict[str, Any]:
        """What a callable of the new code makes, for the old code, which may not have it; or what is found to run."""
        if self._task["inputs"] is None:
            found = sought.find(self._build, self._task["candidates"], [self._model["args"], self._model["kwargs"]])
            if not found:
                raise Unsettled("no inputs are declared, and none were found with which it runs")
            self._meeting.write(INPUTS, {"found": found})
            return {"found": [texts for texts, _ in found]}
        try:
            self._meeting.write(INPUTS, {"given": plain(maker(self._task["inputs"])())})
        except TypeError as error:  # each side makes its own
            self._meeting.write(INPUTS, {"foreign": str(error)})
        return {}

    def old(self) -> dict[str, Any]:
        first = self._build()
        start = weights.initial(first)
        self._meeting.write(START, start)
        load = self._loader(start["versions"], {})
        tested: nn.Module | None = first
        for regime in weights.REGIMES:
            given = weights.weights(start, regime)
            results = []
            for test in self._tests():
                if self._meeting.is_done("new"):
                    return self._lines()
                results.append(self._attempted(test, load, given, tested, regime))
                tested = None
            self._meeting.write(f"{regime}.pt", results)
        return self._lines()

    def new(self) -> dict[str, Any]:
        start = self._meeting.read(START)
        given = weights.weights(start, weights.REGIMES[0])
        tested: nn.Module | None
        tested, load = self._loaded(given, start["versions"])
        verdict: dict[str, Any] = {"verdict": "same", "trained": True}
        for regime in weights.REGIMES:
            if regime != weights.REGIMES[0]:
                given = weights.weights(start, regime)
            results = []
            for test in self._tests():
                results.append(self._ran(test, load, given, tested, regime))
                tested = None
            verdict = _worse(verdict, self._judged(self._meeting.read(f"{regime}.pt"), results, load, given))
            if verdict["verdict"] == "different":
                break
        return {**verdict, **self._lines(), "renamed": self._renamed}

    def _judged(
        self, olds: Sequence[dict[str, Any]], news: Sequence[dict[str, Any]], load: Callable[..., None], given: Any
    ) -> dict[str, Any]:
        """The verdict of one regime, over all inputs with which both sides run."""
        verdict: dict[str, Any] = {"verdict": "same", "trained": True}
        for test, old in zip(self._tests(), olds):
            test.refused |= "refused" in old
        ran = [each for each in zip(self._tests(), olds, news) if not each[0].refused]
        if all(test.called for test, *_ in ran):
            raise Unsettled(f"the old code does not run with the inputs that were found: {olds[0]['refused']}")
        for test, old, new in ran:
            if parted(old["given"], new["given"], common=False)[0] > 0:
                raise Unsettled("the two sides have other inputs: what makes them changed, too")
            found = self._judge(old, new)
            worst = "optional" if test.called and found["verdict"] == "different" else found["verdict"]
            if worst in ("different", "optional", "training") and _RANK[worst] > _RANK[verdict["verdict"]]:
                self._refuse_random(found, new, test, load, given)
            found.update(verdict=worst, arguments=test.called)
            verdict = _worse(verdict, found)
        return verdict

    def _lines(self) -> dict[str, Any]:
        """Of inputs that the old code does not take, the new code alone has lines, and they change nothing."""
        ran = [each for each in self._found if not each.failed]
        plain, called = ([each.lines for each in ran if bool(each.called) is way] for way in (False, True))
        return {"made": self._made.found(), "run": together(plain), "called": together(called)}

    def _refuse_random(
        self,
        found: Mapping[str, Any],
        results: Mapping[str, Any],
        test: _Test,
        load: Callable[..., None],
        given: Any,
    ) -> None:
        """What differs from itself differs from anything."""
        if found["verdict"] == "different":
            tested = self._build()
            load(tested, given)
            again = self._evaluate(tested, test)
        else:
            again = self._trained(load, given, test)
        if self._judge(results, again)["verdict"] != "same":
            raise Unsettled("two runs of the same code differ: something random in it cannot be seeded")

    # Building, loading, running

    def _build(self) -> nn.Module:
        if self._factory is None:
            with self._made.watching():
                self._factory = load_factory(self._model["factory"])
        self._enter("call")
        seed()
        with self._made.watching():
            model = self._factory(*self._model["args"], **self._model["kwargs"])
        if not isinstance(model, nn.Module):
            raise Failed("not-a-module", f"the factory returned a {type(model).__name__}", "code")
        return model.double()

    def _loaded(
        self, given: Mapping[str, torch.Tensor], versions: Mapping[str, int]
    ) -> tuple[nn.Module, Callable[..., None]]:
        """The new model with a file of the old layout in it, as it is, hooks and all, else under the renames; and how
        it got there.
        """
        if self._task["loader"] is not None:
            return self._by_function(given, versions)
        renames = {old: new for old, new in self._task["renames"].items() if old in given}
        ways: list[dict[str, str]] = [{}, renames] if renames else [{}]
        refused = ""
        for way in ways:
            load = self._loader(versions, way)
            model = self._build()
            try:
                load(model, given)
            except Exception as error:
                refused = str(error) if isinstance(error, Unsettled) else one_line(error)
                continue
            self._renamed = bool(way)
            return model, load
        words = "files of the old layout do not load" + (", under the new names either" if renames else "")
        raise Unsettled(words if "Error(s) in loading" in refused else f"{words}: {refused}")

    def _by_function(
        self, given: Mapping[str, torch.Tensor], versions: Mapping[str, int]
    ) -> tuple[nn.Module, Callable[..., None]]:
        """The same, with what `modelint migrate --loader` is going to write."""
        names: dict[str, Any] = {}
        exec(self._task["loader"], names)  # the code that modelint made, for one who asked for it

        def load(model: nn.Module, values: Mapping[str, torch.Tensor]) -> None:
            with self._made.watching():
                put(model, values, versions, {}, {}, names["load_old"])

        model = self._build()
        try:
            load(model, given)
        except Exception as error:
            raise Unsettled(f"the function does not load a file of the old layout: {one_line(error)}") from None
        self._renamed = True
        return model, load

    def _loader(self, versions: Mapping[str, int], renames: Mapping[str, str]) -> Callable[..., None]:
        moved = self._task["moved"] if renames else {}

        def load(model: nn.Module, values: Mapping[str, torch.Tensor]) -> None:
            with self._made.watching():
                put(model, values, versions, renames, moved)

        return load

    def _attempted(
        self, test: _Test, load: Callable[..., None], given: Any, model: nn.Module | None, regime: str
    ) -> dict[str, Any]:
        """Inputs that were found run with the new code, perhaps not with the old."""
        if model is not None:
            load(model, given)
        try:
            return self._ran(test, load, given, model, regime)
        except Exception as error:
            if self._task["inputs"] is not None:
                raise
            test.failed = True
            return {"refused": one_line(error)}

    def _ran(
        self, test: _Test, load: Callable[..., None], given: Any, model: nn.Module | None, regime: str
    ) -> dict[str, Any]:
        """``model`` has the weights, and was not run; None: one is made. Training takes three times as long as
        evaluation: one regime has it, the one in which nonlinear parts are least alike.
        """
        if model is None:
            model = self._build()
            load(model, given)
        results = self._evaluate(model, test)
        del model
        trains = test.trains and regime == weights.REGIMES[-1]
        return {**results, **self._trained(load, given, test)} if trains else results

    def _evaluate(self, model: nn.Module, test: _Test) -> dict[str, Any]:
        model.eval()
        self._enter("run")
        args, kwargs = test.make()
        given = flat((args, kwargs))
        seed()
        with torch.no_grad(), test.lines.watching(), parting.noting(model) as calls:
            output = model(*args, **kwargs)
        return {"eval": flat(output), "calls": list(calls), "given": given}

    def _trained(self, load: Callable[..., None], given: Any, test: _Test) -> dict[str, Any]:
        """Of a model of its own: some merge or cache when their mode changes."""
        model = self._build().train()
        load(model, given)
        arrived = self._arrived(model, given)
        self._enter("run")
        try:
            found = self._train(model, test)
        except Exception as error:
            return {"failed": one_line(error)}
        for part in ("gradients", "after", "later"):
            found[part] = {key: each for key, each in found[part].items() if key in arrived}
        return found

    def _arrived(self, model: nn.Module, given: Mapping[str, torch.Tensor]) -> set[str]:
        """The keys that hold what they held in the file: where a load hook turned a square weight, or put another one
        there, gradients are not of the same thing.
        """
        names = self._task["renames"] if self._renamed else {}
        own = model.state_dict()
        pairs = ((names.get(key, key), value) for key, value in given.items())
        return own.keys() - {key for key, value in pairs if key in own and not is_equal(own[key], value)}

    def _train(self, model: nn.Module, test: _Test) -> dict[str, Any]:
        args, kwargs = test.make()
        empty = {key for key, value in state(model) if value.is_floating_point() and not value.any()}
        seed()
        with test.lines.watching():
            output = model(*args, **kwargs)
        loss = torch.zeros(())
        for each in differentiable(output):
            loss = loss + (each * torch.randn(each.shape, generator=generator(tuple(each.shape)))).sum()
        if loss.requires_grad:
            torch.autograd.backward(loss)
        living = model.state_dict(keep_vars=True)
        found = {
            "train": flat(output),
            "gradients": {
                key: kept(torch.zeros(value.shape) if value.grad is None else value.grad)
                for key, value in living.items()
                if isinstance(value, nn.Parameter)
            },
            "after": {key: kept(value) for key, value in state(model)},
            "later": {},
        }
        if any(value.any() for key, value in state(model) if key in empty):
            # A factor of what starts from zero shows in the next step.
            args, kwargs = test.make()
            model(*args, **kwargs)
            found["later"] = {key: kept(value) for key, value in state(model)}
        return found

    def _tests(self) -> list[_Test]:
        """One with inputs that are declared, several with those that were found."""
        if not self._found:
            makers = enumerate(self._makers())
            self._found = [_Test(make, Lines(self._model), number == 0, called) for number, (make, called) in makers]
        return self._found

    def _makers(self) -> list[tuple[Callable[[], Given], str]]:
        declared: str | list[str] | None = self._task["inputs"]
        handed = {} if isinstance(declared, list) else self._meeting.read(INPUTS)
        if "given" in handed:
            args, kwargs = handed["given"]
            return [(lambda: (tuple(plain(args)), plain(kwargs)), "")]
        if declared is None:
            return [(sought.maker(texts, factor), sought.called_with(texts)) for texts, factor in handed["found"]]
        return [(maker(declared), "")]

    # The verdict

    def _judge(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
        """Of one regime; what only one of them has is not compared."""
        found: dict[str, Any] = {"verdict": "same", "distance": 0.0}
        failures = [each["failed"] for each in (old, new) if "failed" in each]
        if len(failures) == 1 and "train" in {*old, *new}:
            found = {"verdict": "training", "part": "train", "where": "", "distance": None}
        for part in ("eval", "train", "gradients", "after", "later"):
            if part not in old or part not in new:
                continue
            before, by_key = old[part], part in ("gradients", "after", "later")
            if by_key:
                before = {self._new_name(key, new[part]): each for key, each in before.items()}
                before = {key: each for key, each in before.items() if _is_alike(each, new[part].get(key))}
            away, where = parted(before, new[part], common=by_key)
            if _RANK[_verdict(part, away)] > _RANK[found["verdict"]]:
                away_or_none = None if away == float("inf") else away
                found = {"verdict": _verdict(part, away), "part": part, "where": where, "distance": away_or_none}
        if found["verdict"] == "different":
            found["first"] = parting.first(old["calls"], new["calls"], self._task["moved"])
        return {**found, "trained": not failures, "failed": failures[0] if failures else None}

    def _new_name(self, key: str, news: Mapping[str, Any]) -> str:
        name = str(self._task["renames"].get(key, key))
        return name if name in news else key


def _is_alike(old: Any, new: Any) -> bool:
    """Whether they can be compared: a load hook may have given a weight other axes."""
    return new is None or old["shape"] == new["shape"] or len(old["values"]) == len(new["values"]) == 1


def _worse(verdict: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """The one that says more; training was compared where both did."""
    chosen = found if _RANK[found["verdict"]] >= _RANK[verdict["verdict"]] else verdict
    return {**chosen, "trained": verdict["trained"] and found["trained"]}


#: optional: different where it is called with an optional argument.
_RANK = {"same": 0, "unclear": 1, "training": 2, "optional": 3, "different": 4}


def _verdict(part: str, away: float) -> str:
    if away < SAME:
        return "same"
    if away <= DIFFERENT:
        return "unclear"
    return "different" if part == "eval" else "training"
