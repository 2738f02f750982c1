"""torch.distributed.checkpoint: a folder of ``.distcp`` files, and the pickle ``.metadata`` that says what is in them.

The metadata has each tensor whole, however many ranks wrote it, and the path that its key was flattened from.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from modelint.checkpoint import dtypes, pickle_machine, regular
from modelint.checkpoint.contents import Contents, Refused, Root, Stored
from modelint.checkpoint.facts import BadShape, InShard, MissingShards, Truncated
from modelint.checkpoint.limits import NUMBER, PICKLE, Budget
from modelint.checkpoint.nodes import sizes_of
from modelint.checkpoint.pickle_values import Call, DictNode, Global, ListNode, TupleNode
from modelint.checkpoint.safetensors import MAX_DIMENSIONS, MAX_TENSORS
from modelint.checkpoint.sharded import is_bare
from modelint.keys.table import TensorSpec

FORMAT = "distributed checkpoint"
METADATA = ".metadata"


def read(folder: str) -> Contents:
    """The contents of the folder, as its metadata describes them. Raises Refused and OSError."""
    with regular.opened(os.path.join(folder, METADATA)) as file:
        size = regular.size(file)
        if size > PICKLE:
            raise Refused(f"its {METADATA} has {size} bytes; modelint reads at most {PICKLE}")
        data = regular.read(file, 0, size)
    try:
        outcome = pickle_machine.run(data, budget=Budget())
    except Refused as refused:
        raise Refused(f"{METADATA}: {refused}") from None
    fields = _fields(outcome.value)
    described = _pairs(fields.get("state_dict_metadata"))
    if described is None:
        raise Refused(f"its {METADATA} is not that of a distributed checkpoint: it has no state_dict_metadata")
    if len(described) > MAX_TENSORS:
        raise Refused(f"it holds more than {MAX_TENSORS} tensors; modelint reads no more")
    paths = _pairs(fields.get("planner_data")) or {}
    tensors, extra, facts = _described(described)
    roots, entries = _roots(tensors, extra, paths)
    files, gone = _files(folder, fields.get("storage_data"))
    return Contents(
        source=folder,
        format=FORMAT,
        roots=roots,
        entries=entries,
        calls=outcome.calls,
        facts=(*facts, *gone),
        bytes=size + files,
        globals=outcome.globals,
    )


def _described(described: Mapping[str, object]) -> tuple[dict[str, Stored], dict[str, str], list[object]]:
    """Tensors, what else has a key, and shapes that cannot be."""
    tensors: dict[str, Stored] = {}
    extra: dict[str, str] = {}
    bad: list[BadShape] = []
    for key, node in described.items():
        fields = _fields(node)
        if "size" not in fields:
            extra[key] = "bytes"
            continue
        shape = sizes_of(fields["size"])
        if shape is not None and not all(0 <= each < NUMBER for each in shape):
            bad.append(BadShape(key, shape[:MAX_DIMENSIONS], "no tensor has such a size"))
            shape = None
        tensors[key] = Stored(TensorSpec(_dtype(fields.get("properties")), shape))
    return tensors, extra, [bad[0]._replace(others=len(bad) - 1)] if bad else []


def _roots(
    tensors: Mapping[str, Stored], extra: Mapping[str, str], paths: Mapping[str, object]
) -> tuple[tuple[Root, ...], dict[str, str]]:
    """The state dicts that were flattened into one, the one that is meant first; and what stands beside them."""
    found: dict[str, dict[str, Stored]] = {}
    for key, stored in tensors.items():
        root, name = _unflattened(key, paths.get(key))
        found.setdefault(root, {})[name] = stored
    others: dict[str, dict[str, str]] = {}
    entries: dict[str, str] = {}
    for key, kind in extra.items():
        root, name = _unflattened(key, paths.get(key))
        if root in found:
            others.setdefault(root, {})[name] = kind
        else:
            entries[f"{root.rstrip('/')}/{name}"] = kind
    order = sorted(found, key=lambda root: ("optim" in root.lower(), -len(found[root])))
    return tuple(Root(path, found[path], others.get(path, {})) for path in order), entries


def _unflattened(key: str, path: object) -> tuple[str, str]:
    """("/model", "fc.weight") of the key ``model.fc.weight`` with the path ("model", "fc.weight")."""
    parts = path.items if isinstance(path, TupleNode | ListNode) else ()
    if len(parts) < 2 or not all(isinstance(part, str | int) for part in parts):
        return "/", key
    first, *rest = (str(part) for part in parts)
    return f"/{first}", ".".join(rest)


def _files(folder: str, storage: object) -> tuple[int, list[object]]:
    """Bytes of the files that the metadata names, and which of them are not there, or too short."""
    ends: dict[str, int] = {}
    keys: dict[str, dict[str, int]] = {}
    for index, info in storage.pairs if isinstance(storage, DictNode) else ():
        where, what = _fields(info), _fields(index)
        name, begin, length = (where.get(field) for field in ("relative_path", "offset", "length"))
        if not isinstance(name, str) or not isinstance(begin, int) or not isinstance(length, int):
            continue
        if not is_bare(name):
            raise Refused(f"its {METADATA} names {name[:80]!a}: a part is a file in the folder itself")
        ends[name] = max(ends.get(name, 0), begin + length)
        keys.setdefault(name, {})[str(what.get("fqn", ""))] = begin + length
    total, missing, facts = 0, [], []
    for name, needs in ends.items():
        try:
            status = os.stat(os.path.join(folder, name))
        except FileNotFoundError:
            missing.append(name)
            continue
        regular.check(status)
        total += status.st_size
        if status.st_size < needs:
            cut = tuple(key for key, end in keys[name].items() if end > status.st_size)
            facts.append(InShard(name, Truncated(status.st_size, needs, cut)))
    if missing:
        lost = dict.fromkeys(key for name in missing for key in keys[name])
        return total, [MissingShards(tuple(missing), tuple(lost)), *facts]
    return total, [*facts]


def _fields(node: object) -> dict[str, object]:
    """The attributes of an object that was pickled with its ``__dict__``."""
    return (_pairs(node.state) or {}) if isinstance(node, Call) else {}


def _pairs(node: object) -> dict[str, object] | None:
    if not isinstance(node, DictNode):
        return None
    return {key: value for key, value in node.pairs if isinstance(key, str)}


def _dtype(properties: object) -> str:
    """Of TensorProperties, whose state is a tuple with the dtype first, or a dict."""
    state = properties.state if isinstance(properties, Call) else None
    found = state.items[0] if isinstance(state, TupleNode) and state.items else _fields(properties).get("dtype")
    return found.name if isinstance(found, Global) and found.module == "torch" else dtypes.UNKNOWN
