"""The command line: arguments in, exit code out.

0: nothing to report. 1: something at or above --fail-on. 2: usage, configuration or internal error. 3: could not look.
On the path of a hook with nothing to say: everything heavy is imported where it is used.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, NoReturn

from modelint import options
from modelint.console import Wrong, close_stdout, colored, count, is_terminal, say, stdout
from modelint.diagnostics import SEVERITIES

if TYPE_CHECKING:
    from modelint.check import Checked
    from modelint.diagnostics import NotAnalysed
    from modelint.layout.building import Progress
    from modelint.layout.run import LayoutRun


def program() -> NoReturn:
    """The process as a whole: it ends at once, for taking apart what a run has built costs a tenth of the run."""
    code = main()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            try:
                stream.flush()
            except (OSError, ValueError):
                sys.exit(code)  # Python has its own words for a stream that fails at the end
    os._exit(code)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Never lets an exception through."""
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        say("modelint: interrupted")
        return 130
    except BrokenPipeError:
        close_stdout()
        return 141
    except SystemExit as stop:  # --help and --version of argparse
        return stop.code if isinstance(stop.code, int) else 0
    except Exception as error:
        say(f"modelint: {_reason(error)}")
        return 2


def _run(argv: Sequence[str]) -> int:
    arguments = options.parse(argv)
    if arguments.command == "check":
        return _check(arguments)
    if arguments.command == "explain":
        return _explain(arguments)
    if arguments.command in ("lock", "init", "env"):
        from modelint import commands

        return commands.run(arguments)
    if arguments.command == "migrate":
        from modelint import migrate

        return migrate.run(arguments)
    if arguments.command == "diff":
        from modelint import compare

        return compare.run(arguments)
    if arguments.command == "show":
        from modelint import show

        return show.run(arguments)
    if arguments.command == "rules":
        from modelint import catalogue

        with stdout() as stream:
            catalogue.list_rules(stream, format=arguments.format)
        return 0
    raise Wrong("no command given; `modelint --help` lists them")


def _check(arguments: argparse.Namespace) -> int:
    from modelint import selection
    from modelint.check import Options, check

    if arguments.statistics and arguments.format not in ("full", "concise", "json"):
        raise Wrong(f"--statistics goes with --format full, concise or json, not {arguments.format}")
    select = None if arguments.select is None else selection.parse_list(arguments.select)
    if select == ():
        raise Wrong("--select names no code, so nothing would be reported; `modelint rules` lists them")
    try:
        os.getcwd()
    except OSError as error:
        raise Wrong(f"the working directory cannot be used: {error.strerror}") from None
    if arguments.hook and arguments.paths == ["-"]:
        raise Wrong("--hook looks at files, not at stdin")
    checked = check(
        arguments.paths or ([] if arguments.hook else ["."]),
        Options(
            select=select,
            extend_select=selection.parse_list(arguments.extend_select or ()),
            ignore=selection.parse_list(arguments.ignore or ()),
            preview=arguments.preview,
            fail_on=arguments.fail_on,
            config=arguments.config,
            jobs=arguments.jobs,
            cache=not arguments.no_cache,
            stdin=_stdin(arguments),
            only=arguments.only,
            hook=arguments.hook,
            python=arguments.python,
            progress=_progress,
        ),
    )
    try:
        _write(checked, arguments)
    except BrokenPipeError:
        close_stdout()  # what was found decides the exit code, read or not
    for skipped in checked.outcome.not_analysed:
        say(_not_analysed(skipped))
    from modelint.report.escape import shown

    for line in (*(checked.layout.notes if checked.layout else ()), *checked.hint):
        say(shown(line))
    say(_summary(checked, arguments.only))
    counted = arguments.fail_on_unanalysed
    if any(skipped.internal for skipped in checked.outcome.not_analysed):
        return 2
    if checked.layout is not None and checked.layout.could_not_look:
        return 3
    if counted and any(counted == "any" or skipped.syntax for skipped in checked.outcome.not_analysed):
        return 3
    return 1 if checked.failed and not arguments.exit_zero else 0


def _stdin(arguments: argparse.Namespace) -> tuple[str, bytes] | None:
    if "-" not in arguments.paths and arguments.stdin_filename is None:
        return None
    if arguments.paths not in (["-"], []):
        raise Wrong("stdin and other paths cannot be checked in one run")
    if sys.stdin is None:
        raise Wrong("stdin is closed")
    return arguments.stdin_filename or "stdin.py", sys.stdin.buffer.read()


def _write(checked: Checked, arguments: argparse.Namespace) -> None:
    """The report, to stdout or to --output-file."""
    if arguments.output_file is None:
        with stdout() as stream:
            _render(checked, arguments, stream)
        return
    import io

    from modelint import atomic

    text = io.StringIO()
    _render(checked, arguments, text)
    try:
        atomic.write(arguments.output_file, text.getvalue().encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise Wrong(f"{arguments.output_file}: cannot be written: {error.strerror}") from None


def _render(checked: Checked, arguments: argparse.Namespace, stream: IO[str]) -> None:
    from modelint.report import render, render_statistics

    if arguments.statistics:
        render_statistics(checked.outcome, arguments.format, stream)
    elif checked.outcome.diagnostics or arguments.format not in ("full", "concise"):
        render(checked.outcome, arguments.format, stream, color=colored(arguments.color, stream))


def _not_analysed(skipped: NotAnalysed) -> str:
    from modelint.report.escape import shown

    return f"{shown(skipped.path)}:{skipped.line}: not analysed: {shown(skipped.reason)}"


def _progress() -> Progress | None:
    """How far the building of models is, where somebody looks."""
    if not is_terminal(sys.stderr):
        return None
    from modelint.report import progress

    return progress.Bar(sys.stderr)


def _summary(checked: Checked, only: str | None) -> str:
    """The last line: what was looked at, and what came of it."""
    outcome = checked.outcome
    models = "" if checked.layout is None else _models(checked.layout)
    parts = [count(outcome.files, "file")] if outcome.files else []
    parts += [models] if models else []
    if outcome.diagnostics:
        counts = [
            count(number, severity)
            for severity in reversed(SEVERITIES)
            if (number := sum(each.severity == severity for each in outcome.diagnostics))
        ]
        parts.append(", ".join(counts))
    elif parts:
        parts.append("nothing to report")
    elif only == "layout":
        parts.append("no tracked model to look at")
    else:
        parts.append("no Python files found")
    if outcome.not_analysed:
        parts.append(f"{len(outcome.not_analysed)} not analysed")
    if checked.untracked:
        define = "file defines" if checked.untracked == 1 else "files define"
        parts.append(f"{checked.untracked} changed {define} models that nothing tracks")
    return "; ".join(parts)


def _models(run: LayoutRun) -> str:
    """``3 models: 1 built, 2 unchanged``; "" without a tracked model."""
    if not run.models:
        return ""
    kinds = (
        (run.built, "built"),
        (run.unchanged, "unchanged"),
        (run.without, "without a manifest to compare with"),
        (run.failed, "could not be built"),
        (run.missed, "not looked at"),
    )
    return f"{count(run.models, 'model')}: {', '.join(f'{number} {words}' for number, words in kinds if number)}"


def _explain(arguments: argparse.Namespace) -> int:
    from modelint import catalogue

    with stdout() as stream:
        catalogue.explain(arguments.code, stream, color=colored(arguments.color, stream))
    return 0


def _reason(error: Exception) -> str:
    """The one line about an error: what the user can do about it, or where modelint went wrong."""
    from modelint.catalogue import UnknownCode
    from modelint.config import ConfigError
    from modelint.files import NoSuchPath
    from modelint.report.escape import shown
    from modelint.selection import UnknownSelector

    if isinstance(error, Wrong | UnknownCode | UnknownSelector | ConfigError | NoSuchPath):
        return shown(str(error))
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = "" if place is None else f" at {os.path.basename(place.tb_frame.f_code.co_filename)}:{place.tb_lineno}"
    return shown(f"internal error{where}: {type(error).__name__}: {error}")
