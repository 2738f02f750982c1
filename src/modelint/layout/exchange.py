"""Slots of a module that trade places without a change of what it computes: the branches of a sum."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from modelint.layout.layout import Definition

#: How much says that the slot of this number is that one of the other side; 0: it is not.
Score = Callable[[int, str], int]
#: Slots that trade places together.
_Block = tuple[int, ...]


def arranged(names: Sequence[str], score: Score, *definitions: Definition) -> tuple[list[str], frozenset[int]]:
    """``names`` in the order that fits best, of those that mean the same as far as one of the definitions tells; and
    the numbers of the slots of which nothing says which it is.
    """
    order = list(names)
    undecided: set[int] = set()
    for blocks in _families(next((each.alike for each in definitions if each.alike), ())):
        contents = [tuple(order[slot] for slot in block) for block in blocks]
        chosen = _chosen([[sum(map(score, block, content)) for content in contents] for block in blocks])
        free = [at for at in range(len(blocks)) if at not in chosen.values()]
        left = [at for at in range(len(blocks)) if at not in chosen]
        if len(left) > 1:
            undecided.update(slot for at in left for slot in blocks[at])
        for at, content in (*chosen.items(), *zip(left, free, strict=True)):
            for slot, name in zip(blocks[at], contents[content], strict=True):
                order[slot] = name
    return order, frozenset(undecided)


def _families(trades: Sequence[tuple[_Block, _Block]]) -> Iterator[list[_Block]]:
    """Blocks each of which trades with every other one, as neighbours do it one after the other; the largest first."""
    families: list[list[_Block]] = []
    for one, other in trades:
        joined = [family for family in families if one in family or other in family]
        members = dict.fromkeys([*(block for family in joined for block in family), one, other])
        families = [family for family in families if family not in joined] + [sorted(members)]
    for family in sorted(families, key=lambda each: -len(each[0])):
        if len({slot for block in family for slot in block}) == sum(map(len, family)):
            yield family


def _chosen(scores: list[list[int]]) -> dict[int, int]:
    """Row -> column, where each is the other's only best; again without these, until nothing more is decided."""
    found: dict[int, int] = {}
    rows, columns = list(range(len(scores))), list(range(len(scores)))
    while True:
        best = {}
        for row in rows:
            top = max((scores[row][column] for column in columns), default=0)
            ties = [column for column in columns if scores[row][column] == top]
            if top > 0 and len(ties) == 1 and sum(scores[other][ties[0]] >= top for other in rows) == 1:
                best[row] = ties[0]
        if not best:
            return found
        found |= best
        rows = [row for row in rows if row not in best]
        columns = [column for column in columns if column not in best.values()]
