"""Which class writes what: from the module paths of a layout to the classes that assign them."""

from __future__ import annotations

from collections.abc import Mapping

from modelint.layout.facts import Symbol
from modelint.layout.layout import Layout

#: Containers of torch whose items the user names.
_NAMING = ("torch.nn.ModuleDict", "torch.nn.Sequential", "torch.nn.ParameterDict")


def class_at(layout: Layout, path: str) -> str | None:
    """The class of the module at ``path``."""
    definition = layout.definitions.get(layout.modules.get(path, ""))
    return None if definition is None else definition.cls


def symbol(layout: Layout, path: str, attribute: str, below: str = "") -> Symbol:
    """Where ``attribute`` of the module at ``path`` is assigned. Classes of torch assign nothing of the user's."""
    owners = []
    while True:
        cls = class_at(layout, path)
        if cls is not None and not cls.startswith("torch."):
            owners.append((cls, attribute))
        if not path:
            return Symbol(tuple(owners), below)
        path, _, name = path.rpartition(".")
        # Items of a ModuleDict have lines of their own, as attributes have.
        attribute = f"{name}.{attribute}" if cls in _NAMING and not attribute.isdigit() else name


def of_module(layout: Layout, path: str) -> Symbol:
    """Where the module at ``path`` is assigned; for the model itself, its class."""
    parent, _, attribute = path.rpartition(".")
    return symbol(layout, parent, attribute)


def of_old_key(old: Layout, new: Layout, key: str, moved: Mapping[str, str]) -> Symbol:
    """Where ``key`` of OLD was assigned: at the highest module that NEW lacks or has replaced, else at its own name."""
    *path, attribute = key.split(".")
    here = there = ""
    for name in path:
        here = _join(here, name)
        found = moved.get(here, _join(there, name))
        if found not in new.modules:
            return symbol(new, there, name)
        if _is_replaced(old, new, here, found):
            return of_module(new, found)
        there = found
    return symbol(new, there, attribute)


def of_new_key(old: Layout, new: Layout, key: str, came: Mapping[str, str]) -> Symbol:
    """Where ``key`` of NEW is assigned: at the highest module that OLD lacks or had another for, else at its name."""
    *path, attribute = key.split(".")
    here = there = ""
    for name in path:
        parent, here = here, _join(here, name)
        there = came.get(here, _join(there, name))
        if there not in old.modules or _is_replaced(old, new, there, here):
            return symbol(new, parent, name)
    return symbol(new, here, attribute)


def of_rename(old: Layout, new: Layout, before: str, after: str) -> Symbol:
    """Where the first name of ``after`` is assigned that ``before`` does not have there."""
    olds, news = before.split("."), after.split(".")
    at = 0
    while at < min(len(olds), len(news)) - 1 and olds[at] == news[at]:
        at += 1
        path = ".".join(news[:at])
        if _is_replaced(old, new, path, path):
            return of_module(new, path)
    return symbol(new, ".".join(news[:at]), news[at])


def moved_modules(renames: Mapping[str, str]) -> dict[str, str]:
    """Old module path -> new one, as far as renamed keys tell."""
    moved: dict[str, str] = {}
    for before, after in renames.items():
        olds, news = before.split("."), after.split(".")
        same = True
        while same and len(olds) > 1 and len(news) > 1:
            same = olds.pop() == news.pop()
            path = ".".join(olds)
            if path in moved:
                break
            moved[path] = ".".join(news)
    return moved


def _is_replaced(old: Layout, new: Layout, before: str, after: str) -> bool:
    """Whether a module of torch became one of the user, or the other way round: the place that says so counts."""
    classes = class_at(old, before), class_at(new, after)
    return None not in classes and len({str(cls).startswith("torch.") for cls in classes}) > 1


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
