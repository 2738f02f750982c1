"""One function over many items, in forked workers: threads gain nothing here, spawned processes import all anew.

Fork hands function and items to the workers as they are; only results travel, pickled, through a worker's own pipe.
Each worker is given one item at a time, the largest first, so that no one waits at the end and a worker that dies
(a signal, no memory) takes a single item with it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

#: With fewer items or bytes than these, a second process costs more than it saves.
FEW_ITEMS, FEW_BYTES = 8, 200_000


class Died(NamedTuple):
    """In place of a result: why there is none."""

    reason: str


class _Worker(NamedTuple):
    pid: int
    #: Where the parent writes the number of the next item, and reads the result.
    tasks: int
    results: int


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_forked(
    function: Callable[[Item], Result], items: Sequence[Item], jobs: int, sizes: Sequence[int] | None = None
) -> Iterator[Result | Died]:
    """``function`` of every item, in the order of ``items``. An exception of ``function`` is raised here.

    ``sizes`` are the bytes behind each item. All is done in this process if ``jobs`` is 1, fork is missing,
    or there is little to do.
    """
    little = len(items) < FEW_ITEMS or (sizes is not None and sum(sizes) < FEW_BYTES)
    if jobs <= 1 or little or not hasattr(os, "fork") or sys.platform == "win32":
        return (_here(function, item) for item in items)
    return _Pool(function, items, min(jobs, len(items)), sizes).run()


def _here(function: Callable[[Item], Result], item: Item) -> Result | Died:
    try:
        return function(item)
    except MemoryError:
        return Died("out of memory")


class _Pool(Generic[Item, Result]):
    """The parent's side."""

    def __init__(
        self, function: Callable[[Item], Result], items: Sequence[Item], jobs: int, sizes: Sequence[int] | None
    ) -> None:
        self.function = function
        self.items = items
        self.jobs = jobs
        order = range(len(items))
        #: Numbers of items that no worker has yet, the next one last.
        self.waiting = sorted(order, key=sizes.__getitem__) if sizes is not None else list(reversed(order))
        self.workers: dict[int, _Worker] = {}
        self.busy: dict[int, int] = {}
        self.done: dict[int, Result | Died] = {}

    def run(self) -> Iterator[Result | Died]:
        try:
            for number in range(len(self.items)):
                while number not in self.done:
                    self._hire()
                    self._wait()
                yield self.done.pop(number)
        finally:
            self._dismiss()

    def _hire(self) -> None:
        """As many workers as there is work for, each with one item."""
        while self.waiting and len(self.workers) < self.jobs:
            try:
                worker = self._fork()
            except OSError:
                if not self.workers:  # no room for any other process: do it here
                    number = self.waiting.pop()
                    self.done[number] = _here(self.function, self.items[number])
                return
            self.workers[worker.results] = worker
            self._assign(worker)

    def _fork(self) -> _Worker:
        ours = [end for worker in self.workers.values() for end in (worker.tasks, worker.results)]
        tasks_out, tasks_in = os.pipe()
        results_out, results_in = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            for end in (tasks_out, tasks_in, results_out, results_in):
                os.close(end)
            raise
        if pid == 0:
            # A worker sees that its parent is gone by the end of its tasks: no sibling may hold that pipe open.
            for end in (*ours, tasks_in, results_out):
                os.close(end)
            _work(self.function, self.items, tasks_out, results_in)
        os.close(tasks_out)
        os.close(results_in)
        return _Worker(pid, tasks_in, results_out)

    def _assign(self, worker: _Worker) -> None:
        self.busy[worker.results] = number = self.waiting.pop()
        with suppress(BrokenPipeError):  # it has died: its results end, and _wait sees that
            os.write(worker.tasks, number.to_bytes(8, "little"))

    def _wait(self) -> None:
        """For at least one result, or the death of a worker."""
        import pickle
        import select

        if not self.workers:
            return
        poll = select.poll() if hasattr(select, "poll") else None
        if poll is not None:
            for results in self.workers:
                poll.register(results, select.POLLIN | select.POLLHUP)
            ready = [results for results, _ in poll.poll()]
        else:
            ready = select.select(list(self.workers), [], [])[0]
        for results in ready:
            worker, number = self.workers[results], self.busy.pop(results)
            frame = _frame(results)
            if frame is None:
                del self.workers[results]
                self.done[number] = Died(_how_it_ended(worker))
                continue
            if self.waiting:
                self._assign(worker)
            else:
                del self.workers[results]
                _how_it_ended(worker)
            failed, value = pickle.loads(frame)
            if failed:
                raise value
            self.done[number] = value

    def _dismiss(self) -> None:
        """No worker outlives the pool, however it ends."""
        import signal

        for worker in self.workers.values():
            with suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)
            _how_it_ended(worker)
        self.workers.clear()


def _how_it_ended(worker: _Worker) -> str:
    """Close the worker's pipes, which ends it, wait for it, and say why it ended."""
    os.close(worker.tasks)
    os.close(worker.results)
    try:
        code = os.waitstatus_to_exitcode(os.waitpid(worker.pid, 0)[1])
    except ChildProcessError:
        return "its worker was lost"
    if code >= 0:
        return f"its worker ended with exit code {code}"
    import signal

    known = {int(each): each.name for each in signal.Signals}
    return f"its worker was ended by {known.get(-code, f'signal {-code}')}"


def _frame(end: int) -> bytes | None:
    """A whole message of a worker; None where it ends before that."""
    head = _exactly(end, 8)
    return None if head is None else _exactly(end, int.from_bytes(head, "little"))


def _exactly(end: int, size: int) -> bytes | None:
    parts: list[bytes] = []
    while size and (part := os.read(end, min(size, 1 << 20))):
        parts.append(part)
        size -= len(part)
    return None if size else b"".join(parts)


def _work(function: Callable[[Item], Result], items: Sequence[Item], tasks: int, results: int) -> None:
    """The worker's whole life. It never returns into the parent's code, and runs none of its exit handlers."""
    import gc
    import pickle
    import signal

    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        gc.freeze()  # what the parent had made is not walked again, nor copied for its marks
        while (number := _exactly(tasks, 8)) is not None:
            answer: tuple[bool, object]
            try:
                answer = (False, _here(function, items[int.from_bytes(number, "little")]))
            except Exception as error:
                answer = (True, error)
            try:
                message = pickle.dumps(answer)
                if answer[0]:
                    pickle.loads(message)  # exceptions are pickled in ways that may fail only here
            except Exception as error:
                said = f"{answer[1]!r:.500} cannot leave its worker: {error!r:.500}"
                message = pickle.dumps((True, RuntimeError(said)))
            message = len(message).to_bytes(8, "little") + message
            while message:
                message = message[os.write(results, message) :]
        code = 0
    finally:
        os._exit(code)
