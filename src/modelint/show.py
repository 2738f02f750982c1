"""`modelint show`: what is in a checkpoint, a manifest or a model. Arguments in, exit code out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from modelint.checkpoint import judge
from modelint.checkpoint import open as entrance
from modelint.checkpoint.contents import Refused
from modelint.checkpoint.notes import notes
from modelint.console import Wrong, count, say, stdout
from modelint.keys.table import KeyTable
from modelint.report import contents as report
from modelint.report import write
from modelint.report.escape import shown

if TYPE_CHECKING:
    import argparse


def run(arguments: argparse.Namespace) -> int:
    """0: nothing found. 1: findings. 3: the source is refused or cannot be read. Raises Wrong."""
    source: str = arguments.source
    try:
        contents = entrance.read(source)
        if arguments.root is not None:
            contents = entrance.pick(contents, arguments.root)
    except FileNotFoundError:
        raise Wrong(f"{source}: no such file or folder") from None
    except (Refused, OSError, MemoryError) as error:
        say(f"{shown(source)}: {shown(_why(error))}")
        return 3
    table = contents.roots[0].table() if contents.roots else KeyTable({})
    what = report.Shown(source, table, contents, judge.findings(contents), notes(contents))
    _write(_lines(what, arguments), arguments.output_file)
    told = [(len(what.findings), "finding"), (len(what.notes), "note")]
    parts = [count(number, noun) for number, noun in told if number] or ["nothing to report"]
    say("; ".join((count(len(table.specs), "tensor"), *parts)))
    return 1 if what.findings else 0


def _lines(what: report.Shown, arguments: argparse.Namespace) -> Iterable[str]:
    if arguments.format == "json":
        return (report.as_json(what),)
    return report.key_lines(what.table) if arguments.keys else report.text(what, every=arguments.all)


def _why(error: BaseException) -> str:
    if isinstance(error, Refused):
        return f"refused: {error}"
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror or error}"
    return "cannot be read: not enough memory"


def _write(lines: Iterable[str], path: str | None) -> None:
    """To stdout, or to a file."""
    if path is None:
        with stdout() as stream:
            for line in lines:
                write(stream, line)
        return
    from modelint import atomic

    try:
        atomic.write(path, "".join(lines).encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise Wrong(f"{path}: cannot be written: {error.strerror}") from None
