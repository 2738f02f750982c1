"""A zip file as ``torch.save`` writes it since version 1.6: a pickle, and a record for each storage."""

from __future__ import annotations

from typing import BinaryIO

from modelint.checkpoint import damage, inner, limits, pickle_machine, regular, roots
from modelint.checkpoint.archive import LOCAL, Archive
from modelint.checkpoint.contents import Contents, Refused
from modelint.checkpoint.facts import TrailingBytes, Truncated
from modelint.checkpoint.limits import Budget
from modelint.checkpoint.pickle_values import Outcome
from modelint.checkpoint.source import InFile
from modelint.checkpoint.tensors import Tensors

FORMAT = "torch zip"
PICKLE = b"data.pkl"


def outcome(archive: Archive) -> Outcome:
    """What the pickle of the archive describes. Raises Refused."""
    entry = archive.find(PICKLE)
    if entry is None or not entry.is_stored:
        return pickle_machine.run(archive.read(PICKLE, limits.INFLATED), budget=archive.budget)
    begin, end = archive.span(PICKLE)
    return pickle_machine.run(InFile(archive.file), begin, _bounded(begin, end), budget=archive.budget)


def _bounded(begin: int, end: int) -> int:
    if end - begin > limits.PICKLE:
        raise Refused(f"its pickle has {end - begin:,} bytes; modelint reads at most {limits.PICKLE:,}")
    return end


def read(archive: Archive, path: str, size: int) -> Contents:
    """The contents of an archive that has a ``data.pkl``. Raises Refused."""
    described = outcome(archive)
    tensors = Tensors()
    tensors.declare_all(described.persistents)
    found = roots.find(described.value, tensors, archive.budget)
    return contents(path, FORMAT, size, archive, tensors, found, described)


def contents(
    path: str, format: str, size: int, archive: Archive, tensors: Tensors, found: roots.Found, described: Outcome
) -> Contents:
    """All that is told of an archive, with what its records say of the tensors."""
    there = sizes(archive, tensors)
    facts: list[object] = [
        *found.modules,
        *damage.shapes(tensors.bad),
        *damage.records(found.roots, tensors.declared, there, lambda name: f"data/{name}"),
        *damage.views(found.roots, tensors.declared),
    ]
    if archive.trailing > 0:
        facts.append(TrailingBytes(archive.trailing))
    calls = inner.called(described.calls, described.loads, archive.budget)
    return Contents(path, format, found.roots, found.entries, there, calls, tuple(facts), size, described.globals)


def sizes(archive: Archive, tensors: Tensors) -> dict[str, int]:
    """Storage -> the bytes that its record has."""
    there = {}
    for name in tensors.declared:
        entry = archive.find(b"data/" + name.encode("utf-8", "surrogatepass"))
        if entry is not None:
            there[name] = archive.available(entry)
    return there


def salvage(file: BinaryIO, path: str, size: int, budget: Budget) -> Contents:
    """What can be told of an archive that ends too early: torch writes the pickle first. Raises Refused."""
    header = regular.read(file, 0, LOCAL.size + limits.NAME)
    named, extra = LOCAL.unpack_from(header)[9:] if len(header) >= LOCAL.size else (0, 0)
    name = header[LOCAL.size : LOCAL.size + named]
    if not name.lower().endswith(b"/" + PICKLE) or LOCAL.unpack_from(header)[3] != 0:
        raise Refused("truncated: a zip archive without the directory at its end; copy or download it again")
    begin = LOCAL.size + named + extra
    described = pickle_machine.run(InFile(file), begin, size, budget=budget)
    tensors = Tensors()
    tensors.declare_all(described.persistents)
    found = roots.find(described.value, tensors, budget)
    needs = described.end + sum(each or 0 for each in tensors.declared.values())
    facts = (*found.modules, Truncated(size, max(needs, size + 1)), *damage.shapes(tensors.bad))
    calls = inner.called(described.calls, described.loads, budget)
    storages = {name: declared for name, declared in tensors.declared.items() if declared is not None}
    return Contents(path, FORMAT, found.roots, found.entries, storages, calls, facts, size, described.globals)
