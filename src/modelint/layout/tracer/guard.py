"""What a child may not do to the machine or the protocol: network, terminal, GPU, arguments, random seeds."""

from __future__ import annotations

import os
import random
import signal
import socket
import sys
from typing import Any

import torch


class Refused(ConnectionRefusedError):
    """A connection that user code asked for while its model was built."""


class _Unresolved(socket.gaierror):
    """The same for the look-up of a name, which must fail as look-ups do."""


_LOCAL = ("", "localhost", "127.0.0.1", "::1", "0.0.0.0", "::")


class Network:
    """Refuses every connection, and remembers which: some libraries hide the error behind their own."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        self._host_names = {*_LOCAL, socket.gethostname()}

    def start(self) -> None:
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect":
            sock, address = arguments
            if sock.family in (socket.AF_INET, socket.AF_INET6):
                raise Refused(111, self._refuse(address[0] if isinstance(address, tuple) else address))
        elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
            host = arguments[0]
            name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "")
            if name not in self._host_names:
                raise _Unresolved(socket.EAI_NONAME, self._refuse(name))

    def _refuse(self, host: object) -> str:
        name = str(host)
        if name not in self.refused:
            self.refused.append(name)
        return f"no network while a model is built: {name}"


def settle(folder: str, path: list[str]) -> None:
    """The surroundings in which the factory runs: the same on every machine."""
    os.chdir(folder)
    sys.path[:0] = [each for each in path if each not in sys.path[: len(path)]]
    sys.argv[:] = [""]
    sys.dont_write_bytecode = True
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    torch.compile = _compile
    torch.set_default_dtype(torch.float32)
    seed()


_real_compile = torch.compile


def _compile(model: Any = None, **settings: Any) -> Any:
    """torch.compile that compiles nothing: functions stay what they are, modules get the wrapper with its prefix."""
    if model is None:
        return lambda each: _compile(each, **settings)
    if not isinstance(model, torch.nn.Module):
        return model
    disabled = os.environ.pop("TORCHDYNAMO_DISABLE", None)
    try:
        wrapped = _real_compile(model, **settings)
    finally:
        if disabled is not None:
            os.environ["TORCHDYNAMO_DISABLE"] = disabled
    if wrapped is not model:
        vars(wrapped)["forward"] = lambda *arguments, **keywords: model(*arguments, **keywords)
    return wrapped


def seed() -> None:
    random.seed(0)
    torch.manual_seed(0)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(0)
