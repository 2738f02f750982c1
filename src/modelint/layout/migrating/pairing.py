"""Modules of an old layout and those of today: which is which where a name changed, as far as their classes tell.

A child that went and one that came are one where both are of a class of the user, or hold such, and no other child of
that kind went or came beside them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

from modelint.layout.layout import Layout
from modelint.layout.owners import class_at

_Children = Mapping[str, list[str]]


def moved_keys(old: Layout, new: Layout) -> dict[str, str]:
    """Old key -> its name below the module of today that holds it; only those that change."""
    modules = _moved(old, new)
    found = {}
    for key in (*old.keys.specs, *old.keys.extra):
        path = key.rpartition(".")[0]
        while path not in modules:
            path = path.rpartition(".")[0]
        target = modules[path]
        if target != path:
            found[key] = f"{target}{key[len(path) :]}"
    return found


def _moved(old: Layout, new: Layout) -> dict[str, str]:
    """Old module path -> new one."""
    olds, news = _children(old), _children(new)
    found: dict[str, str] = {}
    todo = [("", "")]
    while todo:
        before, after = todo.pop()
        found[before] = after
        here, there = olds.get(before, []), news.get(after, [])
        pairs = {name: name for name in here if name in there}
        gone = _by_kind(old, olds, before, (name for name in here if name not in pairs))
        came = _by_kind(new, news, after, (name for name in there if name not in pairs))
        for kind, names in gone.items():
            others = came.get(kind, [])
            if kind is not None and len(names) == len(others) == 1:
                pairs[names[0]] = others[0]
        todo += ((_join(before, one), _join(after, other)) for one, other in pairs.items())
    return found


def _children(layout: Layout) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in layout.modules:
        if path:
            parent, _, name = path.rpartition(".")
            found.setdefault(parent, []).append(name)
    return found


def _by_kind(layout: Layout, children: _Children, path: str, names: Iterable[str]) -> dict[Hashable, list[str]]:
    found: dict[Hashable, list[str]] = {}
    for name in names:
        found.setdefault(_kind(layout, children, _join(path, name)), []).append(name)
    return found


def _kind(layout: Layout, children: _Children, path: str) -> Hashable:
    """The class of the user, or those in a container; None: torch's own say nothing."""
    cls = class_at(layout, path)
    if cls is None or not cls.startswith("torch."):
        return None if cls is None else cls.rpartition(".")[2]  # its file may have moved
    inner = {_kind(layout, children, _join(path, name)) for name in children.get(path, ())} - {None}
    return (cls, frozenset(inner)) if inner else None


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
