"""Forked workers: order, deaths, exceptions, Ctrl-C, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from modelint.parallel import Died, map_forked

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def no_child_left() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return True
    return False


@pytest.mark.parametrize("jobs", [1, 2, 5, 100])
def test_results_come_in_the_order_of_the_items(jobs: int) -> None:
    items = list(range(40))
    assert list(map_forked(lambda item: item * item, items, jobs)) == [item * item for item in items]
    assert list(map_forked(lambda item: item, items, jobs, sizes=[10_000 * (item % 7) for item in items])) == items
    assert no_child_left()


def test_large_results_pass() -> None:
    results = list(map_forked(lambda item: bytes([item]) * 3_000_000, range(8), 2))
    assert [(len(each), each[0]) for each in results if isinstance(each, bytes)] == [(3_000_000, n) for n in range(8)]


def test_several_processes_work_and_not_this_one() -> None:
    def slow(_: int) -> int:
        time.sleep(0.02)
        return os.getpid()

    pids = set(map_forked(slow, range(20), 2))
    assert len(pids) == 2
    assert os.getpid() not in pids


@pytest.mark.parametrize(
    ("items", "jobs", "sizes"), [(range(20), 1, None), (range(7), 2, None), (range(20), 2, [100] * 20), ((), 2, None)]
)
def test_little_work_stays_here(items: range, jobs: int, sizes: list[int] | None) -> None:
    assert {*map_forked(lambda _: os.getpid(), items, jobs, sizes)} <= {os.getpid()}


def test_a_death_costs_one_item() -> None:
    def work(item: int) -> int:
        if item in (3, 11):
            os.kill(os.getpid(), signal.SIGKILL)
        if item == 5:
            os._exit(7)
        if item == 6:
            raise MemoryError
        return item

    results = list(map_forked(work, range(20), 2))
    assert [item for item in range(20) if results[item] != item] == [3, 5, 6, 11]
    assert results[3] == results[11] == Died("its worker was ended by SIGKILL")
    assert results[5] == Died("its worker ended with exit code 7")
    assert results[6] == Died("out of memory")
    assert no_child_left()


def test_all_die() -> None:
    results = list(map_forked(lambda _: os._exit(1), range(10), 3))
    assert all(isinstance(each, Died) for each in results)


class Odd(Exception):
    def __init__(self, a: int, b: int) -> None:
        super().__init__("odd")


def test_an_exception_that_cannot_be_unpickled_is_an_error() -> None:
    def work(_: int) -> int:
        raise Odd(1, 2)

    with pytest.raises(RuntimeError, match="odd"):
        list(map_forked(work, range(20), 2))


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_exception_is_raised_here(jobs: int) -> None:
    def work(item: int) -> int:
        if item == 9:
            raise KeyError("nine")
        return item

    with pytest.raises(KeyError, match="nine"):
        list(map_forked(work, range(20), jobs))
    assert no_child_left()


def test_what_cannot_be_pickled_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="cannot leave its worker"):
        list(map_forked(lambda item: lambda: item, range(20), 2))


def test_a_consumer_that_stops_leaves_no_worker() -> None:
    results = map_forked(lambda item: item, range(100), 2)
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    assert no_child_left()


SLEEPER = textwrap.dedent(
    """
    import os, sys, time
    seconds = float(sys.argv[1])
    from modelint.parallel import map_forked
    def work(item):
        os.write(1, b"%d\\n" % os.getpid())
        time.sleep(seconds)
    list(map_forked(work, range(20), 2))
    """
)


def sleeper(seconds: float) -> tuple[subprocess.Popen[bytes], list[int]]:
    command = [sys.executable, "-c", SLEEPER, str(seconds)]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert started.stdout is not None
    return started, [int(started.stdout.readline()) for _ in range(2)]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"  # nobody may reap an orphan in a container
    except OSError:
        return True


def test_ctrl_c_ends_the_workers() -> None:
    started, pids = sleeper(60)
    started.send_signal(signal.SIGINT)
    _, errors = started.communicate(timeout=30)
    assert errors.count(b"KeyboardInterrupt") == 1
    assert not any(alive(pid) for pid in pids)


def test_workers_end_with_their_item_when_their_parent_is_killed() -> None:
    started, pids = sleeper(1)
    started.kill()
    started.communicate(timeout=30)  # ends when no process holds its output any more
    for _ in range(100):
        if any(alive(pid) for pid in pids):
            time.sleep(0.05)  # it closes its output a moment before it is gone
    assert not any(alive(pid) for pid in pids)
