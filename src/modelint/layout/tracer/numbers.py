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

INPUTS, START, RESULTS = "inputs.pt", "start.pt", "results.pt"
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
        self._lines = Lines(model)
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
        results = {}
        for regime in weights.REGIMES:
            given = weights.weights(start, regime)
            fresh = first if regime == weights.REGIMES[0] else None
            results[regime] = self._results(given, fresh, self._loader(start["versions"], {}))
        self._write(RESULTS, results)
        return {"ran": self._lines.found()}

    def new(self) -> dict[str, Any]:
        start = self._read(START)
        loading = self._loading(weights.weights(start, weights.REGIMES[0]), start["versions"])
        news: dict[str, dict[str, Any]] = {}
        for regime in weights.REGIMES:
            news[regime] = self._results(weights.weights(start, regime), None, loading)
        olds = self._read(RESULTS)
        verdict = self._judge(olds, news)
        if verdict["verdict"] in ("different", "training"):
            regime = verdict["regime"]
            again = self._results(weights.weights(start, regime), None, loading)
            if self._judge({regime: news[regime]}, {regime: again})["verdict"] != "same":
                raise Unsettled("two runs of the same code differ: something random in it cannot be seeded")
        return {**verdict, "ran": self._lines.found(), "renamed": self._renamed}

    # Building, loading, running

    def _build(self) -> nn.Module:
        if self._factory is None:
            self._factory = load_factory(self._model["factory"])
        self._enter("call")
        seed()
        with self._lines.watching():
            model = self._factory(*self._model["args"], **self._model["kwargs"])
        if not isinstance(model, nn.Module):
            raise Failed("not-a-module", f"the factory returned a {type(model).__name__}", "code")
        return model.double()

    def _loading(self, given: Mapping[str, torch.Tensor], versions: Mapping[str, int]) -> Callable[..., None]:
        """How a file of the old layout gets into the new model: as it is, hooks and all, else under the renames."""
        renames = {old: new for old, new in self._task["renames"].items() if old in given}
        ways: list[dict[str, str]] = [{}, renames] if renames else [{}]
        refused = ""
        for way in ways:
            load = self._loader(versions, way)
            try:
                load(self._build(), given)
            except Exception as error:
                refused = one_line(error)
                continue
            self._renamed = bool(way)
            return load
        raise Unsettled(f"a file of the old layout does not load: {refused}")

    def _loader(self, versions: Mapping[str, int], renames: Mapping[str, str]) -> Callable[..., None]:
        moved = self._task["moved"] if renames else {}
        return lambda model, values: _load(model, values, versions, renames, moved)

    def _results(
        self, given: Mapping[str, torch.Tensor], fresh: nn.Module | None, load: Callable[..., None]
    ) -> dict[str, Any]:
        """Of evaluation and training, of a fresh model each: some merge or cache when their mode changes."""
        tested = (fresh or self._build()).eval()
        load(tested, given)
        self._enter("run")
        args, kwargs = self._given()
        seed()
        with torch.no_grad(), self._lines.watching(), parting.noting(tested) as calls:
            output = tested(*args, **kwargs)
        results: dict[str, Any] = {"eval": flat(output), "calls": list(calls)}
        del tested, output
        trained = self._build().train()
        load(trained, given)
        self._enter("run")
        try:
            results.update(self._train(trained))
        except Exception as error:
            results["failed"] = one_line(error)
        return results

    def _train(self, model: nn.Module) -> dict[str, Any]:
        args, kwargs = self._given()
        seed()
        with self._lines.watching():
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

    def _judge(self, olds: Mapping[str, Any], news: Mapping[str, Any]) -> dict[str, Any]:
        worst: dict[str, Any] = {"verdict": "same", "distance": 0.0}
        trained = all("failed" not in each for each in (*olds.values(), *news.values()))
        for regime in olds:
            for part in ("eval", "train", "gradients", "after"):
                if part not in olds[regime] or part not in news[regime]:
                    continue
                before = olds[regime][part]
                if part in ("gradients", "after"):
                    before = {self._new_name(key, news[regime][part]): each for key, each in before.items()}
                away, where = parted(before, news[regime][part], common=part in ("gradients", "after"))
                found = _verdict(part, away)
                if _RANK[found] > _RANK[worst["verdict"]]:
                    worst = {
                        "verdict": found,
                        "part": part,
                        "regime": regime,
                        "where": where,
                        "distance": None if away == float("inf") else away,
                    }
        worst["trained"] = trained
        if worst["verdict"] == "different":
            regime = worst["regime"]
            worst["first"] = parting.first(olds[regime]["calls"], news[regime]["calls"], self._task["moved"])
        if worst["verdict"] == "same" and not trained:
            failures = [each["failed"] for each in (*olds.values(), *news.values()) if "failed" in each]
            sides = [any("failed" in each for each in side.values()) for side in (olds, news)]
            if not all(sides):
                worst = {**worst, "verdict": "training", "part": "train", "regime": weights.REGIMES[0], "where": ""}
            worst["failed"] = failures[0]
        return worst

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
        own = os.path.join(self._folder, side)
        if os.path.exists(own + ".done"):
            return False
        try:
            with open(own + ".pid", encoding="ascii") as file:
                os.kill(int(file.read()), 0)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True


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


_RANK = {"same": 0, "unclear": 1, "training": 2, "different": 3}


def _verdict(part: str, away: float) -> str:
    if away < SAME:
        return "same"
    if away <= DIFFERENT:
        return "unclear"
    return "different" if part == "eval" else "training"
