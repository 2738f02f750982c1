"""Accepting: the layouts of today become the manifests, all or nothing for each model.

A step file records what was accepted, from which layout to which, so that it can neither go stale nor hide a later
change. Nothing is asked, and nothing is rewritten where nothing differs.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from modelint import atomic
from modelint.layout import building, conflict, judge, manifest, proof, release
from modelint.layout.affected import Verdicts
from modelint.layout.building import Interpreters, NotBuilt, Progress, Wish
from modelint.layout.declare import NAME, Declaration, Project
from modelint.layout.release import Release
from modelint.layout.settling import settle
from modelint.layout.step import Step
from modelint.layout.step import text as step_text
from modelint.layout.traced import Failure

if TYPE_CHECKING:
    from modelint.diagnostics import Diagnostic
    from modelint.layout.facts import Numbers
    from modelint.layout.layout import Layout
    from modelint.layout.manifest import Manifest
    from modelint.layout.traced import Result

#: refused: a release would no longer load, and nobody has said that it may.
Outcome = Literal["new", "accepted", "unchanged", "refused", "failed", "missed"]


class LockError(Exception):
    """One line: what cannot be done, and what to do."""


class Locked(NamedTuple):
    """What became of one model."""

    declaration: Declaration
    outcome: Outcome
    #: What was accepted, or why nothing was.
    diagnostics: tuple[Diagnostic, ...] = ()
    layout: Layout | None = None
    #: The files that were written, or would be.
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    #: Releases that do not load, where that is why nothing was accepted.
    broken: tuple[str, ...] = ()


class Options(NamedTuple):
    python: str | None = None
    jobs: int = 1
    #: Write nothing.
    dry: bool = False
    reason: str | None = None
    #: Keep the layout as a release of this name.
    release: str | None = None
    #: Releases that are no longer to be proved, because of ``reason``.
    retire: tuple[str, ...] = ()
    progress: Progress | None = None
    #: Renames and dropped keys of the step, where more is known of them than names and shapes tell.
    decided: tuple[Mapping[str, str], tuple[str, ...]] | None = None
    #: What numbers say of what differs from the manifest.
    numbers: Numbers | None = None
    #: The user's cache folder, where the interpreter of the last run stands.
    cache: str | None = None


class Base(NamedTuple):
    """A layout that a file out there may have."""

    id: str
    manifest: Manifest


class Known(NamedTuple):
    """What is on record of a model."""

    bases: tuple[Base, ...]
    releases: tuple[Release, ...]
    #: The layouts that are to be loaded.
    olds: Mapping[str, Layout]
    #: Release -> the layout that is loaded for it.
    speaks: Mapping[str, str]


def lock(projects: Sequence[Project], declarations: Sequence[Declaration], options: Options) -> Iterator[Locked]:
    """Build the models, and make their layouts the manifests. Raises LockError where a folder cannot be written."""
    for declaration in declarations:
        _refuse_names(declaration, options)
    interpreters = Interpreters(options.python)
    by_folder = {project.folder: project for project in projects}
    verdicts = {project.folder: Verdicts.open(options.cache, project.folder) for project in projects}
    pythons: dict[str, str] = {}
    known: dict[str, Known] = {}
    wishes: list[tuple[str, Wish]] = []
    for declaration in declarations:
        found = interpreters.find(by_folder[declaration.folder], verdicts[declaration.folder])
        if found.python is None:
            missed = building.missing_words(found)
            yield Locked(declaration, "missed", notes=(missed.reason, *missed.trail))
            continue
        pythons[declaration.shown] = found.python
        known[declaration.shown] = on_record(declaration, options)
        wishes.append((found.python, Wish(declaration, known[declaration.shown].olds)))
    if not options.dry:
        for _, wish in wishes:
            refuse_read_only(wish.declaration)
    for declaration, built in building.build(
        building.by_interpreter(wishes), jobs=options.jobs, progress=options.progress
    ):
        if isinstance(built, NotBuilt):
            yield Locked(declaration, "missed", notes=(built.reason, *built.trail))
        elif isinstance(built, Failure):
            said = judge.does_not_build(declaration, built)
            yield Locked(declaration, "failed", tuple(said), notes=built.tail[-building.TAIL :])
        else:
            locked, good = accept(declaration, built, known[declaration.shown], options)
            if not options.dry and locked.outcome != "refused":
                uses = building.uses_of(built)
                kept = verdicts[declaration.folder]
                kept.keep(declaration, pythons[declaration.shown], uses, good=good, written=locked.files)
            yield locked
    for each in verdicts.values():
        each.save()


def on_record(declaration: Declaration, options: Options) -> Known:
    """Raises LockError where a record cannot be used."""
    bases, releases = _bases(declaration), _releases(declaration, options)
    asked = proof.asked({base.id: base.manifest.layout for base in bases}, releases)
    return Known(tuple(bases), releases, asked.olds, asked.speaks)


def accept(declaration: Declaration, built: Result, known: Known, options: Options) -> tuple[Locked, bool]:
    """Write the manifest, a step from each of its bases, and what is to be on record of releases.

    Returns whether a check has nothing to say of the model now.
    """
    bases = known.bases
    steps: dict[str, Step] = {}
    said: dict[Diagnostic, None] = {}
    now = manifest.digest(built.layout)
    for base in bases:
        known_names = None if options.decided is None else options.decided[0]
        drift = judge.compare(declaration, base.manifest, built, base.id, known_names)
        if not drift.facts:
            continue
        if options.numbers is not None:
            drift = settle.settled(drift, options.numbers)
        said.update(dict.fromkeys(judge.drift(declaration, base.manifest, built, drift)))
        before = manifest.digest(base.manifest.layout)
        renames, dropped = options.decided or (drift.renames.renames, drift.dropped)
        step = Step(before, now, drift.cls or "safe", renames, dropped, options.reason)
        steps[step.file_name] = step
    found = proof.proofs(declaration.shown, known.releases, known.speaks, built.layout, built.loads)
    said.update(dict.fromkeys(judge.releases(declaration, found, built)))
    broken = tuple(name for each in found if each.fact.outcome == "fails" for name in each.fact.releases)
    accepted = options.reason and not options.retire  # with --retire the reason is that of the retirement
    if broken and not accepted and any(step.cls == "breaking" for step in steps.values()):
        return Locked(declaration, "refused", tuple(said), notes=built.notes, broken=broken), False
    same = bases[0].manifest.layout if len(bases) == 1 and bases[0].id == "manifest" and not steps else None
    files = {os.path.join(declaration.home, "steps", name): step_text(each) for name, each in steps.items()}
    files |= _said_of_releases(declaration, known, built, options)
    if options.release is not None:
        text = manifest.text(declaration.name, same or built.layout)
        files[release.path(declaration.home, options.release)] = text
    if same is None:
        files[declaration.manifest] = manifest.text(declaration.name, built.layout)
    if not options.dry:
        _write(files)
    outcome: Outcome = "unchanged" if same is not None else "accepted" if bases else "new"
    notes = () if outcome == "unchanged" else built.notes
    # A new release has not been loaded yet.
    good = options.release is None and all(each.fact.outcome == "partly" for each in found)
    return Locked(declaration, outcome, tuple(said), built.layout, tuple(files), notes), good


def _said_of_releases(declaration: Declaration, known: Known, built: Result, options: Options) -> dict[str, str]:
    """The files that retire releases, and that accept what of a release does not arrive."""
    home = declaration.home
    files = {
        release.retired_path(home, name): release.retirement(name, options.reason or "") for name in options.retire
    }
    for each in known.releases:
        losses = proof.losses_of(built.loads[known.speaks[each.name]])
        if each.torn or any(losses.without(each.losses)):
            files[release.losses_path(home, each.name)] = release.losses_text(each.name, losses)
    return files


def _refuse_names(declaration: Declaration, options: Options) -> None:
    """Before anything is built: releases that are there already, or are not."""
    home, shown_name = declaration.home, declaration.shown
    there = release.names(home)
    retired = release.retired_names(home)
    if options.release is not None:
        if NAME.fullmatch(options.release) is None:
            raise LockError(
                f"{options.release!a} is no name of a release: it starts with a letter or digit, "
                "and letters, digits, '.', '_' and '-' follow"
            )
        same = next((name for name in (*there, *retired) if name.lower() == options.release.lower()), None)
        if same is not None:
            raise LockError(f"{shown_name} has a release {same} already; what was released is never written again")
    for name in options.retire:
        if name in retired and _is_usable(release.retired_path(home, name)):
            raise LockError(f"release {name} of {shown_name} is retired already")
        if name not in there:
            those = f"those that there are: {', '.join(there)}" if there else "it has none"
            raise LockError(f"{shown_name} has no release {name!a}; {those}")


def _is_usable(record: str) -> bool:
    try:
        release.read_reason(record)
    except manifest.ManifestError:
        return False
    return True


def _releases(declaration: Declaration, options: Options) -> tuple[Release, ...]:
    found = release.find(declaration.home, but=options.retire, anew=True)
    for name, error in found.wrong:
        words = f"{shown(error.path)}:{error.line}: {error.reason}"
        raise LockError(f"{words}; restore it with git, or --retire {name} --reason TEXT")
    return found.releases


def _bases(declaration: Declaration) -> list[Base]:
    """What the new layout is compared with: the manifest; of a conflicted one both of its parents."""
    try:
        return [Base("manifest", manifest.read(declaration.manifest))]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except manifest.ManifestError as error:
        if "newer modelint" in error.reason:
            raise LockError(f"{shown(error.path)}:{error.line}: {error.reason}") from None
        return [Base(name, parent) for name, parent in conflict.parents(declaration.manifest).items()]
    except OSError as error:
        raise LockError(f"{shown(declaration.manifest)}: cannot be read: {error.strerror}") from None


def refuse_read_only(declaration: Declaration) -> None:
    """Before anything is built: a folder that cannot be written costs no building."""
    folder = declaration.home
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    if not os.path.isdir(folder):
        raise LockError(f"{shown(folder)}: is no folder; the manifest of {declaration.shown} cannot be written there")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise LockError(f"{shown(folder)}: cannot be written; the manifest of {declaration.shown} stays as it is")


def _write(files: dict[str, str]) -> None:
    """All of them or none: the manifest comes last, and what stands before it is taken back."""
    written: dict[str, bytes | None] = {}
    made: list[str] = []
    try:
        for path, text in files.items():
            made += _make_folders(os.path.dirname(path))
            before = _content(path)
            atomic.write(path, text.encode("ascii"))
            written[path] = before
    except BaseException as error:
        with contextlib.suppress(OSError):
            for each, content in written.items():
                if content is None:
                    os.unlink(each)
                else:
                    atomic.write(each, content)
            for folder in reversed(made):
                os.rmdir(folder)
        if isinstance(error, OSError):
            raise LockError(f"{shown(path)}: cannot be written: {error.strerror}") from None
        raise


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _make_folders(folder: str) -> list[str]:
    """Make it and those above it; returns those that were missing, the outermost first."""
    missing: list[str] = []
    while not os.path.isdir(folder):
        missing.insert(0, folder)
        folder = os.path.dirname(folder)
    for each in missing:
        os.mkdir(each)
    return missing


def shown(path: str) -> str:
    """A path as messages name it."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative
