"""CPU time and wall time of a command, its children included."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple


class Cost(NamedTuple):
    """Seconds of one run, and its peak memory (of the largest process) in MB."""

    cpu: float
    wall: float
    peak: float


class Costs(NamedTuple):
    """Several runs of one command. Noise only ever adds: the minimum is the figure, the median shows the noise."""

    runs: tuple[Cost, ...]

    @property
    def cpu(self) -> float:
        return min(run.cpu for run in self.runs)

    @property
    def wall(self) -> float:
        return min(run.wall for run in self.runs)

    @property
    def median(self) -> float:
        return median(run.cpu for run in self.runs)

    @property
    def peak(self) -> float:
        return max(run.peak for run in self.runs)


class Failed(Exception):
    """A command that was to be measured did not do its work."""


def once(command: Sequence[str], folder: str, text: str = "", env: Mapping[str, str] | None = None) -> Cost:
    """Run it in ``folder`` with ``text`` on stdin."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
    )
    assert process.stdin is not None
    assert process.stderr is not None
    try:
        process.stdin.write(text)
        process.stdin.close()
    except BrokenPipeError:
        pass  # it says why on stderr
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        raise Failed(f"{' '.join(command)[:200]}: exit code {process.returncode}\n{errors[-1000:]}")
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024)


def interleaved(
    commands: Mapping[str, Sequence[str]], runs: int, folder: str, text: str = "", env: Mapping[str, str] | None = None
) -> dict[str, Costs]:
    """Measure side by side: each round runs every command once, so that a busy machine is busy for all of them."""
    found: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            found[name].append(once(command, folder, text, env))
    return {name: Costs(tuple(costs)) for name, costs in found.items()}
