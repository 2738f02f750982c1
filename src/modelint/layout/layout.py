"""Layout: what a checkpoint of a model must contain, and what the model computes with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from modelint.keys.table import KeyTable, TensorSpec

#: How the forward of a module is known: traced whole, traced on some paths only, by its source alone, not at all.
Label = Literal["traced", "partial", "source", "none"]

Scalar = bool | int | float | str | None
Attribute = Scalar | tuple[Scalar, ...]


class Definition(NamedTuple):
    """What modules of one kind have in common: everything but their children. Digests are hex."""

    #: Qualified name, shortest public spelling for those of torch (``torch.nn.Conv2d``). Not part of the meaning.
    cls: str
    #: ``_version`` of the class, where it has one.
    version: int | None
    #: Scalar attributes of a torch.nn module; empty for classes of the user.
    attributes: Mapping[str, Attribute]
    label: Label
    #: Of the data flow in evaluation, children and tensors being slots in the order of ``names``, and apart from it of
    #: what the model's optional arguments add; None: not traced.
    trace: str | None
    #: Of what training adds (dropout); None: nothing.
    train: str | None
    #: What the slots stand for: child modules and tensors, by their paths below this module.
    names: tuple[str, ...]
    #: Of the source of forward and what it calls in the project; None: no source at hand.
    source: str | None
    #: Slots by number, and those that they trade places with, together, without a change of what is computed.
    alike: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = ()


class Constant(NamedTuple):
    """How a buffer got its value. Two constants differ only where one of the digests stands on both sides."""

    #: Digest of the operations and arguments that made it; None: not seen.
    made: str | None
    #: Digest of the values rounded to 6 digits; None: they were never there (meta), or are random.
    value: str | None


class Layout(NamedTuple):
    keys: KeyTable
    #: Non-persistent buffers, by full name.
    buffers: Mapping[str, TensorSpec]
    #: Buffers, persistent or not, whose making was seen.
    constants: Mapping[str, Constant]
    #: Module path ("" first, then as in named_modules, shared ones under each of their paths) -> definition.
    modules: Mapping[str, str]
    #: By the digest of their content, so that equal modules share one and branches merge.
    definitions: Mapping[str, Definition]
