"""What is odd about a checkpoint file: one type for each kind of danger or damage, judged by rules/checkpoint.

A fact stands for all keys or records that one cause touches: a file of 90,000 keys gives no 90,000 facts. Names and
keys are as the file has them; whoever prints them escapes them.
"""

from __future__ import annotations

from typing import NamedTuple


class Called(NamedTuple):
    """A load of the file would call this: "os.system", "argparse.Namespace"."""

    name: str


class Named(NamedTuple):
    """A load of the file would look this up, and not call it: an object of the file may."""

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


class BadTensor(NamedTuple):
    """What the file says of a tensor is nothing that torch writes, or loads. ``why`` goes on after the key."""

    key: str
    why: str
    #: So many other tensors of the file are like it.
    others: int = 0


class MissingShards(NamedTuple):
    """Files that the index or the metadata names are not there. ``keys``: what they should hold."""

    shards: tuple[str, ...]
    keys: tuple[str, ...]


class WrongShard(NamedTuple):
    """Keys that stand in another shard than the index says.

    Each is (key, where it stands, where the index says; None: the index does not name it).
    """

    places: tuple[tuple[str, str, str | None], ...]


class UnnamedShard(NamedTuple):
    """Files that by their names are shards of the index, which does not name them."""

    shards: tuple[str, ...]


class IndexedKeyAbsent(NamedTuple):
    """Keys that no shard has: (key, the shard in which the index says that it stands)."""

    places: tuple[tuple[str, str], ...]


class InShard(NamedTuple):
    """A fact about one file of several."""

    shard: str
    fact: object


Fact = (
    Called
    | Named
    | WholeModule
    | NoTensors
    | WrongExtension
    | TrailingBytes
    | Truncated
    | MissingRecord
    | ShortRecord
    | ViewOutsideStorage
    | BadShape
    | BadTensor
    | MissingShards
    | WrongShard
    | UnnamedShard
    | IndexedKeyAbsent
    | InShard
)
