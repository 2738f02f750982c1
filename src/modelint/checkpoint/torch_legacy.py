"""A stream as ``torch.save`` wrote it before version 1.6: five pickles, then each storage behind its element count."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from modelint.checkpoint import damage, inner, regular, roots
from modelint.checkpoint.contents import Contents, Refused
from modelint.checkpoint.facts import ShortRecord, TrailingBytes, Truncated
from modelint.checkpoint.limits import NUMBER, Budget
from modelint.checkpoint.nodes import items_of
from modelint.checkpoint.pickle_machine import Machine
from modelint.checkpoint.source import InFile
from modelint.checkpoint.storages import Storages
from modelint.checkpoint.tensors import Tensors

FORMAT = "torch legacy"
_count = struct.Struct("<q").unpack


def read(path: str, budget: Budget | None = None) -> Contents:
    """The contents of a legacy stream. Raises Refused and OSError."""
    budget = budget or Budget()
    with regular.opened(path) as file:
        size = regular.size(file)
        machine = Machine(InFile(file), budget)
        at = inner.prelude(machine, 0, size)
        value, at = machine.run(at, size)
        keys, at = machine.run(at, size)
        tensors = Tensors(Storages((5, 6)))
        odd = tensors.storages.declare_all(machine.persistents)
        found = roots.find(value, tensors, budget)
        walked = _walk(_names(keys), at, size, tensors.storages, lambda place: regular.read(file, place, 8))
        calls, named = inner.names(machine.calls, machine.globals, machine.loads, budget)
    facts: list[object] = [*found.modules, *damage.odd(tensors.bad, odd)]
    if walked.needs > size:
        cut = {name for name, length in tensors.storages.declared.items() if walked.there.get(name, 0) < length}
        lost = tuple(key for root in found.roots[:1] for key, each in root.tensors.items() if each.storage in cut)
        facts.append(Truncated(size, walked.needs, lost))
    elif walked.complete:
        records = damage.records(found.roots, tensors.storages.declared, walked.there, lambda name: f"storage {name}")
        facts.extend(records)
        if walked.end < size and not any(isinstance(each, ShortRecord) for each in records):
            facts.append(TrailingBytes(size - walked.end))
    facts.extend(damage.views(found.roots, tensors.storages.declared))
    return Contents(
        path, FORMAT, found.roots, found.entries, walked.there, calls, tuple(facts), size, named, machine.protocol
    )


class _Walked(NamedTuple):
    #: Storage -> the bytes that it has in the file.
    there: dict[str, int]
    #: Where the last storage ends, and how many bytes the file needs.
    end: int
    needs: int
    #: Whether all storages could be looked at.
    complete: bool


def _walk(names: list[str], at: int, size: int, storages: Storages, read: Callable[[int], bytes]) -> _Walked:
    there: dict[str, int] = {}
    for number, name in enumerate(names):
        width = storages.widths.get(name)
        if width is None:
            raise Refused(f"damaged: it has a storage {ascii(name)[:60]} that nothing in it describes")
        count = _count(read(at))[0] if at + 8 <= size else None
        if count is None or count * width > size - at - 8:
            there[name] = max(0, size - at - 8)
            needs = sum(8 + storages.declared.get(each, 0) for each in names[number:])
            return _Walked(there, size, at + max(needs, size - at + 1), complete=False)
        if not 0 <= count < NUMBER:
            raise Refused(f"damaged: at byte {at} a storage says that it has {count} elements")
        there[name] = count * width
        at += 8 + count * width
    return _Walked(there, at, at, complete=True)


def _names(node: object) -> list[str]:
    names = []
    for item in items_of(node) or ():
        if type(item) is not str:
            raise Refused("damaged: the list of its storages is none")
        names.append(item)
    return names
