"""The folder of a manifest that follows a declaration which went or moved: its releases and its steps go along."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable

from modelint.layout import manifest, release
from modelint.layout.declare import NAME, Declaration, Project, name_words
from modelint.layout.lock import LockError, shown


def remove(projects: Iterable[Project], declarations: Iterable[Declaration], name: str, reason: str | None) -> str:
    """Remove the manifest of a model that nothing declares any more; returns its folder. Raises LockError."""
    for declaration in declarations:
        if name in (declaration.shown, declaration.name):
            where = f"{shown(declaration.path)}:{declaration.line}"
            raise LockError(f"{name} is still declared at {where}; remove that first")
    home = _home(projects, name)
    count = len(release.names(home))
    if count and not reason:
        layouts = "1 released layout" if count == 1 else f"{count} released layouts"
        raise LockError(f"{name} has {layouts}, which would be forgotten; say why with --reason")
    try:
        shutil.rmtree(home)
    except OSError as error:
        raise LockError(f"{shown(home)}: cannot be removed: {error.strerror}") from None
    return home


def rename(projects: Iterable[Project], declarations: Iterable[Declaration], old: str, new: str) -> str:
    """Keep the manifest of ``old``, its releases and its steps, under the name ``new``; returns the new folder."""
    short = new.rpartition(":")[2]
    if NAME.fullmatch(short) is None:
        raise LockError(name_words(short))
    for declaration in declarations:
        if old in (declaration.shown, declaration.name):
            where = f"{shown(declaration.path)}:{declaration.line}"
            raise LockError(f"{old} is still declared at {where}; give it the new name there first")
    home = _home(projects, old)
    target = os.path.join(os.path.dirname(home), short)
    if os.path.lexists(target) and not os.path.samefile(home, target):
        raise LockError(f"{shown(target)}: is there already; `modelint lock --remove {new}` removes it")
    files = [os.path.join(home, "layout.json"), *(release.path(home, name) for name in release.names(home))]
    try:
        layouts = {file: manifest.read(file).layout for file in files}
        for file, layout in layouts.items():
            manifest.write(file, short, layout)
        os.rename(home, target)
    except manifest.ManifestError as error:
        raise LockError(f"{shown(error.path)}:{error.line}: {error.reason}") from None
    except OSError as error:
        raise LockError(f"{shown(home)}: cannot be renamed: {error.strerror}") from None
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
        raise LockError(f"{name}: no manifest of that name; `ls {_folders_words(projects)}` shows those that there are")
    if len(found) > 1:
        raise LockError(f"{name} is the name of several: {', '.join(map(shown, found))}; write folder:{short}")
    return found[0]


def _folders_words(projects: Iterable[Project]) -> str:
    """The folders of manifests."""
    return " ".join(shown(os.path.join(each.folder, each.settings.manifests)) for each in projects)
