"""`modelint migrate`: what lets files of before load into the model of today. Arguments in, exit code out."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from modelint import cache, commands, compare, files, projects, sources
from modelint.config import Configs
from modelint.console import Wrong, count, say, stdout
from modelint.keys.fold import folded
from modelint.keys.steps import Drop, Own, Rows
from modelint.layout import client, declare, lock
from modelint.layout.migrating import around, loader, migrate
from modelint.layout.migrating.migration import (
    Added,
    Change,
    Copied,
    Dropped,
    Joined,
    Normed,
    Permuted,
    Renamed,
    Reset,
    Reshaped,
    Resized,
    Split,
    Undecided,
)
from modelint.report import keydiff, program
from modelint.report.escape import shown

if TYPE_CHECKING:
    import argparse

    from modelint.keys.cause import Explanation
    from modelint.layout.declare import Declaration, Project
    from modelint.layout.facts import Numbers
    from modelint.layout.migrating.migrate import Migrated
    from modelint.layout.migrating.plan import Edit

#: A release is retired by hand, where only a loader takes its files.
_LOADER = "files of before load through {}"
_DIFFERS = (
    "by its traces the model computes something else with them: the layout is not accepted; declare `inputs`, or look "
    "at what `modelint check` says of {} and give --reason TEXT"
)


def run(arguments: argparse.Namespace) -> int:
    """0: files of before load. 1: they do not, and why. 3: the model cannot be looked at. Raises Wrong."""
    try:
        cwd = os.getcwd()
    except OSError as error:
        raise Wrong(f"the working directory cannot be used: {error.strerror}") from None
    found = projects.find(cwd, Configs(cwd, arguments.config), staged=False)
    (declaration,) = commands.chosen([arguments.model], projects.declared(found, cwd))
    try:
        if arguments.loader is not None:
            with client.tidy():
                return _loader(arguments, found, declaration)
        project = next(each for each in found if each.folder == declaration.folder)
        with client.tidy():
            done = migrate.migrate(project, declaration, _options(arguments))
    except (lock.LockError, migrate.MigrateError) as error:
        raise Wrong(str(error)) from None
    with stdout() as stream:
        stream.writelines(f"{line}\n" for line in _said(done))
        if done.migrations:
            stream.writelines(f"{line}\n" for line in _around(done, cwd, Configs(cwd, arguments.config)))
    if done.outcome in ("failed", "missed"):
        return 3
    return 1 if done.outcome in ("open", "refused") else 0


def _options(arguments: argparse.Namespace) -> migrate.Options:
    return migrate.Options(
        python=arguments.python,
        dry=arguments.dry_run,
        reason=arguments.reason,
        cache=cache.folder(),
        declares=(lambda folder, name: None) if arguments.config else projects.declares,
    )


def _said(done: Migrated) -> Iterator[str]:
    name = shown(done.declaration.shown)
    if done.outcome in ("failed", "missed"):
        words = "could not be built" if done.outcome == "failed" else "not looked at"
        yield f"{name}: {words}: {shown(done.why)}"
        yield from (f"  {shown(line)}" for line in done.more)
    elif done.outcome == "refused":
        yield f"{name}: not migrated: {shown(done.why)}"
    elif done.outcome == "nothing":
        yield f"{name}: nothing to migrate: {_files(done)} load"
        if done.numbers is not None:
            yield f"  {_numbers(done)}"
        if done.why:
            yield f"  {shown(done.why)}"
    else:
        yield from _written(done, name)
    if done.locked is not None:
        yield from commands.said(done.locked, lock.Options())


def _written(done: Migrated, name: str) -> Iterator[str]:
    if done.outcome == "planned":
        for edit in done.edits:
            yield from _diff(edit)
    classes = count(len(done.migrations), "class") if len(done.migrations) == 1 else f"{len(done.migrations)} classes"
    words = {"planned": "would be written", "open": "written, and undecided in part"}.get(done.outcome, "migrated")
    yield f"{name}: {words}: {classes} in {', '.join(shown(_path(edit.path)) for edit in done.edits)}"
    for each in done.migrations:
        yield f"  {shown(_path(each.path))}:{each.line}: {shown(each.qualname)}"
        yield from (f"    {shown(line)}" for change in each.changes for line in _told(change))
    if done.outcome == "planned":
        yield f"  to be proved: {_files(done)} load through load_state_dict(strict=True), and lose no more than that"
    elif done.outcome == "open":
        yield "  proved: files of today load, and those of before stop until one is chosen; then run it again"
    else:
        yield f"  proved: {_files(done)} load through load_state_dict(strict=True), and lose no more than that"
        yield f"  {_numbers(done)}"


def _around(done: Migrated, cwd: str, configs: Configs) -> Iterator[str]:
    """What the project does to the model that the hooks do not survive."""
    module, _, factory = done.declaration.factory.rpartition(":")
    names = {each.qualname.rpartition(".")[2] for each in done.migrations}
    if module != os.path.splitext(declare.MODELS_FILE)[0]:  # whose functions nothing else calls
        names.add(factory.rpartition(".")[2])
    paths = (target.path for target in files.find([done.declaration.folder], cwd, configs).targets)
    for use in around.uses(paths, names):
        yield f"  note: {shown(_path(use.path))}:{use.line}: {use.words}"


def _numbers(done: Migrated) -> str:
    found = done.numbers
    if found is None:
        said = () if done.locked is None else done.locked.diagnostics
        silent = any(each.drift is not None and each.drift.cls == "silent" for each in said)
        return _compared(None) + ("; by its traces the model computes something else (below)" if silent else "")
    return _compared(found, f"; they decided: {shown(done.decided)}" if done.decided else "")


def _compared(found: Numbers | None, by: str = "") -> str:
    if found is None:
        return "numbers: not compared, no inputs are declared (`modelint lock --propose-inputs` finds some)"
    if found.outcome == "equal":
        return f"numbers: equal, old files compute what they did{by}"
    words = {"different": "different", "training": "different in training alone"}.get(found.outcome, "unsettled")
    return f"numbers: {words}: {shown(found.words)}"


def _files(done: Migrated) -> str:
    releases = f" and of release{'s' * (len(done.releases) > 1)} {', '.join(done.releases)}" if done.releases else ""
    return shown(f"files of the manifest's layout{releases}")


def _told(change: Change) -> Iterator[str]:
    """A change, in a line or a few."""
    match change:
        case Renamed(before, after):
            yield f"{before} -> {after}"
        case Dropped(name):
            yield f"{name} is left out"
        case Added(names):
            yield f"{', '.join(folded(names))} as the model was built, where a file lacks it"
        case Copied(source, name):
            yield f"{name} is {source}, which shares its tensor"
        case Joined(parts, whole, _):
            yield f"{', '.join(parts)} -> {whole}, joined in this order"
        case Split(whole, parts, _, _):
            yield f"{whole} -> {', '.join(parts)}, cut in this order"
        case Permuted(name, axes, _, _):
            yield f"{name} with its axes in the order {', '.join(map(str, axes))}"
        case Reshaped(name, old, new):
            yield f"{name} {list(old)} -> {list(new)}, the same values"
        case Resized(name):
            yield f"{name}: the rows that both have, the others as the model was built"
        case Reset(name):
            yield f"{name} as the model was built"
        case Normed(length, direction, weight, divide):
            yield f"{weight} -> {length}, {direction}" if divide else f"{length}, {direction} -> {weight}"
        case Undecided(_, why, options):
            yield f"UNDECIDED: {why}"
            yield from (f"  or: {option.title}" for option in options)


def _diff(edit: Edit) -> Iterator[str]:
    path = _path(edit.path).replace(os.sep, "/")
    before, after = (each.decode("utf-8", "replace").splitlines() for each in (edit.before, edit.after))
    lines = difflib.unified_diff(before, after, f"a/{path}", f"b/{path}", lineterm="")
    yield from (shown(line) for line in lines)


def _path(path: str) -> str:
    return lock.shown(path)


def _loader(arguments: argparse.Namespace, found: Sequence[Project], declaration: Declaration) -> int:
    """A function for files of before, and the map of their keys beside it; the classes stay as they are."""
    name, file = declaration.shown, arguments.loader
    options = sources.Options(None, arguments.python, arguments.config)
    try:
        old = sources.read(f"manifest:{name}", options)
        new = sources.read(f"model:{name}", options)
    except sources.CouldNotLook as error:
        say(f"modelint: {shown(str(error))}")
        for line in error.more:
            say(f"  {shown(line)}")
        return 3
    compared = compare.compare(old, new)
    if compared.diff.loads:
        with stdout() as stream:
            stream.write(f"{shown(name)}: nothing to migrate: files of the manifest's layout load\n")
        return 0
    code = program.program(compared.explanation, compared.origin)
    if arguments.dry_run:
        with stdout() as stream:
            stream.write(code)
        return 0
    fits, tried = compared.explanation.fits, None
    if fits:
        project = next(each for each in found if each.folder == declaration.folder)
        tried = loader.tried(project, declaration, _options(arguments), code, _renames(compared.explanation))
        said = tried.numbers
        if (
            said is not None
            and said.outcome == "different"
            and _is_exact(compared.explanation)
            and not arguments.reason
        ):
            with stdout() as stream:
                stream.write(
                    f"{shown(name)}: not written: old files would load, and compute something else: "
                    f"{shown(said.words)}; {migrate.OR_REASON}\n"
                )
            return 1
    key_map = f"{os.path.splitext(file)[0]}.json"
    with stdout() as stream:
        compare.save(file, code)
        compare.save(key_map, keydiff.key_map(compared))
        stream.write(f"{shown(name)}: written: {shown(file)} ({program.NAME}), {shown(key_map)}\n")
        if tried is None:
            stream.write("  it stops at what nothing decides, and names it; the layout is not accepted\n")
            return 1
        stream.write("  by names and shapes all keys of files of the manifest's layout fit\n")
        if tried.numbers is None and tried.differs and not arguments.reason:
            stream.write(f"  {_DIFFERS.format(shown(name))}\n")
            return 1
        stream.write(f"  {_compared(tried.numbers)}\n")
        reason = arguments.reason or _LOADER.format(file)
        accepting = lock.Options(python=arguments.python, reason=reason, cache=cache.folder())
        for locked in lock.lock(found, [declaration], accepting):
            stream.writelines(f"{line}\n" for line in commands.said(locked, accepting))
    return 0


def _renames(explanation: Explanation) -> dict[str, str]:
    """Of the keys that are the tensor of one key of a file: its name there -> the one of today, where they differ."""
    cells = explanation.after.cells.items()
    return {cell.sources[0]: key for key, cell in cells if cell.plain and cell.sources and cell.sources[0] != key}


def _is_exact(explanation: Explanation) -> bool:
    """Every value of an old file goes into the model, and nothing else does."""
    return not any(isinstance(each, Drop | Own | Rows) for each in explanation.steps)
