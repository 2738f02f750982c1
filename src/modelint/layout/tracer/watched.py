"""One child as the server sees it: what it says, what it uses up, how it ended."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import time
from typing import Any

from . import processes
from .uses import is_project_file

#: How much of a child's output is kept.
_TAIL_BYTES = 16_384
_TAIL_LINES = 20
#: Seconds that a child gets to tell where it is before it is ended.
_WHERE = 0.3
#: A frame as faulthandler writes it.
_FRAME = re.compile(r'\s*File "(?P<path>.*)", line (?P<line>\d+) in (?P<function>.*)$')


_DOING = {
    "import": "its import",
    "call": "its construction",
    "run": "its run on the declared inputs",
    "wait": "the run of the old code",
}


class Watched:
    def __init__(self, model: dict[str, Any], pid: int, events: int, output: int) -> None:
        self.pid = pid
        self._model = model
        self._started = time.monotonic()
        self._events = events
        self._output = output
        self._open = {events, output}
        self._buffer = bytearray()
        self._tail = b""
        self._line: bytes | None = None
        self._state: dict[str, Any] = {"stage": "import"}
        self._frames: list[dict[str, Any]] = []
        self._status: int | None = None
        self._over: str | None = None
        for fd in (events, output):
            os.set_blocking(fd, False)

    def open_pipes(self) -> list[int]:
        return sorted(self._open)

    def close(self) -> None:
        for fd in (self._events, self._output):
            with contextlib.suppress(OSError):
                os.close(fd)

    def read(self) -> None:
        """Take in what the child has said so far."""
        while self._output in self._open and (data := self._take(self._output)):
            self._tail = (self._tail + data)[-_TAIL_BYTES:]
        while self._events in self._open and (data := self._take(self._events)):
            self._buffer += data
            if b"\n" not in data:
                continue
            *lines, rest = bytes(self._buffer).split(b"\n")
            self._buffer = bytearray(rest)
            for line in lines:
                self._hear(line)

    def _take(self, fd: int) -> bytes:
        try:
            data = os.read(fd, 1 << 20)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self._open.discard(fd)
        return data

    def _hear(self, line: bytes) -> None:
        if line.startswith((b'{"event":"result"', b'{"event":"failure"')):
            self._line = line
        elif line.startswith(b'{"event":'):
            with contextlib.suppress(ValueError):
                self._state.update(json.loads(line))
        else:
            frame = _FRAME.match(line.decode("utf-8", "replace"))
            if frame is not None:
                self._frames.append({"path": frame["path"], "line": int(frame["line"]), "function": frame["function"]})

    def over(self, timeout: float, memory: int) -> bool:
        """Whether this child has come to an end, or must be brought to one."""
        if self._line is not None or self._ended():
            return True
        if time.monotonic() - self._started > timeout:
            self._over = "timeout"
        elif processes.memory_of(self.pid) > memory:
            self._over = "memory"
        else:
            return False
        self._ask_where()
        return True

    def _ended(self) -> bool:
        if self._status is None:
            with contextlib.suppress(ChildProcessError):
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                self._status = status if pid else None
        return self._status is not None

    def _ask_where(self) -> None:
        """faulthandler answers this signal with the frames of the child, whatever it is busy with."""
        self._frames = []
        end = time.monotonic() + _WHERE
        with contextlib.suppress(OSError):
            os.kill(self.pid, signal.SIGUSR1)
            while time.monotonic() < end and self._events in self._open:
                before = len(self._frames)
                select.select([self._events], [], [], 0.05)
                self.read()
                if before and len(self._frames) == before:
                    break

    def end(self) -> None:
        """End whatever is left of the child, and take in its last words."""
        processes.kill_tree(self.pid)
        if self._status is None:
            with contextlib.suppress(ChildProcessError):
                self._status = os.waitpid(self.pid, 0)[1]
        self.read()
        self.close()

    def verdict(self, timeout: float, memory: int) -> bytes:
        """The line for the host."""
        if self._line is not None and self._line.startswith(b'{"event":"result"'):
            return self._line
        failure = json.loads(self._line) if self._line is not None else self._post_mortem(timeout, memory)
        failure["tail"] = self._last_lines()
        return json.dumps(failure, separators=(",", ":")).encode("ascii")

    def _post_mortem(self, timeout: float, memory: int) -> dict[str, Any]:
        """What a child that left no result died of."""
        doing = _DOING.get(self._state["stage"], "its recording")
        blame = "code"
        if self._over == "timeout":
            stage, message = "timeout", f"{doing} took longer than {timeout:g} s"
        elif self._over == "memory":
            stage, message = "memory", f"{doing} needed more than {memory / 2**30:.1f} GiB of memory"
            blame = "resources"
        elif self._status is not None and os.WIFSIGNALED(self._status):
            number = os.WTERMSIG(self._status)
            stage, message = "signal", f"{doing} was ended by {_signal_name(number)}"
            blame = "resources" if number == signal.SIGKILL else "code"
        else:
            code = os.WEXITSTATUS(self._status) if self._status is not None else "?"
            stage, message = "exit", f"{doing} ended the process with exit code {code}"
            if self._state.get("forked"):
                stage, message = "fork", f"{doing} forked, and ended its own process"
        where = next((each for each in self._frames if is_project_file(each["path"], self._model)), None)
        meta = self._state.get("meta")  # why a build without memory was not possible
        if meta is not None and blame == "resources":
            where, blame = meta["where"] or where, "meta"
            message = f"{message}; without memory it cannot be built: {meta['message']}"
        return {
            "event": "failure",
            "id": self._model["id"],
            "stage": stage,
            "blame": blame,
            "message": message,
            "where": where,
            "package": None,
            "uses": self._state.get("uses") or {"python": [], "data": [], "missing": [], "packages": {}},
        }

    def _last_lines(self) -> list[str]:
        return self._tail.decode("utf-8", "replace").splitlines()[-_TAIL_LINES:]


def _signal_name(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
