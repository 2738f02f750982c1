"""Where a module is assigned is not always where it changed: what of the code behind its value is not as it was.

``self.main = nn.Sequential(*layers)`` stands as it stood; the line that appends another layer does not. Likewise
for what a method or a function of the same file makes, for one line of many in a ``Sequential``, and for a default.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Container, Iterable, Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef
#: What a place may be.
Node = ast.stmt | ast.expr | ast.arg


class Code:
    """A class and the functions around it, as they are or as they were."""

    def __init__(self, module: ast.Module, cls: ast.ClassDef) -> None:
        self.cls = cls
        self.methods = _functions(cls)
        self.plain = _functions(module)

    def called(self, call: ast.Call, receiver: str) -> Function | None:
        """The function that a call runs, where it is one of this file by its name."""
        function = call.func
        if isinstance(function, ast.Attribute):
            own = isinstance(function.value, ast.Name) and function.value.id == receiver
            return self.methods.get(function.attr) if own else None
        return self.plain.get(function.id) if isinstance(function, ast.Name) else None


def narrowed(now: Code, then: Code, found: ast.stmt | ast.expr, names: Container[str]) -> Node | None:
    """What behind the value of ``found``, which a method of ``now`` assigns, is not as in ``then``: a statement, a
    part of one, or a parameter with another default; of a method, its first statement that is not. What has one of
    ``names`` in it goes before the rest. None: all is as it was, or nothing tells.
    """
    method = next((each for each in now.methods.values() if found in set(ast.walk(each))), None)
    before = None if method is None else then.methods.get(method.name)
    if method is None or before is None:
        return None
    changed = changes(method, before)
    if found is method:
        return changed[0] if changed else None
    statement = next((each for each in reversed(statements(method)) if found in set(ast.walk(each))), None)
    if statement is None:
        return None
    if statement in changed:
        return found if found is not statement or found.end_lineno == found.lineno else _part(statement, before, names)
    leading = _leading(method, statement)
    seen = {method}
    inner = list(leading)
    told = [each for each in changed if each in leading]
    receiver = _receiver(method)
    while inner and not told:
        called = _called(now, inner, receiver)
        inner = []
        for each in called:
            if each in seen:
                continue
            seen.add(each)
            inner += statements(each)
            was = _same(then, now, each)
            told += [] if was is None else changes(each, was)
    if told:
        return next((each for each in told if _has(each, names)), told[0])
    read = {name for each in leading for name in _read(each)}
    return next((each for each in given(method, before) if each.arg in read), None)


def changes(now: Function, then: Function) -> list[ast.stmt]:
    """The statements of a function that it did not have then."""
    left = Counter(map(_text, statements(then)))
    changed = []
    for each in statements(now):
        text = _text(each)
        if left[text]:
            left[text] -= 1
        else:
            changed.append(each)
    return changed


def statements(function: Function) -> list[ast.stmt]:
    """Those in a function, but for texts, in order; of a compound one only the head is meant."""
    found = [
        each
        for each in ast.walk(function)
        if isinstance(each, ast.stmt)
        and each is not function
        and not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
    ]
    return sorted(found, key=lambda each: (each.lineno, each.col_offset))


def given(now: Function, then: Function) -> list[ast.arg]:
    """The parameters that have another default, or are new."""
    before = _defaults(then)
    return [each for each, default in _defaults(now).values() if before.get(each.arg, (each, ""))[1] != default]


def _defaults(function: Function) -> dict[str, tuple[ast.arg, str | None]]:
    """Name -> parameter and its default, as it is written."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    values: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    values += [*arguments.defaults, *arguments.kw_defaults]
    pairs = zip([*positional, *arguments.kwonlyargs], values, strict=True)
    return {each.arg: (each, None if value is None else ast.dump(value)) for each, value in pairs}


def _functions(node: ast.ClassDef | ast.Module) -> dict[str, Function]:
    return {each.name: each for each in node.body if isinstance(each, Function)}


def _same(then: Code, now: Code, function: Function) -> Function | None:
    side = then.methods if now.methods.get(function.name) is function else then.plain
    return side.get(function.name)


def _leading(method: Function, found: ast.stmt) -> list[ast.stmt]:
    """The statements that lead to the value of ``found``: they assign what it reads, or call methods of that."""
    receiver = _receiver(method)
    read = _read(found) - {receiver}
    leading = {found}
    while True:
        new = [each for each in statements(method) if each not in leading and _gives(each) & read]
        if not new:
            return [each for each in statements(method) if each in leading]
        leading |= set(new)
        read |= {name for each in new for name in _read(each)} - {receiver}


def _receiver(method: Function) -> str:
    return method.args.args[0].arg if method.args.args else "self"


def _own(statement: ast.stmt) -> Iterator[ast.AST]:
    """What stands in a statement, but not the statements in it."""
    for name, value in ast.iter_fields(statement):
        if name not in _BLOCKS:
            yield from (each for each in (value if isinstance(value, list) else [value]) if isinstance(each, ast.AST))


#: Fields of statements that hold statements.
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


def _text(statement: ast.stmt) -> str:
    if not any(hasattr(statement, name) for name in _BLOCKS):
        return ast.dump(statement)
    return f"{type(statement).__name__} {[ast.dump(each) for each in _own(statement)]}"


def _read(statement: ast.stmt) -> set[str]:
    return {each.id for part in _own(statement) for each in ast.walk(part) if isinstance(each, ast.Name)}


def _gives(statement: ast.stmt) -> set[str]:
    """The local names that a statement gives a value, or changes one in place."""
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AugAssign | ast.AnnAssign | ast.For):
        targets = [statement.target]
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        function = statement.value.func
        targets = [function.value] if isinstance(function, ast.Attribute) else []
    else:
        return set()
    return {each.id for target in targets for each in _roots(target)}


def _roots(target: ast.expr) -> Iterator[ast.Name]:
    if isinstance(target, ast.Name):
        yield target
    elif isinstance(target, ast.Subscript):
        yield from _roots(target.value)
    elif isinstance(target, ast.Tuple | ast.List):
        for each in target.elts:
            yield from _roots(each)


def _called(now: Code, leading: Iterable[ast.stmt], receiver: str) -> list[Function]:
    parts = (part for statement in leading for part in _own(statement))
    calls = (each for part in parts for each in ast.walk(part) if isinstance(each, ast.Call))
    found = (now.called(each, receiver) for each in calls)
    return [each for each in found if each is not None]


def _part(found: ast.stmt, before: Function, names: Container[str]) -> ast.stmt | ast.expr:
    """The part of a long assignment that is not as it was."""
    if not isinstance(found, ast.Assign):
        return found
    targets = [ast.dump(each) for each in found.targets]
    olds = [
        each
        for each in statements(before)
        if isinstance(each, ast.Assign) and [ast.dump(target) for target in each.targets] == targets
    ]
    inner = _inner(found.value, olds[0].value, names) if len(olds) == 1 else found.value
    return found if inner is found.value else inner


def _inner(now: ast.expr, then: ast.expr, names: Container[str]) -> ast.expr:
    """The first part on one line that differs, or the innermost of more lines; what has ``names`` goes before."""
    if now.lineno == now.end_lineno:
        return now
    ours, theirs = _parts(now, then), _parts(then, now)
    if ours is None or theirs is None:
        return now
    if len(ours) != len(theirs):
        first = next((at for at, pair in enumerate(zip(ours, theirs, strict=False)) if _differ(*pair)), len(theirs))
        return ours[first] if first < len(ours) else now
    pairs = [pair for pair in zip(ours, theirs, strict=True) if _differ(*pair)]
    pairs = [pair for pair in pairs if _has(pair[0], names)] or pairs
    return _inner(*pairs[0], names) if pairs else now


def _parts(node: ast.expr, other: ast.expr) -> list[ast.expr] | None:
    """What stands in an expression, where the other is of the same kind."""
    if isinstance(node, ast.Starred) and isinstance(other, ast.Starred):
        return [node.value]
    if isinstance(node, ast.List | ast.Tuple) and isinstance(other, ast.List | ast.Tuple):
        return node.elts
    if isinstance(node, ast.Call) and isinstance(other, ast.Call) and not _differ(node.func, other.func):
        same = [each.arg for each in node.keywords] == [each.arg for each in other.keywords]
        return [*node.args, *(each.value for each in node.keywords)] if same else None
    return None


def _differ(one: ast.expr, other: ast.expr) -> bool:
    return ast.dump(one) != ast.dump(other)


def _has(node: ast.stmt | ast.expr, names: Container[str]) -> bool:
    return any(
        (isinstance(each, ast.Name) and each.id in names) or (isinstance(each, ast.Attribute) and each.attr in names)
        for part in (_own(node) if isinstance(node, ast.stmt) else [node])
        for each in ast.walk(part)
    )
