"""Where a project does to a model what its load hooks do not survive: read in the source, nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

_WORDS = (b"jit", b"full_state_dict")
#: Those of torch.distributed.checkpoint that take ``StateDictOptions(full_state_dict=True)``.
_SETTERS = frozenset(("set_model_state_dict", "set_state_dict"))


class Use(NamedTuple):
    path: str
    line: int
    #: What happens there to the hook, and what to do.
    words: str


_SCRIPTED = "torch.jit.script loses load hooks: load old files first, then script"
_COMPLETED = (
    "full_state_dict puts the model's own tensors where an old file lacks some, and hides from the hook that it is "
    "old: load old files before the model is sharded"
)


def uses(paths: Iterable[str], names: Collection[str]) -> Iterator[Use]:
    """The first of each kind, in files that speak of one of ``names``: the classes and the factory of the model."""
    seen: set[str] = set()
    for path in paths:
        for use in _of_file(path, names) if path.endswith(".py") else ():
            if use.words not in seen:
                seen.add(use.words)
                yield use


def _of_file(path: str, names: Collection[str]) -> Iterator[Use]:
    try:
        with open(path, "rb") as file:
            data = file.read()
        if not any(word in data for word in _WORDS):
            return
        nodes = list(ast.walk(ast.parse(data)))
    except (OSError, SyntaxError, ValueError, RecursionError):
        return
    functions = {each.name for each in nodes if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
    spoken = {name for each in nodes for name in _names(each)}
    if spoken.isdisjoint(names):
        return
    for each in nodes:
        if not isinstance(each, ast.Call):
            continue
        called = ast.unparse(each.func)
        if (called.endswith("jit.script") or (called == "script" and "torch.jit" in spoken)) and each.args:
            given = each.args[0]
            if not isinstance(given, ast.Lambda) and not (isinstance(given, ast.Name) and given.id in functions):
                yield Use(path, each.lineno, _SCRIPTED)
        elif not spoken.isdisjoint(_SETTERS):
            for keyword in each.keywords:
                whole = isinstance(keyword.value, ast.Constant) and keyword.value.value is True
                if keyword.arg == "full_state_dict" and whole:
                    yield Use(path, each.lineno, _COMPLETED)


def _names(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(name) | ast.Attribute(attr=name) | ast.alias(name) | ast.ClassDef(name):
            yield name
        case ast.ImportFrom(module=str(module)):
            yield module
