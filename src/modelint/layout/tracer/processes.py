"""What the system knows of processes: memory, descendants, orphans. Linux in full, elsewhere what there is."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator

_LINUX = sys.platform.startswith("linux")
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
#: When the machine does not tell how much memory it has left.
_USUAL_MEMORY = 8 << 30


def _prctl(option: int, value: int) -> None:
    if _LINUX:
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def adopt_orphans() -> None:
    """Processes whose parent ends become children of this one: none can hide by leaving its process group."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before it was asked for
        os._exit(70)


def is_deserted(pipe: int) -> bool:
    """Whether the read end of this pipe is closed."""
    poll = select.poll()
    poll.register(pipe, 0)
    return any(state & (select.POLLERR | select.POLLHUP) for _, state in poll.poll(0))


def children_of(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError, ValueError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                found += [int(each) for each in file.read().split()]
    return found


def tree_of(pid: int) -> Iterator[int]:
    """The process and all that descend from it."""
    todo = [pid]
    while todo:
        each = todo.pop()
        yield each
        todo += children_of(each)


def memory_of(pid: int) -> int:
    """Bytes that the process and its descendants hold in memory. 0: not known."""
    if not _LINUX:
        return _memory_by_ps(pid)
    pages = 0
    for each in tree_of(pid):
        with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{each}/statm", "rb") as file:
            pages += int(file.read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _memory_by_ps(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
        shown = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, timeout=5)
        return int(shown.stdout or b"0") * 1024
    return 0


def available_memory() -> int:
    with contextlib.suppress(OSError, ValueError), open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return _USUAL_MEMORY


def kill_tree(pid: int) -> None:
    """End a child that leads its own process group, its group and its descendants, and reap it."""
    descendants = list(tree_of(pid))
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)
    for each in descendants:
        with contextlib.suppress(OSError):
            os.kill(each, signal.SIGKILL)


def kill_strays(known: set[int]) -> None:
    """End what has become a child of this process without being started by it, and reap it."""
    for pid in children_of(os.getpid()):
        if pid not in known:
            kill_tree(pid)
            with contextlib.suppress(OSError):
                os.waitpid(pid, 0)
