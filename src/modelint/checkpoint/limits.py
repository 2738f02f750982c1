"""What reading one file may cost. Every limit is checked before the work that it bounds."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from modelint.checkpoint.contents import Refused

#: A pickle that is read into memory, in bytes.
PICKLE = 256 << 20
#: The same when it is stored compressed, and how much smaller it may have been.
INFLATED = 64 << 20
RATIO = 60
#: Opcodes, lists and dicts and tuples and calls, and marks that are open at once.
OPS = 6_000_000
CONTAINERS = 1_600_000
MARKS = 20_000
#: An integer, in bytes, and in digits when it is written as text.
INTEGER = 256
DIGITS = 620
#: A string that is decoded, and the name of a module or class.
TEXT = 16 << 20
NAME = 4096
#: A string of protocol 0.
LINE = 1 << 20
#: Byte strings that are longer stay in the file.
SHORT_BYTES = 4096
#: All that one file makes us keep, as estimated in bytes.
MEMORY = 220 << 20
#: Entries in a zip directory, tensors in one file, and state dicts that are told of.
ENTRIES = 500_000
TENSORS = 400_000
ROOTS = 32
#: Dimensions of a tensor, and what a size, a stride or an offset can be.
DIMENSIONS = 256
NUMBER = 1 << 63
#: Modules in one file, each counted wherever it is used.
MODULES = 200_000
#: How far down a state dict is looked for, and how deep the modules of a model and groups of tensors may nest.
LEVELS = 3
DEPTH = 200
#: How much of what is no tensor is told of.
ENTRIES_TOLD = 1000


@contextmanager
def uncollected() -> Iterator[None]:
    """Nothing becomes garbage here that the counts of references do not see; looking for it is a third of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class Budget:
    """What is left for one file: shared by all pickles in it."""

    __slots__ = ("containers", "memory", "ops")

    def __init__(self, *, ops: int = OPS, containers: int = CONTAINERS, memory: int = MEMORY) -> None:
        self.ops = ops
        self.containers = containers
        self.memory = memory

    def keep(self, size: int) -> None:
        """So many bytes are to be kept. Raises Refused if that is too much."""
        self.memory -= size
        self.check()

    def check(self) -> None:
        """Raises Refused when something is used up."""
        if self.containers < 0:
            raise Refused(f"holds more than {CONTAINERS:,} lists, dicts and objects: no checkpoint is built like that")
        if self.memory < 0:
            raise Refused(f"needs more than {MEMORY >> 20} MiB to describe: no checkpoint is built like that")
        if self.ops <= 0:
            raise Refused(f"has more than {OPS:,} pickle instructions: no checkpoint is built like that")
