"""Drift: what differs between a tracked model and its manifest, as facts for the rules.

Loading decides what is breaking, meaning decides what is silent. Each cause is said once: where keys break at a place,
what else differs there is a reason of that one fact, and no fact of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from modelint.keys.diff import Change, KeyDiff, diff, tie_changes
from modelint.keys.fold import folded
from modelint.keys.rename import Renames, detect
from modelint.layout import causes, facts, headline, owners, parts, prove
from modelint.layout.causes import Where, where
from modelint.layout.facts import DriftClass, Drifted, DriftFact, Load, Symbol
from modelint.layout.headline import shape, with_keys
from modelint.layout.layout import Constant, Layout
from modelint.layout.meaning import Meaning
from modelint.layout.meaning import compare as compare_meaning

#: Not the attributes of a class, but what stands for it as a whole.
_OF_CLASS = ("", "__init__", "forward")
#: A dtype that changed in more places than these is one of the whole model.
_FEW = 3


class Drift(NamedTuple):
    """All that differs."""

    facts: tuple[DriftFact, ...]
    diff: KeyDiff
    renames: Renames
    #: Old keys of the renames under which the forward is the same.
    proved: frozenset[str]
    meaning: Meaning

    @property
    def cls(self) -> DriftClass | None:
        """The worst of its facts; None: nothing differs."""
        found = {fact.drift.cls for fact in self.facts}
        order: tuple[DriftClass, ...] = ("breaking", "silent", "safe")
        return next((cls for cls in order if cls in found), None)

    @property
    def differs(self) -> bool:
        """Under the names that are proposed something else is computed."""
        return any(isinstance(fact, facts.KeyRenamed) and fact.different for fact in self.facts)

    @property
    def dropped(self) -> tuple[str, ...]:
        """Keys of OLD that went without a new name."""
        return tuple(key for key in self.diff.unexpected if key not in self.renames.renames)


def compare(
    model: str, old: Layout, new: Layout, load: Load | None = None, known: Mapping[str, str] | None = None
) -> Drift:
    """``load``: of a file of OLD into the model of NEW; None: it was not tried, the keys decide.

    ``known``: old key -> new key, where more is known of them than names and shapes tell.
    """
    found = diff(old.keys, new.keys, old_buffers=old.buffers, new_buffers=new.buffers)
    if known is None:
        renames, proved = prove.settle(old, new, found, detect(old.keys, new.keys, found))
    else:
        renames, proved = Renames(known), frozenset()
    meaning = compare_meaning(old, new, renames.renames)
    collected = _Facts(model, old, new, renames, load or Load(found.loads, proved=False), proved)
    collected.of_keys(found)
    collected.of_dtypes(found)
    collected.of_ties()
    collected.of_meaning(meaning)
    collected.of_constants()
    return Drift(tuple(collected.found), found, renames, proved, meaning)


def breaking(model: str, old: Layout, new: Layout, load: Load) -> list[DriftFact]:
    """Where a file of OLD stops to load: at least one fact. Nothing else that differs is looked at."""
    found = diff(old.keys, new.keys, old_buffers=old.buffers, new_buffers=new.buffers)
    renames, proved = prove.settle(old, new, found, detect(old.keys, new.keys, found))
    collected = _Facts(model, old, new, renames, load, proved)
    collected.of_keys(found)
    causes = [fact for fact in collected.found if fact.drift.cls == "breaking"]
    whole = Drifted(model, "breaking", "error", owners.symbol(new, "", ""), error=load.error)
    return causes or [facts.KeyRemoved(whole)]


def place_of(old: Layout, new: Layout, dropped: Sequence[str], unreached: Sequence[str]) -> Symbol:
    """Where the first of the keys is assigned that does not arrive."""
    for key in unreached:
        return owners.of_new_key(old, new, key, {})
    return owners.of_old_key(old, new, dropped[0], {})


class _Facts:
    def __init__(
        self, model: str, old: Layout, new: Layout, renames: Renames, load: Load, proved: frozenset[str]
    ) -> None:
        self.found: list[DriftFact] = []
        self._model, self._old, self._new = model, old, new
        self._renames, self._load, self._proved = renames, load, proved
        #: torch raises what the lists say; anything else comes from a hook.
        listed = load.missing or load.unexpected or load.reshaped
        self._error = None if listed or load.loads or not load.proved else load.error
        self._came = {after: before for before, after in owners.moved_modules(renames.renames).items()}
        #: Where something was said of keys that are broken or converted -> the fact that says so.
        self._said: dict[Where, int] = {}
        #: Facts of which names are all that differs in the keys, and no module stands around others that did not.
        self._renamings: set[int] = set()

    def of_keys(self, found: KeyDiff) -> None:
        # Where some went into another nesting, what calls them is another forward, and so may be that around the rest.
        nested = any(before.count(".") != after.count(".") for before, after in self._renames.renames.items())
        for cause in causes.of_keys(self._old, self._new, found, self._renames, self._load):
            if cause.breaks:
                for place in cause.places:
                    self._said.setdefault(where(place), len(self.found))
            fact = headline.of_cause(self._model, self._old, self._new, cause, self._error)
            if isinstance(fact, facts.KeyRenamed) and fact.renames.keys() <= self._proved:
                fact = fact._replace(certainty="proved")
            if cause.renames_only and not nested:
                self._renamings.add(len(self.found))
            self.found.append(fact)
        if self._error is not None and not self._said:
            at = owners.symbol(self._new, "", "")
            drift = Drifted(self._model, "breaking", "error", at, error=self._error)
            self.found.append(facts.KeyRemoved(drift))
        for change in found.unpacked:
            drift = self._safe([change.key], self._at_key(change.key), shape(change.old), shape(change.new))
            self.found.append(facts.KeyReshaped(drift, unpacked=True))

    def of_dtypes(self, found: KeyDiff) -> None:
        """One fact for each change of dtype: a model that is made in half precision has one cause."""
        reshaped = {change.key for change in found.reshaped}
        moved = (
            Change(after, self._old.keys.specs[before], self._new.keys.specs[after])
            for before, after in self._renames.renames.items()
        )
        by_dtype: dict[tuple[str, str], list[str]] = {}
        for change in (*found.retyped, *moved):
            if change.old.dtype != change.new.dtype and change.key not in reshaped:
                by_dtype.setdefault((change.old.dtype, change.new.dtype), []).append(change.key)
        for (before, after), keys in by_dtype.items():
            places = list({where(at): at for at in map(self._at_key, keys)}.values())
            if len(places) > _FEW:
                places = [owners.of_module(self._new, "")]
            drift = self._silent(keys, places[0], before, after)._replace(also=tuple(places[1:]))
            self._say(facts.KeyRetyped(drift), f"{folded(keys)[0]} is {after}, was {before}")
            if self.found and self.found[-1].drift == drift:
                self._said |= {where(at): len(self.found) - 1 for at in places if where(at) not in self._said}

    def of_ties(self) -> None:
        renames, specs = self._renames.renames, self._old.keys.specs
        ties = [tuple(renames.get(key, key) for key in group) for group in self._old.keys.ties]
        common = {renames.get(key, key) for key in specs} & self._new.keys.specs.keys()
        for change in tie_changes(ties, self._new.keys.ties, common):
            drift = self._silent(change.keys, self._at_tie(change.keys), None, None)
            words = f"{' and '.join(change.keys)} are {'one tensor' if change.tied else 'tensors of their own'} now"
            if not change.tied:
                drift = drift._replace(cls="safe", severity="warning")
            self._say(facts.TieChanged(drift, change.tied), words)

    def of_meaning(self, meaning: Meaning) -> None:
        for fact, words in parts.of_meaning(self._model, self._old, self._new, meaning):
            self._say(fact, words)

    def of_constants(self) -> None:
        groups: dict[tuple[Where, bool], list[str]] = {}
        symbols: dict[Where, Symbol] = {}
        for name, before in self._old.constants.items():
            after = self._renames.renames.get(name, name)
            if _differ(before, self._new.constants.get(after)):
                at = self._at_key(after)
                symbols.setdefault(where(at), at)
                groups.setdefault((where(at), after in self._new.keys.specs), []).append(after)
        for (place, persistent), names in groups.items():
            make = self._safe if persistent else self._silent
            drift = make(names, symbols[place], None, None)
            self._say(facts.InitialValueChanged(drift, persistent), f"{folded(names)[0]} starts from other values")

    def _say(self, fact: DriftFact, reason: str) -> None:
        """At a place of which it was said, or of a class as a whole in which there is one: a reason of that."""
        index = self._cause_of(where(fact.drift.at))
        if index is None:
            self.found.append(fact)
            return
        cause = self.found[index]
        if index in self._renamings and isinstance(cause, facts.KeyRenamed) and _computes_otherwise(fact):
            cause = cause._replace(different=True)
        if reason:
            cause = cause._replace(drift=cause.drift._replace(reasons=(*cause.drift.reasons, reason)))
        self.found[index] = cause

    def _cause_of(self, place: Where) -> int | None:
        if place in self._said or place is None:
            return self._said.get(place)
        cls, attribute = place
        within = "" if attribute in _OF_CLASS else f"{attribute}."
        return next(
            (at for broken, at in self._said.items() if broken and broken[0] == cls and broken[1].startswith(within)),
            None,
        )

    def _silent(self, keys: Sequence[str], at: Symbol, old: str | None, new: str | None) -> Drifted:
        return with_keys(Drifted(self._model, "silent", "error", at), keys, old, new)

    def _safe(self, keys: Sequence[str], at: Symbol, old: str | None, new: str | None) -> Drifted:
        return with_keys(Drifted(self._model, "safe", "information", at), keys, old, new)

    def _at_key(self, key: str) -> Symbol:
        return owners.of_new_key(self._old, self._new, key, self._came)

    def _at_tie(self, keys: Sequence[str]) -> Symbol:
        """Where the last of the keys is set to the others."""
        path, _, leaf = keys[-1].rpartition(".")
        return owners.of_module(self._new, path)._replace(below=leaf) if path else owners.symbol(self._new, "", leaf)


def _computes_otherwise(fact: DriftFact) -> bool:
    """Whether both sides were traced, and evaluation is another one. A class of the user around or in place of another
    one says only that the two cannot be compared.
    """
    if not isinstance(fact, facts.MeaningFact) or fact.drift.cls != "silent" or fact.drift.severity != "error":
        return False
    layers = (fact.drift.old or "", fact.drift.new or "")
    return not isinstance(fact, facts.TypeChanged) or all(
        each.startswith("torch.nn.") and not each.startswith("torch.nn.utils.") for each in layers
    )


def _differ(one: Constant, other: Constant | None) -> bool:
    """Made alike is alike: rounded values may flip on another machine. Else values decide where both have them."""
    if other is None or (one.made is not None and one.made == other.made):
        return False
    if one.value is not None and other.value is not None:
        return one.value != other.value
    return one.made is not None and other.made is not None
