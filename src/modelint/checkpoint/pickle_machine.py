"""A pickle, read as a description: what it would build, what it would call.

Every opcode of protocols 0 to 5 has a method that moves values about; none imports, calls or hashes what the file
describes, or looks at an attribute of it. A global is a name, a call is a node. There is no recursion, and each limit
is checked first.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable

from modelint.checkpoint.contents import Refused
from modelint.checkpoint.limits import Budget, uncollected
from modelint.checkpoint.pickle_calls import Calls
from modelint.checkpoint.pickle_containers import Containers
from modelint.checkpoint.pickle_scalars import Scalars
from modelint.checkpoint.pickle_state import Short
from modelint.checkpoint.pickle_values import Outcome
from modelint.checkpoint.source import InMemory, Source

#: How many opcodes go by between two looks at the budget: few enough that it is not overdrawn by much.
STEPS = 4096
#: How much of a file is read at once.
PIECE = 1 << 20

_long = struct.Struct("<Q").unpack_from


def run(data: bytes | Source, start: int = 0, end: int | None = None, *, budget: Budget) -> Outcome:
    """What the pickle at ``data[start:end]`` describes. Raises Refused if it is malformed or over budget."""
    machine = Machine(InMemory(data) if isinstance(data, bytes) else data, budget)
    value, stopped = machine.run(start, end)
    return Outcome(
        value,
        stopped,
        tuple(machine.calls),
        tuple(machine.globals),
        machine.persistents,
        machine.loads,
        machine.protocol,
    )


class Machine(Scalars, Containers, Calls):
    """Runs the pickles of one file, one after the other; ``calls`` and ``globals`` are of all of them.

    ``piece``: how many bytes are read at once.
    """

    def __init__(self, source: Source, budget: Budget, piece: int = PIECE) -> None:
        super().__init__(source, budget)
        self._piece = piece
        self._asked = (0, 0)
        self._table: list[Callable[[int], int]] = [self._unknown] * 256
        for name, opcode in _OPCODES.items():
            self._table[opcode] = getattr(self, name)

    def run(self, start: int, end: int | None = None) -> tuple[object, int]:
        """The value of the pickle at ``start``, and where the next byte is. Raises Refused."""
        self.reset()
        self.data, self.base = b"", start
        self.end = (self.source.size if end is None else end) - start
        self._asked = (0, 0)
        at = 0
        try:
            with uncollected():
                while True:
                    at = self._some(at)
                    if at > self.end:
                        self.truncated()
        except _Stop as stop:
            if stop.end > self.end:
                self.truncated()
            self.budget.check()
            return stop.value, self.base + stop.end

    def _some(self, at: int) -> int:
        """The next opcodes, from ``at`` on, and where they end."""
        budget, table, data = self.budget, self._table, self.data
        budget.check()
        steps = min(STEPS, budget.ops)
        step = 0
        try:
            for step in range(steps):  # noqa: B007
                at = table[data[at]](at + 1)
        except (IndexError, struct.error, Short) as error:
            # The opcode has changed nothing if there was not enough for it.
            if self._fill(at, error.size + 16 if isinstance(error, Short) else 0):
                return 0
            if isinstance(error, IndexError) and at + 1 < self.end:
                self.malformed("nothing left to work on", at)
            self.truncated()
        except KeyError:
            self.malformed("it refers to a value that it never stored", at)
        except ValueError:
            self.malformed("a bad number or bad text", at)
        finally:
            budget.ops -= step + 1
        return at

    def _fill(self, at: int, least: int) -> bool:
        """Look at the piece that begins at ``at``; False if that is done already, or nothing is there."""
        size = min(max(self._piece, least), self.end - at)
        asked = (self.base + at, size)
        if size <= 0 or asked == self._asked:
            return False
        self._asked = asked
        self.data = self.source.read(*asked)
        self.base += at
        self.end -= at
        return True

    def _unknown(self, at: int) -> int:
        self.malformed(f"no opcode is 0x{self.data[at - 1]:02x}", at - 1)

    def op_proto(self, at: int) -> int:
        self.protocol = self.data[at]
        self.lines.clear()  # what a name stands for depends on it
        if self.protocol > pickle.HIGHEST_PROTOCOL:
            raise Refused(f"pickle protocol {self.protocol} is newer than any that is known")
        return at + 1

    def op_frame(self, at: int) -> int:
        if at + 8 + _long(self.data, at)[0] > self.end:
            self.truncated()
        return at + 8

    def op_stop(self, at: int) -> int:
        raise _Stop(self.stack.pop(), at)


class _Stop(Exception):
    """The pickle ends before ``end``."""

    def __init__(self, value: object, end: int) -> None:
        super().__init__()
        self.value = value
        self.end = end


#: Method -> opcode, by the names of the standard library.
_OPCODES = {
    f"op_{name}": getattr(pickle, name.upper())[0]
    for name in (
        "proto frame stop none newtrue newfalse int long binint binint1 binint2 long1 long4 float binfloat string "
        "binstring short_binstring unicode short_binunicode binunicode binunicode8 short_binbytes binbytes binbytes8 "
        "bytearray8 next_buffer readonly_buffer mark tuple empty_tuple tuple1 tuple2 tuple3 empty_list list append "
        "appends additems empty_set frozenset empty_dict dict setitem setitems pop pop_mark dup put binput long_binput "
        "memoize get binget long_binget global stack_global ext1 ext2 ext4 reduce newobj newobj_ex inst obj build "
        "persid binpersid"
    ).split()
}
