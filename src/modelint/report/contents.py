"""What is in a source of keys, as text and as JSON: for `modelint show`.

The text folds keys that differ in a number alone, puts the leaves of one module on one line, and counts what each line
stands for; the counts add up to the number of tensors.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from math import prod
from typing import NamedTuple

from modelint.checkpoint import dtypes, notes
from modelint.checkpoint.contents import Contents, Finding, Note
from modelint.checkpoint.words import cut, many, size
from modelint.keys.fold import fold, too_many
from modelint.keys.table import KeyTable, TensorSpec
from modelint.report.escape import shown
from modelint.report.json import escaped, to_ascii

#: More lines than this are folded over shapes too, where that leaves at most half of them.
LONG = 40
#: So few keys are not folded.
FEW = 12
#: So many lines are shown at most, unless all are asked for.
MOST = 1_000
#: Wider names push the columns of their own line alone.
_WIDEST = 72
_LONGEST = 200


class Shown(NamedTuple):
    """What is to be shown. ``contents`` is None for a manifest or a model."""

    source: str
    table: KeyTable
    contents: Contents | None = None
    findings: tuple[Finding, ...] = ()
    notes: tuple[Note, ...] = ()


class _Row(NamedTuple):
    """A line: name, what it is, how many keys it stands for."""

    name: str
    words: str
    stands_for: int


def as_json(what: Shown) -> Iterator[str]:
    """The fields that other programs read, in ASCII; a line for each tensor."""
    contents = what.contents
    roots = contents.roots if contents is not None else ()
    shares = notes.shared(roots[0]) if roots else _tied(what.table)
    before: dict[str, object] = {
        "schema": 1,
        "source": what.source,
        "format": what.source.partition(":")[0] if contents is None else contents.format,
        "root": roots[0].path if roots else "/",
        "other_roots": [root.path for root in roots[1:]],
    }
    behind: dict[str, object] = {
        "calls": [] if contents is None else list(contents.calls),
        "findings": [finding._asdict() for finding in what.findings],
        "notes": [note._asdict() for note in what.notes],
    }
    yield to_ascii(before).rstrip("}\n") + ',\n  "tensors": ['
    separator = "\n    "
    known: dict[int, str] = {}
    for key, spec in what.table.specs.items():
        if (said := known.get(id(spec))) is None:
            fields = {"dtype": spec.dtype, "shape": spec.shape, "kind": spec.kind}
            said = known[id(spec)] = escaped(json.dumps(fields)[1:-1])
        yield f'{separator}{{"key": {_quoted(key)}, {said}, "shares": {_quoted(shares.get(key))}}}'
        separator = ",\n    "
    yield "\n  ],\n" + to_ascii(behind).removeprefix("{\n")


def _quoted(text: str | None) -> str:
    return "null" if text is None else escaped(json.dumps(text))


def key_lines(table: KeyTable) -> Iterator[str]:
    """One key a line, as it is, for grep."""
    for key in (*table.specs, *table.extra):
        yield f"{shown(key)}\n"


def text(what: Shown, *, every: bool = False) -> Iterator[str]:
    """The report, line by line; ``every``: one line for each key, instead of folding them."""
    yield from _head(what)
    few = len(what.table.specs) + len(what.table.extra) <= FEW
    rows: Iterable[_Row]
    if every:
        rows, hidden = _each(what.table), 0
    else:
        found = _each(what.table) if few or too_many(what.table.specs) else _folded(what.table)
        rows = list(islice(found, MOST))
        hidden = len(what.table.specs) + len(what.table.extra) - sum(row.stands_for for row in rows)
    yield from _columns(rows)
    if hidden:
        yield f"  ... and {many(hidden, 'key')} more: --keys, --all and --format json have them all\n"
    lines = [f"tied: {shown(' = '.join(map(cut, group[:8])))}" for group in what.table.ties[:4]]
    if len(what.table.ties) > 4:
        lines.append(f"tied: {len(what.table.ties) - 4} more groups")
    lines += [f"note: {shown(note.message)}" for note in what.notes]
    lines += [f"{found.code} [{found.name}] {shown(found.message)}" for found in what.findings]
    if lines:
        yield "\n"
    yield from (f"{line}\n" for line in lines)


def _columns(rows: Iterable[_Row]) -> Iterator[str]:
    """The lines, with columns as wide as the first ones need."""
    rows = iter(rows)
    first = list(islice(rows, MOST))
    if first:
        yield "\n"
    counts = [_count(row) for row in first]
    names = max((len(row.name) for row in first if len(row.name) <= _WIDEST), default=0)
    words = max((len(row.words) for row in first if len(row.words) <= _WIDEST), default=0)
    width = max(map(len, counts), default=0)
    for row in chain(first, rows):
        # A key of a megabyte is what --keys and JSON are for.
        name = row.name if len(row.name) <= _LONGEST else f"{row.name[: _LONGEST - 3]}..."
        yield f"  {name:<{names}}  {row.words:<{words}}  {_count(row):>{width}}".rstrip() + "\n"


def _count(row: _Row) -> str:
    return f"x{row.stands_for:,}" if row.stands_for > 1 else ""


def _head(what: Shown) -> Iterator[str]:
    table, contents = what.table, what.contents
    elements = sum(prod(spec.shape) for spec in table.specs.values() if spec.shape is not None)
    sizes = [dtypes.size(spec.dtype, spec.shape) or 0 for spec in table.specs.values()]
    by_dtype = Counter(spec.dtype for spec in table.specs.values())
    facts = [] if contents is None else [contents.format]
    facts.append(many(len(table.specs), "tensor"))
    if elements:
        facts.append(f"{_short_number(elements)} elements")
    total = sum(sizes) if contents is None else contents.bytes or sum(sizes)
    facts.append(size(total))
    if len(by_dtype) == 1:
        facts += [shown(dtype) for dtype in by_dtype]
    else:
        facts += [f"{shown(dtype)} {number:,}" for dtype, number in by_dtype.most_common(4)]
    yield f"{shown(what.source)}: {', '.join(facts)}\n"
    if contents is None or not contents.roots:
        return
    root, *others = contents.roots
    if root.path != "/" or others:
        also = ", ".join(f"{shown(other.path)} ({many(len(other.tensors), 'tensor')})" for other in others[:6])
        more = f" and {len(others) - 6} more" if len(others) > 6 else ""
        yield f"  state dict at {shown(root.path)}" + (f"; others, for --root: {also}{more}\n" if others else "\n")
    beside = [f"{shown(path)} {shown(kind)}" for path, kind in _telling(contents)]
    if beside:
        more = f" and {len(beside) - 8} more" if len(beside) > 8 else ""
        yield f"  beside it: {', '.join(beside[:8])}{more}\n"


def _telling(contents: Contents) -> Iterator[tuple[str, str]]:
    """What stands beside the state dicts."""
    roots = {each.path for each in contents.roots}
    yield from ((path, kind) for path, kind in contents.entries.items() if path not in roots and kind != "None")


def _each(table: KeyTable) -> Iterator[_Row]:
    for key, spec in table.specs.items():
        yield _Row(shown(key), f"{_shape(spec.shape)} {shown(spec.dtype)}", 1)
    for key, kind in table.extra.items():
        yield _Row(shown(key), f"no tensor: {shown(kind)}", 1)


def _folded(table: KeyTable) -> list[_Row]:
    usual = Counter(spec.dtype for spec in table.specs.values()).most_common(1)
    common = usual[0][0] if usual else ""
    rows = _by_module(_exact(table.specs, common))
    if len(rows) > LONG:
        loose = _by_module(_loose(table.specs, common))
        if len(loose) * 2 <= len(rows):
            rows = loose
    for line in fold(table.extra, table.extra, inside=True):
        rows.append(_Row(shown(line.text), f"no tensor: {shown(table.extra[line.keys[0]])}", len(line.keys)))
    return rows


class _Leaf(NamedTuple):
    """A folded line: its parts, what all of its keys are, and how many they are."""

    parts: tuple[str, ...]
    words: str
    stands_for: int


def _exact(specs: Mapping[str, TensorSpec], common: str) -> list[_Leaf]:
    """Keys of one shape and dtype together."""
    lines = fold(specs, {key: f"{spec.dtype} {spec.shape}" for key, spec in specs.items()}, inside=True)
    return [_Leaf(line.parts, _words([specs[line.keys[0]]], common), len(line.keys)) for line in lines]


def _loose(specs: Mapping[str, TensorSpec], common: str) -> list[_Leaf]:
    """Keys of one number of dimensions (and one kernel) together, where numbers alone tell them apart."""
    marks = {
        key: spec.dtype if spec.shape is None else f"{spec.dtype} {len(spec.shape)} {spec.shape[2:]}"
        for key, spec in specs.items()
    }
    lines = fold(specs, marks, inside=True, names=False)
    return [_Leaf(line.parts, _words([specs[key] for key in line.keys], common), len(line.keys)) for line in lines]


def _by_module(leaves: Sequence[_Leaf]) -> list[_Row]:
    """One row for each module, its leaves beside it."""
    modules: dict[tuple[str, ...], list[_Leaf]] = {}
    for leaf in leaves:
        modules.setdefault(leaf.parts[:-1], []).append(leaf)
    rows = []
    for path, found in modules.items():
        total = sum(leaf.stands_for for leaf in found)
        if len(found) == 1:
            rows.append(_Row(shown(".".join(found[0].parts)), found[0].words, total))
            continue
        by_words: dict[str, list[str]] = {}
        for leaf in found:
            by_words.setdefault(leaf.words, []).append(shown(leaf.parts[-1]))
        # A module of many leaves (a flat state dict) gets a row for each shape.
        words = [f"{', '.join(names)} {each}" for each, names in by_words.items()]
        if path and sum(map(len, words)) <= 100:
            rows.append(_Row(shown(".".join(path)), ", ".join(words), total))
            continue
        rows += (_Row(shown(".".join(leaf.parts)), leaf.words, leaf.stands_for) for leaf in found)
    return rows


def _words(specs: Sequence[TensorSpec], common: str) -> str:
    """Shape, and the dtype where it is not the common one. Of several shapes the sizes from the least to the most."""
    first = specs[0]
    dtype = "" if first.dtype == common else f" {shown(first.dtype)}"
    if first.shape is None:
        return f"[?]{dtype}"
    sizes = []
    for at in range(len(first.shape)):
        column = [spec.shape[at] for spec in specs if spec.shape is not None]
        low, high = min(column), max(column)
        sizes.append(str(low) if low == high else f"{low}..{high}")
    return f"[{', '.join(sizes)}]{dtype}"


def _shape(shape: tuple[int, ...] | None) -> str:
    return "[?]" if shape is None else f"[{', '.join(map(str, shape))}]"


def _short_number(number: int) -> str:
    """``25.6 M``."""
    for unit, power in (("T", 12), ("B", 9), ("M", 6), ("K", 3)):
        if number >= 10**power:
            return (
                f"{number / 10**power:.3g} {unit}" if number < 10 ** (power + 3) else f"{number // 10**power:,} {unit}"
            )
    return str(number)


def _tied(table: KeyTable) -> dict[str, str]:
    return {key: group[0] for group in table.ties for key in group[1:]}
