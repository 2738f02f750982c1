"""A check of the tracked models: which of them to build, and what is to be said of each.

On the path of a hook with nothing to say: without an affected model neither the tracer's client nor a rule is imported.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from modelint.diagnostics import Diagnostic
from modelint.layout.affected import Uses, Verdicts
from modelint.layout.building import Interpreters, NotBuilt, Progress, Wish
from modelint.layout.declare import Declaration, Project, shown_name

if TYPE_CHECKING:
    from modelint.layout.client import Servers
    from modelint.layout.drift import Drift
    from modelint.layout.manifest import Manifest, ManifestError
    from modelint.layout.release import Found
    from modelint.layout.settling.sides import Case
    from modelint.layout.traced import Failure, Result


class Options(NamedTuple):
    """What the command line says of the models."""

    python: str | None = None
    jobs: int = 1
    #: The user's cache folder; None: no verdict is read or kept.
    cache: str | None = None
    #: Absolute paths: only models that these can affect are looked at. None: all.
    paths: tuple[str, ...] | None = None
    #: What declares a model, by its name, in another folder of the same project: the code of an older commit.
    declares: Callable[[str, str], Declaration | None] | None = None
    #: Makes what is told how far the building is.
    progress: Callable[[], Progress | None] | None = None


class LayoutRun(NamedTuple):
    """What a check of the models says."""

    #: Each with the folder of the project that declares the model.
    diagnostics: list[tuple[str, Diagnostic]]
    built: int
    unchanged: int
    #: Those without a manifest, or with one that cannot be read: there is nothing to compare with.
    without: int
    failed: int
    #: Those for which there is no interpreter.
    missed: int
    #: Something could not be looked at: the exit code is 3.
    could_not_look: bool
    #: Lines for stderr.
    notes: tuple[str, ...]
    #: The project's Python files that tracked models are made of, as far as known.
    tracked: frozenset[str]
    #: Model -> the releases that are proved to load, and to arrive in full.
    loading: Mapping[str, tuple[str, ...]] = {}

    @property
    def models(self) -> int:
        return self.built + self.unchanged + self.without + self.failed + self.missed


def check_models(projects: Sequence[Project], declarations: Sequence[Declaration], options: Options) -> LayoutRun:
    """Look at every tracked model that is affected."""
    return _Run(projects, declarations, options).run()


class _Run:
    def __init__(self, projects: Sequence[Project], declarations: Sequence[Declaration], options: Options) -> None:
        self._projects = projects
        self._declarations = declarations
        self._options = options
        self._interpreters = Interpreters(options.python)
        self._verdicts = {each.folder: Verdicts.open(options.cache, each.folder) for each in projects}
        self._manifests: dict[str, Manifest] = {}
        self._releases: dict[str, Found] = {}
        self._speaks: dict[str, Mapping[str, str]] = {}
        self._pythons: dict[str, str] = {}
        self._diagnostics: list[tuple[str, Diagnostic]] = []
        self._counts = {"built": 0, "unchanged": 0, "without": 0, "failed": 0, "missed": 0}
        self._could_not_look = False
        #: Drift that numbers may settle, once all models are built.
        self._open: list[Case] = []
        #: Of these nothing is to be said if numbers see no difference.
        self._quiet: set[str] = set()
        self._notes: dict[str, None] = {}
        self._tracked: set[str] = set()
        self._loading: dict[str, tuple[str, ...]] = {}

    def run(self) -> LayoutRun:
        affected: list[Declaration] = []
        for project in self._projects:
            own = [each for each in self._declarations if each.folder == project.folder]
            self._orphans(project, own)
            affected += (each for each in own if not self._is_settled(each, project))
        wishes = [wish for declaration in affected if (wish := self._wish(declaration)) is not None]
        if wishes:
            self._build(wishes)
        for project in self._projects:
            verdicts = self._verdicts[project.folder]
            names = [each.name for each in self._declarations if each.folder == project.folder]
            for uses in map(verdicts.uses, names):
                self._tracked.update(uses.python if uses else ())
            verdicts.save(names)
        return LayoutRun(
            self._diagnostics,
            **self._counts,
            could_not_look=self._could_not_look,
            notes=tuple(self._notes),
            tracked=frozenset(self._tracked),
            loading=self._loading,
        )

    def _say(self, folder: str, diagnostics: Iterable[Diagnostic]) -> None:
        self._diagnostics += ((folder, each) for each in diagnostics)

    def _is_settled(self, declaration: Declaration, project: Project) -> bool:
        """Nothing has to be built to know what is to be said."""
        verdicts = self._verdicts[project.folder]
        uses = verdicts.uses(declaration.name)
        if uses is None:
            return False
        python = self._interpreters.known(project, verdicts) or self._interpreters.find(project, verdicts).python
        if python is None or not verdicts.is_unaffected(declaration, python):
            return False
        self._counts["unchanged"] += self._concerns(declaration, uses)
        return True

    def _wish(self, declaration: Declaration) -> Wish | None:
        """What to build; None where there is no manifest to compare with, or no interpreter to build it in."""
        from modelint.layout import judge, manifest, proof, release

        try:
            self._manifests[declaration.shown] = found = manifest.read(declaration.manifest)
        except (FileNotFoundError, NotADirectoryError):
            if self._concerns(declaration, self._verdicts[declaration.folder].uses(declaration.name)):
                self._counts["without"] += 1
                self._say(declaration.folder, judge.manifest_missing(declaration))
            return None
        except manifest.ManifestError as error:
            self._unreadable(declaration, error)
            return None
        except OSError as error:
            words = f"it cannot be read: {error.strerror}"
            self._unreadable(declaration, manifest.ManifestError(declaration.manifest, 1, words))
            return None
        project = next(each for each in self._projects if each.folder == declaration.folder)
        python = self._python(project)
        if python is None:
            self._counts["missed"] += 1
            return None
        self._pythons[declaration.shown] = python
        self._releases[declaration.shown] = kept = release.find(declaration.home)
        asked = proof.asked({"manifest": found.layout}, kept.releases)
        self._speaks[declaration.shown] = asked.speaks
        return Wish(declaration, asked.olds)

    def _unreadable(self, declaration: Declaration, error: ManifestError) -> None:
        from modelint.layout import judge

        self._counts["without"] += 1
        self._could_not_look = True
        self._say(declaration.folder, judge.manifest_unreadable(declaration, error))

    def _of_releases(self, declaration: Declaration, built: Result) -> list[Diagnostic]:
        """What is to be said of the releases."""
        from modelint.layout import judge, proof

        found = self._releases[declaration.shown]
        said: list[Diagnostic] = []
        for name, error in found.wrong:
            said += judge.manifest_unreadable(declaration, error, name)
        speaks = self._speaks[declaration.shown]
        proofs = proof.proofs(declaration.shown, found.releases, speaks, built.layout, built.loads)
        said += judge.releases(declaration, proofs, built)
        self._loading[declaration.shown] = proof.loading(found.releases, proofs)
        return said

    def _python(self, project: Project) -> str | None:
        verdicts = self._verdicts[project.folder]
        known = self._interpreters.known(project, verdicts)
        if known is not None:
            return known
        found = self._interpreters.find(project, verdicts)
        if found.python is None:
            from modelint.layout.building import missing_words

            self._miss(missing_words(found), project)
        return found.python

    def _miss(self, missed: NotBuilt, project: Project) -> None:
        skipped = project.settings.missing_interpreter == "skip"
        self._could_not_look |= not skipped
        self._notes[f"{'models skipped' if skipped else 'models not checked'}: {missed.reason}"] = None
        self._notes.update(dict.fromkeys(f"  {line}" for line in missed.trail))
        if not skipped:
            self._notes["  give one: --python, MODELINT_PYTHON, or python = ... in [tool.modelint]"] = None

    def _build(self, wishes: Iterable[Wish]) -> None:
        from modelint.layout import building, client

        grouped = building.by_interpreter((self._pythons[wish.declaration.shown], wish) for wish in wishes)
        make = self._options.progress
        progress = make() if make is not None and sum(map(len, grouped.values())) > 1 else None
        with client.tidy(), client.Servers() as servers:
            self._judge_all(building.build(grouped, jobs=self._options.jobs, progress=progress, servers=servers))
            if self._open:
                self._settle(servers)

    def _judge_all(self, answers: Iterable[tuple[Declaration, Result | Failure | NotBuilt]]) -> None:
        for declaration, built in answers:
            project = next(each for each in self._projects if each.folder == declaration.folder)
            if isinstance(built, NotBuilt):
                self._counts["missed"] += 1
                self._miss(built, project)
                self._verdicts[project.folder].remember("interpreter", None)  # the next run searches anew
            else:
                self._judge(declaration, built)

    def _settle(self, servers: Servers) -> None:
        from modelint.layout import building, judge
        from modelint.layout.settling import numbers, remembered, settle, unseen

        declares = self._options.declares or (lambda folder, name: None)
        kept = remembered.Remembered(self._verdicts)
        for case, found in numbers.settle(self._open, declares, kept, servers):
            settled = settle.settled(case.drift, found)
            if settled == case.drift:
                settled = unseen.told(case, found)
            said = judge.drift(case.declaration, case.base, case.built, settled)
            is_open, declared = numbers.can_settle(case.drift, case.declaration), case.declaration.inputs is not None
            why = settle.why_not(found) if is_open or (declared and found.outcome == "unsettled") else ""
            if settled == case.drift and why:
                self._notes[f"{case.declaration.shown}: not settled by numbers: {why}"] = None
            if case.declaration.shown in self._quiet and not said:
                # Also where a side failed: the next check must not wait for it again.
                uses = kept.uses(case) or building.uses_of(case.built)
                self._verdicts[case.declaration.folder].keep(case.declaration, case.python, uses, good=True)
            self._say(case.declaration.folder, said)

    def _judge(self, declaration: Declaration, built: Result | Failure) -> None:
        from modelint.layout import building, judge
        from modelint.layout.traced import Failure

        uses = building.uses_of(built)
        verdicts = self._verdicts[declaration.folder]
        before = verdicts.uses(declaration.name)
        case, releases = None, []
        if isinstance(built, Failure):
            said = judge.does_not_build(declaration, built)
        else:
            base = self._manifests[declaration.shown]
            drift = judge.compare(declaration, base, built)
            said = judge.drift(declaration, base, built, drift)
            case = self._case(declaration, base, built, drift)
            releases = self._of_releases(declaration, built)
            said += releases
        verdicts.keep(declaration, self._pythons[declaration.shown], uses, good=not said and case is None)
        failed = isinstance(built, Failure)
        if not failed and not self._concerns(declaration, _both(uses, before)):
            return
        self._counts["failed" if failed else "built"] += 1
        self._note(declaration, built, said)
        self._could_not_look |= any(_could_not_look(each) for each in said)
        if case is not None:
            self._open.append(case)
            if not said:
                self._quiet.add(declaration.shown)
            self._say(declaration.folder, releases)
        else:
            self._say(declaration.folder, said)

    def _case(self, declaration: Declaration, base: Manifest, built: Result, drift: Drift) -> Case | None:
        """What is open, and can be settled by numbers."""
        untraced = any(each.label == "source" for each in built.layout.definitions.values())
        if not drift.facts and declaration.inputs is None and not untraced:
            return None
        from modelint.layout.settling import numbers, unseen
        from modelint.layout.settling.sides import Case

        case = Case(declaration, base, built, drift, self._pythons[declaration.shown])
        return case if numbers.can_settle(drift, declaration) or unseen.is_asked(case) else None

    def _note(self, declaration: Declaration, built: Result | Failure, said: Sequence[Diagnostic]) -> None:
        """What helps to understand what is said: what the recording noticed, the last words of a model that failed."""
        from modelint.layout import building
        from modelint.layout.traced import Failure

        words = built.tail[-building.TAIL :] if isinstance(built, Failure) else built.notes if said else ()
        self._notes.update(dict.fromkeys(f"{declaration.shown}: {each}" for each in words))

    def _concerns(self, declaration: Declaration, uses: Uses | None) -> bool:
        """Can one of the paths of the command line affect it? Where nobody knows: yes."""
        paths = self._options.paths
        if paths is None or uses is None:
            return True
        used = (*uses.python, *uses.data, declaration.path, declaration.manifest)
        return any(_is_inside(each, path) or _is_inside(path, declaration.home) for path in paths for each in used)

    def _orphans(self, project: Project, declared: Sequence[Declaration]) -> None:
        folder = os.path.normpath(os.path.join(project.folder, project.settings.manifests))
        names = {each.name.lower() for each in declared}
        for path in _manifests(folder):
            if os.path.basename(os.path.dirname(path)).lower() not in names and self._is_asked_for(path):
                from modelint.layout import judge

                name = os.path.basename(os.path.dirname(path))
                self._say(project.folder, judge.manifest_orphaned(shown_name(name, project.folder), path))

    def _is_asked_for(self, path: str) -> bool:
        return self._options.paths is None or any(_is_inside(path, each) for each in self._options.paths)


def _could_not_look(said: Diagnostic) -> bool:
    """What is so if it is said: a model that does not build, a release that cannot be read or was not proved."""
    unproved = said.code == "MDL721" and said.drift is None
    return unproved or said.code == "MDL733" or (said.code == "MDL732" and said.severity != "information")


def _both(uses: Uses, before: Uses | None) -> Uses:
    return uses if before is None else Uses(*((*new, *old) for new, old in zip(uses, before, strict=True)))


def _manifests(folder: str) -> Iterator[str]:
    """The manifests in a folder."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        if os.path.isfile(path := os.path.join(folder, name, "layout.json")):
            yield path


def _is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
