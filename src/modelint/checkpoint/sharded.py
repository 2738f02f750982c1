"""A state dict in several files, and the index that says which key stands where (transformers, diffusers, accelerate).

A shard is a file in the folder of the index, and nothing else: an index that names another folder is refused. The
index and the shards are compared both ways.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from modelint.checkpoint import regular
from modelint.checkpoint.contents import Contents, Refused, Root, Stored
from modelint.checkpoint.dtypes import UNKNOWN
from modelint.checkpoint.facts import IndexedKeyAbsent, InShard, MissingShards, UnnamedShard, WrongShard
from modelint.checkpoint.safetensors import MAX_TENSORS
from modelint.keys.table import TensorSpec

#: In bytes, in files, and in JSON values beside the keys.
MAX_INDEX = 40_000_000
MAX_SHARDS = 4_000
_MAX_VALUES = 100_000
#: Of a folder that is looked through.
MAX_ENTRIES = 50_000

#: What is before the number of a shard, and behind it.
_PART = re.compile(r"(.+)-[0-9]{5,6}(-of-[0-9]{5,6}\..+)")


def read(path: str, read_file: Callable[[str], Contents]) -> Contents:
    """The contents of an index and its shards; ``read_file`` reads one shard. Raises Refused and OSError."""
    with regular.opened(path) as file:
        size = regular.size(file)
        if size > MAX_INDEX:
            raise Refused(f"a JSON file of {size} bytes; an index of shards has at most {MAX_INDEX}")
        where = _weight_map(regular.read(file, 0, size))
    folder = os.path.dirname(path)
    shards = sorted(set(where.values()))
    if len(shards) > MAX_SHARDS:
        raise Refused(f"the index names {len(shards)} shards; modelint reads at most {MAX_SHARDS}")
    there: dict[str, Contents] = {}
    missing = []
    total = 0
    for shard in shards:
        try:
            there[shard] = read_file(os.path.join(folder, shard))
        except FileNotFoundError:
            missing.append(shard)
            continue
        except Refused as refused:
            raise Refused(f"{shard}: {refused}") from None
        total += len(_tensors(there[shard]))
        if total > MAX_TENSORS:
            raise Refused(f"its shards hold more than {MAX_TENSORS} tensors; modelint reads no more")
    contents = _joined(path, where, there, missing, size)
    unnamed = _unnamed(folder, shards)
    return contents._replace(facts=(*contents.facts, UnnamedShard(unnamed))) if unnamed else contents


def looks_like_index(name: str) -> bool:
    """By its name: ``model.safetensors.index.json``."""
    return name.endswith(".index.json")


def _unnamed(folder: str, shards: list[str]) -> tuple[str, ...]:
    """Files of the folder that are called like the shards, as parts of the same number, and are none."""
    kinds = {(found[1], found[2]) for found in map(_PART.fullmatch, shards) if found}
    if not kinds:
        return ()
    with os.scandir(folder or ".") as entries:
        names = [entry.name for entry in itertools.islice(entries, MAX_ENTRIES)]
    known = set(shards)
    found = ((name, _PART.fullmatch(name)) for name in names if name not in known)
    return tuple(sorted(name for name, part in found if part and (part[1], part[2]) in kinds))


def _joined(path: str, where: dict[str, str], there: dict[str, Contents], missing: list[str], size: int) -> Contents:
    gone = set(missing)
    lost = Stored(TensorSpec(UNKNOWN, None))
    tensors: dict[str, Stored] = {}
    absent: list[tuple[str, str]] = []
    wrong: list[tuple[str, str, str | None]] = []
    for key, shard in where.items():
        stored = None if shard in gone else _tensors(there[shard]).get(key)
        if stored is not None:
            tensors[key] = _of_shard(stored, shard)
        elif shard in gone:
            tensors[key] = lost
        else:
            absent.append((key, shard))
    for shard, contents in there.items():
        for key, stored in _tensors(contents).items():
            if where.get(key) != shard:
                wrong.append((key, shard, where.get(key)))
                if key not in tensors or tensors[key] is lost:
                    tensors[key] = _of_shard(stored, shard)
    facts: list[object] = []
    if missing:
        facts.append(MissingShards(tuple(missing), tuple(key for key, shard in where.items() if shard in gone)))
    if wrong:
        facts.append(WrongShard(tuple(wrong)))
    if absent := [place for place in absent if place[0] not in tensors]:
        facts.append(IndexedKeyAbsent(tuple(absent)))
    facts += (InShard(shard, fact) for shard, contents in there.items() for fact in contents.facts)
    first = [root for contents in there.values() for root in contents.roots[:1]]
    formats = sorted({contents.format for contents in there.values()})
    return Contents(
        source=path,
        format=f"index of {' and '.join(formats)} shards" if formats else "index of shards",
        roots=(Root("/", tensors, {key: kind for root in first for key, kind in root.extra.items()}),),
        storages={
            f"{shard}/{storage}": length
            for shard, contents in there.items()
            for storage, length in contents.storages.items()
        },
        calls=tuple(dict.fromkeys(call for contents in there.values() for call in contents.calls)),
        facts=tuple(facts),
        globals=tuple(dict.fromkeys(name for contents in there.values() for name in contents.globals)),
        protocol=max((contents.protocol for contents in there.values()), default=0),
        bytes=size + sum(contents.bytes for contents in there.values()),
    )


def _tensors(contents: Contents) -> Mapping[str, Stored]:
    return contents.roots[0].tensors if contents.roots else {}


def _of_shard(stored: Stored, shard: str) -> Stored:
    return stored if stored.storage is None else stored._replace(storage=f"{shard}/{stored.storage}")


def _weight_map(data: bytes) -> dict[str, str]:
    """Key -> shard. Raises Refused for JSON that is no index, or an index that leads elsewhere."""
    texts, nested, values = data.count(b'"'), data.count(b"{") + data.count(b"["), data.count(b",")
    if texts > 4 * MAX_TENSORS + _MAX_VALUES or nested > _MAX_VALUES or values > 2 * MAX_TENSORS:
        raise Refused("a JSON file with more values than an index of shards can have")
    try:
        document = json.loads(data, object_pairs_hook=_once)
    except _Twice as twice:
        raise Refused(f"the JSON names {twice} twice") from None
    except (ValueError, RecursionError):
        raise Refused("truncated or damaged: it begins like JSON, and is none") from None
    where = document.get("weight_map") if isinstance(document, dict) else None
    if not isinstance(where, dict):
        raise Refused("a JSON file without a weight_map: no index of shards, and no checkpoint")
    if len(where) > MAX_TENSORS:
        raise Refused(f"the index names {len(where)} keys; modelint reads at most {MAX_TENSORS}")
    checked: set[Any] = set()
    for key, shard in where.items():
        if not isinstance(shard, str):
            raise Refused(f"the index gives {_short(key)} no file name")
        if shard not in checked:
            if not is_bare(shard):
                raise Refused(f"the index names {_short(shard)}: a shard is a file in the index's own folder")
            checked.add(shard)
    return where


class _Twice(ValueError):
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        raise _Twice(_short(next(key for key, _ in pairs if key in seen or seen.add(key))))  # type: ignore[func-returns-value]
    return found


def is_bare(name: str) -> bool:
    """Whether a name leads to a file in its own folder: no path, no drive, no URL, nothing that a terminal obeys."""
    return 0 < len(name) <= 255 and name not in (".", "..") and name.isprintable() and not set(name) & set("/\\:")


def _short(text: str) -> str:
    return ascii(text if len(text) <= 80 else text[:77] + "...")
