"""Migrations after each other in one class: what the earlier ones have to know of a later one.

Each is a block of statements; files go through all of them, the oldest first. A block that looks at the model's own
tensors calls them by the names of its time. A block must not take for an old name what a later one makes a new one.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from modelint.layout.hooks.form import made, touch, used
from modelint.layout.hooks.format import fitted
from modelint.layout.migrating.migration import Change, Dropped, Permuted, Renamed, Reset, Reshaped, Resized


class Said(NamedTuple):
    """What an earlier block says, as far as it can be read."""

    #: Names that it takes for old ones.
    old: frozenset[str]
    #: Names under which it looks at the model's own tensors.
    own: frozenset[str]
    #: Old name -> new name.
    moved: frozenset[tuple[str, str]]


def read(lines: Sequence[str]) -> Said:
    """Raises SyntaxError."""
    old: set[str] = set()
    own: set[str] = set()
    moved: set[tuple[str, str]] = set()
    tree = ast.parse(textwrap.dedent("\n".join(line.expandtabs(4) for line in lines)) + "\n")
    for node in ast.walk(tree):
        if isinstance(node, ast.For):
            names = [each.id.rstrip("_") for each in ast.walk(node.target) if isinstance(each, ast.Name)]
            texts = _texts(node.iter)
            if names == ["old", "new"] and _gives_names(node):
                own |= set(texts)
            elif names == ["old", "new"]:
                pairs = set(zip(texts[: len(texts) // 2], texts[len(texts) // 2 :], strict=True))
                moved |= pairs
                old |= {before for before, _ in pairs}
            elif names not in (["name"], ["source", "name"]) or _has(node, ast.Delete):
                old |= set(texts)
            if any(isinstance(each, ast.expr) and _is_named(each, "own") for each in ast.walk(node)):
                own |= set(texts)
        elif isinstance(node, ast.Assign) and _is_named(node.targets[0], "news"):
            own |= {each for each in _texts(node.value) if each != "."}
    return Said(frozenset(old), frozenset(own), frozenset(moved))


def conflict(earlier: Said, changes: Sequence[Change]) -> str | None:
    """A name for which the earlier block would do the wrong thing."""
    again = {(each.after, each.before) for each in changes if isinstance(each, Renamed)}
    back = {before for before, after in earlier.moved if (before, after) in again}
    for each in changes:
        for name in made(each):
            if any(touch(name, other) for other in earlier.old - back):
                return name
        if isinstance(each, Permuted | Reshaped | Resized | Reset):
            seen: tuple[str, ...] = (each.name,)
        else:
            seen = () if isinstance(each, Renamed | Dropped) else used(each)
        for name in seen:
            if any(touch(name, other) for other in earlier.own):
                return name
    return None


def renamed_since(earlier: Said, changes: Sequence[Change], width: int) -> list[str]:
    """Statements that give the model's tensors the names that the earlier block knows, unless the file is newer."""
    pairs = [(each.before, each.after) for each in changes if isinstance(each, Renamed)]
    known = {before: after for before, after in reversed(pairs) if any(touch(before, name) for name in earlier.own)}
    if not known:
        return []
    return [
        "# These have other names since then.",
        *fitted("for old, new in ", known, ".items():", width),
        "    for name in list(own):",
        "        if prefix + name in state_dict:",
        "            continue",
        '        if (name + ".").startswith(new + "."):',
        "            own[old + name[len(new) :]] = own[name]",
    ]


def _texts(node: ast.expr) -> list[str]:
    return list(_strings(node))


def _strings(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    for child in ast.iter_child_nodes(node):
        yield from _strings(child)


def _has(node: ast.AST, kind: type[ast.AST]) -> bool:
    return any(isinstance(each, kind) for each in ast.walk(node))


def _gives_names(loop: ast.For) -> bool:
    """One of ``renamed_since``."""
    targets = (each.targets[0] for each in ast.walk(loop) if isinstance(each, ast.Assign))
    return any(isinstance(each, ast.Subscript) and _is_named(each.value, "own") for each in targets)


def _is_named(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id.rstrip("_") == name
