"""Renames by structure: two models that are built alike, whatever their parts are called.

Both sides are seen as trees of modules. A part that holds the same tensors on both sides, and is the only one of its
kind where it stands, is the same part, and its inside is compared in turn. Parts of one kind are told apart by their
numbers, where on both sides nothing but numbers tells them apart, or by what their names mean. The rest stays open.
Nothing is said unless nearly all that differs fits: models that share a few shapes are not alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from modelint.keys.likeness import BEHIND, Names, leaf_word, place, role, told_apart
from modelint.keys.parts import NUMBER, Node, Pair, atoms_of, below, classes, is_turned, tree
from modelint.keys.table import KeyTable

#: So much of what differs must stand in parts that both sides have.
_ALIKE = 0.9
#: Weights of TensorFlow: where they are square, nothing tells that their axes are the other way round.
_TURNED = "kernel"
#: More families of one kind than these are not compared by their names.
_MOST_FAMILIES = 32


class _Family(NamedTuple):
    """Parts that stand under the same names but for their numbers; these are in order."""

    names: Names
    members: list[Node]


def aligned(
    old: KeyTable, new: KeyTable, gone: Iterable[str], came: Iterable[str], known: Mapping[str, str]
) -> dict[str, str]:
    """New names for keys of ``gone`` among ``came``. ``known``: the new names that other keys have already."""
    settled = {key: key for key in old.specs if key in new.specs} | dict(known)
    olds = atoms_of(old, gone, settled)
    news = atoms_of(new, came, {name: name for name in settled.values()})
    counts, others = (Counter(atom.kind for atom in atoms.values()) for atoms in (olds, news))
    both = {kind for kind, count in counts.items() if others[kind] == count}
    walk = _Walk(old, new)
    walk.match(Pair(tree(olds, both), tree(news, both)))
    most = max(sum(atom.open for atom in atoms.values()) for atoms in (olds, news))
    return walk.found() if walk.fitting + len(known) >= _ALIKE * (most + len(known)) else {}


class _Walk:
    """From the roots down. ``fitting``: how many open tensors stand in parts of both sides, told apart or not."""

    def __init__(self, old: KeyTable, new: KeyTable) -> None:
        self._old = old
        self._new = new
        #: What stood under these names in one part stood under those in the other; ``None``: under several.
        self._learned: dict[Names, Names | None] = {}
        #: What the kinds of parts and their names tell, and what hangs on the order of numbers.
        self._sure: dict[str, str] = {}
        self._ordered: dict[str, str] = {}
        #: Some part is the only one of its kind.
        self._is_telling = False
        self.fitting = 0

    def found(self) -> dict[str, str]:
        """Numbers that were shifted are told by what stands around them; where they are all there is, by nothing."""
        return self._sure | self._ordered if self._is_telling else self._sure

    def match(self, roots: Pair) -> None:
        todo = [(roots, self._sure)]
        while todo:
            pair, found = todo.pop()
            if not (pair.old.children or pair.new.children):
                self._tensors(pair, found)
                continue
            parts = classes(pair)
            sure = _seconded(pair, [Pair(olds[0], news[0]) for olds, news in parts if len(olds) == 1])
            for each in sure:
                self._learn(_inside(each.old, pair.old), _inside(each.new, pair.new))
            for olds, news in parts:
                if len(olds) > 1:
                    self.fitting += sum(node.open for node in olds)
                    for same in self._resolved(pair, olds, news, sure):
                        self.fitting -= sum(each.old.open for each in same)
                        is_shifted = len(same) > 1 and not all(map(_is_in_place, same))
                        todo += [(each, self._ordered if is_shifted else found) for each in same]
            todo += [(each, found) for each in sure if each.old.open]
            self._is_telling |= any(each.old.open > 0 and each.old.size < pair.old.size for each in sure)

    def _learn(self, before: Names, after: Names) -> None:
        if self._learned.setdefault(before, after) != after:
            self._learned[before] = None

    def _tensors(self, pair: Pair, found: dict[str, str]) -> None:
        """The tensors of one module, by what they are called."""
        self.fitting += pair.old.open
        if not pair.old.open:
            return
        words = {leaf_word(key.rpartition(".")[2]): key for key in pair.old.atom}
        others = {leaf_word(key.rpartition(".")[2]): key for key in pair.new.atom}
        if len(words) < len(pair.old.atom) or len(others) < len(pair.new.atom):
            return
        left = [key for word, key in words.items() if word not in others]
        rest = [key for word, key in others.items() if word not in words]
        pairs = [(key, others[word]) for word, key in words.items() if word in others]
        if len(left) == len(rest) == 1 and _TURNED not in {*words, *others}:
            pairs.append((left[0], rest[0]))
        if all(self._old.specs[key].shape == self._new.specs[name].shape for key, name in pairs):
            found.update(pairs)

    def _resolved(
        self, at: Pair, olds: Sequence[Node], news: Sequence[Node], sure: Sequence[Pair]
    ) -> Iterator[list[Pair]]:
        """Which of the parts of one kind is which, as far as numbers or names tell; family by family."""
        for one, other in self._related(at, _families(olds, at.old), _families(news, at.new)):
            if len(one.members) == len(other.members):
                yield _in_order(one, other, [each for each in sure if _is_like(each, one, other, at)])

    def _related(self, at: Pair, olds: Sequence[_Family], news: Sequence[_Family]) -> Iterator[tuple[_Family, _Family]]:
        """Families of both sides that are the same one."""
        if len(olds) == len(news) == 1:
            yield olds[0], news[0]
            return
        if len(olds) != len(news):
            olds, news = _singly(olds, at.old), _singly(news, at.new)
        if len(olds) != len(news) or len(olds) > _MOST_FAMILIES:
            return
        found: dict[int, int] = {}
        learned = [self._learned.get(_text(at.old.path) + family.names) for family in olds]
        others = [_text(at.new.path) + family.names for family in news]
        for one, same in enumerate(learned):
            if same is not None and learned.count(same) == others.count(same) == 1:
                found[one] = others.index(same)
        found |= _by_role(
            {one: olds[one].names for one in range(len(olds)) if one not in found},
            {other: news[other].names for other in range(len(news)) if other not in found.values()},
        )
        befores = [one for one in range(len(olds)) if one not in found]
        afters = [other for other in range(len(news)) if other not in found.values()]
        names = tuple(olds[one].names for one in befores)
        new_names = tuple(news[other].names for other in afters)
        if len(befores) > 1:
            told = _told(names, new_names) or _by_place(names, new_names)
            found |= {befores[one]: afters[other] for one, other in told.items()}
        elif befores:
            found[befores[0]] = afters[0]
        if len(found) == len(olds) - 1 > 1:
            (last,), (other,) = set(range(len(olds))) - set(found), set(range(len(news))) - set(found.values())
            found[last] = other
        for one, other in found.items():
            yield olds[one], news[other]


@lru_cache(4096)
def _told(befores: tuple[Names, ...], afters: tuple[Names, ...]) -> dict[int, int]:
    return dict(told_apart(befores, afters))


def _by_role(befores: Mapping[int, Names], afters: Mapping[int, Names]) -> dict[int, int]:
    """Queries, keys and values, where there is one of each; the one that is left stands beside them."""
    roles, others = ({at: role(names) for at, names in side.items()} for side in (befores, afters))
    counts, new_counts = Counter(roles.values()), Counter(others.values())
    if counts != new_counts or any(count > 1 for part, count in counts.items() if part):
        return {}
    at = {part: other for other, part in others.items()}
    return {one: at[part] for one, part in roles.items() if part}


def _by_place(befores: Sequence[Names], afters: Sequence[Names]) -> dict[int, int]:
    """Normalisations, by where in their layer they stand: ``norm1, norm2`` -> ``layernorm_before, layernorm_after``."""
    places, others = [place(names) for names in befores], [place(names) for names in afters]
    behind = [all(each and not each[0] and each[1] in BEHIND for each in side) for side in (places, others)]
    if behind[0] != behind[1]:
        return {}  # before the part that they belong to, and behind it, are two designs
    orders = []
    for side in (places, others):
        known = {each for each in side if each}
        if len(known) < len(side) or len({by_number for by_number, _ in known}) > 1:
            return {}
        orders.append(sorted(range(len(side)), key=lambda at: side[at] or (False, 0)))
    return dict(zip(*orders, strict=True))


def _is_in_place(pair: Pair) -> bool:
    """Whether the last numbers on both ways are the same."""
    (one, other) = (_numbers(node)[-1:] for node in pair)
    return one == other


def _seconded(at: Pair, pairs: Sequence[Pair]) -> list[Pair]:
    """Without the one that would have its order turned, where it is alone with that."""
    turned = [pair for pair in pairs if pair.old.open and is_turned(at, pair)]
    return [pair for pair in pairs if pair is not turned[0]] if len(turned) == 1 else list(pairs)


def _inside(node: Node, at: Node) -> Names:
    """Where a part stands in one like ``at``, whatever the numbers of that."""
    return _text(at.path) + below(node, at)


def _text(names: Names) -> Names:
    return tuple(NUMBER.sub("#", name) for name in names)


def _families(nodes: Iterable[Node], at: Node) -> list[_Family]:
    found: dict[Names, list[Node]] = {}
    for node in nodes:
        found.setdefault(_text(below(node, at)), []).append(node)
    return [
        _Family(text if len(members) > 1 else below(members[0], at), sorted(members, key=_numbers))
        for text, members in found.items()
    ]


def _singly(families: Iterable[_Family], at: Node) -> list[_Family]:
    return [_Family(below(node, at), [node]) for family in families for node in family.members]


def _is_like(pair: Pair, one: _Family, other: _Family, at: Pair) -> bool:
    return (_text(below(pair.old, at.old)), _text(below(pair.new, at.new))) == (_text(one.names), _text(other.names))


def _in_order(one: _Family, other: _Family, sure: Sequence[Pair]) -> list[Pair]:
    """By their numbers, in the order or the reverse order of those that are sure; none where these are in neither."""
    pairs = [Pair(*each) for each in zip(one.members, other.members, strict=True)]
    if len(pairs) == 1:
        return pairs
    backwards = [Pair(*each) for each in zip(one.members, reversed(other.members), strict=True)]
    for found, step in ((pairs, 1), (backwards, -1)):
        whole = sorted((*found, *sure), key=lambda pair: _numbers(pair.old))
        numbers = [_numbers(pair.new) for pair in whole][::step]
        if numbers == sorted(numbers):
            return found
    return []


def _numbers(node: Node) -> tuple[int, ...]:
    return tuple(int(number) for name in node.path for number in NUMBER.findall(name)[:8])
