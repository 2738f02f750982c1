"""One side of a comparison by numbers: the old code tells weights and results, the new code takes them and judges.

Both sides are processes of their own. They meet in a private folder: the old one writes what it started from as soon
as it is built, and what it computed at the end; the new one waits for each. Nothing but tensors, containers and
scalars is handed on.
"""

from __future__ import annotations

import os
import time
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Callable

import torch
from torch import nn

from . import loads, parting, weights
from .blame import Failed, one_line
from .build import load_factory
from .inputs import Given, maker, plain
from .pinned import generator, pinned, seed
from .reached import Lines
from .results import DIFFERENT, SAME, differentiable, flat, kept, parted

INPUTS, START = "inputs.pt", "start.pt"
#: Seconds between two looks for what the other side writes.
_LOOK = 0.01


class Unsettled(Exception):
    """Why numbers do not settle it."""


def run(model: dict[str, Any], enter: Callable[..., None]) -> dict[str, Any]:
    """What one side has to tell; ``model`` is the request, its ``numbers`` say which side this is."""
    task = model["numbers"]
    side = _Side(model, task, enter)
    own = os.path.join(task["folder"], str(task["side"]))
    with open(own + ".part", "w", encoding="ascii") as file:
        file.write(str(os.getpid()))
    os.rename(own + ".part", own + ".pid")
    try:
        with pinned():
            return {"inputs": side.inputs, "old": side.old, "new": side.new}[task["side"]]()
    except Unsettled as unsettled:
        return {"verdict": "unsettled", "why": str(unsettled)}
    finally:
        with open(own + ".done", "w", encoding="ascii"):
            pass


class _Side:
    def __init__(self, model: dict[str, Any], task: dict[str, Any], enter: Callable[..., None]) -> None:
        self._model = model
        self._task = task
        self._enter = enter
        self._folder: str = task["folder"]
        #: The lines that ran while the model was made and files were loaded, and when it was run.
        self._made, self._run = Lines(model), Lines(model)
        self._factory: Callable[..., nn.Module] | None = None
        self._maker: Callable[[], Given] | None = None
        #: The old weights were loaded under the proposed renames.
        self._renamed = False

    # The three sides

    def inputs(self) -> dict[str, Any]:
        """What a callable of the new code makes, for the old code, which may not have it."""
        try:
            self._write(INPUTS, {"given": plain(maker(self._task["inputs"])())})
        except TypeError as error:  # each side makes its own
            self._write(INPUTS, {"foreign": str(error)})
        return {}

    def old(self) -> dict[str, Any]:
        first = self._build()
        start = weights.initial(first)
        self._write(START, start)
        load = self._loader(start["versions"], {})
        for regime in weights.REGIMES:
            given = weights.weights(start, regime)
            tested = first if regime == weights.REGIMES[0] else self._build()
            load(tested, given)
            results = self._evaluate(tested)
            if self._is_done("new"):
                break
            results.update(self._trained(load, given))
            self._write(f"{regime}.pt", results)
        return self._lines()

    def new(self) -> dict[str, Any]:
        start = self._read(START)
        given = weights.weights(start, weights.REGIMES[0])
        tested, load = self._loaded(given, start["versions"])
        verdict: dict[str, Any] = {"verdict": "same", "trained": True}
        for regime in weights.REGIMES:
            if regime != weights.REGIMES[0]:
                given = weights.weights(start, regime)
                tested = self._build()
                load(tested, given)
            results = self._evaluate(tested)
            results.update(self._trained(load, given))
            olds = self._read(f"{regime}.pt")
            if parted(olds["given"], results["given"], common=False)[0] > 0:
                raise Unsettled("the two sides have other inputs: what makes them changed, too")
            found = self._judge(olds, results)
            found["trained"] &= verdict["trained"]
            if _RANK[found["verdict"]] >= _RANK[verdict["verdict"]]:
                verdict = found
                if found["verdict"] in ("different", "training"):
                    self._refuse_random(found, results, load, given)
            if verdict["verdict"] == "different":
                break
        return {**verdict, **self._lines(), "renamed": self._renamed}

    def _lines(self) -> dict[str, Any]:
        return {"made": self._made.found(), "run": self._run.found()}

    def _refuse_random(
        self, found: Mapping[str, Any], results: Mapping[str, Any], load: Callable[..., None], given: Any
    ) -> None:
        """What differs from itself differs from anything."""
        if found["verdict"] == "different":
            tested = self._build()
            load(tested, given)
            again = self._evaluate(tested)
        else:
            again = self._trained(load, given)
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

    def _loader(self, versions: Mapping[str, int], renames: Mapping[str, str]) -> Callable[..., None]:
        moved = self._task["moved"] if renames else {}

        def load(model: nn.Module, values: Mapping[str, torch.Tensor]) -> None:
            with self._made.watching():
                _load(model, values, versions, renames, moved)

        return load

    def _evaluate(self, model: nn.Module) -> dict[str, Any]:
        model.eval()
        self._enter("run")
        args, kwargs = self._given()
        given = flat((args, kwargs))
        seed()
        with torch.no_grad(), self._run.watching(), parting.noting(model) as calls:
            output = model(*args, **kwargs)
        return {"eval": flat(output), "calls": list(calls), "given": given}

    def _trained(self, load: Callable[..., None], given: Mapping[str, torch.Tensor]) -> dict[str, Any]:
        """Of a model of its own: some merge or cache when their mode changes."""
        model = self._build().train()
        load(model, given)
        self._enter("run")
        try:
            return self._train(model)
        except Exception as error:
            return {"failed": one_line(error)}

    def _train(self, model: nn.Module) -> dict[str, Any]:
        args, kwargs = self._given()
        seed()
        with self._run.watching():
            output = model(*args, **kwargs)
        loss = torch.zeros(())
        for each in differentiable(output):
            loss = loss + (each * torch.randn(each.shape, generator=generator(tuple(each.shape)))).sum()
        if loss.requires_grad:
            torch.autograd.backward(loss)
        living = model.state_dict(keep_vars=True)
        return {
            "train": flat(output),
            "gradients": {
                key: kept(torch.zeros(value.shape) if value.grad is None else value.grad)
                for key, value in living.items()
                if isinstance(value, nn.Parameter)
            },
            "after": {
                key: kept(value)
                for key, value in living.items()
                if isinstance(value, torch.Tensor) and not isinstance(value, nn.Parameter)
            },
        }

    def _given(self) -> Given:
        if self._maker is None:
            declared: str | list[str] = self._task["inputs"]
            handed = self._read(INPUTS) if isinstance(declared, str) else {}
            if "given" in handed:
                args, kwargs = handed["given"]
                self._maker = lambda: (tuple(plain(args)), plain(kwargs))
            else:
                self._maker = maker(declared)
        return self._maker()

    # The verdict

    def _judge(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
        """Of one regime; what only one of them has is not compared."""
        found: dict[str, Any] = {"verdict": "same", "distance": 0.0}
        failures = [each["failed"] for each in (old, new) if "failed" in each]
        if len(failures) == 1 and "train" in {*old, *new}:
            found = {"verdict": "training", "part": "train", "where": "", "distance": None}
        for part in ("eval", "train", "gradients", "after"):
            if part not in old or part not in new:
                continue
            before, by_key = old[part], part in ("gradients", "after")
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
        return key if key in news else str(self._task["renames"].get(key, key))

    # The folder in which the sides meet

    def _write(self, name: str, value: Any) -> None:
        path = os.path.join(self._folder, name)
        torch.save(value, path + ".part")
        os.rename(path + ".part", path)

    def _read(self, name: str) -> Any:
        """Waits for it, as long as the one that writes it lives. The time limit of the whole holds for the waiting."""
        path, by = os.path.join(self._folder, name), "inputs" if name == INPUTS else "old"
        self._enter("wait")
        while not os.path.exists(path):
            if not self._lives(by) and not os.path.exists(path):
                raise Unsettled(f"the {by} side ended")
            time.sleep(_LOOK)
        return torch.load(path, map_location="cpu", weights_only=True)

    def _lives(self, side: str) -> bool:
        """Whether it is at work, or has not started yet."""
        if self._is_done(side):
            return False
        try:
            with open(os.path.join(self._folder, f"{side}.pid"), encoding="ascii") as file:
                os.kill(int(file.read()), 0)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    def _is_done(self, side: str) -> bool:
        return os.path.exists(os.path.join(self._folder, f"{side}.done"))


class _File(OrderedDict[str, Any]):
    _metadata: OrderedDict[str, Any]


def _load(
    model: nn.Module,
    values: Mapping[str, torch.Tensor],
    versions: Mapping[str, int],
    renames: Mapping[str, str],
    moved: Mapping[str, str],
) -> None:
    """Load a file of the old layout, with its keys renamed; state that is no tensor is the model's own."""
    hooks = loads.has_hooks(model)  # they may write into what they are given
    file = _File((renames.get(key, key), each.clone() if hooks else each) for key, each in values.items())
    file.update((key, each) for key, each in model.state_dict().items() if not isinstance(each, torch.Tensor))
    file._metadata = OrderedDict((moved.get(path, path), {"version": each}) for path, each in versions.items())
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        result = model.load_state_dict(file, strict=True)
    left = [*(getattr(result, "missing_keys", None) or ()), *(getattr(result, "unexpected_keys", None) or ())]
    if left:
        raise Unsettled(f"{len(left)} keys are left over, {left[0]} among them")


def _is_alike(old: Any, new: Any) -> bool:
    """Whether they can be compared: a load hook may have given a weight other axes."""
    return new is None or old.shape == new.shape or old.numel() == new.numel() == 1


_RANK = {"same": 0, "unclear": 1, "training": 2, "different": 3}


def _verdict(part: str, away: float) -> str:
    if away < SAME:
        return "same"
    if away <= DIFFERENT:
        return "unclear"
    return "different" if part == "eval" else "training"
