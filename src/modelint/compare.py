"""`modelint diff`: why a file of OLD does not load into NEW, and the code that makes it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from modelint import catalogue, sources
from modelint.console import Wrong, count, say, stdout
from modelint.keys.cause import explain
from modelint.keys.diff import diff
from modelint.keys.situation import Around
from modelint.report import keydiff, program, write
from modelint.report.escape import shown
from modelint.rule import CauseRule

if TYPE_CHECKING:
    import argparse

    from modelint.sources import Source

#: Stands for "print it, and nothing else".
STDOUT = "-"


def run(arguments: argparse.Namespace) -> int:
    """0: a file of OLD loads into NEW unchanged. 1: it does not. 3: one cannot be looked at. Raises Wrong."""
    options = sources.Options(arguments.root, arguments.python, arguments.config)
    try:
        old = sources.read(arguments.old, options)
        root = None if old.kind == "file" else arguments.root
        new = sources.read(arguments.new, options._replace(root=root))
    except sources.CouldNotLook as error:
        say(f"modelint: {shown(str(error))}")
        for line in error.more:
            say(f"  {shown(line)}")
        return 3
    compared = compare(old, new)
    code = program.program(compared.explanation, compared.origin)
    if arguments.emit_code not in (None, STDOUT):
        _save(arguments.emit_code, code)
    if arguments.emit_map is not None:
        _save(arguments.emit_map, keydiff.key_map(compared))
    lines: Iterable[str]
    if arguments.emit_code == STDOUT:
        lines = (code,)
    elif arguments.format == "json":
        lines = (keydiff.as_json(compared),)
    elif arguments.keys:
        lines = keydiff.key_lines(compared)
    else:
        lines = keydiff.text(compared, code, every=arguments.all)
    if arguments.output_file is not None:
        _save(arguments.output_file, "".join(lines))
    else:
        with stdout() as stream:
            for line in lines:
                write(stream, line)
    say(_summary(compared))
    return 0 if compared.diff.loads else 1


def compare(old: Source, new: Source) -> keydiff.Compared:
    """What differs, and why."""
    found = diff(old.table, new.table, old_buffers=old.buffers, new_buffers=new.buffers)
    roots = old.contents.roots if old.contents is not None else ()
    around = Around(
        roots[0].path if roots else "/",
        {root.path: root.table() for root in roots[1:]},
        frozenset(new.buffers),
        new.constants,
    )
    rules = [rule for rule in catalogue.rules("checkpoint") if isinstance(rule, CauseRule)]
    explanation = explain(old.table, new.table, rules, around)
    form = old.contents.format if old.contents is not None else old.kind
    return keydiff.Compared(found, explanation, program.Origin(old.name, form, around.root), new.name)


def _save(path: str, text: str) -> None:
    from modelint import atomic

    try:
        atomic.write(path, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise Wrong(f"{path}: cannot be written: {error.strerror}") from None


def _summary(compared: keydiff.Compared) -> str:
    found = compared.diff
    if found.loads:
        return "loads unchanged" if found.same else "loads unchanged, though not all is the same"
    counts = ((found.missing, "missing"), (found.unexpected, "unexpected"), (found.reshaped, "of another shape"))
    parts = [f"{len(keys)} {words}" for keys, words in counts if keys]
    return f"{', '.join(parts)}; {count(len(compared.explanation.causes), 'cause')}"
