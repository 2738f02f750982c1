"""`modelint show`: what is in a checkpoint, a manifest or a model. Arguments in, exit code out."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

from modelint import sources
from modelint.checkpoint import judge
from modelint.checkpoint.limits import uncollected
from modelint.checkpoint.notes import notes
from modelint.console import Wrong, count, say, stdout
from modelint.report import contents as report
from modelint.report import write
from modelint.report.escape import shown

if TYPE_CHECKING:
    import argparse


#: Lines that are written together.
_AT_ONCE = 1_000


@uncollected()
def run(arguments: argparse.Namespace) -> int:
    """0: nothing found. 1: findings. 3: the source is refused or cannot be read. Raises Wrong."""
    options = sources.Options(arguments.root, arguments.python, arguments.config)
    try:
        source = sources.read(arguments.source, options)
    except sources.CouldNotLook as error:
        for line in (f"modelint: {error}", *(f"  {more}" for more in error.more)):
            say(shown(line))
        return 3
    contents = source.contents
    what = report.Shown(arguments.source, source.table, contents)
    if contents is None and arguments.root is not None:
        raise Wrong("--root goes with a checkpoint: a manifest or a model has one state dict")
    if contents is not None:
        what = what._replace(findings=judge.findings(contents), notes=notes(contents))
    _write(_lines(what, arguments), arguments.output_file)
    told = [(len(what.findings), "finding"), (len(what.notes), "note")]
    parts = [count(number, noun) for number, noun in told if number] or ["nothing to report"]
    say("; ".join((count(len(source.table.specs), "tensor"), *parts)))
    return 1 if what.findings else 0


def _lines(what: report.Shown, arguments: argparse.Namespace) -> Iterable[str]:
    if arguments.format == "json":
        return report.as_json(what)
    return report.key_lines(what.table) if arguments.keys else report.text(what, every=arguments.all)


def _write(lines: Iterable[str], path: str | None) -> None:
    """To stdout, or to a file."""
    if path is None:
        with stdout() as stream:
            rest = iter(lines)
            while some := "".join(islice(rest, _AT_ONCE)):
                write(stream, some)
        return
    from modelint import atomic

    try:
        atomic.write(path, "".join(lines).encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise Wrong(f"{path}: cannot be written: {error.strerror}") from None
