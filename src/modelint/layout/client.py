"""The host's side of the tracer: starts it in the project interpreter, and yields what it finds, model by model.

Whatever happens here, Ctrl-C included, no process and no file is left behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any

from modelint.layout import traced
from modelint.layout.traced import Failure, Numbers, Request, Result

PROTOCOL = 1
#: Seconds for the interpreter to start and import torch.
_START = 300.0
#: Seconds beyond its own limit after which a silent server counts as hanging.
_GRACE = 60.0
#: Seconds for the server to end its children.
_END = 5.0
#: Of the surroundings that modelint itself runs in, nothing is handed on to the project interpreter.
_OURS = ("VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT", "PYTHONHOME", "__PYVENV_LAUNCHER__")
_SET = {
    "PYTHONDONTWRITEBYTECODE": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES",
    # Scripted and compiled functions run, and are traced, as the Python that they are.
    "PYTORCH_JIT": "0",
    "TORCHDYNAMO_DISABLE": "1",
}
_MAIN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tracer", "__main__.py")


class Unusable(Exception):
    """The interpreter cannot be used."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        #: no-torch, old-torch, old-python, broken-torch; gone (cannot be started), died, silent, platform
        self.reason = reason
        self.detail = detail


def trace(
    python: str,
    requests: Sequence[Request],
    *,
    timeout: float,
    memory: int | None,
    jobs: int,
    on_event: Callable[[Mapping[str, Any]], None] | None = None,
    servers: Servers | None = None,
) -> Iterator[Result | Failure]:
    """Build and record each model in the interpreter ``python``; in the order in which they are done.

    ``timeout`` (seconds) and ``memory`` (bytes; None: half of what is free) hold for each model. A server of those
    given is asked, and more than once.
    """
    said = answers(python, requests, timeout=timeout, memory=memory, jobs=jobs, on_event=on_event, servers=servers)
    for each in said:
        assert not isinstance(each, Numbers)  # none was asked for
        yield each


def answers(
    python: str,
    requests: Sequence[Request],
    *,
    timeout: float,
    memory: int | None,
    jobs: int,
    shares: int = 2,
    on_event: Callable[[Mapping[str, Any]], None] | None = None,
    servers: Servers | None = None,
) -> Iterator[Result | Numbers | Failure]:
    """`trace`, for requests that may be sides of a comparison by numbers.

    Where no ``memory`` is given, each may take one of so many ``shares`` of what is free.
    """
    with contextlib.ExitStack() as stack:
        server = (servers or Servers()).take(python)
        stack.callback(server.end)
        server.ask(requests, timeout, memory, jobs, shares)
        left = {each.id: each for each in requests}
        for event in server.events():
            if on_event is not None:
                on_event(event)
            kind = event["event"]
            if kind == "unusable":
                raise Unusable(event["reason"], event["detail"])
            if kind == "ready":
                server.wait = timeout + _GRACE
            elif kind == "done":
                if servers is not None:
                    stack.pop_all()
                    servers.give_back(python, server)
                return
            elif kind == "result":
                del left[event["id"]]
                yield traced.numbers(event) if "numbers" in event else traced.result(event)
            elif kind == "failure":
                del left[event["id"]]
                yield traced.failure(event)
        if server.wait == _START:
            raise Unusable(*server.reason())
        stage, message = server.reason()
        for name in left:
            words = f"the tracer ended before this model was done ({stage}: {message})"
            yield Failure(name, "signal", "resources", words, None, None, (), traced.Uses())


@contextlib.contextmanager
def tidy() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does: what it started and wrote goes."""

    def stop(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Servers:
    """Servers that have imported torch and are done with what they were asked, for as long as the block lasts."""

    def __init__(self) -> None:
        self._idle: dict[str, _Server] = {}

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def take(self, python: str) -> _Server:
        """One in this interpreter. Raises Unusable."""
        known = self._idle.pop(python, None)
        if known is not None and known.lives:
            return known
        return _Server(python)

    def give_back(self, python: str, server: _Server) -> None:
        self._idle[python] = server

    def end(self) -> None:
        while self._idle:
            self._idle.popitem()[1].end()


class _Server:
    """The process, its pipes and its files, until it is ended."""

    def __init__(self, python: str) -> None:
        self._python = python
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1
        self._paths: list[str] = []
        self._output: IO[bytes] | None = None
        self._silent = False
        #: Seconds until a server that says nothing counts as hanging.
        self.wait = _START
        try:
            self._start()
        except BaseException:
            self.end()
            raise

    @property
    def lives(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _start(self) -> None:
        if not hasattr(os, "fork"):
            raise Unusable("platform", f"{sys.platform} has no fork")
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (closed by end)
        self._pipe, write = os.pipe()
        environment = {name: value for name, value in os.environ.items() if name not in _OURS}
        try:
            self._process = subprocess.Popen(
                [self._python, _MAIN, str(write)],
                pass_fds=(write,),
                stdin=subprocess.PIPE,
                stdout=self._output,
                stderr=self._output,
                env={**environment, **_SET},
                start_new_session=True,  # Ctrl-C is for this process to deal with
            )
        except OSError as error:
            raise Unusable("gone", f"{self._python}: {error.strerror}") from None
        finally:
            os.close(write)

    def ask(self, requests: Sequence[Request], timeout: float, memory: int | None, jobs: int, shares: int) -> None:
        """What it then answers are `events`."""
        question = {
            "protocol": PROTOCOL,
            "timeout": timeout,
            "memory": memory,
            "jobs": jobs,
            "shares": shares,
            "models": [traced.question(each) for each in requests],
        }
        if self.wait != _START:  # it is ready
            self.wait = timeout + _GRACE
        handle, path = tempfile.mkstemp(prefix="modelint-", suffix=".json")
        self._paths.append(path)
        with open(handle, "w", encoding="ascii") as file:
            json.dump(question, file)
        assert self._process is not None and self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # why it ended is told by what it said
            self._process.stdin.write(os.fsencode(path) + b"\n")
            self._process.stdin.flush()

    def events(self) -> Iterator[dict[str, Any]]:
        """Each event, until the server ends or says nothing for too long."""
        buffer = bytearray()
        heard = time.monotonic()
        while True:
            left = heard + self.wait - time.monotonic()
            if left <= 0:
                self._silent = True
                return
            if not select.select([self._pipe], [], [], left)[0]:
                continue
            data = os.read(self._pipe, 1 << 20)
            if not data:
                return
            buffer += data
            if b"\n" in data:
                *lines, rest = bytes(buffer).split(b"\n")
                buffer = bytearray(rest)
                for line in lines:
                    yield json.loads(line)
                heard = time.monotonic()

    def reason(self) -> tuple[str, str]:
        """Why the server ended without having said so."""
        if self._silent:
            return "silent", f"{self._python}: no answer"
        assert self._process is not None and self._output is not None
        try:
            code = self._process.wait(_END)
        except subprocess.TimeoutExpired:
            return "silent", f"{self._python}: it said goodbye, and did not end"
        self._output.seek(max(0, self._output.tell() - 4096))
        lines = self._output.read().decode("utf-8", "replace").strip().splitlines() or [f"exit code {code}"]
        return "died", f"{self._python}: {lines[-1].strip()}"

    def end(self) -> None:
        try:
            if self._process is not None and self._process.poll() is None:
                self._process.terminate()  # it ends its children first
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(_END)
        finally:
            if self._process is not None and self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            if self._process is not None and self._process.stdin is not None:
                with contextlib.suppress(OSError):
                    self._process.stdin.close()
            if self._pipe >= 0:
                os.close(self._pipe)
                self._pipe = -1
            if self._output is not None:
                self._output.close()
            for path in self._paths:
                with contextlib.suppress(OSError):
                    os.unlink(path)
