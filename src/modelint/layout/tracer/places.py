"""Where the classes of the project stand in their files."""

from __future__ import annotations

import ast
import functools
import sys
import tokenize
from typing import Any

from torch import nn

from .uses import is_installed


def class_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def find(model: nn.Module) -> dict[str, dict[str, Any]]:
    """Of every class of a module, and their bases, that does not come from an installed package."""
    found: dict[str, dict[str, Any]] = {}
    for cls in dict.fromkeys(type(module) for module in nn.Module.modules(model)):
        own = [each for each in cls.__mro__ if _file(each) is not None]
        for at, each in enumerate(own):
            if class_name(each) in found:
                continue
            place = _place(each)
            if place is not None:
                later = [base for base in own[at + 1 :] if base in each.__mro__]
                found[class_name(each)] = {**place, "bases": [class_name(base) for base in later]}
    return found


def _file(cls: type) -> str | None:
    path = getattr(sys.modules.get(cls.__module__), "__file__", None)
    if not isinstance(path, str) or not path.endswith(".py") or is_installed(path):
        return None
    return path


def _place(cls: type) -> dict[str, Any] | None:
    path = _file(cls)
    if path is None:
        return None
    spans = _classes(path).get(cls.__qualname__, [])
    lines = {each.__code__.co_firstlineno for each in vars(cls).values() if hasattr(each, "__code__")}
    for start, end in spans:  # several of one name: the one that its methods stand in
        if len(spans) == 1 or any(start <= line <= end for line in lines):
            return {"path": path, "line": start, "end_line": end}
    return None


@functools.cache
def _classes(path: str) -> dict[str, list[tuple[int, int]]]:
    found: dict[str, list[tuple[int, int]]] = {}
    try:
        with tokenize.open(path) as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return found
    todo: list[tuple[str, ast.AST]] = [("", tree)]
    while todo:
        prefix, node = todo.pop()
        for child in ast.iter_child_nodes(node):
            inner = prefix
            if isinstance(child, ast.ClassDef):
                name = prefix + child.name
                found.setdefault(name, []).append((child.lineno, child.end_lineno or child.lineno))
                inner = name + "."
            elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                inner = f"{prefix}{child.name}.<locals>."
            todo.append((inner, child))
    return found
