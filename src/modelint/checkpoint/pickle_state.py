"""What the opcodes of a pickle work on: stack, marks, memo, and the budget that they spend."""

from __future__ import annotations

from typing import NoReturn

from modelint.checkpoint import limits
from modelint.checkpoint.contents import Refused
from modelint.checkpoint.limits import Budget
from modelint.checkpoint.pickle_values import Call, Global, Persistent, TupleNode
from modelint.checkpoint.source import Source

#: How a storage is pickled outside of ``torch.save``: with a whole stream of ``torch.save`` as argument.
LOADS = "torch.storage._load_from_bytes"


class Short(Exception):
    """An opcode needs so many bytes more than the piece of the file that is looked at; it has done nothing yet."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size


class State:
    """Of one pickle after another, in one file."""

    def __init__(self, source: Source, budget: Budget) -> None:
        self.source = source
        self.budget = budget
        #: Names in the order of the file: those that a load would call, and all that it would look up.
        self.calls: dict[str, None] = {}
        self.globals: dict[str, None] = {}
        #: What stands outside, in the order of the file.
        self.persistents: list[Persistent] = []
        #: Calls that load bytes which stand in the pickle itself.
        self.loads: list[Call] = []
        self._known: dict[tuple[str, str], Global] = {}
        #: Of this pickle: the two lines of a GLOBAL as they stand in it.
        self.lines: dict[bytes, Global] = {}
        #: The piece of the source that is looked at, where it begins there, and where in it the pickle has to end,
        #: which may lie behind the piece. Opcodes are given places in the piece.
        self.data = b""
        self.base = 0
        self.end = 0
        self.reset()

    def reset(self) -> None:
        """Nothing is left of the last pickle."""
        self.protocol = 0
        self.stack: list[object] = []
        #: The stacks below each open mark: nothing can reach under its mark.
        self.below: list[list[object]] = []
        #: Entries 0, 1, 2, ... in order, as nearly every pickle has them, and the others.
        self.memo: list[object] = []
        self.lines = {}
        self.sparse: dict[int, object] = {}

    def truncated(self) -> NoReturn:
        """Raises Refused: the pickle goes on where the file does not."""
        raise Refused("truncated: it ends in the middle of a pickle; copy or download it again")

    def malformed(self, what: str, at: int) -> NoReturn:
        """Raises Refused: no pickle has this."""
        raise Refused(f"malformed pickle: {what}, at byte {self.base + at}")

    def need(self, at: int, size: int) -> int:
        """Where so many bytes end. Raises Short if they are in the file and not yet in the piece; Refused."""
        end = at + size
        if end > self.end:
            self.truncated()
        if end > len(self.data):
            raise Short(size)
        return end

    def line(self, at: int, longest: int) -> tuple[bytes, int]:
        """The rest of the line, and where the next begins."""
        end = self.data.find(b"\n", at, min(at + longest + 1, self.end))
        if end < 0:
            if at + longest >= len(self.data) and self.end > len(self.data):
                raise Short(2 * longest)
            if self.end - at <= longest:
                self.truncated()
            self.malformed(f"a line of more than {longest} bytes", at)
        return self.data[at:end], end + 1

    def pop_mark(self) -> list[object]:
        """All above the last mark."""
        items = self.stack
        self.stack = self.below.pop()
        return items

    def made(self, size: int) -> None:
        """One more container, of so many bytes."""
        self.budget.containers -= 1
        self.budget.memory -= size

    def tuple_of(self, items: list[object]) -> TupleNode:
        self.budget.containers -= 1
        self.budget.memory -= 48 + 8 * len(items)
        return TupleNode(items)

    def call_of(self, function: object, args: object, kwargs: object = None) -> Call:
        self.budget.containers -= 1
        self.budget.memory -= 112
        call = Call(function, args, kwargs)
        name = function.said if type(function) is Global else call.name
        if name:
            self.calls[name] = None
            if name == LOADS:
                self.loads.append(call)
        return call

    def persistent_of(self, id: object) -> Persistent:
        self.budget.containers -= 1
        self.budget.memory -= 56
        persistent = Persistent(id)
        self.persistents.append(persistent)
        return persistent

    def global_of(self, module: str, name: str) -> Global:
        if len(module) > limits.NAME or len(name) > limits.NAME:
            raise Refused(f"malformed pickle: a name of more than {limits.NAME:,} characters")
        if self.protocol < 3:
            module, name = _renamed(module, name)
        found = self._known.get((module, name))
        if found is None:
            self.budget.keep(800 + 12 * (len(module) + len(name)))
            found = self._known[module, name] = Global(module, name)
            self.globals[found.said] = None
        return found


def _renamed(module: str, name: str) -> tuple[str, str]:
    """Where Python 3 looks for a name that Python 2 wrote, as the standard library's unpickler does."""
    from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING

    module, name = NAME_MAPPING.get((module, name), (module, name))
    return IMPORT_MAPPING.get(module, module), name
