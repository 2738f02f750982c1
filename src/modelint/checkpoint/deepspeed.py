"""DeepSpeed ZeRO: a folder of files of torch, one for each rank.

Up to stage 2 the file of the first rank has the whole module. In stage 3 it has placeholders, and says what the shapes
are (``param_shapes``); the weights are spread over the ranks, and no file says their dtype.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from modelint.checkpoint import limits, zipped
from modelint.checkpoint.contents import Contents, Refused, Root, Stored
from modelint.checkpoint.dtypes import UNKNOWN
from modelint.checkpoint.facts import MissingShards
from modelint.checkpoint.nodes import items_of, named, pairs_of, sizes_of
from modelint.keys.table import TensorSpec

FORMAT = "DeepSpeed ZeRO"
#: Of the first rank: stages up to 2, stage 3.
WHOLE = "mp_rank_00_model_states.pt"
SPREAD = "zero_pp_rank_0_mp_rank_00_model_states.pt"
_MODULE = "/module"
#: Ranks of a run, whose files are looked for.
_MAX_RANKS = 20_000


def read(folder: str) -> Contents:
    """The contents of the folder of one step. Raises Refused and OSError."""
    name = next((each for each in (WHOLE, SPREAD) if os.path.exists(os.path.join(folder, each))), None)
    if name is None:
        raise Refused(f"a DeepSpeed folder without the file of its first rank ({WHOLE} or {SPREAD})")
    path = os.path.join(folder, name)
    try:
        contents = zipped.read(path)
        held = named(pairs_of(zipped.value(path).value) or [])
    except Refused as refused:
        raise Refused(f"{name}: {refused}") from None
    spread = _spread(held)
    ranks = _integer(held.get("mp_world_size"))
    parts = f", one of {ranks} tensor-parallel parts" if ranks > 1 else ""
    if not spread.shapes or not _placeholders(contents):
        first = [root for root in contents.roots if root.path == _MODULE]
        others = [root for root in contents.roots if root.path != _MODULE]
        return contents._replace(format=FORMAT + parts, roots=(*first, *others))
    root = _gathered(spread, next((root for root in contents.roots if root.path == _MODULE), Root(_MODULE, {})))
    others = [each for each in contents.roots if each.path != _MODULE]
    missing = tuple(_missing(folder, _integer(held.get("dp_world_size"))))
    facts = (MissingShards(missing, ()),) if missing else ()
    return contents._replace(format=f"{FORMAT} stage 3{parts}", roots=(root, *others), facts=(*contents.facts, *facts))


class _Spread(NamedTuple):
    """What a file of stage 3 says: sizes by key, keys of buffers, alias -> key."""

    shapes: Mapping[str, tuple[int, ...] | None]
    buffers: frozenset[str]
    aliases: Mapping[str, str]


def _spread(held: Mapping[str, object]) -> _Spread:
    shapes: dict[str, tuple[int, ...] | None] = {}
    for entry in ("param_shapes", "frozen_param_shapes"):
        node = held.get(entry)
        groups = [node] if pairs_of(node) is not None else list(items_of(node) or ())
        for group in groups:
            for key, sizes in named(pairs_of(group) or []).items():
                shape = sizes_of(sizes)
                shapes[key] = shape if shape is None or all(0 <= each < limits.NUMBER for each in shape) else None
                if len(shapes) > limits.TENSORS:
                    raise Refused(f"it names more than {limits.TENSORS} parameters; modelint reads no more")
    names = items_of(held.get("buffer_names")) or ()
    shared = named(pairs_of(held.get("shared_params")) or [])
    aliases = {alias: key for alias, key in shared.items() if isinstance(key, str)}
    return _Spread(shapes, frozenset(name for name in names if isinstance(name, str)), aliases)


def _placeholders(contents: Contents) -> bool:
    """Whether the parameters of the module are empty: the real ones are spread over the ranks."""
    module = next((root.tensors for root in contents.roots if root.path == _MODULE), {})
    return not module or any(stored.spec.shape == (0,) for stored in module.values())


def _gathered(spread: _Spread, module: Root) -> Root:
    """The state dict that the ranks have together: parameters by their sizes, buffers as they are."""
    tensors: dict[str, Stored] = {}
    for key in dict.fromkeys((*module.tensors, *spread.shapes, *spread.aliases)):
        name = spread.aliases.get(key, key)
        if name in spread.shapes:
            spec = TensorSpec(UNKNOWN, spread.shapes[name], "parameter")
            tensors[key] = Stored(spec, storage=f"parameter {name}")
        elif key in module.tensors:
            stored = module.tensors[key]
            is_buffer = key in spread.buffers
            tensors[key] = stored._replace(spec=stored.spec._replace(kind="buffer")) if is_buffer else stored
    return Root(_MODULE, tensors, module.extra)


def _missing(folder: str, ranks: int) -> Iterator[str]:
    """Files of ranks that are not there."""
    for rank in range(min(ranks, _MAX_RANKS)):
        name = SPREAD.replace("rank_0", f"rank_{rank}", 1)
        if not os.path.exists(os.path.join(folder, name)):
            yield name


def _integer(node: object) -> int:
    return node if type(node) is int and 0 <= node < _MAX_RANKS else 0
