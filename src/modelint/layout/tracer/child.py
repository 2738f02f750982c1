"""One model, start to end, in a process of its own."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import resource
import signal
import sys
import time
from typing import Any

from . import guard, loads, numbers, places, processes, record, trial
from .blame import Failed, explain, one_line, origin
from .build import Builder, load_factory
from .forward import describe
from .uses import Uses


def run(model: dict[str, Any], memory: int, events: int, output: int) -> None:
    """Never returns: the child tells its verdict, and ends."""
    child = _Child(model, memory, events)
    child.settle(output)
    try:
        verdict = child.result()
    except Failed as failed:
        verdict = child.failure(failed)
    except SystemExit as error:
        verdict = child.failure(Failed("exit", f"it called sys.exit({error.code!r})", "code", error))
    except BaseException as error:
        verdict = child.failure(Failed(child.stage, "", "code", error))
    child.tell(verdict)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(0)


class _Child:
    def __init__(self, model: dict[str, Any], memory: int, events: int) -> None:
        self.stage = "import"
        self._model = model
        self._memory = memory
        self._events = events
        self._pid = os.getpid()
        self._started = time.monotonic()
        self._uses = Uses(model)
        self._network = guard.Network()

    def settle(self, output: int) -> None:
        os.setsid()
        processes.die_with_parent(os.getppid())
        for fd in (1, 2):
            os.dup2(output, fd)
        os.close(output)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(AttributeError, ValueError):
                stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        faulthandler.enable(self._events, all_threads=False)
        faulthandler.register(signal.SIGUSR1, self._events, all_threads=False)
        guard.settle(self._model["folder"], self._model["path"])
        os.register_at_fork(before=self._on_fork)
        self._network.start()
        self._uses.start()

    def _on_fork(self) -> None:
        """Should this process end before its copy does, that is why."""
        if os.getpid() == self._pid:
            self.tell({"event": "at", "forked": True})

    def tell(self, event: dict[str, Any]) -> None:
        """Write one event, unless user code forked and this is the copy."""
        if os.getpid() != self._pid:
            os._exit(0)
        line = memoryview(json.dumps(event, separators=(",", ":")).encode("ascii") + b"\n")
        while line:
            line = line[os.write(self._events, line) :]

    def result(self) -> dict[str, Any]:
        model = self._model
        if model.get("numbers") is not None:
            side = trial.run if model["numbers"]["side"] == "trial" else numbers.run
            told = side(model, self._enter)
            return {"event": "result", "id": model["id"], "numbers": told, "uses": self._uses.found()}
        factory = load_factory(model["factory"])
        self._enter("call", uses=self._uses.found())
        builder = Builder(factory, model["args"], model["kwargs"])
        try:
            builder.check_arguments()
        except Failed as failed:
            failed.where = origin(factory)
            raise
        built = builder.build(self._on_rung)
        self._enter("record")
        state = record.state_of(built.model)
        layout = record.tables(built.model, state)
        layout["constants"] = built.making.constants(built.model)
        described = describe(built.model, built.making.digest)
        layout["modules"], layout["definitions"] = described.modules, described.definitions
        loader = loads.Loader(built.model, state, lambda: builder.build(self._on_rung).model, self._memory)
        refused = loader.round_trip(layout)
        notes = record.notes(layout["keys"])
        if refused is not None:
            notes.append(f"a second instance does not load what the first one saves: {refused}")
        if builder.first is not None:
            why = one_line(builder.first).partition(". ")[0]  # torch goes on with advice for authors of operators
            notes.append(f"could not be built on the meta device: {why}")
        return {
            "event": "result",
            "id": model["id"],
            "how": built.how,
            "layout": layout,
            "places": {"classes": places.find(built.model)},
            "loads": {old["id"]: loader.load(old) for old in model["olds"]},
            "uses": self._uses.found(),
            "notes": notes,
            "seconds": round(time.monotonic() - self._started, 3),
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        }

    def failure(self, failed: Failed) -> dict[str, Any]:
        self._uses.stop()
        return {**explain(failed, self._model, self._network), "uses": self._uses.found()}

    def _on_rung(self, how: str, first: BaseException | None) -> None:
        meta = None
        if first is not None:
            meta = explain(Failed("call", "", "code", first), self._model, self._network)
        self._enter(self.stage if self.stage == "record" else "call", how=how, meta=meta)

    def _enter(self, stage: str, **more: Any) -> None:
        self.stage = stage
        self.tell({"event": "at", "stage": stage, **more})
