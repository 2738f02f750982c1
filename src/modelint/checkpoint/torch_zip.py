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
from modelint.checkpoint.storages import Storages
from modelint.checkpoint.tensors import Tensors

FORMAT = "torch zip"
PICKLE = b"data.pkl"
#: torch cuts longer names of the folder.
_LONGEST = 480


def check(archive: Archive) -> None:
    """Refuse an archive that torch would not open, whatever its pickle says."""
    if not archive.root or b"\0" in archive.root or len(archive.root) > _LONGEST:
        raise Refused("a zip archive whose records lie in no folder that has a name: torch does not load it")
    if archive.outside:
        shown = ascii(archive.outside[:60].decode("utf-8", "replace"))
        raise Refused(f"a zip archive with {shown} outside of its folder: torch does not load it; take that out")
    version = _small(archive, b".data/version") or _small(archive, b"version")
    if version is None:
        raise Refused("damaged zip archive: it has no record `version`, which torch asks for")
    if not version.strip().isdigit() or int(version) < 1:
        raise Refused("damaged zip archive: its record `version` is no version")
    if _small(archive, b"byteorder") not in (None, b"little", b"big"):
        raise Refused("damaged zip archive: its record `byteorder` is neither little nor big")


def _small(archive: Archive, name: bytes) -> bytes | None:
    """A record of a few bytes; None if it is not there."""
    return None if archive.find(name) is None else archive.read(name, 1000)[:20]


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
    tensors = Tensors(Storages())
    odd = tensors.storages.declare_all(described.persistents)
    found = roots.find(described.value, tensors, archive.budget)
    return contents(path, FORMAT, size, archive, tensors, found, described, odd)


def contents(
    path: str,
    format: str,
    size: int,
    archive: Archive,
    tensors: Tensors,
    found: roots.Found,
    described: Outcome,
    odd: str,
) -> Contents:
    """All that is told of an archive, with what its records say of the tensors. ``odd``: of one of its storages."""
    there = sizes(archive, tensors)
    facts: list[object] = [
        *found.modules,
        *damage.odd(tensors.bad, odd),
        *damage.records(found.roots, tensors.storages.declared, there, lambda name: f"data/{name}"),
        *damage.views(found.roots, tensors.storages.declared),
    ]
    if archive.trailing > 0:
        facts.append(TrailingBytes(archive.trailing))
    calls, named = inner.names(described.calls, described.globals, described.loads, archive.budget)
    return Contents(
        path, format, found.roots, found.entries, there, calls, tuple(facts), size, named, described.protocol
    )


def sizes(archive: Archive, tensors: Tensors) -> dict[str, int]:
    """Storage -> the bytes that its record has."""
    there = {}
    for name in tensors.storages.declared:
        entry = archive.find(b"data/" + name.encode("utf-8", "surrogatepass"))
        if entry is not None:
            there[name] = archive.available(entry)
    return there


def salvage(file: BinaryIO, path: str, size: int, budget: Budget) -> Contents:
    """What can be told of an archive that ends too early: torch writes the pickle first. Raises Refused."""
    header = regular.read(file, 0, LOCAL.size + limits.NAME)
    length, extra = LOCAL.unpack_from(header)[9:] if len(header) >= LOCAL.size else (0, 0)
    name = header[LOCAL.size : LOCAL.size + length]
    if not name.lower().endswith(b"/" + PICKLE) or LOCAL.unpack_from(header)[3] != 0:
        raise Refused("truncated: a zip archive without the directory at its end; copy or download it again")
    begin = LOCAL.size + length + extra
    described = pickle_machine.run(InFile(file), begin, size, budget=budget)
    tensors = Tensors(Storages())
    tensors.storages.declare_all(described.persistents)
    found = roots.find(described.value, tensors, budget)
    needs = described.end + sum(tensors.storages.declared.values())
    facts = (*found.modules, Truncated(size, max(needs, size + 1)), *damage.odd(tensors.bad))
    calls, named = inner.names(described.calls, described.globals, described.loads, budget)
    return Contents(
        path,
        FORMAT,
        found.roots,
        found.entries,
        tensors.storages.declared,
        calls,
        facts,
        size,
        named,
        described.protocol,
    )
