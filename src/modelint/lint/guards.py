"""What a test says: about conditions, about wrappers, about the start of a key, about shapes."""

from __future__ import annotations

from typing import TypeAlias

from modelint.lint import tree as t
from modelint.lint.render import render
from modelint.lint.state import Frame
from modelint.lint.usage import Usage
from modelint.lint.values import NO_CONDS, Conds, Model
from modelint.lint.wrappers import ASKS_WRAPPED, BY_KIND, WRAPPER_WORDS, wrapper_of

#: So many names in a function make it a table.
_TRANSLATIONS = 3
_NEGATED = {"!=": "==", "is not": "is", "not in": "in", "<=": ">", "<": ">="}


def conditions(test: t.Expr, truth: bool) -> Conds:
    """The named conditions that hold when ``test`` came out as ``truth``."""
    match test:
        case t.Not():
            return conditions(test.value, not truth)
        case t.BoolOp(op=op, values=values):
            if (op == "and") == truth:
                return frozenset().union(*(conditions(v, truth) for v in values))
            return frozenset({(render(test), truth)})
        case t.Compare(ops=[(op, right)]) if op in _NEGATED:
            return frozenset({(f"{render(test.left)} {_NEGATED[op]} {render(right)}", not truth)})
        case t.Const():
            return NO_CONDS
        case t.Walrus():
            return conditions(test.target, truth)
        case _:
            return frozenset({(render(test), truth)})


def contradicts(path: Conds, conds: Conds) -> bool:
    return any((text, not truth) in path for text, truth in conds)


def constant(test: t.Expr) -> bool | None:
    """Whether a test is always true or always false."""
    if isinstance(test, t.Const) and isinstance(test.value, bool | int):
        return bool(test.value)
    return None


# --- wrappers ---------------------------------------------------------------------------------------------------------


def refine(frame: Frame, test: t.Expr, truth: bool) -> None:
    """Narrow what the tested name may hold: ``isinstance(m, DDP)``, ``hasattr(m, "module")``, ``is_parallel(m)``."""
    if isinstance(test, t.Not):
        return refine(frame, test.value, not truth)
    if isinstance(test, t.BoolOp):
        if (test.op == "and") == truth:
            for value in test.values:
                refine(frame, value, truth)
        elif test.op == "or" and truth:
            # any of several wrapper tests came out true
            asked = [_asked(frame, v) for v in test.values]
            if all(asked) and len({a[0] for a in asked if a}) == 1:
                kinds = frozenset().union(*(a[1] for a in asked if a))
                _narrow(frame, asked[0][0] if asked[0] else "", kinds, truth)
        return None
    found = _asked(frame, test)
    if found:
        _narrow(frame, found[0], found[1], truth)
    return None


def _asked(frame: Frame, test: t.Expr) -> tuple[str, frozenset[str]] | None:
    """The access path that a test asks about, and the kinds of wrapper that it asks for."""
    if isinstance(test, t.Call):
        name = t.last_name(test.func)
        path = t.dotted(test.args[0].value) if test.args else None
        if path is None:
            return None
        if name == "isinstance" and len(test.args) == 2:
            kinds = _kinds(frame, test.args[1].value)
            return (path, kinds) if kinds else None
        if name == "hasattr" and len(test.args) == 2 and isinstance(test.args[1].value, t.Const):
            kinds = frozenset(k for k, w in BY_KIND.items() if w.child == test.args[1].value.value)
            return (path, kinds) if kinds else None
        if ASKS_WRAPPED.search(name):
            return path, frozenset(BY_KIND)
        return None
    if isinstance(test, t.Compare):
        # type(m) == DDP, m.__class__.__name__ == "DataParallel", type(m) in (...)
        left = test.left
        while isinstance(left, t.Attr) and left.attr in ("__name__", "__class__", "__qualname__"):
            left = left.value
        if isinstance(left, t.Call) and t.last_name(left.func) == "type" and left.args:
            left = left.args[0].value
        path = t.dotted(left)
        op, right = test.ops[0]
        if path and left is not test.left and op in ("==", "in", "is", "!=", "is not", "not in"):
            kinds = _kinds(frame, right)
            if kinds and op in ("==", "in", "is"):
                return path, kinds
    return None


def _kinds(frame: Frame, types: t.Expr) -> frozenset[str]:
    kinds: set[str] = set()
    for node in t.walk(types):
        text = ""
        if isinstance(node, t.Attr | t.Name):
            text = t.dotted(node) or ""
            ref = frame.file.resolve(text) if text else None
            dotted = getattr(ref, "dotted", text)
            wrapper = wrapper_of(dotted)
            if wrapper:
                kinds.add(wrapper.kind)
                continue
        elif isinstance(node, t.Const) and isinstance(node.value, str):
            text = node.value
        if WRAPPER_WORDS.search(text):
            kinds |= {"dp", "ddp"} if "Optimized" not in text else {"compile"}
    return frozenset(kinds)


def _narrow(frame: Frame, path: str, kinds: frozenset[str], truth: bool) -> None:
    value = frame.lookup(path)
    if value is None:
        return
    frame.env[path] = tuple(a for a in value if not isinstance(a.obj, Model) or _outer(a.obj, kinds) == truth)


def _outer(model: Model, kinds: frozenset[str]) -> bool:
    """Does the outermost wrapper answer to one of the kinds? A compiled model forwards getattr to what it wraps."""
    for wrap in model.wraps:
        if wrap.kind in kinds:
            return True
        if wrap.kind != "compile":
            return False
    return False


#: Access path, and the attribute that unwraps it.
Unwraps: TypeAlias = frozenset[tuple[str, str]]
_UNWRAPS = frozenset({"module", "_orig_mod"})


def unwrapped_paths(body: list[t.Stmt] | t.Expr) -> Unwraps:
    """The receivers whose ``.module`` or ``._orig_mod`` is read somewhere in ``body``."""
    found: set[tuple[str, str]] = set()
    for node in t.walk(body):
        if isinstance(node, t.Attr) and node.attr in _UNWRAPS:
            path = t.dotted(node.value)
            if path:
                found.add((path, node.attr))
    return frozenset(found)


def arms(frame: Frame, node: t.If | t.IfExp) -> dict[bool, Unwraps]:
    """``unwrapped_paths`` of both arms, worked out once for each node."""
    if node.unwraps is None:
        nowhere = isinstance(frame.scope, t.Def) and _UNWRAPS.isdisjoint(frame.scope.words)
        node.unwraps = [frozenset() if nowhere else unwrapped_paths(arm) for arm in (node.body, node.orelse)]
    return {True: node.unwraps[0], False: node.unwraps[1]}


def rebound_unwrapped(body: list[t.Stmt]) -> Unwraps:
    """Those paths of ``body`` that it unwraps into a name (``model = model.module``): without it they count as bare."""
    values = [node.value for node in t.walk(body) if isinstance(node, t.Assign)]
    unwraps = [v for v in values if isinstance(v, t.Attr) and v.attr in _UNWRAPS]
    return frozenset((path, v.attr) for v in unwraps if (path := t.dotted(v.value)))


def drop_wrapped(frame: Frame, unwraps: Unwraps) -> None:
    """The sibling branch unwraps these: here they are taken to be without that wrapper."""
    for path, attr in unwraps:
        value = frame.lookup(path)
        if value:
            kinds = {kind for kind, wrapper in BY_KIND.items() if wrapper.child == attr}
            frame.env[path] = tuple(
                a for a in value if not (isinstance(a.obj, Model) and any(w.kind in kinds for w in a.obj.wraps))
            )


# --- keys -------------------------------------------------------------------------------------------------------------


def anchored(usage: Usage, frame: Frame, name: str) -> bool:
    """Has some test on this path looked at how the key starts (or how the first key starts)?"""
    for test in frame.tests:
        expr = test.expr
        flag = expr.value if isinstance(expr, t.Not) else expr
        held = usage.assigned(flag.id) if isinstance(flag, t.Name) else []
        # wrapped = any(k.startswith(...) for k in state), and later: if wrapped
        if any(_anchors(e, test.truth != isinstance(expr, t.Not), name) for e in held) or _anchors(
            expr, test.truth, name
        ):
            return True
    return False


def asks_inside(frame: Frame, name: str, prefix: object) -> bool:
    """``if "bert" in key``: the name may be meant in the middle. A wrapper's prefix never is."""
    if _is_of_wrapper(prefix):
        return False
    asked = (_asked_for(n, name) for test in frame.tests for n in t.walk(test.expr))
    return any(text is not None and text in str(prefix) for text in asked)


def _asked_for(node: t.Node, name: str) -> str | None:
    """The text of ``"bert" in key`` and of ``key.find("bert") != -1``."""
    if not isinstance(node, t.Compare):
        return None
    if node.ops[0][0] in ("in", "not in") and isinstance(node.left, t.Const) and t.dotted(node.ops[0][1]) == name:
        return str(node.left.value)
    if isinstance(node.left, t.Call) and t.dotted(node.left.func) == f"{name}.find" and node.left.args:
        given = node.left.args[0].value
        return str(given.value) if isinstance(given, t.Const) else None
    return None


def _is_of_wrapper(prefix: object) -> bool:
    return isinstance(prefix, str) and prefix.startswith(tuple(w.prefix for w in BY_KIND.values()))


def translates(frame: Frame, name: str, prefix: object) -> bool:
    """A table of names for one known architecture: the key gets other names in several places. Who wrote it knows where
    each text stands; of a wrapper's prefix the names of the architecture say nothing.
    """
    if not isinstance(frame.scope, t.Def) or _is_of_wrapper(prefix):
        return False
    count = 0
    for node in t.walk(frame.scope.body):
        if isinstance(node, t.Call) and isinstance(node.func, t.Attr) and t.dotted(node.func.value) == name:
            texts = [arg.value.value for arg in node.args if isinstance(arg.value, t.Const)]
            count += node.func.attr == "replace" and len(texts) == 2 and all(isinstance(e, str) and e for e in texts)
    return count >= _TRANSLATIONS


def asks_for_path(frame: Frame, name: str, size: str) -> bool:
    """``if "module.student.backbone." in key`` before ``key[7:]``: a path was looked for that begins with what is cut.

    ``"module." in key`` alone does not say that the key starts so.
    """
    if not size.isdigit():
        return False
    wrappers = tuple(w.prefix for w in BY_KIND.values())
    for test in frame.tests:
        part = test.expr
        if test.truth and isinstance(part, t.Compare) and part.ops[0][0] == "in" and t.dotted(part.ops[0][1]) == name:
            text = part.left.value if isinstance(part.left, t.Const) else None
            cut = f"{text}."[: int(size)]
            if isinstance(text, str) and cut.endswith(".") and text not in wrappers and f"{text}." not in wrappers:
                return True
    return False


def _anchors(test: t.Expr, truth: bool, name: str) -> bool:
    if isinstance(test, t.Not):
        return _anchors(test.value, not truth, name)
    if isinstance(test, t.BoolOp):
        return any(_anchors(v, truth, name) for v in test.values)
    if isinstance(test, t.Compare) and test.ops[0][0] in ("!=", "not in"):
        truth = not truth
    if not truth:
        return False
    for node in t.walk(test):
        if isinstance(node, t.Call) and t.last_name(node.func) in ("startswith", "match", "fullmatch", "is_prefix"):
            return True
        if isinstance(node, t.Call) and "prefix" in t.last_name(node.func).lower():
            return True
        if isinstance(node, t.Sub):
            whole = render(node.value)
            if isinstance(node.index, t.Slice) and node.index.upper is not None and node.index.lower is None:
                return True  # k[:7] == "module."
            if "split(" in whole and isinstance(node.index, t.Const) and node.index.value == 0:
                return True  # k.split(".")[0] == "module"
            if isinstance(node.index, t.Const) and node.index.value == 0 and whole != name:
                return True  # list(sd.keys())[0]
        if isinstance(node, t.Call) and t.last_name(node.func) == "next":
            return True
    return False


_SHAPE_WORDS = frozenset({"shape", "size", "numel", "ndim", "dim", "nelement"})


def compares_shapes(frame: Frame) -> bool:
    """Has some test on this path compared shapes, or asked a function that by its name does?"""
    return any(asks_shapes(test.expr) for test in frame.tests)


def asks_shapes(test: t.Expr) -> bool:
    for node in t.walk(test):
        if isinstance(node, t.Attr) and node.attr in _SHAPE_WORDS:
            return True
        if isinstance(node, t.Call):
            name = t.last_name(node.func).lower()
            if any(word in name for word in ("shape", "size", "match", "compatible", "same")):
                return True
        if isinstance(node, t.Name) and any(w in node.id.lower() for w in ("shape", "size_match", "mismatch")):
            return True
    return False
