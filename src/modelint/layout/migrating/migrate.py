"""`modelint migrate`: hooks are written, the model is built with them, what they do is proved, or all is put back.

Proved is that files of the manifest's layout and of every release load through the model's own load_state_dict, that
nothing of them is lost but what the migration says, and that files of today load as before. Where inputs are declared,
numbers say whether old files compute what they did. Then the new layout is accepted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from modelint import atomic
from modelint.keys.fold import folded
from modelint.layout import building, judge, lock
from modelint.layout.affected import Verdicts
from modelint.layout.building import Interpreters, NotBuilt, Wish
from modelint.layout.declare import Declaration, Project
from modelint.layout.facts import Load, Numbers
from modelint.layout.lock import Known, Locked, shown
from modelint.layout.migrating import plan as planning
from modelint.layout.migrating.bridge import Unbridged
from modelint.layout.migrating.migration import ClassMigration
from modelint.layout.migrating.plan import MANIFEST, Edit, Plan, Uneditable
from modelint.layout.migrating.spread import Unplaced
from modelint.layout.settling import numbers, settle
from modelint.layout.settling.sides import Case
from modelint.layout.traced import Failure, Result

if TYPE_CHECKING:
    from modelint.layout.drift import Drift
    from modelint.layout.layout import Layout
    from modelint.layout.settling.numbers import Declares

#: nothing: all files load. open: written, and somebody has to choose. refused: nothing is written, or all put back.
Outcome = Literal["nothing", "migrated", "planned", "open", "refused", "failed", "missed"]
#: The name under which a file of today is loaded; no release is called so.
_TODAY = "today"
OR_REASON = "undo that change, or give --reason TEXT to accept it"
_LOADER = "`modelint migrate {} --loader FILE` writes a function for old files instead, and leaves the classes alone"


class MigrateError(Exception):
    """One line: what cannot be done, and what to do."""


class Migrated(NamedTuple):
    """What became of one model."""

    declaration: Declaration
    outcome: Outcome
    #: One line: why nothing was done.
    why: str = ""
    more: tuple[str, ...] = ()
    migrations: tuple[ClassMigration, ...] = ()
    edits: tuple[Edit, ...] = ()
    #: The releases that load, beside the manifest.
    releases: tuple[str, ...] = ()
    numbers: Numbers | None = None
    #: What numbers have decided.
    decided: str = ""
    locked: Locked | None = None


class Options(NamedTuple):
    python: str | None = None
    #: Write nothing.
    dry: bool = False
    reason: str | None = None
    #: The user's cache folder.
    cache: str | None = None
    #: What declares a model in the code of an older commit.
    declares: Declares = lambda folder, name: None


def migrate(project: Project, declaration: Declaration, options: Options) -> Migrated:
    """Raises LockError and MigrateError, with everything put back."""
    verdicts = Verdicts.open(options.cache, project.folder)
    found = Interpreters(options.python).find(project, verdicts)
    if found.python is None:
        missed = building.missing_words(found)
        return Migrated(declaration, "missed", missed.reason, missed.trail)
    known = lock.on_record(declaration, lock.Options())
    if [base.id for base in known.bases] != [MANIFEST]:
        words = "its manifest is in conflict" if known.bases else "it has no manifest, so that there is no old layout"
        return Migrated(declaration, "refused", f"{words}; `modelint lock {declaration.shown}` writes one")
    run = _Run(declaration, found.python, known, options)
    try:
        migrated, built = run.run()
    except _Unbuilt as error:
        return error.became(declaration)
    if migrated.locked is not None and built is not None:
        files = (*migrated.locked.files, *(each.path for each in migrated.edits))
        verdicts.keep(declaration, found.python, building.uses_of(built), good=True, written=files)
        verdicts.save()
    return migrated


class _Unbuilt(Exception):
    """The model could not be built."""

    def __init__(self, built: Failure | NotBuilt) -> None:
        super().__init__()
        self._built = built

    def became(self, declaration: Declaration) -> Migrated:
        built = self._built
        if isinstance(built, NotBuilt):
            return Migrated(declaration, "missed", built.reason, built.trail)
        where = "" if built.where is None else f"{shown(built.where.path)}:{built.where.line}: "
        return Migrated(declaration, "failed", f"{where}{built.message}", built.tail[-building.TAIL :])


class _Run:
    def __init__(self, declaration: Declaration, python: str, known: Known, options: Options) -> None:
        self._declaration = declaration
        self._python = python
        self._known = known
        self._options = options
        self._name = declaration.shown

    def run(self) -> tuple[Migrated, Result | None]:
        built = self._build(self._known.olds)
        for old, load in built.loads.items():
            if not load.proved:
                return self._refused(f"nothing can be proved of {self._of(old)}: {load.why}"), None
        if all(load.loads for load in built.loads.values()):
            return self._as_it_is(built)
        try:
            plan = planning.plan(self._declaration, built, self._known)
            planned = planning.migrations(plan.hooks, built, self._known.olds)
            edits = planning.edits(planned)
        except Unbridged as error:
            return self._refused(str(error)), None
        except (Unplaced, Uneditable) as error:
            return self._refused(f"{error}; {_LOADER.format(self._name)}"), None
        if self._options.dry:
            migrated = Migrated(self._declaration, "planned", migrations=tuple(planned), edits=tuple(edits))
            return migrated._replace(releases=tuple(self._known.speaks)), None
        lock.refuse_read_only(self._declaration)
        if plan.is_open:
            for words, way in plan.decided() if self._declaration.inputs is not None else ():
                migrated, after = self._attempt(way, built, only_equal=True)
                if migrated.outcome == "migrated":
                    return migrated._replace(decided=words), after
        return self._attempt(plan, built)

    def _as_it_is(self, built: Result) -> tuple[Migrated, Result | None]:
        """Old files load, perhaps as somebody has chosen: what other keys they have is accepted, where numbers do not
        speak against it, and that is all that differs.
        """
        nothing = Migrated(self._declaration, "nothing", releases=tuple(self._known.speaks))
        drift = judge.compare(self._declaration, self._known.bases[0].manifest, built)
        keys = drift.diff.missing or drift.diff.unexpected or drift.diff.reshaped
        if not keys or self._options.dry:
            return nothing, None
        found = self._numbers(drift, built)
        load = built.loads[MANIFEST]
        exact = not (drift.diff.reshaped or load.dropped or load.unreached or load.filled)
        if found is not None and found.outcome == "different" and exact and not self._options.reason:
            return self._refused(f"old files load, and compute something else: {found.words}; {OR_REASON}"), None
        if found is not None and found.outcome == "equal":
            drift = settle.settled(drift, found)
        if drift.cls != "safe":
            why = f"something else changed, too: `modelint check` says what, `modelint lock {self._name}` accepts it"
            return nothing._replace(why=why, numbers=found), None
        options = lock.Options(reason=self._options.reason, numbers=found)
        locked, _ = lock.accept(self._declaration, built, self._known, options)
        return nothing._replace(locked=locked, numbers=found), built

    def _attempt(self, plan: Plan, before: Result, *, only_equal: bool = False) -> tuple[Migrated, Result | None]:
        """Write, build, prove, accept; what was written is put back where that fails."""
        try:
            planned = planning.migrations(plan.hooks, before, self._known.olds)
            edits = planning.edits(planned)
        except Uneditable as error:
            return self._refused(f"{error}; {_LOADER.format(self._name)}"), None
        migrated = Migrated(self._declaration, "open", migrations=tuple(planned), edits=tuple(edits))
        with _written(edits) as files:
            try:
                built = self._build({**self._known.olds, _TODAY: before.layout})
            except _Unbuilt as error:
                return error.became(self._declaration), None
            wrong = self._unproved(plan, before, built)
            if wrong is not None:
                return self._refused(f"the migration does not hold, and is put back: {wrong}"), None
            if plan.is_open:
                files.keep()
                return migrated, None
            base = self._known.bases[0].manifest
            found = self._numbers(judge.compare(self._declaration, base, built, known=plan.renames), built)
            if only_equal and (found is None or found.outcome != "equal"):
                return self._refused("numbers do not say so"), None
            if found is not None and found.outcome == "different" and plan.is_exact and not self._options.reason:
                return self._refused(_different(found)), None
            files.keep()
            locked = self._accept(plan, built, found)
        releases = tuple(self._known.speaks)
        return migrated._replace(outcome="migrated", releases=releases, numbers=found, locked=locked), built

    def _accept(self, plan: Plan, built: Result, found: Numbers | None) -> Locked:
        decided = None if plan.renames is None else (plan.renames, plan.dropped(MANIFEST))
        options = lock.Options(reason=self._options.reason, decided=decided, numbers=found)
        known = self._known._replace(olds={name: old for name, old in self._known.olds.items() if name != _TODAY})
        locked, _ = lock.accept(self._declaration, built, known, options)
        if locked.outcome == "refused":
            raise MigrateError(f"{self._name}: releases would no longer load: {', '.join(locked.broken)}")
        return locked

    def _unproved(self, plan: Plan, before: Result, built: Result) -> str | None:
        """What is wrong with the model as it is built with the hooks; None: nothing."""
        if built.layout.keys != before.layout.keys:
            return "the model has other keys with it"
        for name, load in built.loads.items():
            if name == _TODAY:
                if not load.loads or load.dropped or load.unreached or load.filled:
                    return f"files of today {_what(load)}"
            elif not load.proved:
                return f"nothing can be proved of {self._of(name)}: {load.why}"
            elif not load.loads:
                if not (plan.is_open and load.error and not (load.missing or load.unexpected or load.reshaped)):
                    return f"{self._of(name)} {_what(load)}"
            else:
                lost = self._lost(plan, name, load)
                if lost is not None:
                    return f"{self._of(name)} {lost}"
        if plan.is_open and all(load.loads for load in built.loads.values()):
            return "something is undecided, and no file is stopped"
        return None

    def _lost(self, plan: Plan, name: str, load: Load) -> str | None:
        """What a load loses that the migration does not say."""
        accepted = [each.losses for each in self._known.releases if self._known.speaks[each.name] == name]
        dropped = {*plan.dropped(name), *(key for each in accepted for key in each.dropped)}
        own = {*plan.built, *(key for each in accepted for key in (*each.unreached, *each.filled))}
        lost = [key for key in load.dropped if key not in dropped]
        built = [key for key in (*load.unreached, *load.filled) if key not in own]
        if lost:
            return f"lose {_some(lost)}"
        return f"do not reach {_some(built)}" if built else None

    def _numbers(self, drift: Drift, built: Result) -> Numbers | None:
        """What running says; None: no inputs are declared."""
        if self._declaration.inputs is None:
            return None
        if not numbers.can_settle(drift, self._declaration):
            return Numbers("unsettled", "nothing is open")
        case = Case(self._declaration, self._known.bases[0].manifest, built, drift, self._python)
        # Nothing that is remembered: it was found without the hooks.
        ((_, found),) = numbers.settle([case], self._options.declares)
        return found

    def _build(self, olds: Mapping[str, Layout]) -> Result:
        wishes = {self._python: [Wish(self._declaration, olds)]}
        ((_, built),) = building.build(wishes, jobs=1)
        if not isinstance(built, Result):
            raise _Unbuilt(built)
        return built

    def _of(self, old: str) -> str:
        """What a layout is that of."""
        names = [name for name, speaker in self._known.speaks.items() if speaker == old]
        return "files of the manifest's layout" if old == MANIFEST else f"files of release {', '.join(names)}"

    def _refused(self, why: str) -> Migrated:
        return Migrated(self._declaration, "refused", why)


class _Files:
    """What was written, until it is decided whether it stays."""

    def __init__(self) -> None:
        self.kept = False

    def keep(self) -> None:
        self.kept = True


@contextlib.contextmanager
def _written(edits: Sequence[Edit]) -> Iterator[_Files]:
    """The edits are in the files; they are put back where an error comes, Ctrl-C among them, or nobody keeps them."""
    files = _Files()
    done: list[Edit] = []
    try:
        for edit in edits:
            if _content(edit.path) != edit.before:
                raise MigrateError(f"{shown(edit.path)}: it was changed in the meantime; run it again")
            done.append(edit)
            try:
                atomic.write(edit.path, edit.after)
            except OSError as error:
                done.pop()
                raise MigrateError(f"{shown(edit.path)}: cannot be written: {error.strerror}") from None
        yield files
    except BaseException:
        _put_back(done)
        raise
    if not files.kept:
        _put_back(done)


def _put_back(edits: Sequence[Edit]) -> None:
    stuck = []
    for edit in edits:
        if _content(edit.path) == edit.before:
            continue
        try:
            if _content(edit.path) != edit.after:
                raise OSError
            atomic.write(edit.path, edit.before)
        except OSError:
            stuck.append(shown(edit.path))
    if stuck:
        raise MigrateError(f"{', '.join(stuck)}: cannot be put back; `git diff` shows what is left in it")


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def _different(found: Numbers) -> str:
    return f"put back: old files would load, and compute something else: {found.words}; {OR_REASON}"


def _what(load: Load) -> str:
    """Why a load does not do."""
    if not load.loads:
        parts = (("lack", load.missing), ("have no place for", load.unexpected))
        words = [f"{verb} {_some(keys)}" for verb, keys in parts if keys]
        return f"do not load: {'; '.join(words) or load.error}"
    return f"lose {_some((*load.dropped, *load.unreached, *load.filled))}"


def _some(keys: Sequence[str]) -> str:
    lines = folded(keys)
    return ", ".join(lines[:3]) + (", ..." if len(lines) > 3 else "")
