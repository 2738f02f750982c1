"""What of a constructor is not as it was, where nothing but the code of then tells which value became another one."""

from __future__ import annotations

import ast

from modelint.layout.assigning import assigning
from modelint.layout.narrowed import changes, given

_INIT = "__init__"


def rewritten(now: ast.ClassDef, then: ast.ClassDef, attribute: str) -> ast.stmt | ast.arg | None:
    """The first statement of the constructor of ``now`` that that of ``then`` has not; else the first parameter
    with another default. ``attribute``: only what gives this one its value counts, ``__init__`` stands for any.
    """
    init, before = _constructor(now), _constructor(then)
    if init is None or before is None:
        return None
    changed = changes(init, before)
    if attribute != _INIT:
        wanted = {id(each) for each in assigning(now, attribute)}
        changed = [each for each in changed if wanted & {id(inner) for inner in ast.walk(each)}]
    receiver = init.args.args[0].arg if init.args.args else "self"
    kept = [each for each in changed if _keeps(each, receiver)]
    if kept or changed:
        return (kept or changed)[0]
    return next(iter(given(init, before)), None)


def named(module: ast.Module, name: str) -> ast.ClassDef | None:
    """The class of this name, the first of several."""
    return next((each for each in ast.walk(module) if isinstance(each, ast.ClassDef) and each.name == name), None)


def _constructor(cls: ast.ClassDef) -> ast.FunctionDef | None:
    return next((each for each in cls.body if isinstance(each, ast.FunctionDef) and each.name == _INIT), None)


def _keeps(statement: ast.stmt, receiver: str) -> bool:
    """Whether it gives an attribute a value."""
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return any(
        isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id == receiver
        for each in targets
    )
