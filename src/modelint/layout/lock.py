"""Accepting: the layouts of today become the manifests, all or nothing for each model.

A step file records what was accepted, from which layout to which, so that it can neither go stale nor hide a later
change. Nothing is asked, and nothing is rewritten where nothing differs.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from modelint import atomic
from modelint.layout import building, conflict, judge, manifest
from modelint.layout.affected import Verdicts
from modelint.layout.building import Interpreters, NotBuilt, Progress, Wish
from modelint.layout.declare import NAME, Declaration, Project, name_words
from modelint.layout.step import Step
from modelint.layout.step import text as step_text
from modelint.layout.traced import Failure

if TYPE_CHECKING:
    from modelint.diagnostics import Diagnostic
    from modelint.layout.layout import Layout
    from modelint.layout.manifest import Manifest
    from modelint.layout.traced import Result

Outcome = Literal["new", "accepted", "unchanged", "failed", "missed"]


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


class Options(NamedTuple):
    python: str | None = None
    jobs: int = 1
    #: Write nothing.
    dry: bool = False
    reason: str | None = None
    progress: Progress | None = None
    #: The user's cache folder, where the interpreter of the last run stands.
    cache: str | None = None


class _Base(NamedTuple):
    """A layout that a file out there may have."""

    id: str
    manifest: Manifest


def lock(projects: Sequence[Project], declarations: Sequence[Declaration], options: Options) -> Iterator[Locked]:
    """Build the models, and make their layouts the manifests. Raises LockError where a folder cannot be written."""
    interpreters = Interpreters(options.python)
    by_folder = {project.folder: project for project in projects}
    verdicts = {project.folder: Verdicts.open(options.cache, project.folder) for project in projects}
    pythons: dict[str, str] = {}
    bases: dict[str, list[_Base]] = {}
    wishes: list[tuple[str, Wish]] = []
    for declaration in declarations:
        found = interpreters.find(by_folder[declaration.folder], verdicts[declaration.folder])
        if found.python is None:
            missed = building.missing_words(found)
            yield Locked(declaration, "missed", notes=(missed.reason, *missed.trail))
            continue
        pythons[declaration.shown] = found.python
        own = bases[declaration.shown] = _bases(declaration)
        wishes.append((found.python, Wish(declaration, {base.id: base.manifest.layout for base in own})))
    if not options.dry:
        for _, wish in wishes:
            _refuse_read_only(wish.declaration)
    for declaration, built in building.build(
        building.by_interpreter(wishes), jobs=options.jobs, progress=options.progress
    ):
        if isinstance(built, NotBuilt):
            yield Locked(declaration, "missed", notes=(built.reason, *built.trail))
        elif isinstance(built, Failure):
            said = judge.does_not_build(declaration, built)
            yield Locked(declaration, "failed", tuple(said), notes=built.tail[-building.TAIL :])
        else:
            locked = _accept(declaration, built, bases[declaration.shown], options)
            if not options.dry:
                uses = building.uses_of(built)
                kept = verdicts[declaration.folder]
                kept.keep(declaration, pythons[declaration.shown], uses, good=True, written=locked.files)
            yield locked
    for each in verdicts.values():
        each.save()


def _accept(declaration: Declaration, built: Result, bases: Sequence[_Base], options: Options) -> Locked:
    """Write the manifest, and a step from each of its bases."""
    steps: dict[str, Step] = {}
    said: dict[Diagnostic, None] = {}
    now = manifest.digest(built.layout)
    for base in bases:
        drift = judge.compare(declaration, base.manifest, built, base.id)
        if not drift.facts:
            continue
        said.update(dict.fromkeys(judge.drift(declaration, base.manifest, built, drift)))
        before = manifest.digest(base.manifest.layout)
        step = Step(before, now, drift.cls or "safe", drift.renames.renames, drift.dropped, options.reason)
        steps[step.file_name] = step
    whole = len(bases) == 1 and bases[0].id == "manifest"
    if whole and not steps:
        return Locked(declaration, "unchanged", layout=built.layout)
    files = {os.path.join(declaration.home, "steps", name): step_text(each) for name, each in steps.items()}
    files[declaration.manifest] = manifest.text(declaration.name, built.layout)
    if not options.dry:
        _write(files)
    outcome: Outcome = "accepted" if bases else "new"
    return Locked(declaration, outcome, tuple(said), built.layout, tuple(files), built.notes)


def _bases(declaration: Declaration) -> list[_Base]:
    """What the new layout is compared with: the manifest; of a conflicted one both of its parents."""
    try:
        return [_Base("manifest", manifest.read(declaration.manifest))]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except manifest.ManifestError as error:
        if "newer modelint" in error.reason:
            raise LockError(f"{_shown(error.path)}:{error.line}: {error.reason}") from None
        return [_Base(name, parent) for name, parent in conflict.parents(declaration.manifest).items()]
    except OSError as error:
        raise LockError(f"{_shown(declaration.manifest)}: cannot be read: {error.strerror}") from None


def _refuse_read_only(declaration: Declaration) -> None:
    """Before anything is built: a folder that cannot be written costs no building."""
    folder = declaration.home
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    if not os.path.isdir(folder):
        raise LockError(f"{_shown(folder)}: is no folder; the manifest of {declaration.shown} cannot be written there")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise LockError(f"{_shown(folder)}: cannot be written; the manifest of {declaration.shown} stays as it is")


def _write(files: dict[str, str]) -> None:
    """All of them or none: the manifest comes last, and what stands before it is taken back."""
    written: list[str] = []
    made: list[str] = []
    try:
        for path, text in files.items():
            made += _make_folders(os.path.dirname(path))
            new = not os.path.lexists(path)
            atomic.write(path, text.encode("ascii"))
            if new:
                written.append(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            for each in written:
                os.unlink(each)
            for folder in reversed(made):
                os.rmdir(folder)
        if isinstance(error, OSError):
            raise LockError(f"{_shown(path)}: cannot be written: {error.strerror}") from None
        raise


def _make_folders(folder: str) -> list[str]:
    """Make it and those above it; returns those that were missing, the outermost first."""
    missing: list[str] = []
    while not os.path.isdir(folder):
        missing.insert(0, folder)
        folder = os.path.dirname(folder)
    for each in missing:
        os.mkdir(each)
    return missing


def remove(projects: Iterable[Project], declarations: Iterable[Declaration], name: str, reason: str | None) -> str:
    """Remove the manifest of a model that nothing declares any more; returns its folder. Raises LockError."""
    for declaration in declarations:
        if name in (declaration.shown, declaration.name):
            where = f"{_shown(declaration.path)}:{declaration.line}"
            raise LockError(f"{name} is still declared at {where}; remove that first")
    home = _home(projects, name)
    releases = os.path.join(home, "releases")
    if os.path.isdir(releases) and os.listdir(releases) and not reason:
        count = len(os.listdir(releases))
        raise LockError(f"{name} has {count} released layouts, which would be forgotten; say why with --reason")
    try:
        shutil.rmtree(home)
    except OSError as error:
        raise LockError(f"{_shown(home)}: cannot be removed: {error.strerror}") from None
    return home


def rename(projects: Iterable[Project], declarations: Iterable[Declaration], old: str, new: str) -> str:
    """Keep the manifest of ``old``, its releases and its steps, under the name ``new``; returns the new folder."""
    short = new.rpartition(":")[2]
    if NAME.fullmatch(short) is None:
        raise LockError(name_words(short))
    for declaration in declarations:
        if old in (declaration.shown, declaration.name):
            where = f"{_shown(declaration.path)}:{declaration.line}"
            raise LockError(f"{old} is still declared at {where}; give it the new name there first")
    home = _home(projects, old)
    target = os.path.join(os.path.dirname(home), short)
    if os.path.lexists(target) and not os.path.samefile(home, target):
        raise LockError(f"{_shown(target)}: is there already; `modelint lock --remove {new}` removes it")
    try:
        found = manifest.read(os.path.join(home, "layout.json"))
        atomic.write(os.path.join(home, "layout.json"), manifest.text(short, found.layout).encode("ascii"))
        os.rename(home, target)
    except manifest.ManifestError as error:
        raise LockError(f"{_shown(error.path)}:{error.line}: {error.reason}") from None
    except OSError as error:
        raise LockError(f"{_shown(home)}: cannot be renamed: {error.strerror}") from None
    return target


def _home(projects: Iterable[Project], name: str) -> str:
    """The folder of a manifest that may be declared or not. Names are looked for in every project."""
    prefix, _, short = name.rpartition(":")
    found: list[str] = []
    for project in projects:
        if prefix and os.path.normpath(prefix) != os.path.relpath(project.folder):
            continue
        home = os.path.normpath(os.path.join(project.folder, project.settings.manifests, short))
        if NAME.fullmatch(short) and os.path.isfile(os.path.join(home, "layout.json")):
            found.append(home)
    if not found:
        raise LockError(f"{name}: no manifest of that name; `ls {projects_words(projects)}` shows those that there are")
    if len(found) > 1:
        raise LockError(f"{name} is the name of several: {', '.join(map(_shown, found))}; write folder:{short}")
    return found[0]


def projects_words(projects: Iterable[Project]) -> str:
    """The folders of manifests."""
    return " ".join(_shown(os.path.join(each.folder, each.settings.manifests)) for each in projects)


def _shown(path: str) -> str:
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative
