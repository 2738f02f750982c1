"""The options of every command: argv in, what was asked out. argparse, with errors of one line.

On the path of a hook with nothing to say: nothing heavy is imported here.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from modelint import __version__
from modelint.console import Wrong
from modelint.diagnostics import SEVERITIES

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


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """What the command line asks for. Raises Wrong, and SystemExit for --help and --version."""
    arguments, unknown = _parser().parse_known_args(_valued(argv))
    if unknown:
        command = f"modelint {arguments.command}" if arguments.command else "modelint"
        hint = "a file of such a name goes after --, " if arguments.command == "check" else ""
        raise Wrong(f"unrecognized arguments: {' '.join(unknown)}; {hint}`{command} --help` lists the options")
    return arguments


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
    _add_migrate(commands.add_parser("migrate", help="write what lets old files load, and prove that they do"))
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


def _add_migrate(migrate: argparse.ArgumentParser) -> None:
    migrate.add_argument("model", metavar="MODEL", help="the name of a tracked model")
    migrate.add_argument(
        "--loader", metavar="FILE", help="write a function that loads old files there, and leave the classes alone"
    )
    migrate.add_argument("--dry-run", action="store_true", help="show what would be written, and write nothing")
    migrate.add_argument("--reason", metavar="TEXT", help="why, for the record of the accepted step")
    migrate.add_argument("--config", metavar="FILE", help="use this configuration")
    _add_interpreter(migrate)


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
    diff.add_argument("--format", choices=("text", "json", "markdown"), default="text")
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
