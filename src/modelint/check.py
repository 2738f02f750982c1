"""`modelint check`: find the files, look at those that can matter, and say what is left after comments and selection.

On the path of a hook with nothing to say: the engine, and with it libcst, is imported for candidates alone; the tracer
is started for tracked models that a change can have affected.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from modelint import files, selection
from modelint.config import Configs
from modelint.diagnostics import Diagnostic, NotAnalysed, Severity
from modelint.lint.read import read_bytes
from modelint.lint.triage import MAY_DEFINE, may_matter
from modelint.parallel import cores
from modelint.picker import Picker

if TYPE_CHECKING:
    from modelint.layout.building import Progress
    from modelint.layout.run import LayoutRun
    from modelint.lint.engine import LintRun
    from modelint.report import Outcome

#: A file without these bytes has no suppression comment.
COMMENT_MARK = b"modelint:"


#: A hint looks for models in so many files.
_MOST_DEFINING = 40
#: ``ast.PyCF_ONLY_AST``: ``ast`` itself is not imported on this path.
_ONLY_AST = 0x400
#: Above this the reader, which has caps, looks first.
_EASY = 200_000


class Options(NamedTuple):
    """What the command line says."""

    select: tuple[str, ...] | None = None
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    preview: bool = False
    fail_on: Severity | None = None
    config: str | None = None
    jobs: int = 0
    cache: bool = True
    #: What stands on stdin, and the name that it goes by.
    stdin: tuple[str, bytes] | None = None
    #: One engine alone: "lint" or "layout".
    only: str | None = None
    #: Lint exactly the files that are named, even none; layout looks at whatever the work tree affects.
    hook: bool = False
    python: str | None = None
    #: Who is told how far the building of models is; asked for when models are built.
    progress: Callable[[], Progress | None] | None = None


class Checked(NamedTuple):
    outcome: Outcome
    #: Something was reported at or above --fail-on.
    failed: bool
    #: None: no tracked models were asked for.
    layout: LayoutRun | None = None
    #: How many changed files define models that nothing tracks.
    untracked: int = 0
    #: The lines that would track the models that were seen.
    hint: Sequence[str] = ()


class _Looked(NamedTuple):
    """What reading the files says of them."""

    candidates: list[files.Target]
    #: Those with suppression comments.
    commented: list[str]
    not_analysed: list[NotAnalysed]
    #: The first of those that may define models, with their content.
    defining: list[tuple[str, bytes]]


def check(paths: list[str], options: Options) -> Checked:
    """Lint what ``paths`` name, and check the tracked models that it can affect. Raises ConfigError and NoSuchPath."""
    cwd = os.getcwd()
    configs = Configs(cwd, options.config)
    overlay: dict[str, bytes] = {}
    if options.stdin is not None:
        name, data = options.stdin
        path = os.path.normpath(os.path.join(cwd, name))
        overlay[path] = data
        found = files.stdin_target(path, cwd, configs)
    elif options.only == "layout":
        files.refuse_missing(paths, cwd)
        found = files.Found([], [])
    else:
        found = files.find(paths, cwd, configs)
    layer = selection.Layer(options.select, options.extend_select, options.ignore)
    picked = Picker(configs, layer, options.preview, options.fail_on)
    for target in found.targets:
        configs.of_file(target.path)  # an error in any configuration is said, whatever the files hold
    looked = _look(found.targets, overlay)
    linted = _check_files(found, looked, options, picked, cwd, overlay)
    if options.only == "lint" or options.stdin is not None:
        return linted
    named = [target.path for target in found.targets]
    return _with_models(linted, named, looked.defining, paths, configs, options, picked)


def _check_files(
    found: files.Found, looked: _Looked, options: Options, picked: Picker, cwd: str, overlay: dict[str, bytes]
) -> Checked:
    diagnostics, wide, not_analysed = _lint(looked, overlay, options)
    not_analysed = [*found.not_analysed, *looked.not_analysed, *not_analysed]
    if looked.commented or diagnostics:
        # A comment at a related line counts, too, and that may stand in a file that was not asked for.
        from modelint.lint import suppress

        whole = set(looked.commented).difference(skipped.path for skipped in not_analysed)
        analysed = [path for path in looked.commented if path in whole]
        roots = {target.path: target.root for target in found.targets}
        unseen = {roots.get(skipped.path) for skipped in not_analysed}
        settled = [path for path in analysed if roots[path] in found.whole - unseen]
        diagnostics = suppress.apply(diagnostics, _reader(overlay), analysed, settled).kept
    diagnostics = [each for each in diagnostics if picked.reports(each, wide=each in wide)]
    failed = any(picked.fails(each.path, each.severity) for each in diagnostics) or any(
        picked.fails(skipped.path, "information") for skipped in not_analysed
    )
    return Checked(_outcome(diagnostics, not_analysed, len(found.targets), cwd, overlay), failed)


def _with_models(
    linted: Checked,
    named: list[str],
    defining: list[tuple[str, bytes]],
    paths: list[str],
    configs: Configs,
    options: Options,
    picked: Picker,
) -> Checked:
    """With what is to be said of tracked models. Comments in the source do not hide it: it is accepted by `lock`."""
    from modelint import cache, tracked

    cwd = linted.outcome.cwd
    wanted = tracked.Wanted(
        (selection.Layer(options.select, options.extend_select, options.ignore),),
        options.preview,
        options.python,
        options.jobs or cores(),
        cache.folder() if options.cache else None,
        options.progress,
        options.hook,
    )
    looked = tracked.look(None if options.hook else paths, cwd, configs, wanted)
    if looked is None:
        return linted
    run = looked.run
    reported = [(folder, each) for folder, each in run.diagnostics if picked.reports_drift(folder, each)]
    failed = linted.failed or any(picked.fails_in(folder, each.severity) for folder, each in reported)
    diagnostics = [*linted.outcome.diagnostics, *(_shown(each, cwd) for _, each in reported)]
    diagnostics.sort(key=lambda each: (each.path, each.span.line, each.span.column, each.code))
    untracked, hint = 0, []
    if run.models:
        untracked = tracked.untracked(run, named if options.hook else tracked.changed_files(cwd), _reader({}))
    elif looked.unconfigured:
        hint = tracked.hint(defining, cwd)
    outcome = linted.outcome._replace(diagnostics=diagnostics, models=run.models, loading=run.loading)
    return Checked(outcome, failed, run, untracked, hint)


def _look(targets: list[files.Target], overlay: dict[str, bytes]) -> _Looked:
    """Read each file once, and keep those that can matter."""
    looked = _Looked([], [], [], [])
    for target in targets:
        data = overlay.get(target.path)
        read = read_bytes(target.path) if data is None else data
        if isinstance(read, NotAnalysed):
            looked.not_analysed.append(read)
        elif (problem := _undecodable(target.path, read)) is not None:
            looked.not_analysed.append(problem)
        else:
            if may_matter(read):
                looked.candidates.append(target)
                if len(looked.defining) < _MOST_DEFINING and MAY_DEFINE.search(read):
                    looked.defining.append((target.path, read))
            elif (problem := _unparsable(target.path, read)) is not None:
                looked.not_analysed.append(problem)
                continue
            if COMMENT_MARK in read:
                looked.commented.append(target.path)
    return looked


def _undecodable(path: str, data: bytes) -> NotAnalysed | None:
    """Bytes that are no text say nothing to a search over bytes: silence about them would be no answer."""
    if data.isascii() and b"\0" not in data and b"coding" not in data[:4096]:
        return None
    from modelint.lint.decode import Undecodable, decode

    try:
        decode(data)
    except Undecodable as error:
        return NotAnalysed(path, error.reason, error.line)
    return None


def _unparsable(path: str, data: bytes) -> NotAnalysed | None:
    """A file without a word of torch is not linted, but one that is no Python is said all the same."""
    import warnings

    if len(data) <= _EASY:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                compile(data, path, "exec", flags=_ONLY_AST, dont_inherit=True)
            return None
        except SyntaxError as error:
            from modelint.lint.newer import looks_newer

            # Nothing in it could be reported, whichever Python can read it.
            if looks_newer(data.decode("utf-8", "replace"), error.lineno or 1, error.msg or ""):
                return None
        except (ValueError, MemoryError, RecursionError):
            pass  # the reader finds the words
    from modelint.lint.source import read_source

    read = read_source(path, data)
    return read if isinstance(read, NotAnalysed) else None


def _lint(
    looked: _Looked, overlay: dict[str, bytes], options: Options
) -> tuple[list[Diagnostic], set[Diagnostic], list[NotAnalysed]]:
    """The diagnostics of every rule, those of a wide form among them, and what the engine could not look at."""
    diagnostics: list[Diagnostic] = []
    wide: set[Diagnostic] = set()
    not_analysed: list[NotAnalysed] = []
    by_root: dict[str, list[str]] = {}
    for target in looked.candidates:
        by_root.setdefault(target.root, []).append(target.path)
    for root, paths in by_root.items():
        run = _engine(root, paths, overlay, options)
        diagnostics += run.diagnostics
        wide |= run.preview
        not_analysed += run.not_analysed
    diagnostics.sort(key=lambda each: (each.path, each.span.line, each.span.column, each.code))
    return diagnostics, wide, not_analysed


def _engine(root: str, paths: list[str], overlay: dict[str, bytes], options: Options) -> LintRun:
    from modelint.cache import Cache
    from modelint.lint.engine import lint_files

    cache = Cache.open(root) if options.cache else None
    run = lint_files(paths, root=root, jobs=options.jobs or cores(), cache=cache, overlay=overlay)
    if cache is not None:
        cache.save()
    return run


def _outcome(
    diagnostics: list[Diagnostic], not_analysed: list[NotAnalysed], count: int, cwd: str, overlay: dict[str, bytes]
) -> Outcome:
    """What is reported, with paths as the user reads them."""
    from modelint.report import Outcome

    read = _reader(overlay)

    def source(path: str) -> str | None:
        from modelint.lint.decode import Undecodable, decode

        data = read(os.path.normpath(os.path.join(cwd, path)))
        try:
            return None if data is None else decode(data)
        except Undecodable:
            return None

    shown = [_shown(each, cwd) for each in diagnostics]
    skipped = [each._replace(path=_relative(each.path, cwd)) for each in not_analysed]
    return Outcome(shown, skipped, files=count, sources=source, root=files.repository(cwd), cwd=cwd)


def _shown(diagnostic: Diagnostic, cwd: str) -> Diagnostic:
    """With paths as the user reads them."""
    related = tuple(place._replace(path=_relative(place.path, cwd)) for place in diagnostic.related)
    return diagnostic._replace(path=_relative(diagnostic.path, cwd), related=related)


def _relative(path: str, cwd: str) -> str:
    try:
        return os.path.relpath(path, cwd).replace(os.sep, "/")
    except ValueError:  # another drive
        return path.replace(os.sep, "/")


def _reader(overlay: dict[str, bytes]) -> Callable[[str], bytes | None]:
    def read(path: str) -> bytes | None:
        data = overlay.get(path)
        found = read_bytes(path) if data is None else data
        return None if isinstance(found, NotAnalysed) else found

    return read
