"""What is proved of releases: which layouts the tracer loads into the model of today, and what its answers mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from modelint.keys.fold import folded
from modelint.layout import drift as drifts
from modelint.layout.facts import Drifted, DriftFact, KeyRenamed, KeyReshaped, Load, ReleaseDoesNotLoad
from modelint.layout.headline import with_keys
from modelint.layout.layout import Layout
from modelint.layout.release import Losses, Release


class Asked(NamedTuple):
    """Layouts to load, by the name under which the answer is kept."""

    olds: Mapping[str, Layout]
    #: Release -> the name of the layout that speaks for it: loading equal ones would say the same.
    speaks: Mapping[str, str]


class Proof(NamedTuple):
    """What is to be said of releases that load alike."""

    fact: ReleaseDoesNotLoad
    #: The first of them.
    release: Release

    @property
    def fails(self) -> bool:
        return self.fact.outcome == "fails"


def asked(bases: Mapping[str, Layout], releases: Iterable[Release]) -> Asked:
    """The layouts of ``bases`` and those of releases that none of them equals."""
    olds = dict(bases)
    speaks: dict[str, str] = {}
    for each in releases:
        layout = each.manifest.layout
        same = next((name for name, other in olds.items() if _loads_alike(layout, other)), None)
        if same is None:
            same = f"@{each.name}"  # as in manifest:NAME@RELEASE; no base is called so
            olds[same] = layout
        speaks[each.name] = same
    return Asked(olds, speaks)


def proofs(
    model: str, releases: Sequence[Release], speaks: Mapping[str, str], new: Layout, loads: Mapping[str, Load]
) -> list[Proof]:
    """What ``loads`` say of the releases; nothing of those whose files load in full, but for accepted losses."""
    groups: dict[tuple[Load, Losses], list[Release]] = {}
    for each in releases:
        load = loads[speaks[each.name]]
        losses = losses_of(load).without(each.losses)
        if not load.loads or not load.proved or any(losses):
            groups.setdefault((load, losses), []).append(each)
    found = []
    for (load, losses), group in groups.items():
        names = tuple(each.name for each in group)
        old = group[0].manifest.layout
        if not load.proved:
            fact = ReleaseDoesNotLoad(model, names, "unproved", why=load.why)
        elif load.loads:
            fact = _partly(model, names, old, new, losses)
        else:
            fact = _fails(model, names, old, new, load)
        found.append(Proof(fact, group[0]))
    return found


def loading(releases: Iterable[Release], proofs: Iterable[Proof]) -> tuple[str, ...]:
    """Those of which nothing is to be said."""
    said = {name for each in proofs for name in each.fact.releases}
    return tuple(each.name for each in releases if each.name not in said)


def losses_of(load: Load) -> Losses:
    """What a load that succeeds loses."""
    return Losses(load.dropped, load.unreached, load.filled) if load.loads and load.proved else Losses()


def _loads_alike(one: Layout, other: Layout) -> bool:
    ordered = list(one.keys.specs) == list(other.keys.specs)
    return ordered and one.keys == other.keys and _versions(one) == _versions(other)


def _versions(layout: Layout) -> dict[str, int | None]:
    """What a file says of its modules."""
    return {path: layout.definitions[each].version for path, each in layout.modules.items()}


def _fails(model: str, names: tuple[str, ...], old: Layout, new: Layout, load: Load) -> ReleaseDoesNotLoad:
    causes = drifts.breaking(model, old, new, load)
    drift = causes[0].drift._replace(
        keys=tuple(key for fact in causes for key in fact.drift.keys),
        also=tuple(at for fact in causes for at in (fact.drift.at, *fact.drift.also))[1:],
        missing=folded(load.missing),
        unexpected=folded(load.unexpected),
        error=None if load.missing or load.unexpected or load.reshaped else load.error,
    )
    reshaped = folded(each.key for each in load.reshaped)
    return ReleaseDoesNotLoad(model, names, "fails", drift, reshaped, causes=tuple(map(_cause, causes)))


def _cause(fact: DriftFact) -> str:
    """In words; what a load says of it is said elsewhere."""
    drift = fact.drift
    names = ", ".join(drift.names)
    if isinstance(fact, KeyRenamed):
        return f"{drift.old} is now {drift.new}"
    if isinstance(fact, KeyReshaped):
        return f"{names} is {drift.new}, was {drift.old}"
    if drift.old is drift.new:  # neither layout has it: a hook asks for it, or raises
        return ""
    return f"{names} {'is' if drift.total == 1 else 'are'} {'gone' if drift.new is None else 'new'}"


def _partly(model: str, names: tuple[str, ...], old: Layout, new: Layout, losses: Losses) -> ReleaseDoesNotLoad:
    at = drifts.place_of(old, new, losses.dropped, (*losses.unreached, *losses.filled))
    lost = [key for keys in losses for key in keys]
    drift = with_keys(Drifted(model, "silent", "warning", at), lost, None, None)
    dropped, unreached, filled = map(folded, losses)
    return ReleaseDoesNotLoad(model, names, "partly", drift, dropped=dropped, unreached=unreached, filled=filled)
