"""The commands around tracked models beside `check`: lock, init, env. Arguments in, exit code out."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from modelint import projects
from modelint.config import Configs
from modelint.console import Wrong, count, is_terminal, say, stdout
from modelint.parallel import cores
from modelint.report.escape import shown

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from modelint.diagnostics import Diagnostic
    from modelint.layout.building import Progress
    from modelint.layout.declare import Declaration, Project
    from modelint.layout.lock import Locked, Options


def run(arguments: argparse.Namespace) -> int:
    """Run one of the commands of this module."""
    try:
        os.getcwd()
    except OSError as error:
        raise Wrong(f"the working directory cannot be used: {error.strerror}") from None
    if arguments.command == "lock":
        return _lock(arguments)
    return _init(arguments) if arguments.command == "init" else _env(arguments)


def _lock(arguments: argparse.Namespace) -> int:
    from modelint import cache
    from modelint.layout import client, lock

    cwd = os.getcwd()
    found = projects.find(cwd, Configs(cwd, arguments.config), staged=False)
    declared = projects.declared(found, cwd)
    try:
        if arguments.remove is not None or arguments.rename is not None:
            return _move(arguments, found, declared)
        retire = tuple(dict.fromkeys(arguments.retire or ()))
        if retire and not arguments.reason:
            raise Wrong("--retire goes with --reason TEXT: why no file of the release counts any more")
        if retire and not arguments.models:
            raise Wrong("--retire goes with the name of a model")
        if arguments.release in retire:
            raise Wrong(f"--release and --retire name the same release: {arguments.release}")
        wanted = chosen(arguments.models, declared)
        if arguments.propose_inputs:
            return _propose_inputs(arguments, found, [each for each in wanted if each.inputs is None])
        options = lock.Options(
            python=arguments.python,
            jobs=arguments.jobs or cores(),
            dry=arguments.check,
            reason=arguments.reason,
            release=arguments.release,
            retire=retire,
            cache=cache.folder(),
            progress=_progress() if len(wanted) > 1 else None,
        )
        done: list[Locked] = []
        with client.tidy(), stdout() as stream:
            try:
                done.extend(lock.lock(found, wanted, options))
            finally:  # what was written is said, whatever came after it
                done.sort(key=lambda each: wanted.index(each.declaration))
                stream.writelines(f"{line}\n" for each in done for line in said(each, options))
    except lock.LockError as error:
        raise Wrong(str(error)) from None
    outcomes = [each.outcome for each in done]
    kinds = (
        ("new", "new"),
        ("accepted", "to accept" if arguments.check else "accepted"),
        ("unchanged", "unchanged"),
        ("refused", "not accepted"),
        ("failed", "could not be built"),
        ("missed", "not looked at"),
    )
    parts = [f"{number} {words}" for kind, words in kinds if (number := sum(each == kind for each in outcomes))]
    say(f"{count(len(done), 'model')}: {', '.join(parts)}")
    if {"failed", "missed"} & set(outcomes):
        return 3
    return 1 if "refused" in outcomes or (arguments.check and any(each.files for each in done)) else 0


def _propose_inputs(arguments: argparse.Namespace, found: Sequence[Project], wanting: Sequence[Declaration]) -> int:
    """The lines of TOML for models without inputs: they are shown, and never written."""
    from modelint import cache
    from modelint.layout import building
    from modelint.layout.affected import Verdicts
    from modelint.layout.settling import samples

    interpreters = building.Interpreters(arguments.python)
    by_folder = {project.folder: project for project in found}
    pythons: list[tuple[str, Declaration]] = []
    failed = False
    with stdout() as stream:
        for each in wanting:
            kept = Verdicts.open(cache.folder(), each.folder)
            python = interpreters.find(by_folder[each.folder], kept)
            if python.python is None:
                failed = True
                stream.write(f"{shown(each.shown)}: not looked at: {shown(building.missing_words(python).reason)}\n")
            else:
                pythons.append((python.python, each))
        for proposal in samples.propose(pythons, jobs=arguments.jobs or cores()):
            failed |= proposal.failed
            name = shown(proposal.declaration.shown)
            if not proposal.inputs:
                stream.write(f"{name}: no inputs: {shown(proposal.words)}\n")
                continue
            tensors = ", ".join(f'"{each}"' for each in proposal.inputs)
            stream.write(f"[tool.modelint.models.{name.rpartition(':')[2]}]\n")
            stream.write(f"inputs = [{tensors}]  # {shown(proposal.words)}\n")
    say(f"{count(len(wanting), 'model')} without inputs; nothing is written")
    return 3 if failed else 0


def chosen(names: Sequence[str], declared: Sequence[Declaration]) -> list[Declaration]:
    """The models that the command line names; all without a name."""
    if not declared:
        raise Wrong("no model is tracked; `modelint init --dry-run` shows which could be")
    if not names:
        return list(declared)
    chosen: dict[str, Declaration] = {}
    for name in names:
        fitting = [each for each in declared if each.shown == name] or [each for each in declared if each.name == name]
        if len(fitting) > 1:
            raise Wrong(f"{name} is the name of several models: {', '.join(each.shown for each in fitting)}")
        if not fitting:
            raise Wrong(f"no model {name!a} is tracked{_near(name, [each.shown for each in declared])}")
        chosen[fitting[0].shown] = fitting[0]
    return list(chosen.values())


def _near(name: str, names: Sequence[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, names, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; those that are: {', '.join(names)}"


def _move(arguments: argparse.Namespace, found: Sequence[Project], declared: Sequence[Declaration]) -> int:
    """--remove and --rename."""
    from modelint.layout import moved

    if arguments.models or arguments.check or arguments.release or arguments.retire:
        raise Wrong("--remove and --rename go without the names of models and without --check, --release and --retire")
    with stdout() as stream:
        if arguments.remove is not None:
            folder = moved.remove(found, declared, arguments.remove, arguments.reason)
            stream.write(f"removed {shown(os.path.relpath(folder))}\n")
        else:
            folder = moved.rename(found, declared, *arguments.rename)
            stream.write(f"now {shown(os.path.relpath(folder))}\n")
    return 0


def said(locked: Locked, options: Options) -> list[str]:
    """What became of one model: a line, one for each difference with its class, and what is on record of releases."""
    name = shown(locked.declaration.shown)
    if locked.outcome == "missed":
        return [f"{name}: not looked at: {shown(locked.notes[0])}", *(f"  {shown(note)}" for note in locked.notes[1:])]
    lines = [*map(_difference, locked.diagnostics), *(f"  note: {shown(each)}" for each in locked.notes)]
    if locked.outcome == "failed":
        return [f"{name}: could not be built; nothing is written", *lines]
    if locked.outcome == "refused":
        ways = f"  `modelint migrate {name}` lets them load; or give, where no file of it is in use,"
        retire = " ".join(f"--retire {each}" for each in locked.broken)
        return [
            f"{name}: not accepted: files of {_releases(locked.broken)} would no longer load; nothing is written",
            *lines,
            f"{ways} {retire} --reason TEXT; or --reason TEXT to accept it all the same",
        ]
    return [f"{name}: {_became(locked, dry=options.dry)}", *lines, *_on_record(locked, options)]


def _became(locked: Locked, *, dry: bool) -> str:
    if locked.outcome == "unchanged":
        return "unchanged"
    keys = count(0 if locked.layout is None else len(locked.layout.keys.specs), "key")
    where = f"{keys} in {shown(os.path.relpath(locked.declaration.manifest))}"
    if locked.outcome == "new":
        return f"{'would be new' if dry else 'new'}, {where}"
    classes = {each.drift.cls for each in locked.diagnostics if each.drift is not None and each.code != "MDL721"}
    worst = next((each for each in ("breaking", "silent", "safe") if each in classes), "safe")
    return f"{'to accept' if dry else 'accepted'}: {worst}, {where}"


def _on_record(locked: Locked, options: Options) -> Iterator[str]:
    would = "would be " if options.dry else ""
    for name in options.retire:
        yield f"  release {name} {would or 'is '}retired: {shown(options.reason or '')}"
    for path in locked.files:
        folder, file = os.path.split(path)
        if os.path.basename(folder) == "losses":
            yield f"  what of release {shown(file.removesuffix('.json'))} does not arrive {would or 'is '}accepted"
    if options.release is not None:
        kept = next(each for each in locked.files if os.path.basename(each) == f"{options.release}.json")
        yield f"  {would}kept as release {options.release} in {shown(os.path.relpath(kept))}"


def _releases(names: Sequence[str]) -> str:
    return f"release{'s' * (len(names) > 1)} {', '.join(names)}"


def _difference(diagnostic: Diagnostic) -> str:
    cls = f" ({diagnostic.drift.cls})" if diagnostic.drift is not None else ""
    return f"  {diagnostic.code} {diagnostic.name}{cls}: {shown(diagnostic.message)}"


def _progress() -> Progress | None:
    if not is_terminal(sys.stderr):
        return None
    from modelint.report import progress

    return progress.Bar(sys.stderr)


def _init(arguments: argparse.Namespace) -> int:
    if not arguments.dry_run:
        raise Wrong("init does not write yet; `modelint init --dry-run` shows the lines to paste")
    from modelint.layout import propose

    cwd = os.getcwd()
    configs = Configs(cwd)
    found = projects.find(cwd, configs, staged=False)
    declared = projects.declared(found, cwd)
    from modelint import files

    targets = [target.path for target in files.find(["."], cwd, configs).targets]
    proposal = propose.propose(
        found[0], declared, targets, python=arguments.python, jobs=arguments.jobs or cores(), progress=_progress()
    )
    with stdout() as stream:
        stream.writelines(f"{line}\n" for line in proposal.lines)
    for note in proposal.notes:
        say(shown(note))
    return 3 if proposal.could_not_look else 0


def _env(arguments: argparse.Namespace) -> int:
    from modelint.layout import interpreter

    cwd = os.getcwd()
    found = projects.find(cwd, Configs(cwd), staged=False)
    code = 0
    with stdout() as stream:
        for project in found:
            result = interpreter.find(project.folder, given=arguments.python, configured=project.settings.python)
            if len(found) > 1:
                stream.write(f"{shown(os.path.relpath(project.folder))}:\n")
            for step in result.trail:
                stream.write(f"{shown(step.source)}: {shown(step.path or '-')}: {shown(step.verdict)}\n")
            stream.write(f"project interpreter: {shown(result.python or 'none')}\n")
            code = code if result.python else 3
    return code
