"""What a checkpoint file holds, whatever its format: state dicts, what a load would call, what is odd.

One result for all formats. No reader executes, imports or looks up anything that a file names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from modelint.keys.table import KeyTable, TensorSpec


class Refused(Exception):
    """A file that is not read: what is wrong with it, and what to do. The text is one line, without the path."""


class Stored(NamedTuple):
    """One tensor of a file. Offset and stride in elements, sizes in bytes; None where the file does not say."""

    spec: TensorSpec
    #: Which storage it lives in; tensors of one name share it.
    storage: str | None = None
    offset: int = 0
    stride: tuple[int, ...] | None = None
    #: "" for a plain dense tensor; else what it is: "sparse", "quantized", "nested", "sharded", "subclass NAME".
    form: str = ""


class Root(NamedTuple):
    """One state dict of a file. ``path`` is "/" or "/state_dict", "/optimizer/state": how it is reached."""

    path: str
    tensors: Mapping[str, Stored]
    #: Keys whose value is no tensor (extra state) -> the name of its type.
    extra: Mapping[str, str] = {}

    def table(self) -> KeyTable:
        """The keys in the order of the file. Tied are those of one storage, offset, shape and stride."""
        # By text: of numbers that a file chooses, tuples without end have one hash.
        groups: dict[str, list[str]] = {}
        for key, stored in self.tensors.items():
            if stored.storage is not None and stored.spec.shape is not None and 0 not in stored.spec.shape:
                place = f"{stored.offset} {stored.spec.shape} {stored.stride} {stored.storage}"
                groups.setdefault(place, []).append(key)
        ties = tuple(tuple(group) for group in groups.values() if len(group) > 1)
        return KeyTable({key: stored.spec for key, stored in self.tensors.items()}, ties, self.extra)


class Finding(NamedTuple):
    """Danger or damage: a diagnostic about a checkpoint file."""

    code: str
    name: str
    message: str


class Note(NamedTuple):
    """Advice: what is worth knowing of a file that is neither dangerous nor damaged."""

    name: str
    message: str


class Contents(NamedTuple):
    """All that was read of one file or folder."""

    source: str
    #: "torch zip", "torch legacy", "pickle", "safetensors", "safetensors index", "distributed checkpoint", ...
    format: str
    #: The state dict that is meant, then the other candidates.
    roots: tuple[Root, ...]
    #: What else stands beside them: path -> a few words ("int 12", "dict of 3").
    entries: Mapping[str, str] = {}
    #: Storage -> its size in bytes.
    storages: Mapping[str, int] = {}
    #: What a load would call, in the order of the file, each once: "collections.OrderedDict".
    calls: tuple[str, ...] = ()
    #: Facts of ``checkpoint.facts``, for the rules.
    facts: tuple[object, ...] = ()
    #: Of the file, or of all of its shards.
    bytes: int = 0
    #: All names that a load would look up, called or not.
    globals: tuple[str, ...] = ()
    #: Of the pickle that holds the state dict; 0 where none does.
    protocol: int = 0
