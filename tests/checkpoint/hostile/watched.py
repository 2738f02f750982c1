"""Runs modelint many times, each in a process of its own that a warm one forks: what it did, used and said.

A fork is spared the start of the interpreter; limits, signals and exit codes are those of a whole process. As a
program it reads requests from stdin, one JSON document a line, and answers on stdout.
"""

from __future__ import annotations

import io
import json
import os
import re
import resource
import select
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout, suppress
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

#: Bytes of address space; CPU seconds for each file that is read; seconds until a process that waits is ended.
MEMORY = 400_000_000
#: A file may cost 5 seconds on a quiet machine; this is twice that, for machines differ and are shared, and what
#: has no bound passes it all the same.
CPU = 10.0
PATIENCE = 40.0
#: More than anybody reads.
OUTPUT = 20_000_000

#: What no reader does: seen by an audit hook, whether or not it succeeds.
FORBIDDEN = re.compile(
    r"os\.(system|exec|posix_spawn|spawn|fork|forkpty|kill|remove|rename|rmdir|mkdir|link|symlink|truncate|putenv|startfile"
    r"|chmod|chown|utime|chdir|fchdir)|subprocess\.|socket\.|pickle\.|ctypes\.|urllib\.|webbrowser\.|shutil\."
    r"|tempfile\.|pty\.|sqlite3\.|code\.__new__|ensurepip|smtplib|ftplib|http\."
)


class Run(NamedTuple):
    """``status`` is the exit code, negative for a signal; CPU and wall time in seconds, ``peak`` in MB."""

    status: int
    out: str
    err: str
    cpu: float
    wall: float
    peak: float
    #: Forbidden events, opened paths, imports from elsewhere.
    acts: list[str]


class Runner:
    """A warm process that forks a child for each run."""

    def __init__(self) -> None:
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", "COLUMNS": "120"}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-X", "utf8", os.path.abspath(__file__)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )

    def run(self, folder: str, *arguments: str) -> Run:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"folder": folder, "arguments": arguments}).encode() + b"\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return Run(*(answer[field] for field in Run._fields))

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def child(folder: str, arguments: list[str], out: int, err: int, acts: int) -> None:
    """Never returns."""
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(folder)
    for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME"):
        os.environ[name] = folder
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (int(CPU) * 2 + 3, int(CPU) * 2 + 3))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.argv = ["modelint", *arguments]

    def audit(event: str, values: tuple[Any, ...]) -> None:
        said = ""
        if event == "open":
            path, _, flags = values
            path = os.fsdecode(path) if isinstance(path, str | bytes) else path
            said = f"open {path} {flags & (os.O_ACCMODE | os.O_CREAT)}"
        elif event == "import":
            said = f"import {values[0]}"
        elif event == "exec":
            said = f"exec {values[0].co_filename}"
        elif FORBIDDEN.match(event):
            said = f"{event} {str(values)[:200]}"
        if said:
            os.write(acts, json.dumps(said).encode() + b"\n")

    from modelint.cli import program

    sys.addaudithook(audit)
    status: Any = 70
    try:
        status = program()
    except SystemExit as error:
        status = error.code
    except BaseException:
        import traceback

        traceback.print_exc()
        status = 71
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status if isinstance(status, int) else 0 if status is None else 72)


def forked(folder: str, arguments: list[str]) -> dict[str, Any]:
    pipes = [os.pipe() for _ in range(3)]
    start = time.perf_counter()
    pid = os.fork()
    if not pid:
        try:
            child(folder, arguments, *(write for _, write in pipes))
        finally:
            os._exit(73)
    for _, write in pipes:
        os.close(write)
    heard: dict[int, bytearray] = {read: bytearray() for read, _ in pipes}
    waiting = set(heard)
    ended = False
    while waiting:
        left = start + PATIENCE - time.perf_counter()
        ready, _, _ = select.select(list(waiting), [], [], max(left, 0))
        if not ready or sum(map(len, heard.values())) > OUTPUT:
            os.kill(pid, signal.SIGKILL)
            ended = True
            break
        for each in ready:
            data = os.read(each, 1 << 16)
            heard[each] += data
            if not data:
                waiting.discard(each)
    _, status, usage = os.wait4(pid, 0)
    out, err, acts = (bytes(heard[read]) for read, _ in pipes)
    for read, _ in pipes:
        os.close(read)
    return {
        "status": -100 if ended else os.waitstatus_to_exitcode(status),
        "out": out.decode("utf-8", "surrogateescape"),
        "err": err.decode("utf-8", "surrogateescape"),
        "cpu": usage.ru_utime + usage.ru_stime,
        "wall": time.perf_counter() - start,
        "peak": usage.ru_maxrss / 1024,
        "acts": [json.loads(line) for line in acts.splitlines()],
    }


def warm() -> None:
    """Imports what every child needs: one run of each command, here."""
    from modelint.cli import main

    with TemporaryDirectory() as folder, redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        paths = (f"{folder}/model.safetensors", f"{folder}/model.pt")
        for path, data in zip(paths, (b"\x02\0\0\0\0\0\0\0{}", b"\x80\x02}."), strict=True):
            with open(path, "wb") as file:
                file.write(data)
            for arguments in (["show", path], ["show", "--format", "json", path], ["diff", path, path]):
                with suppress(SystemExit):
                    main(arguments)


def serve() -> None:
    warm()
    for line in sys.stdin.buffer:
        request = json.loads(line)
        answer = forked(request["folder"], request["arguments"])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
