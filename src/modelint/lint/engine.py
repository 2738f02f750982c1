"""The lint engine: files in, diagnostics out. Data flows source -> facts -> reports -> diagnostics.

What a file gives depends on that file and on those it was looked up in, never on which others were asked for:
so it can be kept in the cache, and worked out in any process. What was asked for is applied afterwards.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from modelint.diagnostics import Diagnostic, NotAnalysed, Related, Span

if TYPE_CHECKING:
    from modelint.cache import Cache
    from modelint.lint.analyse import Analyser, FileRun


#: Trees are large, live as long as their file is at hand and hold few cycles: looking for those as often as usual would
#: cost a third of the time.
_SELDOM = (100_000, 50, 100)
#: The last analyser: a process that ends after its run need not take all those trees apart one by one.
_last: list[Analyser] = []


class LintRun(NamedTuple):
    """What was found, raw: every rule, unsuppressed, absolute paths. ``preview`` holds the wide forms."""

    diagnostics: list[Diagnostic]
    not_analysed: list[NotAnalysed]
    files: int
    preview: set[Diagnostic]


class Result(NamedTuple):
    """What one file gave: diagnostics (those in files that it imports, too), and what could not be looked at."""

    diagnostics: list[tuple[Diagnostic, bool]]
    not_analysed: list[NotAnalysed]


def lint_files(
    files: Sequence[str],
    *,
    root: str,
    jobs: int = 1,
    cache: Cache | None = None,
    overlay: Mapping[str, bytes] | None = None,
    triage: bool = True,
) -> LintRun:
    """Lint these files. ``root`` is the folder whose Python files may be read to follow imports.

    Raises nothing for bad input: what cannot be looked at stands in ``not_analysed``.
    """
    results: dict[str, Result] = {}
    contents: dict[str, bytes] = {}
    if cache is not None:
        for path in files:
            if (data := _content(path, overlay)) is not None:
                payload = cache.get(path, data)
                if payload is None:
                    contents[path] = data
                else:
                    results[path] = _unpacked(payload)
    pending = [path for path in files if path not in results]
    for path, run in zip(
        pending, _analysed(pending, root, jobs, overlay, triage, trace=cache is not None), strict=True
    ):
        results[path] = Result(run.diagnostics, run.not_analysed)
        if cache is not None:
            cache.note(run.consulted)
            if path in contents and not any(each.internal for each in run.not_analysed):
                cache.put(path, contents[path], _packed(results[path]))
    return gather((results[path] for path in files), frozenset(files))


def _content(path: str, overlay: Mapping[str, bytes] | None) -> bytes | None:
    from modelint.lint.read import read_bytes

    read = (overlay or {}).get(path)
    found = read_bytes(path) if read is None else read
    return found if isinstance(found, bytes) else None


def _analysed(
    paths: list[str], root: str, jobs: int, overlay: Mapping[str, bytes] | None, triage: bool, *, trace: bool
) -> Iterable[FileRun]:
    """The run of each path, in order, in as many processes."""
    if not paths:
        return
    import gc

    from modelint.lint.analyse import Analyser, FileRun  # libcst, only now
    from modelint.lint.project import Project
    from modelint.parallel import Died, map_forked

    analyser = Analyser(Project(root, overlay), triage=triage, trace=trace)  # each worker goes on with its own copy
    sizes = [os.path.getsize(path) if os.path.exists(path) else 0 for path in paths]
    _last[:] = [analyser]
    before = gc.get_threshold()
    gc.set_threshold(*_SELDOM)
    try:
        for path, run in zip(paths, map_forked(analyser.run, paths, jobs, sizes), strict=True):
            yield FileRun([], [NotAnalysed(path, run.reason)], {}) if isinstance(run, Died) else run
    finally:
        gc.set_threshold(*before)


# --- what was asked for -----------------------------------------------------------------------------------------------


def gather(results: Iterable[Result], asked: frozenset[str]) -> LintRun:
    """Put the results of all files together: one defect is one diagnostic, however many files lead to it."""
    found: dict[tuple[str, str, Span], tuple[Diagnostic, bool]] = {}
    not_analysed: dict[NotAnalysed, None] = {}
    for result in results:
        for raw, preview in result.diagnostics:
            diagnostic = moved(raw, asked)
            if diagnostic is None:
                continue
            key = (diagnostic.code, diagnostic.path, diagnostic.span)
            old = found.get(key)
            if old is None or (old[1] and not preview):
                found[key] = (diagnostic, preview)
        not_analysed.update(dict.fromkeys(result.not_analysed))
    ordered = sorted(found.values(), key=lambda pair: (pair[0].path, pair[0].span, pair[0].code))
    wide = {diagnostic for diagnostic, is_wide in ordered if is_wide}
    return LintRun([diagnostic for diagnostic, _ in ordered], list(not_analysed), len(asked), wide)


def moved(diagnostic: Diagnostic, asked: frozenset[str]) -> Diagnostic | None:
    """The diagnostic where it can be read: in another file than those asked for, it moves to its first related place
    in one of them; None where there is none."""
    if diagnostic.path in asked:
        return diagnostic
    other = next((place for place in diagnostic.related if place.path in asked), None)
    if other is None:
        return None
    reached = Related(diagnostic.path, diagnostic.span, "reached here")
    here = {other[:2], reached[:2]}
    rest = (place for place in diagnostic.related if place[:2] not in here)
    return diagnostic._replace(path=other.path, span=other.span, related=(reached, *rest))


# --- as the cache keeps it --------------------------------------------------------------------------------------------


def _packed(result: Result) -> list[Any]:
    """As JSON can hold it; lint diagnostics carry no fix, model or drift."""
    return [[[*each[:8], preview] for each, preview in result.diagnostics], result.not_analysed]


def _unpacked(payload: Any) -> Result:
    diagnostics, not_analysed = payload
    return Result([_diagnostic(*each) for each in diagnostics], [NotAnalysed(*each) for each in not_analysed])


def _diagnostic(
    code: str, name: str, severity: Any, message: str, path: str, span: Any, advice: str, related: Any, preview: bool
) -> tuple[Diagnostic, bool]:
    others = tuple(Related(where, Span(*place), text) for where, place, text in related)
    return Diagnostic(code, name, severity, message, path, Span(*span), advice, others), preview
