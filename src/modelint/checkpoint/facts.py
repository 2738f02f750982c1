"""What is odd about a checkpoint file: one type for each kind of danger or damage, judged by rules/checkpoint.

A fact stands for all keys or records that one cause touches: a file of 90,000 keys gives no 90,000 facts. Names and
keys are as the file has them; whoever prints them escapes them.
"""

from __future__ import annotations

from typing import NamedTuple


class Called(NamedTuple):
    """A load of the file would call this: "os.system", "argparse.Namespace"."""

    name: str


class WholeModule(NamedTuple):
    """The file holds an object of a class, not a state dict."""

    cls: str


class NoTensors(NamedTuple):
    """Nothing in the file is a tensor. ``instead``: what is there, in a few words ("dict of 3")."""

    instead: str


class WrongExtension(NamedTuple):
    """The name says one format, the bytes another. ``extension`` with its dot; ``format`` as in Contents."""

    extension: str
    format: str


class TrailingBytes(NamedTuple):
    """So many bytes stand behind the end of what a load reads."""

    bytes: int


class Truncated(NamedTuple):
    """The file ends too early: it has so many bytes, and what it describes needs more."""

    has: int
    needs: int
    #: Keys whose data is cut or gone.
    keys: tuple[str, ...] = ()


class MissingRecord(NamedTuple):
    """A storage that tensors refer to is not in the archive."""

    record: str
    keys: tuple[str, ...]


class ShortRecord(NamedTuple):
    """A storage has fewer bytes in the archive than its element count asks for."""

    record: str
    has: int
    needs: int
    keys: tuple[str, ...]


class ViewOutsideStorage(NamedTuple):
    """Offset, shape and stride of these tensors reach behind the end of their storage."""

    keys: tuple[str, ...]
    #: Of the first key: bytes that it reaches to, bytes of its storage.
    needs: int
    has: int


class BadShape(NamedTuple):
    """A shape that cannot be: negative sizes, or another number of bytes than the file holds for it."""

    key: str
    shape: tuple[int, ...]
    why: str
    #: So many other tensors of the file are like it.
    others: int = 0


class MissingShard(NamedTuple):
    """A file that the index or the metadata names is not there. ``keys``: what it should hold."""

    shard: str
    keys: tuple[str, ...]


class WrongShard(NamedTuple):
    """These keys stand in ``shard``, and the index says ``indexed`` (None: it does not name them at all)."""

    shard: str
    keys: tuple[str, ...]
    indexed: str | None


class IndexedKeyAbsent(NamedTuple):
    """The index says that these keys stand in ``shard``, and no shard has them."""

    shard: str
    keys: tuple[str, ...]


Fact = (
    Called
    | WholeModule
    | NoTensors
    | WrongExtension
    | TrailingBytes
    | Truncated
    | MissingRecord
    | ShortRecord
    | ViewOutsideStorage
    | BadShape
    | MissingShard
    | WrongShard
    | IndexedKeyAbsent
)
