"""Does the forward compute something else? Definitions of two layouts, composed from the root down and compared.

A module compares by its trace where both sides have one of the same label, called in the same way (the first eight
digits say how), else by its source: a torch version that traces one module more changes no verdict. What no traced
caller calls is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from modelint.layout import exchange
from modelint.layout.layout import Definition, Layout

What = Literal["type", "attribute", "forward", "order"]

#: Digits of a trace: how the module is called, and what it computes then. Where optional arguments of the model do
#: more, there follow how many names were used so far (four digits), and the same again.
TAG, TRACE, COUNT = 8, 24, 4
#: Before the name of a slot that is not below the module which uses it, but was handed to it.
_ELSEWHERE = "^"
#: A training trace that failed: no difference can be told.
UNKNOWN = "0" * 16
#: Attributes that the shapes of keys tell, and those of no consequence for what is computed.
SHAPES = frozenset(
    "in_features out_features in1_features in2_features in_channels out_channels num_embeddings embedding_dim "
    "num_features num_channels input_size hidden_size embed_dim kdim vdim head_dim d_model normalized_shape".split()
)


class Part(NamedTuple):
    """A module at which the two sides part."""

    path: str
    old_path: str
    what: What
    #: Of ``what == "attribute"``: its name, None where it is a number that a class of the user keeps.
    attribute: str | None
    old: str | None
    new: str | None
    training_only: bool
    #: Both sides traced it; False: only the source text differs.
    traced: bool
    #: Only where the model is given optional arguments; with them at their defaults it computes the same.
    optional: bool = False


class Meaning(NamedTuple):
    same: bool
    training_only: bool
    traced: bool
    #: Deepest first, at most one a module.
    parts: tuple[Part, ...]


class _Own(NamedTuple):
    """One module against its counterpart, children apart."""

    differs: bool
    training_only: bool
    traced: bool
    #: Slot by slot, the children's names below each side.
    pairs: tuple[tuple[str, str], ...]
    #: The slots stand for other children.
    moved: bool
    #: It differs only where optional arguments of the model are given.
    optional: bool = False


class _Trace(NamedTuple):
    """A trace, taken apart."""

    tag: str
    computed: str
    names: tuple[str, ...]
    #: With the optional arguments, "" and none where they change nothing.
    tag_of_more: str
    more: str
    names_of_more: tuple[str, ...]


def _trace(definition: Definition) -> _Trace | None:
    text, names = definition.trace, definition.names
    if text is None:
        return None
    count = int(text[TRACE : TRACE + COUNT] or "ffff", 16)
    more = text[TRACE + COUNT :]
    return _Trace(text[:TAG], text[TAG:TRACE], names[:count], more[:TAG], more[TAG:], names[count:])


def compare(old: Layout, new: Layout, renames: Mapping[str, str] | None = None) -> Meaning:
    """``renames``: old key -> new key; renames of modules follow from them."""
    if not renames and old.modules == new.modules and old.definitions == new.definitions:
        return Meaning(True, False, False, ())
    parts = tuple(sorted(_Comparison(old, new, renames or {}).parts(), key=lambda part: (-_depth(part), part.path)))
    evaluated = [part for part in parts if not part.training_only]
    traced = any(part.traced and not part.optional for part in evaluated or parts)
    return Meaning(not parts, bool(parts) and not evaluated, traced, parts)


def _depth(part: Part) -> int:
    return part.path.count(".") + bool(part.path)


def join(path: str, name: str) -> str:
    """The full name of a slot of the module at ``path``; what stands elsewhere in the model has it already."""
    if name.startswith(_ELSEWHERE):
        return name[len(_ELSEWHERE) :]
    return f"{path}.{name}" if path and name else path or name


class _Comparison:
    def __init__(self, old: Layout, new: Layout, renames: Mapping[str, str]) -> None:
        self.old, self.new = old, new
        self.moved = dict(renames)
        for before, after in renames.items():
            one, other = before.split("."), after.split(".")
            while one and other and one[-1] == other[-1]:
                one.pop(), other.pop()
                self.moved.setdefault(".".join(one), ".".join(other))
        self.stateless: tuple[dict[str, list[str]], dict[str, list[str]]] | None = None

    def parts(self) -> Iterator[Part]:
        seen = {("", "")}
        stack = [("", "")]
        while stack:
            old_path, path = stack.pop()
            one, other = self.definition(self.old, old_path), self.definition(self.new, path)
            if one is None or other is None:
                continue
            own = self.own(old_path, path, one, other)
            children = [(join(old_path, before), join(path, after)) for before, after in own.pairs]
            if own.differs or own.training_only or own.optional:
                yield from self.reasons(old_path, path, one, other, own)
            elif self.shuffled(children):
                yield Part(path, old_path, "order", None, None, None, False, True)
                continue
            for pair in children:
                if pair not in seen:
                    seen.add(pair)
                    stack.append(pair)

    def definition(self, layout: Layout, path: str) -> Definition | None:
        identity = layout.modules.get(path)
        return None if identity is None else layout.definitions[identity]

    def expected(self, old_path: str, path: str, name: str) -> str:
        """What the new side should call a child of the old one, from its root."""
        full = join(old_path, name)
        return self.moved.get(full, join(path, name))

    def own(self, old_path: str, path: str, one: Definition, other: Definition) -> _Own:
        before, after = _trace(one), _trace(other)
        if before is None or after is None or one.label != other.label or before.tag != after.tag:
            expected, actual = self.slots(old_path, path, one.names, other.names)
            differs = one.source is not None and other.source is not None and one.source != other.source
            # A class of the project against one of torch, which has no source of interest.
            known = one.label == other.label == "traced" and one.cls != other.cls
            differs |= known and (one.source is None) is not (other.source is None)
            return _Own(differs, False, False, _by_name(one, other, expected, actual), False)
        if one.trace == other.trace and one.names != other.names:
            wanted = [self.expected(old_path, path, name) for name in one.names]
            names, _ = exchange.arranged(other.names, lambda slot, name: wanted[slot] == join(path, name), other, one)
            other = other._replace(names=tuple(names))
            after = _trace(other) or after
        moved = len({*self.slots(old_path, path, before.names, after.names)}) > 1
        expected, actual = self.slots(old_path, path, one.names, other.names)
        if before.computed != after.computed or moved:
            same = before.computed == after.computed
            return _Own(True, False, True, _by_name(one, other, expected, actual), same)
        train = (one.train or before.computed), (other.train or after.computed)
        busy = UNKNOWN not in train and train[0] != train[1]
        differs = optional = False
        if before.tag_of_more == after.tag_of_more:
            optional = before.more != after.more or expected != actual
            # Weights that only optional arguments lead to are there to be used.
            differs = optional and bool(before.names_of_more and after.names_of_more)
        elif before.more and after.more:
            optional = one.source != other.source
        pairs = dict(zip(before.names, after.names, strict=True))
        pairs.update(_by_name(one, other, expected, actual) if optional else zip(one.names, other.names, strict=False))
        return _Own(differs, busy, True, tuple(pairs.items()), False, optional and not differs)

    def slots(
        self, old_path: str, path: str, before: Sequence[str], after: Sequence[str]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What the slots of both sides stand for, the old ones by the names that the new side should have."""
        expected = [self.expected(old_path, path, name) for name in before]
        actual = [join(path, name) for name in after]
        if len(expected) == len(actual):
            olds = [join(old_path, name) for name in before]
            alike = zip(olds, expected, actual, strict=True)
            expected = [after if self.unkept(old, name, after) else name for old, name, after in alike]
        return tuple(expected), tuple(actual)

    def unkept(self, old: str, expected: str, actual: str) -> bool:
        """Whether both are one buffer that no file holds, whatever its name."""
        before, after = self.old.buffers.get(old), self.new.buffers.get(actual)
        if before is None or before != after or expected in self.new.buffers or actual in self.old.buffers:
            return False
        one, other = self.old.constants.get(old), self.new.constants.get(actual)
        if one is None or other is None:
            return False
        return (one.value is not None and one.value == other.value) or (one.made is not None and one.made == other.made)

    def shuffled(self, children: list[tuple[str, str]]) -> bool:
        """Whether modules at index keys are those of the old side in another order."""
        pairs = [
            (self.old.modules.get(before), self.new.modules.get(after))
            for before, after in children
            if after.rpartition(".")[2].isdigit()
        ]
        one = [self.key(self.old, identity) for identity, _ in pairs if identity is not None]
        other = [self.key(self.new, identity) for _, identity in pairs if identity is not None]
        return one != other and sorted(one) == sorted(other)

    def key(self, layout: Layout, identity: str) -> str:
        definition = layout.definitions[identity]
        return f"{definition.label} {definition.trace or definition.source} {definition.train} {definition.names}"

    def reasons(self, old_path: str, path: str, one: Definition, other: Definition, own: _Own) -> Iterator[Part]:
        if own.optional:
            yield Part(path, old_path, "forward", None, None, None, False, True, True)
            if not own.training_only:
                return
        busy = own.training_only
        if one.attributes or other.attributes or one.cls.startswith("torch.") or other.cls.startswith("torch."):
            part = self.attributes(old_path, path, one, other, busy)
            if part is not None:
                yield part
                return
        inner = list(self.inner(old_path, path, busy)) if own.traced else []
        yield from inner
        if inner and (one.source == other.source or busy):
            return
        what: What = "forward"
        if own.moved:
            what = "order"
        elif one.cls != other.cls and one.cls.rpartition(".")[2] != other.cls.rpartition(".")[2]:
            yield Part(path, old_path, "type", None, one.cls, other.cls, busy, own.traced)
            return
        elif own.traced and one.source is not None and one.source == other.source:
            what = "attribute"
        yield Part(path, old_path, what, None, None, None, busy, own.traced)

    def attributes(self, old_path: str, path: str, one: Definition, other: Definition, busy: bool) -> Part | None:
        """What differs in the modules of torch, by what they were made with."""
        if one.cls != other.cls:
            if one.cls.startswith("torch.") or other.cls.startswith("torch."):
                return Part(path, old_path, "type", None, one.cls, other.cls, busy, True)
            return None
        for name in sorted({*one.attributes, *other.attributes}):
            before, after = one.attributes.get(name), other.attributes.get(name)
            if before != after and name not in SHAPES:
                return Part(path, old_path, "attribute", name, repr(before), repr(after), busy, True)
        return None

    def inner(self, old_path: str, path: str, busy: bool) -> Iterator[Part]:
        """Modules without weights that count as part of this one: an activation, a pooling, a dropout."""
        if self.stateless is None:
            self.stateless = _stateless(self.old), _stateless(self.new)
        before = {name[len(old_path) :].lstrip("."): name for name in self.stateless[0].get(old_path, ())}
        after = {name[len(path) :].lstrip("."): name for name in self.stateless[1].get(path, ())}
        for name in sorted(before.keys() & after.keys()):
            one, other = self.definition(self.old, before[name]), self.definition(self.new, after[name])
            if one is not None and other is not None:
                part = self.attributes(before[name], after[name], one, other, busy)
                if part is not None:
                    yield part


def _by_name(
    one: Definition, other: Definition, expected: Sequence[str], actual: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    names = dict(zip(actual, other.names, strict=True))
    return tuple((name, names[full]) for name, full in zip(one.names, expected, strict=True) if full in names)


def _stateless(layout: Layout) -> dict[str, list[str]]:
    """Modules that are traced as part of another one, by the path of that one."""
    found: dict[str, list[str]] = {}
    plain = {key for key, each in layout.definitions.items() if each.label == "none" and not each.names}
    for path, identity in layout.modules.items():
        if identity in plain and path:
            owner = path.rpartition(".")[0]
            while owner and layout.modules.get(owner) in plain:
                owner = owner.rpartition(".")[0]
            found.setdefault(owner, []).append(path)
            outer = owner
            while outer and layout.definitions[layout.modules[outer]].label == "none":
                outer = outer.rpartition(".")[0]
                found.setdefault(outer, []).append(path)
    return found
