"""From what becomes of each key to the classes whose hooks do it: each change at the nearest class that may be edited.

Twelve blocks with ``fc1 -> lin1`` are one change of one class. A class that stands in several places must want the
same in all of them, or do no harm: else the change goes to the class outside of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from functools import partial
from typing import NamedTuple

from modelint.keys.table import KeyTable, TensorSpec
from modelint.layout import owners
from modelint.layout.layout import Layout
from modelint.layout.migrating import rehearse, renaming
from modelint.layout.migrating.bridge import Bridge
from modelint.layout.migrating.migration import Added, Change, Dropped, Option, Renamed, Undecided

#: Class -> what its hook does.
Hooks = Mapping[str, tuple[Change, ...]]


_ALIKE = "no class can tell the old form of these keys from the new"


class Unplaced(Exception):
    """No class of the project can do it: why, in one line."""


class Classes(NamedTuple):
    """What is known of the classes of a model."""

    #: Whether a hook can be written into the class.
    is_own: Callable[[str], bool]
    #: The class, among this one and its bases, that assigns the attribute.
    assigner: Callable[[str, str], str]
    #: The bases of a class, in the order of the MRO.
    bases: Callable[[str], Sequence[str]]


#: Module of today, name before, name after.
_Segment = tuple[str, str, str]


class _Site(NamedTuple):
    """A change at a module, its names below that."""

    path: str
    change: Change


def spread(bridges: Sequence[Bridge], new: Layout, classes: Classes) -> Hooks:
    """The hooks that do what the bridges say, and leave alone what is of today. Raises Unplaced."""
    banned: set[str] = set()
    while True:
        placing = _Placing(bridges, new, classes, banned)
        hooks, suspects = placing.hooks()
        if all(_does(hooks, each, new, classes) for each in bridges):
            return hooks
        wrong = next((cls for cls in suspects if cls not in banned), None)
        if wrong is None:
            raise Unplaced(_ALIKE)
        banned.add(wrong)


def _does(hooks: Hooks, bridge: Bridge, new: Layout, classes: Classes) -> bool:
    """Whether the hooks do to a file of the old layout what the bridge says, and to one of today nothing."""
    own = _all(new.keys)
    wanted = rehearse.opened({bridge.names.get(key, key): spec for key, spec in _all(bridge.old).items()})
    back = {name: key for key, name in bridge.names.items()}
    wanted = {name: held._replace(sources=(back.get(name, name),)) for name, held in wanted.items()}
    rehearse.apply(wanted, bridge.changes, "", own)
    today = rehearse.opened(own)
    return _loaded(hooks, rehearse.opened(_all(bridge.old)), new, classes) == wanted and (
        _loaded(hooks, dict(today), new, classes) == today
    )


def _loaded(hooks: Hooks, state: rehearse.State, new: Layout, classes: Classes) -> rehearse.State:
    """A file after the hooks of all modules, those outside before those inside, those of bases before the others.

    As in a load, each module is given what stands below it: a large model has many modules, and many keys.
    """
    own = _all(new.keys)
    doing: dict[str, list[str]] = {}
    children: dict[str, dict[str, None]] = {"": {}}
    for path in new.modules:
        cls = owners.class_at(new, path)
        found = [each for each in reversed((cls, *classes.bases(cls))) if each in hooks] if cls is not None else []
        if found:
            doing[path] = found
            for above in [*_above(path), path] if path else []:
                children.setdefault(above.rpartition(".")[0], {})[above] = None
    return _loaded_below("", state, hooks, own, doing, children)


def _loaded_below(
    path: str,
    state: rehearse.State,
    hooks: Hooks,
    own: Mapping[str, TensorSpec],
    doing: Mapping[str, Sequence[str]],
    children: Mapping[str, Iterable[str]],
) -> rehearse.State:
    for cls in doing.get(path, ()):
        rehearse.apply(state, hooks[cls], path, own)
    parts = {child: rehearse.State() for child in children.get(path, ())}
    rest = rehearse.State()
    at = path.count(".") + 2 if path else 1
    for key, held in state.items():
        parts.get(".".join(key.split(".", at)[:at]), rest)[key] = held
    for child, part in parts.items():
        rest.update(_loaded_below(child, part, hooks, own, doing, children))
    return rest


def _all(table: KeyTable) -> dict[str, TensorSpec]:
    return {**table.specs, **{key: TensorSpec("", None) for key in table.extra}}


class _Placing:
    """One attempt; the classes of ``banned`` were tried, and did harm."""

    def __init__(self, bridges: Sequence[Bridge], new: Layout, classes: Classes, banned: set[str]) -> None:
        self._bridges = bridges
        self._new = new
        self._classes = classes
        self._banned = banned
        self._own = _all(new.keys)
        self._inside = _by_module(self._own, self._own)

    def hooks(self) -> tuple[Hooks, list[str]]:
        """The hooks, and the classes that may be to blame where they do harm, the likeliest first."""
        at: dict[str, dict[Change, None]] = {}
        for bridge in self._bridges:
            for site in (*self._renames(bridge), *self._others(bridge)):
                path, change = self._climbed(*site)
                at.setdefault(path, {})[change] = None
        found: dict[str, dict[Change, None]] = {}
        wanting: dict[str, set[frozenset[Change]]] = {}
        for path, changes in at.items():
            cls = str(owners.class_at(self._new, path))
            wanting.setdefault(cls, set()).add(frozenset(changes))
            for change in changes:
                found.setdefault(self._assigner(cls, change), {})[change] = None
        paths = [path for path in self._new.modules if owners.class_at(self._new, path) in wanting]
        uneven = [
            cls
            for cls, sets in wanting.items()
            if len(sets) > 1 or any(path not in at for path in paths if owners.class_at(self._new, path) == cls)
        ]
        inner = [cls for cls in found if cls not in uneven]
        return {cls: tuple(renaming.ordered(renaming.merged(changes))) for cls, changes in found.items()}, [
            *uneven,
            *reversed(inner),
        ]

    def _assigner(self, cls: str, change: Change) -> str:
        name = renaming.assigned(change)
        found = cls if name is None else self._classes.assigner(cls, name.partition(".")[0])
        return found if found not in self._banned and self._classes.is_own(found) else cls

    def _climbed(self, path: str, change: Change) -> tuple[str, Change]:
        """The change, at the nearest module whose class may be edited."""
        home = self._home(path)
        if home is None:
            cls = owners.class_at(self._new, "")
            raise Unplaced(_ALIKE if cls in self._banned else f"{cls} is no class of the project")
        return home, change if home == path else renaming.under(change, partial(_join, _below(home, path)))

    def _home(self, path: str) -> str | None:
        while True:
            cls = owners.class_at(self._new, path)
            if cls is not None and cls not in self._banned and self._classes.is_own(cls):
                return path
            if not path:
                return None
            path = path.rpartition(".")[0]

    def _renames(self, bridge: Bridge) -> Iterator[_Site]:
        """The renames of a bridge, by modules where all below one is renamed alike."""
        olds = {key: bridge.names.get(key, key) for key in _all(bridge.old)}
        segments: dict[_Segment, list[str]] = {}
        parts = {key: self._in_one_class(_segments(key, name)) for key, name in olds.items()}
        for key, found in parts.items():
            for segment in found:
                segments.setdefault(segment, []).append(key)
        inside = _by_module(olds.values(), olds)
        whole = {segment: self._is_whole(segment, {*keys}, inside, parts) for segment, keys in segments.items()}
        sites: dict[_Site, None] = {}
        for key, found in parts.items():
            for path, before, after in found:
                if whole[path, before, after]:
                    sites[_Site(path, Renamed(before, after))] = None
                    continue
                # From here on by the names of the key itself.
                rest = olds[key][len(path) + 1 if path else 0 :]
                sites[_Site(path, Renamed(_rest(key, found, path), rest))] = None
                break
        return iter(sites)

    def _in_one_class(self, segments: Iterable[_Segment]) -> list[_Segment]:
        """Neighbours that one class renames are one: no name between the two meets another."""
        found: list[_Segment] = []
        for path, before, after in segments:
            if found and self._home(found[-1][0]) == self._home(path):
                at, first, then = found.pop()
                between = path[len(_join(at, then)) :]
                found.append((at, f"{first}{between}.{before}", f"{then}{between}.{after}"))
            else:
                found.append((path, before, after))
        return found

    def _is_whole(
        self,
        segment: _Segment,
        moving: Collection[str],
        inside: Mapping[str, Sequence[str]],
        parts: Mapping[str, Sequence[_Segment]],
    ) -> bool:
        """Whether all that stands below the old name goes below the new one, and nothing of today does.

        ``inside``: the old keys that stand in a module of today, or will.
        """
        path, before, after = segment
        start, there = _join(path, before), _join(path, after)
        if start == there or f"{there}.".startswith(f"{start}."):
            return False
        others = (key for key in inside.get(path, ()) if key not in moving)
        if any(f"{_rest(key, parts[key], path)}.".startswith(f"{before}.") for key in others):
            return False
        stays = [*self._inside.get(start, ()), *([start] if start in self._own else [])]
        return all(there + key[len(start) :] in self._own for key in stays)

    def _others(self, bridge: Bridge) -> Iterator[_Site]:
        came = {name: key for key, name in owners.moved_modules(bridge.names).items()}
        old_specs = {bridge.names.get(key, key): spec for key, spec in _all(bridge.old).items()}
        olds = {*old_specs}
        old_modules = {path for key in _all(bridge.old) for path in _above(key)}
        gone: dict[tuple[str, str], list[str]] = {}
        new: dict[tuple[str, str], list[str]] = {}
        for change in bridge.changes:
            if isinstance(change, Dropped):
                gone.setdefault(self._highest(change.name, lambda path: path in self._new.modules), []).append(
                    change.name
                )
            elif isinstance(change, Added):
                for name in change.names:
                    highest = self._highest(name, lambda path: _back(path, came) in old_modules)
                    new.setdefault(highest, []).append(name)
            else:
                names = renaming.names(change)
                path = self._parent(names)
                yield _Site(path, renaming.under(change, partial(_below, path)))
        dropped: dict[str, list[Change]] = {}
        added: dict[str, list[Change]] = {}
        for (path, name), keys in gone.items():
            alone = all(key in keys for key in olds if f"{key}.".startswith(f"{_join(path, name)}."))
            left = [_join(path, name)] if alone else keys
            dropped.setdefault(path, []).extend(Dropped(_below(path, key)) for key in left)
        for (path, name), keys in new.items():
            alone = all(key in keys for key in self._own if f"{key}.".startswith(f"{_join(path, name)}."))
            added.setdefault(path, []).append(Added((name,) if alone else tuple(_below(path, key) for key in keys)))
        trained = {path for (path, _), keys in gone.items() if any(_is_trained(old_specs[key]) for key in keys)}
        made = {path for (path, _), keys in new.items() if any(_is_trained(self._own[key]) for key in keys)}
        for path in dict.fromkeys((*dropped, *added)):
            changes = [*dropped.get(path, ()), *added.get(path, ())]
            if path in trained & made:  # the ones may be what became of the others
                names = tuple(each.name for each in dropped[path] if isinstance(each, Dropped))
                way = Option("leave them out; what is new stays as the model was built", tuple(changes))
                changes = [
                    Undecided(names, "weights went and others came, and nothing tells what became of them", (way,))
                ]
            yield from (_Site(path, change) for change in changes)

    def _highest(self, key: str, is_there: Callable[[str], bool]) -> tuple[str, str]:
        """The module in which the first name on the way to ``key`` stands that one side lacks, and that name."""
        path = ""
        *modules, leaf = key.split(".")
        for name in modules:
            if not is_there(_join(path, name)):
                return path, name
            path = _join(path, name)
        return path, leaf

    def _parent(self, names: Sequence[str]) -> str:
        """The innermost module of today that all the names stand in."""
        common = names[0].split(".")[:-1]
        for name in names[1:]:
            parts = name.split(".")[:-1]
            at = 0
            while at < min(len(common), len(parts)) and common[at] == parts[at]:
                at += 1
            common = common[:at]
        while common and ".".join(common) not in self._new.modules:
            common.pop()
        return ".".join(common)


def _is_trained(spec: TensorSpec) -> bool:
    return spec.kind == "parameter"


def _segments(key: str, name: str) -> Iterator[_Segment]:
    """What is renamed on the way from ``key`` to ``name``: module of today, name before, after; outermost first."""
    olds, news = key.split("."), name.split(".")
    if len(olds) == len(news):
        blocks = [(at, at + 1, at, at + 1) for at in range(len(olds)) if olds[at] != news[at]]
    else:
        matcher = SequenceMatcher(None, olds, news, autojunk=False)
        blocks = [(i1, i2, j1, j2) for tag, i1, i2, j1, j2 in matcher.get_opcodes() if tag != "equal"]
    found: list[tuple[int, int, int, int]] = []
    for i1, i2, j1, j2 in blocks:
        if i1 == i2 or j1 == j2:  # with the name beside it: one has to have some name
            if i2 < len(olds) and j2 < len(news):
                i2, j2 = i2 + 1, j2 + 1
            else:
                i1, j1 = i1 - 1, j1 - 1
        if found and (i1 < found[-1][1] or j1 < found[-1][3]):
            i1, _, j1, _ = found.pop()
        found.append((i1, i2, j1, j2))
    for i1, i2, j1, j2 in found:
        yield ".".join(news[:j1]), ".".join(olds[i1:i2]), ".".join(news[j1:j2])


def _rest(key: str, segments: Sequence[_Segment], path: str) -> str:
    """``key`` below the module ``path`` of today."""
    for at, before, after in segments:
        if at == path:
            break
        start, there = _join(at, before), _join(at, after)
        key = there + key[len(start) :]
    return _below(path, key)


def _above(key: str) -> Iterator[str]:
    parts = key.split(".")
    return (".".join(parts[:end]) for end in range(1, len(parts)))


def _by_module(names: Iterable[str], keys: Iterable[str]) -> dict[str, list[str]]:
    """``keys`` by all modules on the way to each of their ``names``."""
    found: dict[str, list[str]] = {}
    for name, key in zip(names, keys, strict=True):
        for path in ("", *_above(name)):
            found.setdefault(path, []).append(key)
    return found


def _back(path: str, came: Mapping[str, str]) -> str:
    """What a module of today was called."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        before = came.get(".".join(parts[:end]))
        if before is not None:
            return ".".join((before, *parts[end:]))
    return path


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _below(path: str, name: str) -> str:
    return name[len(path) + 1 :] if path and name.startswith(f"{path}.") else name
