"""Functions that only make a model, found by reading: ``def resnet18(): return ResNet(BasicBlock, [2, 2, 2, 2])``."""

from __future__ import annotations

import ast
from collections.abc import Container, Mapping


def makes(node: ast.FunctionDef, classes: Container[str], local: Mapping[str, ast.FunctionDef]) -> str | None:
    """The class, one of ``classes``, of what the function returns; ``local`` are the functions of its file.

    None where it does anything else on the way, for whoever tries the function runs it: a script's ``main`` that trains
    a model and returns it must not be taken for its factory.
    """
    return _makes(node, classes, local, frozenset())


def needs(node: ast.FunctionDef) -> list[ast.arg]:
    """The parameters that have no default."""
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    needed = positional[: len(positional) - len(arguments.defaults)]
    return needed + [argument for argument, default in keywords if default is None]


def _makes(
    node: ast.FunctionDef, classes: Container[str], local: Mapping[str, ast.FunctionDef], seen: frozenset[str]
) -> str | None:
    parameters = {each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)}
    made: dict[str, str] = {}

    def value(expression: ast.expr | None) -> str | None:
        if isinstance(expression, ast.Name):
            return made.get(expression.id)
        if not isinstance(expression, ast.Call):
            return None
        name = _last(expression.func)
        if name in classes:
            return name
        if name in local and name not in seen:
            return _makes(local[name], classes, local, seen | {name})
        return None

    for each in node.body:
        if isinstance(each, ast.Return):
            return value(each.value)
        if isinstance(each, ast.Assign) and len(each.targets) == 1 and isinstance(each.targets[0], ast.Name):
            cls = value(each.value)
            if cls is not None:
                made[each.targets[0].id] = cls
            elif any(isinstance(inner, ast.Call) for inner in ast.walk(each.value)):
                return None
        elif not (_says_nothing(each) or _is_option(each, parameters)):
            return None
    return None


def _says_nothing(node: ast.stmt) -> bool:
    is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_docstring or isinstance(node, ast.Pass | ast.Import | ast.ImportFrom)


def _is_option(node: ast.stmt, parameters: Container[str]) -> bool:
    """``if pretrained: ...``: what a caller asks for; the network is shut when a model is tried."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id in parameters


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
