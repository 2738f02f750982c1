"""Module classes found by reading source: what could be tracked. Nothing is imported, and nothing is tracked by it."""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from modelint.layout import making

_BASES = re.compile(r"(?:\w*Module|PreTrainedModel)")
_CONTAINERS = frozenset({"Sequential", "ModuleList", "ModuleDict"})


class Candidate(NamedTuple):
    """A module class that no other module builds, or a function that makes one."""

    name: str
    #: ``package.module:Class``.
    factory: str
    path: str
    line: int
    #: Parameters without a default.
    needs: tuple[str, ...]
    #: ``package.module:Class`` of the one it needs, where that one can be made without arguments.
    config: str | None


class _Class(NamedTuple):
    node: ast.ClassDef
    module: str
    path: str
    bases: tuple[str, ...]
    #: What the names of its file stand for: name -> module it is imported from.
    imported: Mapping[str, str]


def candidates(files: Iterable[tuple[str, bytes]], folders: Sequence[str]) -> list[Candidate]:
    """Those in ``files``; ``folders`` are where imports start, the first that holds a file names its module."""
    classes: dict[str, list[_Class]] = {}
    functions: dict[str, list[tuple[str, ast.FunctionDef]]] = {}
    for path, data in files:
        tree = _parse(data)
        module = tree and _module(path, folders)
        if tree is None or not module:
            continue
        imported = _imports(tree)
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                bases = tuple(filter(None, map(_last, node.bases)))
                classes.setdefault(node.name, []).append(_Class(node, module, path, bases, imported))
            elif isinstance(node, ast.FunctionDef):
                functions.setdefault(path, []).append((module, node))
    modules = [each for same in classes.values() for each in same if _is_module(each, classes, frozenset())]
    # What a trainer or a script builds is a model; what a module builds is a part of one.
    built = {name for each in modules for name in _calls(each.node) - {each.node.name}}
    found: list[Candidate] = []
    for each in modules:
        if each.node.name not in built and not each.node.name.startswith("_"):
            found += _candidate(each, classes)
    needing = {each.name for each in found if each.needs and each.config is None}
    made: set[str] = set()
    parts: set[str] = set()
    for path, all_of_it in functions.items():
        local = {node.name: node for _, node in all_of_it}
        for module, node in all_of_it:
            cls = making.makes(node, needing, local)
            if cls is None:
                continue
            # ResNet(Bottleneck, ...): a class that is handed over is a part of what is made.
            names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
            parts |= names & classes.keys() - {cls}
            if not node.name.startswith("_") and not making.needs(node):
                made.add(cls)
                found.append(Candidate(node.name, f"{module}:{node.name}", path, node.lineno, (), None))
    found = [each for each in found if each.name not in parts and not (each.needs and each.name in made)]
    return sorted(found, key=lambda each: (bool(each.needs), each.path, each.line))


def _candidate(each: _Class, classes: Mapping[str, list[_Class]]) -> list[Candidate]:
    needed = _needed(each, classes, frozenset())
    if needed is None:
        return []
    config = None
    if len(needed) == 1 and needed[0].annotation is not None:
        config = _config(_last(needed[0].annotation), each, classes)
    factory = f"{each.module}:{each.node.name}"
    names = tuple(argument.arg for argument in needed)
    return [Candidate(each.node.name, factory, each.path, each.node.lineno, names, config)]


def _config(name: str, user: _Class, classes: Mapping[str, list[_Class]]) -> str | None:
    """The class of a configuration that can be made without arguments."""
    for each in classes.get(name, ()):
        if each.module != user.module and name not in user.imported:
            continue
        fields = [node for node in each.node.body if isinstance(node, ast.AnnAssign)]
        is_data = any(
            _last(node.func if isinstance(node, ast.Call) else node) == "dataclass" for node in _decorators(each)
        )
        if is_data and all(field.value is not None for field in fields):
            return f"{each.module}:{name}"
        if not is_data and any(_is_init(node) for node in each.node.body) and _needed(each, classes, frozenset()) == []:
            return f"{each.module}:{name}"
    return None


def _decorators(each: _Class) -> list[ast.expr]:
    return each.node.decorator_list


def _is_module(each: _Class, classes: Mapping[str, list[_Class]], seen: frozenset[str]) -> bool:
    for base in each.bases:
        if _BASES.fullmatch(base) or base in _CONTAINERS:
            return True
        if base not in seen and any(_is_module(other, classes, seen | {base}) for other in classes.get(base, ())):
            return True
    return False


def _needed(each: _Class, classes: Mapping[str, list[_Class]], seen: frozenset[str]) -> list[ast.arg] | None:
    """The parameters that have no default; None where the constructor stands elsewhere."""
    for node in each.node.body:
        if _is_init(node):
            assert isinstance(node, ast.FunctionDef)
            return [each for each in making.needs(node) if each is not _first(node)]
    for base in each.bases:
        if base == "Module":
            return []
        for other in classes.get(base, ()):
            if base not in seen:
                return _needed(other, classes, seen | {base})
    return None


def _first(node: ast.FunctionDef) -> ast.arg | None:
    return next(iter([*node.args.posonlyargs, *node.args.args]), None)


def _is_init(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == "__init__"


def _calls(node: ast.ClassDef) -> set[str]:
    """What is built inside a class."""
    return {_last(each.func) for each in ast.walk(node) if isinstance(each, ast.Call)}


def _imports(tree: ast.Module) -> dict[str, str]:
    return {
        alias.asname or alias.name: node.module or "."
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def _last(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):  # an annotation in quotes
        return node.value.rpartition(".")[2]
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _parse(data: bytes) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _module(path: str, folders: Sequence[str]) -> str | None:
    """The name under which a file is imported."""
    for folder in sorted(folders, key=len, reverse=True):
        prefix = folder.rstrip(os.sep) + os.sep
        if path.startswith(prefix):
            parts = path[len(prefix) :].removesuffix(".py").split(os.sep)
            if parts[-1] == "__init__":
                del parts[-1]
            return ".".join(parts) if parts and all(part.isidentifier() for part in parts) else None
    return None


def table(name: str, factory: str) -> str:
    """The lines of TOML that track a model."""
    return f'[tool.modelint.models.{name}]\nfactory = "{factory}"\n'


def model_name(name: str, taken: Iterable[str]) -> str:
    """A name for the model of a class, unlike those that are taken: ``VisionTransformer`` -> ``vision-transformer``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower().replace("_", "-").strip("-")
    used = set(taken)
    return next(
        each for number in range(1, 10_000) if (each := words if number == 1 else f"{words}-{number}") not in used
    )
