"""Causes: why a file does not fit a model, one after the other until nothing is left to explain.

Rules propose, in the order of their stages: what all keys have in common before what a few tell. Each proposal comes
with the steps that would make its keys fit. It is kept where they do, and in the end only if at least nine tenths of
the keys that it changed agree with the model in name and shape, or another cause says why they do not. Nothing that
fails this is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from modelint.keys.rename import Ambiguous
from modelint.keys.situation import NOTHING, Around, Situation
from modelint.keys.steps import Rename, Step
from modelint.keys.table import KeyTable
from modelint.rule import CauseRule

#: Of the keys that a cause changes, so many must agree in the end.
SHARE = 0.9
_MOST_CAUSES = 24
_MOST_TRIES = 12


class Cause(NamedTuple):
    """What a rule proposes. Texts hold names of files as they are: whoever shows them, escapes them."""

    message: str
    #: What to do about it, in words.
    help: str
    #: What makes the keys fit that it is about; empty where nothing does.
    steps: tuple[Step, ...] = ()
    #: The names say it by themselves: kept where the keys fit only after further causes.
    certain: bool = False
    #: What nothing decides, and is left out of the steps.
    ambiguous: tuple[Ambiguous, ...] = ()
    #: What would make that fit, once somebody has looked.
    perhaps: tuple[Step, ...] = ()
    #: Keys that it tells of and cannot mend: no other cause is to tell of them again.
    told: tuple[str, ...] = ()
    #: New keys of renames that are more than proposed.
    proved: frozenset[str] = frozenset()
    #: Nothing more can be said of such a file.
    ends: bool = False
    #: It says that one side is a part of the other: not where renames alone take more of the file into the model.
    part: bool = False


class Found(NamedTuple):
    """A cause that was kept, and the rule that proposed it."""

    code: str
    name: str
    cause: Cause


class Explanation(NamedTuple):
    causes: tuple[Found, ...]
    #: File and model before the first step, and after the last one.
    before: Situation
    after: Situation

    @property
    def fits(self) -> bool:
        """Whether the steps together make a load strict."""
        return self.after.loads

    @property
    def steps(self) -> tuple[Step, ...]:
        return self.after.steps

    @property
    def ambiguous(self) -> tuple[Ambiguous, ...]:
        return tuple(each for found in self.causes for each in found.cause.ambiguous)

    def renamed(self) -> dict[str, str]:
        """Old key -> new key, where the tensor itself fits under the new one."""
        moved = {
            cell.sources[0]: key
            for key, cell in self.after.cells.items()
            if cell.plain and cell.sources[0] != key and self.after.is_agreed(key)
        }
        undecided = {key for each in self.ambiguous for key in each.old}
        return {key: moved[key] for key in self.before.cells if key in moved and key not in undecided}

    def proved(self) -> frozenset[str]:
        """Old keys of renames that are proved: by a cause that says so, and all else that changed them is plain to see
        in the names.
        """
        found: set[str] = set()
        doubted: set[str] = set()
        before = self.before
        for each in self.causes:
            after = before.after(each.cause.steps)
            where = {cell.sources[0]: key for key, cell in after.cells.items() if cell.plain}
            for key in _changed(before, after):
                if where.get(key) in each.cause.proved:
                    found.add(key)
                elif not each.cause.certain:
                    doubted.add(key)
            before = after
        return frozenset(key for key in self.renamed() if key in found and key not in doubted)


def explain(file: KeyTable, model: KeyTable, rules: Sequence[CauseRule], around: Around = NOTHING) -> Explanation:
    """The causes of the difference, in the order in which their steps apply."""
    before = Situation(file, model, around)
    chain = _settled(before, rules, set())
    parts = {found.code for found, _, _ in chain.links if found.cause.part}
    if parts and chain.carried < min(len(before.cells), len(before.new)):
        whole = _settled(before, rules, parts)
        if whole.carried > chain.carried:
            chain = whole
    return Explanation(tuple(found for found, _, _ in chain.links), before, chain.situation)


def _settled(before: Situation, rules: Sequence[CauseRule], banned: set[str]) -> _Chain:
    """A chain without the ``banned`` codes and without a weak cause."""
    chain = _Chain(before, rules, banned)
    for _ in range(_MOST_TRIES):
        weak = chain.weak()
        if weak is None:
            break
        banned = {*banned, weak}
        chain = _Chain(before, rules, banned)
    return chain


class _Chain:
    """One attempt: causes, each with the situation before and after it."""

    def __init__(self, before: Situation, rules: Sequence[CauseRule], banned: set[str]) -> None:
        self.links: list[tuple[Found, Situation, Situation]] = []
        self.situation = before
        stages: dict[int, list[CauseRule]] = {}
        for rule in rules:
            if rule.code not in banned:
                stages.setdefault(rule.stage, []).append(rule)
        order = sorted(stages)
        at = 0
        while at < len(order) and len(self.links) < _MOST_CAUSES:
            found = self._best(stages[order[at]])
            if found is None:
                at += 1
                continue
            one, after = found
            after.settled |= {key for each in one.cause.ambiguous for key in (*each.old, *each.new)}
            after.settled |= set(one.cause.told)
            self.links.append((one, self.situation, after))
            if one.cause.ends:
                break
            if one.cause.steps:
                at = 0
            self.situation = after

    @property
    def carried(self) -> int:
        """How many keys of the model get their tensor from the file."""
        end = self.situation
        return sum(bool(cell.sources) and end.is_agreed(key) for key, cell in end.cells.items())

    def _best(self, rules: Sequence[CauseRule]) -> tuple[Found, Situation] | None:
        """Of all proposals the one after which most keys agree; of equals the first."""
        best: tuple[Found, Situation] | None = None
        top: tuple[int, int] | None = None
        for rule, cause in self._proposals(rules):
            after = self.situation.after(cause.steps)
            if cause.steps and not self._helps(cause, after):
                continue
            score = (after.agreed, -_open(after))
            if top is None or score > top:
                best, top = (Found(rule.code, rule.name, cause), after), score
        return best

    def _proposals(self, rules: Sequence[CauseRule]) -> Iterator[tuple[CauseRule, Cause]]:
        said = {found.code for found, _, _ in self.links if not found.cause.steps}
        for rule in rules:
            if rule.code not in said:
                for cause in rule.check(self.situation):
                    yield rule, cause

    def _helps(self, cause: Cause, after: Situation) -> bool:
        before = self.situation
        if after.agreed < before.agreed or after.cells == before.cells or _collide(before, cause.steps):
            return False
        return cause.certain or after.agreed > before.agreed or _open(after) < _open(before)

    def weak(self) -> str | None:
        """The code of the first cause whose keys do not agree in the end."""
        if not self.links:
            return None
        end = self.situation
        where = {source: key for key, cell in end.cells.items() for source in cell.sources}
        names = sum(key in end.new for key in end.cells)
        alike = names >= SHARE * max(len(end.cells), len(end.new))
        # What the model has no place for is another part, where the rest is the whole model.
        whole = end.agreed >= SHARE * min(len(end.cells), len(end.new))
        for found, before, after in self.links:
            if not found.cause.steps:
                continue
            keys = _changed(before, after)
            ends = [where[key] for key in keys if key in where]
            good = sum(
                end.is_agreed(key) or (found.cause.certain and (alike if key in end.new else whole)) for key in ends
            )
            if good < SHARE * len(ends) or (keys and not ends):
                return found.code
        return None


def _collide(before: Situation, steps: Sequence[Step]) -> bool:
    """Whether two keys get one name."""
    cells = before.cells
    for step in steps:
        after = step.apply(cells, before.new)
        if isinstance(step, Rename) and len(after) < len(cells):
            return True
        cells = after
    return False


def _open(situation: Situation) -> int:
    """How much is left to explain."""
    return len(situation.missing) + len(situation.unexpected) + len(situation.reshaped)


def _changed(before: Situation, after: Situation) -> list[str]:
    """The keys of the file whose name or tensor is another one after a step."""
    places = {source: (key, cell) for key, cell in before.cells.items() for source in cell.sources}
    return [source for key, cell in after.cells.items() for source in cell.sources if places.get(source) != (key, cell)]
