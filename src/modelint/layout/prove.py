"""Proved renames: those under which the new model computes with old weights what the old one did.

Both layouts are walked from the root at once. Where two modules have one trace, their slots stand for each other, one
by one: so the data flow tells the new name of every tensor that a forward reaches, also where names do not. It proves
something only where the whole model is traced, in evaluation and in training, and is the same on both sides, and where
no key goes elsewhere than to a new name. Slots that may trade places follow the names; where these do not tell either,
nothing does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from modelint.keys.diff import KeyDiff, diff, tie_changes
from modelint.keys.rename import Ambiguous, Renames, detect
from modelint.layout import exchange
from modelint.layout.layout import Constant, Definition, Layout
from modelint.layout.meaning import UNKNOWN, join


class Proof(NamedTuple):
    """Renames, after the data flow had its say."""

    renames: Renames
    #: Old keys of renames that are proved.
    proved: frozenset[str] = frozenset()


class _Parts(Exception):
    """The two sides part, or one of them is not traced."""


def settle(old: Layout, new: Layout, found: KeyDiff, proposed: Renames) -> Proof:
    """What is proved of the renames that names and shapes propose, and of those that they leave open."""
    if not proposed.renames and not proposed.ambiguous:
        return Proof(proposed)
    try:
        walk = _Walk(old, new, proposed.renames)
        flow = walk.flow()
    except _Parts:
        return Proof(proposed)
    if not _is_bridge(old, new, found, flow):
        # Perhaps a name went to another tensor, which had a name of its own.
        moved = {key: name for key, name in _whole(old, new, walk, flow).items() if key != name}
        return Proof(Renames(moved), frozenset(moved)) if moved else Proof(proposed)
    gone = set(found.unexpected)
    sure = {key: name for key, name in flow.items() if key in gone and key not in walk.undecided}
    taken = set(sure.values())
    # What no forward reaches keeps the name that it is like.
    others = {key: name for key, name in proposed.renames.items() if key not in flow and name not in taken}
    both = sure | others
    renames = {key: both[key] for key in found.unexpected if key in both}
    return Proof(Renames(renames, tuple(_open(proposed.ambiguous, renames))), frozenset(sure))


def told(old: Layout, new: Layout) -> dict[str, str]:
    """Old key -> the key under which the new model computes with it what the old one did, also where that is a name
    which another tensor had; nothing where the forwards are not the same, or do not reach every key.
    """
    found = diff(old.keys, new.keys)
    try:
        walk = _Walk(old, new, detect(old.keys, new.keys, found).renames)
        flow = walk.flow()
    except _Parts:
        return {}
    return _whole(old, new, walk, flow)


def holds(old: Layout, new: Layout, renames: Mapping[str, str]) -> frozenset[str]:
    """Those of ``renames``, which lead from all keys that differ to others, that are proved."""
    try:
        walk = _Walk(old, new, renames)
        flow = walk.flow()
    except _Parts:
        return frozenset()
    specs = old.keys.specs
    if any(key in specs and name != renames.get(key, key) for key, name in flow.items()) or not _alike(old, new, flow):
        return frozenset()
    return frozenset(key for key in renames if key in flow and key not in walk.undecided)


def _whole(old: Layout, new: Layout, walk: _Walk, flow: Mapping[str, str]) -> dict[str, str]:
    """The name of every key, where the forward reaches all of them and nothing else may stand for one of them."""
    olds, news = old.keys.specs.keys(), new.keys.specs.keys()
    complete = olds <= flow.keys() and {flow[key] for key in olds} == news
    if not complete or walk.undecided & olds or not _alike(old, new, flow):
        return {}
    return {key: flow[key] for key in olds}


def _is_bridge(old: Layout, new: Layout, found: KeyDiff, flow: Mapping[str, str]) -> bool:
    """Whether keys that went stand for keys that came, and all others for themselves."""
    gone, came = set(found.unexpected), set(found.missing)
    for key, name in flow.items():
        if key in old.keys.specs and not (name in came if key in gone else name == key):
            return False
    return _alike(old, new, flow)


def _alike(old: Layout, new: Layout, flow: Mapping[str, str]) -> bool:
    """Whether the tensors have the same shapes and dtypes, are tied alike, and start alike where no file tells."""
    for key, name in flow.items():
        spec, other = old.keys.specs.get(key), new.keys.specs.get(name)
        if spec is not None and other is not None:
            if spec[:2] != other[:2]:
                return False
            continue
        kept = key in old.buffers and old.buffers[key] == new.buffers.get(name)
        if not kept or _other(old.constants.get(key), new.constants.get(name)):
            return False
    ties = [tuple(flow.get(key, key) for key in group) for group in old.keys.ties]
    common = {flow.get(key, key) for key in old.keys.specs} & new.keys.specs.keys()
    return not tie_changes(ties, new.keys.ties, common)


def _other(one: Constant | None, other: Constant | None) -> bool:
    """Whether the two are not known to be the same."""
    if one is None or other is None:
        return True
    return not (one.made is not None and one.made == other.made) and (one.value is None or one.value != other.value)


def _open(ambiguous: Sequence[Ambiguous], renames: Mapping[str, str]) -> Iterator[Ambiguous]:
    taken = set(renames.values())
    for each in ambiguous:
        olds = tuple(key for key in each.old if key not in renames)
        news = tuple(key for key in each.new if key not in taken)
        if olds and news:
            yield each._replace(old=olds, new=news)


class _Walk:
    """``names``: what names tell of the keys; where slots may trade places they decide."""

    def __init__(self, old: Layout, new: Layout, names: Mapping[str, str]) -> None:
        self._old, self._new = old, new
        self._names = names
        self._found: dict[str, str] = {}
        self._came: dict[str, str] = {}
        #: Old keys whose slot might as well stand for another one.
        self.undecided: set[str] = set()

    def flow(self) -> dict[str, str]:
        """Old tensor -> new tensor, of all that forwards reach. Raises _Parts."""
        stack = [("", "")]
        seen = {("", "")}
        while stack:
            before, after = stack.pop()
            for pair in self._pairs(before, after):
                if pair[0] in self._old.modules or pair[1] in self._new.modules:
                    if pair not in seen:
                        seen.add(pair)
                        stack.append(pair)
                elif self._found.setdefault(*pair) != pair[1] or self._came.setdefault(*pair[::-1]) != pair[0]:
                    raise _Parts
        return self._found

    def _pairs(self, before: str, after: str) -> list[tuple[str, str]]:
        one, other = self._definition(self._old, before), self._definition(self._new, after)
        known = one.label == other.label == "traced" and one.trace is not None
        if not known or one.trace != other.trace or one.train != other.train or one.train == UNKNOWN:
            raise _Parts
        if len(one.names) != len(other.names):
            raise _Parts
        olds = [join(before, name) for name in one.names]
        names, undecided = exchange.arranged(
            other.names, lambda slot, name: self._fit(olds[slot], join(after, name)), other, one
        )
        for slot in undecided:
            self._leave_open(olds[slot])
        return [(old, join(after, name)) for old, name in zip(olds, names, strict=True)]

    def _definition(self, layout: Layout, path: str) -> Definition:
        if path not in layout.modules:
            raise _Parts
        return layout.definitions[layout.modules[path]]

    def _fit(self, before: str, after: str) -> int:
        """How much says that the one stands for the other: that it may, and every name that says so."""
        if self._kind(self._old, before) != self._kind(self._new, after):
            return 0
        one, other = f"{before}.", f"{after}."
        below = sum(key.startswith(one) and name.startswith(other) for key, name in self._names.items())
        return 1 + below + (self._names.get(before, before) == after)

    @staticmethod
    def _kind(layout: Layout, path: str) -> object:
        """What tells slots apart that trade places: what a module computes, the shape of a tensor."""
        if path in layout.modules:
            return layout.definitions[layout.modules[path]].trace
        spec = layout.keys.specs.get(path) or layout.buffers.get(path)
        return spec and spec.shape

    def _leave_open(self, path: str) -> None:
        inner = f"{path}."
        keys = self._old.keys.specs
        self.undecided.update(key for key in keys if key == path or key.startswith(inner))
