"""What tensors and the storages that are really there say of each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from modelint.checkpoint import dtypes
from modelint.checkpoint.contents import Root, Stored
from modelint.checkpoint.facts import BadShape, BadTensor, MissingRecord, ShortRecord, ViewOutsideStorage

#: So many records are told of one by one.
_MOST = 8


def records(
    roots: Iterable[Root], declared: Mapping[str, int], there: Mapping[str, int], record: Callable[[str], str]
) -> list[object]:
    """Storages that are not in the file, or are shorter there than they say. ``record``: storage -> its name there."""
    missing = {name for name in declared if name not in there}
    short = {name for name, size in declared.items() if name in there and there[name] < size}
    if not missing and not short:
        return []
    keys: dict[str, list[str]] = {name: [] for name in declared if name in missing or name in short}
    for key, stored in _all(roots):
        if stored.storage in keys:
            keys[stored.storage].append(key)
    facts: list[object] = []
    for name in _few(missing, keys):
        facts.append(MissingRecord(record(name), tuple(keys[name])))
    for name in _few(short, keys):
        facts.append(ShortRecord(record(name), there[name], declared[name], tuple(keys[name])))
    return facts


def _few(names: set[str], keys: dict[str, list[str]]) -> list[str]:
    """Some of the storages, in the order of the file; the last of them stands for the rest."""
    ordered = [name for name in keys if name in names]
    for name in ordered[_MOST:]:
        keys[ordered[_MOST - 1]] += keys[name]
    return ordered[:_MOST]


def views(roots: Iterable[Root], declared: Mapping[str, int]) -> list[object]:
    """Tensors that reach behind the end of their storage."""
    keys: list[str] = []
    worst = (0, 0)
    for key, stored in _all(roots):
        size = None if stored.storage is None else declared.get(stored.storage)
        needs = None if size is None else reach(stored)
        if size is not None and needs is not None and needs > size:
            worst = worst if keys else (needs, size)
            keys.append(key)
    return [ViewOutsideStorage(tuple(keys), *worst)] if keys else []


def reach(stored: Stored) -> int | None:
    """The bytes from the start of its storage to the end of a tensor; None where that is not known."""
    spec, stride = stored.spec, stored.stride
    bits = dtypes.BITS.get(spec.dtype)
    if spec.shape is None or stride is None or bits is None or stored.form == "quantized":
        return None
    last = stored.offset
    for size, step in zip(spec.shape, stride, strict=True):
        if size == 0:
            return 0
        last += (size - 1) * step
    return (last + 1) * bits // 8


def odd(bad: list[BadShape | BadTensor], storage: str = "") -> list[BadShape | BadTensor]:
    """One fact for what is wrong in one way. ``storage``: what is odd about one of the storages."""
    first: dict[str, BadShape | BadTensor] = {}
    for each in bad:
        known = first.get(each.why)
        first[each.why] = each if known is None else known._replace(others=known.others + 1)
    if storage and not first:
        first[storage] = BadTensor("a storage that no tensor uses", storage)
    return [*first.values()][:_MOST]


def _all(roots: Iterable[Root]) -> Iterable[tuple[str, Stored]]:
    for number, root in enumerate(roots):
        for key, stored in root.tensors.items():
            yield key if number == 0 else f"{root.path}: {key}", stored
