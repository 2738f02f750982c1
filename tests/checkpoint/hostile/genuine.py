"""The positive control: plain pickle and torch really load the hostile files, in forked children, and are watched.

As a program: reads requests (folder, path, loader) as JSON lines, answers what came of it.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from typing import Any

SECONDS = 20
MEMORY = 3_000_000_000


class Loader:
    """A process, with or without torch in it, which forks a child for each load."""

    def __init__(self, kind: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", os.path.abspath(__file__), kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def load(self, folder: str, path: str, loader: str, patience: float = 0) -> dict[str, Any]:
        """``fired``: the canary sang. ``keys``: of the tensors in the state dict, None if it is none. ``error``."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([folder, path, loader, patience]).encode() + b"\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def described(value: Any) -> list[list[Any]] | None:
    import torch

    if not isinstance(value, dict):
        return None
    pairs = [(key, each) for key, each in value.items() if isinstance(each, torch.Tensor)]
    return [[str(key), list(each.shape), str(each.dtype).removeprefix("torch.")] for key, each in pairs]


def load(path: str, loader: str) -> Any:
    if loader == "pickle":
        import pickle

        with open(path, "rb") as file:
            return pickle.load(file)
    if loader == "safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    import torch

    return torch.load(path, weights_only=False, map_location="cpu")


def child(folder: str, path: str, loader: str, answer: int) -> None:
    os.setsid()
    os.chdir(folder)
    null = os.open(os.devnull, os.O_RDWR)
    for each in (0, 1, 2):
        os.dup2(null, each)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        said: dict[str, Any] = {"keys": described(load(path, loader)), "error": ""}
    except BaseException as error:
        said = {"keys": None, "error": f"{type(error).__name__}: {error}"[:300]}
    with open(answer, "w") as file:
        json.dump(said, file)
    os._exit(0)


def heard(folder: str, patience: float) -> bool:
    """Whether the canary is there, or comes within so many seconds: what was started may outlive who started it."""
    end = time.monotonic() + patience
    while not any(name.startswith("canary") for name in os.listdir(folder)):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def watched(folder: str, path: str, loader: str, patience: float) -> dict[str, Any]:
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            child(folder, path, loader, write)
        finally:
            os._exit(1)
    os.close(write)
    end = time.monotonic() + 2 * SECONDS
    text = b""
    while select.select([read], [], [], max(end - time.monotonic(), 0))[0]:
        more = os.read(read, 1 << 16)
        text += more
        if not more:
            break
    else:
        os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(read)
    fired = heard(folder, patience)
    try:
        said = json.loads(text)
    except ValueError:
        said = {"keys": None, "error": "it crashed, or took too long"}
    return {"fired": fired, **said}


def serve(kind: str) -> None:
    if kind == "torch":
        prepare()
    else:
        # A payload comes first: what needs torch after it may fail, and at once.
        sys.modules["torch"] = None  # type: ignore[assignment]
    for line in sys.stdin.buffer:
        sys.stdout.write(json.dumps(watched(*json.loads(line))) + "\n")
        sys.stdout.flush()


def prepare() -> None:
    import torch
    import torch.distributed.checkpoint
    import torch.hub
    import torch.utils.collect_env  # noqa: F401


if __name__ == "__main__":
    serve(sys.argv[1])
