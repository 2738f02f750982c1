"""Storages that are pickled with their bytes: each is a legacy stream of torch inside the pickle.

A load runs the pickles of those streams too, so that all of them are looked at, whatever uses them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from modelint.checkpoint.contents import Refused
from modelint.checkpoint.limits import Budget
from modelint.checkpoint.pickle_machine import Machine
from modelint.checkpoint.pickle_values import Blob, Call, Persistent, TupleNode
from modelint.checkpoint.source import InMemory, Source

#: Bytes that a pickle of protocol 2 or before holds as text are decoded, up to so many.
_AS_TEXT = 64 << 20
#: What a load does with bytes that are no storage.
_ANYTHING = "torch.load"

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001


class Inner(NamedTuple):
    """A storage: the persistent id that describes it, and how many bytes of data follow."""

    persistent: Persistent
    bytes: int


class Loads:
    """The streams that a file holds: ``found`` by the identity of the call, and what a load of them would call."""

    def __init__(self, budget: Budget) -> None:
        self.found: dict[int, Inner] = {}
        self.calls: dict[str, None] = {}
        #: All names in them, called or not.
        self.globals: dict[str, None] = {}
        self._budget = budget
        self._machine = Machine(InMemory(b""), budget, piece=4096)
        #: How the streams begin, as far as they are alike.
        self._prelude = b""

    def look(self, calls: list[Call]) -> None:
        """Parse them all, and those inside them. Raises Refused when the budget is used up."""
        todo = list(calls)
        while todo:
            call = todo.pop()
            self._machine.loads = []
            try:
                inner = self._parse(call)
            except Refused:
                self._budget.check()
                inner = None
            if inner is None:
                self.calls[_ANYTHING] = None
            else:
                self.found[id(call)] = inner
            todo.extend(self._machine.loads)
        self.calls.update(self._machine.calls)
        self.globals.update(self._machine.globals)

    def _parse(self, call: Call) -> Inner | None:
        source, start, end = bytes_of(call.args[0] if isinstance(call.args, TupleNode) and call.args else None)
        machine = self._machine
        machine.source = source
        length = len(self._prelude)
        if length and start + length <= end and source.read(start, length) == self._prelude:
            at = start + length
        else:
            at = prelude(machine, start, end)
            self._prelude = source.read(start, at - start) if at - start <= 1000 else b""
        value, at = machine.run(at, end)
        at = machine.run(at, end)[1]
        return Inner(value, max(0, end - at - 8)) if isinstance(value, Persistent) else None


def prelude(machine: Machine, at: int, end: int) -> int:
    """Where the object begins, behind the magic number, the protocol version and the description of the system."""
    magic, at = machine.run(at, end)
    version, at = machine.run(at, end)
    if magic != _MAGIC or version != _PROTOCOL:
        raise Refused("not a file of torch.save: its magic number or its protocol version is another")
    return machine.run(at, end)[1]


class Names(NamedTuple):
    """What a load calls, and all that it looks up, each once."""

    calls: tuple[str, ...]
    globals: tuple[str, ...]


def names(calls: Iterable[str], named: Iterable[str], loads: list[Call], budget: Budget) -> Names:
    """Those of a pickle, and of the streams inside it."""
    if not loads:
        return Names(tuple(calls), tuple(named))
    inner = Loads(budget)
    inner.look(loads)
    return Names(tuple(dict.fromkeys((*calls, *inner.calls))), tuple(dict.fromkeys((*named, *inner.globals))))


def bytes_of(node: object) -> tuple[Source, int, int]:
    """Where the bytes stand that a node is: in the file, in memory, or in the text of an older protocol.

    Raises Refused if it is none.
    """
    if isinstance(node, Blob) and not node.text:
        return node.source, node.start, node.end
    if isinstance(node, Call) and node.name == "_codecs.encode" and isinstance(node.args, TupleNode) and node.args:
        node = node.args[0]
        if isinstance(node, Blob) and node.text and node.size <= _AS_TEXT:
            node = str(node.source.read(node.start, node.size), "utf-8", "replace")
    if isinstance(node, str):
        # As Python 2 wrote them, too.
        node = node.encode("latin-1", "replace")
    if isinstance(node, bytes):
        return InMemory(node), 0, len(node)
    raise Refused("its bytes cannot be read")
