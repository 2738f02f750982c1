"""The abstract values: what a name or an attribute may hold.

A ``Value`` is a tuple of alternatives. Each alternative carries the conditions under which it holds, so that
``if args.ddp: m = DDP(m)`` and a later ``if args.ddp: save(m.module...) else: save(m...)`` are seen to agree.
The empty tuple is *unknown*: no rule may conclude anything from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from modelint.lint.known import RANDOM_MAKERS
from modelint.rule import Place

if TYPE_CHECKING:
    from modelint.lint.names import ClassRef, FuncRef

Conds: TypeAlias = frozenset[tuple[str, bool]]
NO_CONDS: Conds = frozenset()
#: More alternatives than this are dropped: a value that may be nine things is not known.
MOST_ALTERNATIVES = 8
MOST_CONDS = 6


class Wrap(NamedTuple):
    """One wrapper around a model: its name in the table of ``wrappers`` and where it was put on."""

    kind: str
    place: Place


class Model(NamedTuple):
    """An ``nn.Module`` instance. ``wraps`` go from the outermost inwards; ``bears`` tells whether it has weights."""

    cls: str | None = None
    wraps: tuple[Wrap, ...] = ()
    bears: bool | None = None
    place: Place | None = None
    built: bool = False


class StateDict(NamedTuple):
    """The live result of ``state_dict()``. ``path`` is the text of the receiver, ``age`` the training events so far."""

    model: Model | None
    place: Place
    path: str
    age: int = 0
    copied: str = ""
    merged: Place | None = None
    stripped: tuple[str, ...] = ()
    #: The statement that gave it a name, and the test by which checkpoint entries merged into it were chosen.
    bound: Place | None = None
    filtered: Place | None = None
    #: The innermost loop in which it was taken.
    loop: Place | None = None


class Checkpoint(NamedTuple):
    """What ``torch.load`` and its like returned, or a part of it. ``empty_default`` marks ``.get(key, {})``."""

    place: Place
    empty_default: bool = False


class DictVal(NamedTuple):
    """A dict built here: known string keys, the join of the rest under None."""

    items: tuple[tuple[str | None, Value], ...]
    place: Place
    filtered: Place | None = None
    source: Value = ()


class ListVal(NamedTuple):
    """A list, tuple or set; ``elts`` position by position where ``exact``, else one joined element."""

    kind: str
    elts: tuple[Value, ...]
    place: Place
    exact: bool = True


class Keys(NamedTuple):
    """``d.keys()``, ``d.items()`` or ``d.values()`` of a dict-like value."""

    of: Value
    which: str
    text: str = ""


class Key(NamedTuple):
    """A key met while iterating a dict-like value; ``rewritten`` is where it was cut and how."""

    of: Value
    name: str
    rewritten: tuple[Place, str, str, bool] | None = None
    text: str = ""
    #: The list it comes from holds only keys whose start was looked at.
    anchored: bool = False


class Entry(NamedTuple):
    """A tensor met while iterating a dict-like value."""

    of: Value
    key: str = ""


class Opaque(NamedTuple):
    """Something known by its kind alone: "optimizer", "namespace", "numpy", "path", "parameter", "tensor", ..."""

    kind: str
    place: Place
    detail: str = ""


class Literal(NamedTuple):
    value: str | int | float | bool | bytes | None


class Ext(NamedTuple):
    """A name of a package outside the project, by its full dotted name."""

    dotted: str


class FileRef(NamedTuple):
    """A module of the project."""

    path: str


class Func(NamedTuple):
    ref: FuncRef


class Cls(NamedTuple):
    ref: ClassRef


class Inst(NamedTuple):
    """An instance of a class of the project that is no module; its attributes live in the heap under ``key``."""

    cls: ClassRef
    key: int


class SelfRef(NamedTuple):
    """The ``self`` of the class at hand."""

    cls: ClassRef
    key: int


class Bound(NamedTuple):
    """``value.name``, not called yet."""

    value: Value
    name: str
    path: str


class Partial(NamedTuple):
    """``functools.partial(func, ...)`` or a lambda: called, it gives ``result``."""

    result: Value


class Super(NamedTuple):
    cls: ClassRef
    key: int


Obj: TypeAlias = (
    "Model | StateDict | Checkpoint | DictVal | ListVal | Keys | Key | Entry | Opaque | Literal | Ext"
    " | FileRef | Func | Cls | Inst | SelfRef | Bound | Partial | Super"
)


class Alt(NamedTuple):
    obj: Obj
    conds: Conds = NO_CONDS


Value: TypeAlias = tuple[Alt, ...]
UNKNOWN: Value = ()


def just(obj: Obj) -> Value:
    return (Alt(obj),)


def join(left: Value, right: Value) -> Value:
    """Either of the two."""
    if left == right or not right:
        return left
    if not left:
        return right
    out = list(left)
    for alt in right:
        if alt not in out:
            out.append(alt)
    return tuple(out) if len(out) <= MOST_ALTERNATIVES else tuple(sorted(out, key=_dull)[:MOST_ALTERNATIVES])


def _dull(alt: Alt) -> int:
    obj = alt.obj
    if isinstance(obj, Model):
        return 0 if obj.wraps else 2
    return 1 if isinstance(obj, StateDict | DictVal | Checkpoint) else 3


def join_branches(left: Value, right: Value, then: Conds, other: Conds, *, settled: bool = False) -> Value:
    """Join after an ``if``: what only one branch gives holds only under that branch's conditions.

    ``settled``: the test comes out the same each time, so what cannot hold in a branch does not come out of it.
    """
    if left == right:
        return left
    out: list[Alt] = []
    for mine, theirs, conds in ((left, right, then), (right, left, other)):
        for alt in mine:
            if alt in theirs:
                kept = alt
            elif settled and any((text, not truth) in conds for text, truth in alt.conds):
                continue
            else:
                merged = alt.conds | conds
                kept = Alt(alt.obj, merged if len(merged) <= MOST_CONDS else alt.conds)
            if kept not in out:
                out.append(kept)
    return tuple(out) if len(out) <= MOST_ALTERNATIVES else tuple(sorted(out, key=_dull)[:MOST_ALTERNATIVES])


def under(value: Value, path: Conds) -> Value:
    """The alternatives that do not contradict what is known on this path."""
    if not path or not value:
        return value
    return tuple(alt for alt in value if not any((text, not truth) in path for text, truth in alt.conds))


def is_drawn(obj: Obj) -> bool:
    """A tensor or array drawn at random by torch or numpy, or worked out from one that was."""
    if not isinstance(obj, Opaque) or obj.kind != "tensor":
        return False
    return obj.detail.startswith("numpy ") or obj.detail.split(" ")[-1] in RANDOM_MAKERS


def flat(value: Value, depth: int = 0) -> list[Obj]:
    """All objects of a value, those held in dicts and lists included."""
    out: list[Obj] = []
    for alt in value:
        out.append(alt.obj)
        if depth < 6:
            if isinstance(alt.obj, DictVal):
                for _, item in alt.obj.items:
                    out.extend(flat(item, depth + 1))
            elif isinstance(alt.obj, ListVal):
                for item in alt.obj.elts:
                    out.extend(flat(item, depth + 1))
    return out
