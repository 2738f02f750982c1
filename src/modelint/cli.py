"""The command line: arguments in, exit code out.

0: nothing to report. 1: something at or above --fail-on. 2: usage, configuration or internal error. 3: could not look.
On the path of a hook with nothing to say: everything heavy is imported where it is used.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any, NoReturn

from modelint import __version__
from modelint.console import Wrong, close_stdout, colored, count, is_terminal, say, stdout
from modelint.diagnostics import SEVERITIES

if TYPE_CHECKING:
    from modelint.check import Checked
    from modelint.diagnostics import NotAnalysed
    from modelint.layout.building import Progress
    from modelint.layout.run import LayoutRun

FORMATS = ("full", "concise", "json", "sarif", "github", "gitlab", "junit", "markdown")


class _Help(argparse.HelpFormatter):
    """Of a fixed width: to ask the terminal, argparse imports shutil for every option that is added."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=100)


class _Parser(argparse.ArgumentParser):
    """argparse, with errors of one line."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(formatter_class=_Help, allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        raise Wrong(f"{message}; `{self.prog} --help` lists the options")


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
    parser = _parser()
    arguments, unknown = parser.parse_known_args(_valued(argv))
    if unknown:
        command = f"modelint {arguments.command}" if arguments.command else "modelint"
        hint = "a file of such a name goes after --, " if arguments.command == "check" else ""
        raise Wrong(f"unrecognized arguments: {' '.join(unknown)}; {hint}`{command} --help` lists the options")
    if arguments.command == "check":
        return _check(arguments)
    if arguments.command == "explain":
        return _explain(arguments)
    if arguments.command in ("lock", "init", "env"):
        from modelint import commands

        return commands.run(arguments)
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


def _valued(argv: Sequence[str]) -> list[str]:
    """argv with the values that bare options stand for: argparse would take the next path for one."""
    end = argv.index("--") if "--" in argv else len(argv)
    bare = {"--fail-on-unanalysed": "any"}
    if argv[:1] == ["diff"] and "--emit-code" in argv and _sources(argv[1 : argv.index("--emit-code")]) < 2:
        bare["--emit-code"] = "-"
    return [f"{each}={bare[each]}" if each in bare and at < end else each for at, each in enumerate(argv)]


def _sources(argv: Sequence[str]) -> int:
    """How many of OLD and NEW stand in the first arguments of diff."""
    valued = ("--root", "--format", "--output-file", "--emit-map", "--config", "--python")
    values = [at + 1 for at, each in enumerate(argv) if each in valued]
    return sum(at not in values and not each.startswith("--") for at, each in enumerate(argv))


def _parser() -> _Parser:
    parser = _Parser(
        prog="modelint",
        description="Finds the lines of PyTorch code that lose, rename or silently skip weights.",
    )
    parser.add_argument("--version", action="version", version=f"modelint {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", prog="modelint")
    _add_check(commands.add_parser("check", help="lint files, and check every tracked model that they can affect"))
    _add_lock(commands.add_parser("lock", help="accept: write the manifests of tracked models"))
    _add_init(commands.add_parser("init", help="find models that could be tracked"))
    env = commands.add_parser("env", help="show the project interpreter, and how it was found")
    _add_interpreter(env)
    explain = commands.add_parser("explain", help="show the page of one rule")
    explain.add_argument("code", metavar="CODE", help="a code (MDL401) or a name (unchecked-non-strict-load)")
    _add_color(explain)
    _add_diff(commands.add_parser("diff", help="why a checkpoint does not fit, and the code that makes it"))
    _add_show(commands.add_parser("show", help="what is in a checkpoint: keys, shapes, dtypes, findings"))
    rules = commands.add_parser("rules", help="list the rules")
    rules.add_argument("--format", choices=("text", "json"), default="text")
    return parser


def _add_check(check: argparse.ArgumentParser) -> None:
    check.add_argument("paths", nargs="*", metavar="PATH", help="files and folders (default: .); - reads stdin")
    check.add_argument("--only", choices=("lint", "layout"), help="run one engine only")
    check.add_argument(
        "--hook",
        action="store_true",
        help="lint exactly the files given, even none; models as the work tree affects them",
    )
    codes = check.add_argument_group("what is reported")
    for option, words in (
        ("--select", "report these codes or prefixes (MDL4) only; a rule that is off needs its full code"),
        ("--extend-select", "report these codes or prefixes too"),
        ("--ignore", "do not report these codes or prefixes"),
    ):
        codes.add_argument(option, action="append", metavar="CODES", help=words)
    codes.add_argument(
        "--preview", action="store_true", help="rules that are off by default, and wider forms of others"
    )
    output = check.add_argument_group("output")
    output.add_argument("--format", choices=FORMATS, default="full")
    output.add_argument("--output-file", metavar="FILE", help="write the report there instead of to stdout")
    output.add_argument("--statistics", action="store_true", help="how often each code was found, instead of where")
    _add_color(output)
    codes = check.add_argument_group("exit code")
    codes.add_argument("--exit-zero", action="store_true", help="exit 0 whatever is reported")
    codes.add_argument("--fail-on", choices=SEVERITIES, help="exit 1 from this severity on (default: warning)")
    codes.add_argument(
        "--fail-on-unanalysed",
        choices=("any", "syntax"),
        metavar="any|syntax",
        help="exit 3 when a file could not be analysed, alone or =any: for whatever reason; =syntax: for syntax errors",
    )
    run = check.add_argument_group("the run")
    run.add_argument("--stdin-filename", metavar="NAME", help="the name of what stands on stdin (with -)")
    run.add_argument("--jobs", type=_positive, default=0, metavar="N", help="number of processes")
    run.add_argument("--no-cache", action="store_true", help="neither read nor write the cache")
    run.add_argument("--config", metavar="FILE", help="use this configuration for every file")
    _add_interpreter(run)


def _add_lock(lock: argparse.ArgumentParser) -> None:
    lock.add_argument("models", nargs="*", metavar="MODEL", help="names of tracked models (default: all)")
    lock.add_argument("--check", action="store_true", help="write nothing; exit 1 where something is to be accepted")
    lock.add_argument("--reason", metavar="TEXT", help="why, for the record of the accepted step")
    lock.add_argument("--release", metavar="NAME", help="keep the layout as a release: files of it exist out there")
    lock.add_argument(
        "--retire", action="append", metavar="NAME", help="no longer prove that files of this release load (--reason)"
    )
    lock.add_argument(
        "--propose-inputs", action="store_true", help="show inputs for the models that declare none; write nothing"
    )
    names = lock.add_mutually_exclusive_group()
    names.add_argument("--remove", metavar="NAME", help="remove the manifest of a model that is no longer declared")
    names.add_argument("--rename", nargs=2, metavar=("OLD", "NEW"), help="keep the manifest of OLD under the name NEW")
    lock.add_argument("--jobs", type=_positive, default=0, metavar="N", help="number of processes")
    lock.add_argument("--config", metavar="FILE", help="use this configuration")
    _add_interpreter(lock)


def _add_init(init: argparse.ArgumentParser) -> None:
    init.add_argument("--dry-run", action="store_true", help="show what could be tracked, and write nothing")
    init.add_argument("--jobs", type=_positive, default=0, metavar="N", help="number of processes")
    _add_interpreter(init)


def _add_diff(diff: argparse.ArgumentParser) -> None:
    diff.add_argument("old", metavar="OLD", help="a checkpoint, manifest:NAME, manifest:NAME@RELEASE, ...@git:REVISION")
    diff.add_argument("new", metavar="NEW", help="the same, or model:NAME, which is built now")
    diff.add_argument("--root", metavar="PATH", help="the state dict of the file that is meant: /ema")
    lines = diff.add_mutually_exclusive_group()
    lines.add_argument("--all", action="store_true", help="every key that differs, one a line, instead of folding them")
    lines.add_argument("--keys", action="store_true", help="only the keys that differ, one a line")
    diff.add_argument("--format", choices=("text", "json"), default="text")
    diff.add_argument("--output-file", metavar="FILE", help="write the report there instead of to stdout")
    diff.add_argument(
        "--emit-code", nargs="?", const="-", metavar="FILE", help="the code that makes it fit: alone, or into a file"
    )
    diff.add_argument("--emit-map", metavar="FILE", help="write the renames there, as JSON")
    diff.add_argument("--config", metavar="FILE", help="use this configuration")
    _add_interpreter(diff)


def _add_show(show: argparse.ArgumentParser) -> None:
    show.add_argument("source", metavar="SOURCE", help="a checkpoint file, a folder, manifest:NAME, model:NAME")
    show.add_argument("--root", metavar="PATH", help="the state dict that is meant, where there are several: /ema")
    lines = show.add_mutually_exclusive_group()
    lines.add_argument("--all", action="store_true", help="one line for each key, instead of folding them")
    lines.add_argument("--keys", action="store_true", help="the keys alone, one a line")
    show.add_argument("--format", choices=("text", "json"), default="text")
    show.add_argument("--output-file", metavar="FILE", help="write the report there instead of to stdout")
    show.add_argument("--config", metavar="FILE", help="use this configuration")
    _add_interpreter(show)


def _add_interpreter(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--python", metavar="PATH", help="the Python in which the project's models import")


def _add_color(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--color", choices=("auto", "always", "never"), default="auto")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


_positive.__name__ = "number of processes"  # argparse names it in its message


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
