"""`modelint diff`: why a file of OLD does not load into NEW, and what makes it fit. Arguments in, exit code out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from modelint import catalogue, review, sources
from modelint.checkpoint import torchscript
from modelint.checkpoint.facts import WholeModule
from modelint.checkpoint.limits import uncollected
from modelint.console import Wrong, count, say, stdout
from modelint.keys.cause import explain
from modelint.keys.diff import diff
from modelint.keys.situation import Around
from modelint.report import keydiff, program, write
from modelint.report.escape import shown
from modelint.report.review import lines as markdown
from modelint.rule import CauseRule

if TYPE_CHECKING:
    import argparse

    from modelint.keys.diff import KeyDiff
    from modelint.layout.layout import Layout
    from modelint.sources import Source

#: Every dotted beginning of every key is looked at: so many characters of them. 90,000 keys of a real model have 5e7.
BEGINNINGS = 400_000_000
#: More keys than these, both sides together, or more names in them, are compared and not explained: real models have
#: 90,000 keys at most, made of a thousand names.
_MOST_KEYS = 250_000
_MOST_NAMES = 20_000
_TOO_LARGE = "no cause was looked for among so many keys"
#: Stands for "print it, and nothing else".
STDOUT = "-"


@uncollected()
def run(arguments: argparse.Namespace) -> int:
    """0: a file of OLD loads into NEW unchanged. 1: it does not. 3: one cannot be looked at. Raises Wrong."""
    options = sources.Options(arguments.root, arguments.python, arguments.config)
    try:
        old = sources.read(arguments.old, options)
        root = None if old.kind == "file" else arguments.root
        base = options._replace(root=root, base=old.layout, releases=arguments.format == "markdown")
        new = sources.read(arguments.new, base)
    except sources.CouldNotLook as error:
        say(f"modelint: {shown(str(error))}")
        for line in error.more:
            say(f"  {shown(line)}")
        return 3
    for each in (old, new):
        if _has_too_many_parts(each):
            say(f"modelint: {shown(each.name)}: refused: its keys have too many parts to be compared")
            return 3
    compared = compare(old, new, options.root if old.kind == "file" else None)
    if arguments.emit_code not in (None, STDOUT):
        save(arguments.emit_code, _code(compared))
    if arguments.emit_map is not None:
        save(arguments.emit_map, keydiff.key_map(compared))
    lines: Iterable[str]
    if arguments.emit_code == STDOUT:
        lines = (_code(compared),)
    elif arguments.format == "json":
        lines = (keydiff.as_json(compared),)
    elif arguments.keys:
        lines = keydiff.key_lines(compared)
    else:
        reviewed = review.of(old, new, releases=arguments.format == "markdown")
        if arguments.format == "text":
            beyond = tuple(review.beyond_keys(reviewed)) if reviewed is not None else ()
            lines = keydiff.text(compared, _code, every=arguments.all, beyond=beyond)
        elif reviewed is not None and reviewed.found:
            lines = (
                f"{line}\n"
                for line in markdown(review.model(reviewed, old, new, compared.explanation, _code(compared)))
            )
        else:
            lines = keydiff.markdown(compared, _code(compared))
    if arguments.output_file is not None:
        save(arguments.output_file, "".join(lines))
    else:
        with stdout() as stream:
            for line in lines:
                write(stream, line)
    say(_summary(compared) + (f"; {_TOO_LARGE}" if _is_too_large(old, new) else ""))
    return 0 if compared.loads else 1


def compare(old: Source, new: Source, root: str | None = None) -> keydiff.Compared:
    """What differs, and why; ``root``: the state dict of OLD that the user means."""
    found = diff(old.table, new.table, old_buffers=old.buffers, new_buffers=new.buffers)
    origin = _origin(old)
    rules = [rule for rule in catalogue.rules("checkpoint") if isinstance(rule, CauseRule)]
    if _is_too_large(old, new) or (found.same and origin.roots == ("/",)):
        rules = []  # with nothing to explain there is nothing to look for, in however many keys
    around = Around(origin.roots[0], unsaved=frozenset(new.buffers), constants=new.constants)
    if rules and new.layout is not None and new.home is not None:
        around = _with_layouts(around, old, new.layout, new.home, found)
    if old.contents is not None and root is None:
        others = {each.path: each.table() for each in old.contents.roots[1:]}
        around = around._replace(others=others)
        tied = [path for path, table in others.items() if table.specs.keys() == old.table.specs.keys()]
        origin = origin._replace(roots=(origin.roots[0], *tied))
    nested = root is None and (origin.module or origin.roots[0] != "/")
    return keydiff.Compared(found, explain(old.table, new.table, rules, around), origin, new.name, nested)


def _code(compared: keydiff.Compared) -> str:
    return program.program(compared.explanation, compared.origin)


def _with_layouts(around: Around, old: Source, new: Layout, home: str, found: KeyDiff) -> Around:
    """What is on record of NEW, and what the forwards of both sides prove."""
    from modelint.keys.rename import detect
    from modelint.layout import chain, prove

    known = chain.known(home, new, old.layout if old.home == home else None)
    for line in known.notes:
        say(f"modelint: {shown(line)}")
    around = around._replace(recorded=known.recorded)
    if old.layout is None:
        return around
    renames, proved = prove.settle(old.layout, new, found, detect(old.table, new.keys, found))
    return around._replace(proved={key: renames.renames[key] for key in proved})


def _is_too_large(old: Source, new: Source) -> bool:
    if not _MOST_NAMES < len(old.table.specs) + len(new.table.specs) <= _MOST_KEYS:
        return len(old.table.specs) + len(new.table.specs) > _MOST_KEYS
    names: set[str] = set()
    for each in (old, new):
        for key in each.table.specs:
            names.update(key.split("."))
        if len(names) > _MOST_NAMES:
            return True
    return False


def _has_too_many_parts(source: Source) -> bool:
    others = source.contents.roots[1:] if source.contents is not None else ()
    keys = [key for names in (source.table.specs, *(root.tensors for root in others)) for key in names]
    if max(map(len, keys), default=0) * "".join(keys).count(".") <= BEGINNINGS:
        return False  # each counted as long as the longest
    return sum(len(key) * key.count(".") for key in keys) > BEGINNINGS


def _origin(old: Source) -> program.Origin:
    if old.contents is None:
        return program.Origin(old.name, old.kind)
    contents = old.contents
    module = contents.format == torchscript.FORMAT or any(isinstance(fact, WholeModule) for fact in contents.facts)
    path = contents.roots[0].path if contents.roots else "/"
    return program.Origin(old.name, contents.format, (path,), module)


def save(path: str, text: str) -> None:
    """Raises Wrong."""
    from modelint import atomic

    try:
        atomic.write(path, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise Wrong(f"{path}: cannot be written: {error.strerror}") from None


def _summary(compared: keydiff.Compared) -> str:
    found = compared.diff
    if found.loads and compared.nested:
        return f"does not load as a whole; {keydiff.inner(compared)} does"
    if found.loads:
        return "loads unchanged" if found.same else "loads unchanged, though not all is the same"
    counts = ((found.missing, "missing"), (found.unexpected, "unexpected"), (found.reshaped, "of another shape"))
    parts = [f"{len(keys)} {words}" for keys, words in counts if keys]
    return f"{', '.join(parts)}; {count(len(compared.explanation.causes), 'cause')}"
