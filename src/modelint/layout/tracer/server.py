"""The server: imports torch once, forks a child per model, watches them, and passes on what they found."""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import os
import platform
import selectors
import signal
import sys
import time
from collections import deque
from typing import IO, Any, Callable

from . import processes
from .importing import import_torch
from .watched import Watched

#: The oldest torch that is known to work.
OLDEST_TORCH = (2, 2)
#: Seconds between two looks at the memory of the children.
TICK = 0.02
#: Seconds within which the host must have taken what is left to tell.
FLUSH = 60.0


class HostGone(Exception):
    """Nobody reads the events any more."""


def main(events: int) -> int:
    requests = _requests()
    channel = _Channel(events)
    try:
        unusable = _torch_trouble()
        if unusable is not None:
            channel.send({"event": "unusable", "reason": unusable[0], "detail": unusable[1]})
            channel.flush()
            return 1
        return _serve(requests, channel)
    except HostGone:
        return 1


def _requests() -> IO[str]:
    """The standard input, which is nobody else's: user code reads from nowhere."""
    kept = os.dup(0)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    return os.fdopen(kept, encoding="utf-8")


def _taken(path: str) -> Any:
    """What a request says; its file goes."""
    with open(path, encoding="utf-8") as file:
        request = json.load(file)
    with contextlib.suppress(OSError):
        os.unlink(path)
    return request


def _torch_trouble() -> tuple[str, str] | None:
    """Import torch; why that cannot be used, else None."""
    try:
        torch = import_torch()
    except ModuleNotFoundError as error:
        if error.name == "torch":
            return "no-torch", sys.executable
        return "broken-torch", _line(error)
    except BaseException as error:
        return "broken-torch", _line(error)
    version = str(getattr(torch, "__version__", ""))
    numbers = tuple(int(each) for each in version.split("+")[0].split(".")[:2] if each.isdigit())
    if len(numbers) < 2:
        return "broken-torch", f"torch at {getattr(torch, '__file__', None)} has no version"
    if numbers < OLDEST_TORCH:
        return "old-torch", version
    return None


def _line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]


def _serve(requests: IO[str], channel: _Channel) -> int:
    import torch

    from . import child  # only now: it imports torch

    torch.set_num_threads(1)
    channel.send(
        {
            "event": "ready",
            "python": platform.python_version(),
            "executable": sys.executable,
            "torch": str(torch.__version__),
        }
    )
    processes.adopt_orphans()
    signal.signal(signal.SIGTERM, _stop)

    def run(*arguments: Any) -> None:
        requests.close()
        child.run(*arguments)

    gc.collect()
    gc.freeze()
    for line in requests:  # until the host has no more
        request = _taken(line.rstrip("\n"))
        memory = request["memory"] or processes.available_memory() // request["shares"]
        server = _Server(channel, request["timeout"], memory, run)
        try:
            server.run(deque(request["models"]), max(1, int(request["jobs"])))
            channel.send({"event": "done"})
            channel.flush()
        finally:
            server.end_all()
    return 0


def _stop(_signal: int, _frame: object) -> None:
    raise HostGone


class _Channel:
    """The pipe to the host. It never blocks: children must be watched even while the host is busy elsewhere."""

    def __init__(self, events: int) -> None:
        self.events = events
        os.set_blocking(events, False)
        self._pending: deque[memoryview] = deque()

    def send(self, event: dict[str, Any]) -> None:
        self.send_line(json.dumps(event, separators=(",", ":")).encode("ascii"))

    def send_line(self, line: bytes) -> None:
        self._pending.append(memoryview(line + b"\n"))
        self.write()

    @property
    def waiting(self) -> bool:
        return bool(self._pending)

    def write(self) -> None:
        while self._pending:
            try:
                written = os.write(self.events, self._pending[0])
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EPIPE, errno.EBADF):
                    raise HostGone from None
                raise
            rest = self._pending.popleft()[written:]
            if rest:
                self._pending.appendleft(rest)

    def flush(self) -> None:
        end = time.monotonic() + FLUSH
        while self._pending and time.monotonic() < end:
            time.sleep(0.005)
            self.write()


class _Server:
    def __init__(self, channel: _Channel, timeout: float, memory: int, run: Callable[..., None]) -> None:
        self._channel = channel
        self._timeout = timeout
        self._memory = memory
        self._run = run
        self._running: list[Watched] = []
        self._base = processes.memory_of(os.getpid())

    def run(self, models: deque[dict[str, Any]], jobs: int) -> None:
        while models or self._running:
            while models and len(self._running) < jobs:
                self._start(models.popleft())
            self._wait()
            for watched in list(self._running):
                if watched.over(self._timeout, self._memory + self._base):
                    self._running.remove(watched)
                    watched.end()
                    processes.kill_strays({each.pid for each in self._running})
                    self._channel.send_line(watched.verdict(self._timeout, self._memory))

    def _start(self, model: dict[str, Any]) -> None:
        self._channel.send({"event": "start", "id": model["id"]})
        events_read, events_write = os.pipe()
        output_read, output_write = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            try:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                for fd in (events_read, output_read, self._channel.events):
                    os.close(fd)
                for each in self._running:
                    each.close()
                self._run(model, self._memory, events_write, output_write)
            finally:
                os._exit(70)
        os.close(events_write)
        os.close(output_write)
        self._running.append(Watched(model, pid, events_read, output_read))

    def _wait(self) -> None:
        """Until a child says something, or a tick has passed."""
        with selectors.DefaultSelector() as selector:
            for each in self._running:
                for fd in each.open_pipes():
                    selector.register(fd, selectors.EVENT_READ)
            if self._channel.waiting:
                selector.register(self._channel.events, selectors.EVENT_WRITE)
            selector.select(TICK)
        if processes.is_deserted(self._channel.events):
            raise HostGone
        self._channel.write()
        for each in self._running:
            each.read()

    def end_all(self) -> None:
        for each in self._running:
            each.end()
        self._running = []
        processes.kill_strays(set())
