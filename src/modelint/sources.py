"""Sources of keys: a checkpoint, a manifest, or a model that is built now. One entrance for all three.

PATH                        a checkpoint: a file, a folder, an index of shards
manifest:NAME               the committed manifest of a tracked model; NAME@RELEASE, NAME@REVISION, NAME@git:REVISION
model:NAME                  the tracked model, built now in the project interpreter
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from modelint.console import Wrong
from modelint.keys.table import KeyTable, TensorSpec

if TYPE_CHECKING:
    from modelint.checkpoint.contents import Contents
    from modelint.layout.declare import Declaration, Project
    from modelint.layout.layout import Layout
    from modelint.layout.traced import Result

Kind = Literal["file", "manifest", "model"]
#: The name under which the load of a file of OLD is kept.
BASE = "base"


class CouldNotLook(Exception):
    """A source that is there and cannot be used: what is wrong with it, in one line that names it."""

    def __init__(self, reason: str, more: Sequence[str] = ()) -> None:
        super().__init__(reason)
        #: What helps to understand it, a line each.
        self.more = tuple(more)


class Source(NamedTuple):
    """What stands behind the name ``name``."""

    name: str
    kind: Kind
    table: KeyTable
    #: Of a file.
    contents: Contents | None = None
    #: Of a manifest or a model, and the folder in which what is on record of it stands.
    layout: Layout | None = None
    home: str | None = None
    #: Of a model, how it is declared and what was built.
    declaration: Declaration | None = None
    built: Result | None = None
    #: Buffers of a model that no state dict holds.
    buffers: Mapping[str, TensorSpec] = {}
    #: Buffers that a model makes anew, always alike.
    constants: frozenset[str] = frozenset()


class Options(NamedTuple):
    """What the command line says beside the name."""

    #: Of a file, the state dict that is meant.
    root: str | None = None
    python: str | None = None
    config: str | None = None
    #: A layout of which a file is to be loaded into the model, and whether files of its releases are, too.
    base: Layout | None = None
    releases: bool = False


def read(name: str, options: Options = Options()) -> Source:  # noqa: B008 - a NamedTuple cannot change
    """Raises Wrong for a name that stands for nothing, CouldNotLook for what cannot be used, and ConfigError."""
    kind, colon, rest = name.partition(":")
    if colon and kind == "manifest":
        return _of_manifest(name, rest, options)
    if colon and kind == "model":
        return _of_model(name, rest, options)
    return _of_file(name, options)


def _of_file(name: str, options: Options) -> Source:
    from modelint.checkpoint import open as entrance
    from modelint.checkpoint.contents import Refused

    try:
        contents = entrance.read(name)
        if options.root is not None:
            contents = entrance.pick(contents, options.root)
    except FileNotFoundError:
        raise Wrong(f"{name}: no such file or folder") from None
    except Refused as error:
        raise CouldNotLook(f"{name}: refused: {error}") from None
    except OSError as error:
        raise CouldNotLook(f"{name}: cannot be read: {error.strerror or error}") from None
    except MemoryError:
        raise CouldNotLook(f"{name}: cannot be read: not enough memory") from None
    table = contents.roots[0].table() if contents.roots else KeyTable({})
    return Source(name, "file", table, contents)


def _of_manifest(name: str, text: str, options: Options) -> Source:
    from modelint.layout import manifest, release

    model, at, version = text.partition("@")
    project, home = _home(model, options)
    path = os.path.join(home, "layout.json")
    known = release.names(home) if at else []
    if at and version not in known:
        data = _from_git(name, project.folder, version, path, known)
    else:
        if at:
            path = release.path(home, version)
        try:
            with open(path, "rb") as file:
                data = file.read()
        except (FileNotFoundError, NotADirectoryError):
            shown = os.path.relpath(path)
            raise CouldNotLook(f"{name}: {shown} is not there; `modelint lock {model}` writes it") from None
        except OSError as error:
            raise CouldNotLook(f"{name}: {os.path.relpath(path)} cannot be read: {error.strerror}") from None
    try:
        return _source(name, "manifest", manifest.parse(path, data).layout, home)
    except manifest.ManifestError as error:
        raise CouldNotLook(f"{name}: {os.path.relpath(path)}:{error.line}: {error.reason}") from None


def _from_git(name: str, folder: str, version: str, path: str, releases: Sequence[str]) -> bytes:
    """The file as a revision has it; ``git:`` before it says that no release is meant."""
    revision = version.removeprefix("git:")
    if not revision or revision.startswith("-"):
        raise Wrong(f"{name}: {revision!a} is no revision of git")
    here = os.path.relpath(folder)
    no_release = ""
    if revision == version:
        no_release = f"no release {version!a} is kept (releases: {', '.join(releases) or 'none'}), and "
    if _git(name, folder, "rev-parse", "--git-dir") is None:
        raise Wrong(f"{name}: {no_release}{here} is in no repository of git")
    if _git(name, folder, "rev-parse", "--verify", "--quiet", f"{revision}^{{tree}}") is None:
        raise Wrong(f"{name}: {no_release}git knows no revision {revision!a} in {here}{_hint(name, folder, revision)}")
    relative = os.path.relpath(path, folder).replace(os.sep, "/")
    data = _git(name, folder, "cat-file", "blob", f"{revision}:./{relative}")
    if data is None:
        raise CouldNotLook(
            f"{name}: revision {revision} has no {relative}: the model was not tracked there, or not yet"
        )
    return data


def _hint(name: str, folder: str, revision: str) -> str:
    """What a checkout of a CI service lacks: branches, and what lies behind the last commit."""
    if _git(name, folder, "rev-parse", "--verify", "--quiet", f"origin/{revision}^{{tree}}") is not None:
        return f"; it knows origin/{revision}"
    if _git(name, folder, "rev-parse", "--is-shallow-repository") == b"true\n":
        return "; the clone is shallow: `git fetch --unshallow`, or fetch that revision"
    return ""


def _git(name: str, folder: str, *arguments: str) -> bytes | None:
    """What git prints; None where it fails."""
    import subprocess

    try:
        ran = subprocess.run(
            ["git", *arguments], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    except OSError as error:
        raise CouldNotLook(f"{name}: git cannot be run: {error.strerror}") from None
    return ran.stdout if ran.returncode == 0 else None


def _of_model(name: str, model: str, options: Options) -> Source:
    from modelint.layout import building, interpreter, proof, release
    from modelint.layout.traced import Failure

    found, declared = _projects(options)
    declaration = _declaration(model, declared)
    project = next(each for each in found if each.folder == declaration.folder)
    where = interpreter.find(project.folder, given=options.python, configured=project.settings.python)
    if where.python is None:
        missing = building.missing_words(where)
        raise CouldNotLook(f"{name}: {missing.reason}", missing.trail)
    bases = {} if options.base is None else {BASE: options.base}
    kept = release.find(declaration.home).releases if options.releases else ()
    wishes = {where.python: [building.Wish(declaration, proof.asked(bases, kept).olds)]}
    ((_, built),) = building.build(wishes, jobs=1)
    if isinstance(built, building.NotBuilt):
        raise CouldNotLook(f"{name}: {built.reason}", built.trail)
    if isinstance(built, Failure):
        raise CouldNotLook(f"{name}: does not build: {built.message}", built.tail[-building.TAIL :])
    made = _source(name, "model", built.layout, declaration.home)
    return made._replace(declaration=declaration, built=built)


def _source(name: str, kind: Kind, layout: Layout, home: str) -> Source:
    constants = frozenset(key for key, each in layout.constants.items() if each.made is not None)
    return Source(name, kind, layout.keys, layout=layout, home=home, buffers=layout.buffers, constants=constants)


def _projects(options: Options) -> tuple[list[Project], tuple[Declaration, ...]]:
    from modelint import projects
    from modelint.config import Configs

    try:
        cwd = os.getcwd()
    except OSError as error:
        raise Wrong(f"the working directory cannot be used: {error.strerror}") from None
    found = projects.find(cwd, Configs(cwd, options.config), staged=False)
    return found, projects.declared(found, cwd)


def _home(model: str, options: Options) -> tuple[Project, str]:
    """The folder of a model's manifest: declared, or left behind by a declaration that went."""
    found, declared = _projects(options)
    for project in found:
        folder = os.path.normpath(os.path.join(project.folder, project.settings.manifests))
        names = {each.name for each in declared if each.folder == project.folder}
        if model and model not in names and "/" not in model and os.path.isdir(os.path.join(folder, model)):
            return project, os.path.join(folder, model)
    declaration = _declaration(model, declared)
    return next(each for each in found if each.folder == declaration.folder), declaration.home


def _declaration(model: str, declared: Sequence[Declaration]) -> Declaration:
    fitting = [each for each in declared if each.shown == model] or [each for each in declared if each.name == model]
    if len(fitting) > 1:
        raise Wrong(f"{model} is the name of several models: {', '.join(each.shown for each in fitting)}")
    if not fitting:
        known = ", ".join(each.shown for each in declared) or "none; `modelint init --dry-run` shows which could be"
        raise Wrong(f"no model {model!a} is tracked; those that are: {known}")
    return fitting[0]
