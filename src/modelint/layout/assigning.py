"""What in the source of a class gives an attribute its value."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

#: Calls on self that give the attribute of their first argument a value.
_REGISTER = ("register_buffer", "register_parameter", "register_module", "add_module")


def assigning(cls: ast.ClassDef, name: str) -> Iterator[ast.stmt | ast.expr]:
    """What gives ``self.name`` its value, __init__ first; the method of that name; a value in the body of the class."""
    methods = [node for node in cls.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for method in sorted(methods, key=lambda method: method.name != "__init__"):
        receiver = method.args.args[0].arg if method.args.args else "self"
        for node in _in_order(method):
            if any(_is_attribute(target, receiver, name) for target in _targets(node)):
                assert isinstance(node, ast.stmt)
                yield node
            elif isinstance(node, ast.Call) and _registers(node, receiver, name):
                yield node
    yield from (method for method in methods if method.name == name)
    for statement in cls.body:
        if any(isinstance(target, ast.Name) and target.id == name for target in _targets(statement)):
            yield statement


def item(node: ast.AST, name: str) -> ast.expr | None:
    """What makes the item of a ModuleDict, or of an OrderedDict: ``name=...``, ``"name": ...``, ``("name", ...)``."""
    for each in ast.walk(node):
        if isinstance(each, ast.keyword) and each.arg == name:
            return each.value
        if isinstance(each, ast.Dict):
            for key, value in zip(each.keys, each.values, strict=True):
                if key is not None and _may_be(key, name):
                    return value
        if isinstance(each, ast.Tuple | ast.List) and len(each.elts) == 2 and _may_be(each.elts[0], name):
            return each.elts[1]
    return None


def _in_order(node: ast.AST) -> list[ast.AST]:
    found = [each for each in ast.walk(node) if hasattr(each, "lineno")]
    return sorted(found, key=lambda each: (each.lineno, each.col_offset))  # type: ignore[attr-defined]


def _targets(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Assign):
        targets: Iterable[ast.expr] = node.targets
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        targets = (node.target,)
    else:
        return
    for target in targets:
        yield from target.elts if isinstance(target, ast.Tuple | ast.List) else (target,)


def _is_attribute(target: ast.expr, receiver: str, name: str) -> bool:
    """Whether it is ``self.name``; the name may have dots."""
    names: list[str] = []
    while isinstance(target, ast.Attribute):
        names.append(target.attr)
        target = target.value
    return isinstance(target, ast.Name) and target.id == receiver and ".".join(reversed(names)) == name


def _registers(call: ast.Call, receiver: str, name: str) -> bool:
    """``self.register_buffer("name", ...)``, ``setattr(self, "name", ...)``; a name in an f-string may be any."""
    function = call.func
    if isinstance(function, ast.Attribute) and function.attr in _REGISTER:
        of_self = isinstance(function.value, ast.Name) and function.value.id == receiver
        given = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "name"), None)
    elif isinstance(function, ast.Name) and function.id == "setattr" and len(call.args) == 3:
        of_self = isinstance(call.args[0], ast.Name) and call.args[0].id == receiver
        given = call.args[1]
    else:
        return False
    return of_self and given is not None and _may_be(given, name)


def _may_be(given: ast.expr, name: str) -> bool:
    if isinstance(given, ast.Constant):
        return given.value == name
    if isinstance(given, ast.JoinedStr):
        import re

        pattern = "".join(
            re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".*" for part in given.values
        )
        return pattern.strip(".*") != "" and re.fullmatch(pattern, name) is not None
    return False
