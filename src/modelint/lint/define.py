"""Module classes: what their methods register, what they only hold, and what is made too late."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from modelint.lint import known
from modelint.lint import tree as t
from modelint.lint.evaluate import literal_str
from modelint.lint.facts import (
    CompiledChild,
    LateModule,
    MissingInit,
    RegisterResult,
)
from modelint.lint.index import File
from modelint.lint.names import ClassRef
from modelint.lint.render import render
from modelint.lint.state import Frame
from modelint.lint.values import Model, Opaque, Value
from modelint.lint.wrappers import BY_KIND
from modelint.rule import Place

if TYPE_CHECKING:
    from modelint.lint import calls
    from modelint.lint.interpret import Interpreter


class Store(NamedTuple):
    """``self.attr = value`` in a method."""

    attr: str
    value: Value
    place: Place
    method: str
    expr: t.Expr | None


class Record:
    """What the methods of one class did to self while it was interpreted on its own."""

    def __init__(self, cls: ClassRef) -> None:
        self.cls = cls
        self.stores: list[Store] = []
        #: Names given to register_buffer, register_parameter, add_module.
        self.registered: set[str] = set()
        self.dynamic = False
        self.deleted: set[str] = set()
        #: Attribute -> where and in which method it was changed in place.
        self.changed: dict[str, tuple[Place, str]] = {}


def begin(it: Interpreter, ref: ClassRef, key: int) -> Record:
    it.records[key] = Record(ref)
    return it.records[key]


def _record(it: Interpreter, frame: Frame) -> Record | None:
    return it.records.get(frame.key)


def _method_name(frame: Frame) -> str:
    return frame.scope.name if isinstance(frame.scope, t.Def) else ""


# --- events -----------------------------------------------------------------------------------------------------------


def attribute_store(it: Interpreter, frame: Frame, target: t.Attr, value: Value, stmt: t.Node) -> None:
    if frame.cls is None:
        return
    at = frame.place(stmt)
    record = _record(it, frame)
    expr = stmt.value if isinstance(stmt, t.Assign) else None
    if record is not None:
        record.stores.append(Store(target.attr, value, at, _method_name(frame), expr))
    if it.project.is_module(frame.cls) is not True:
        return
    for alt in value:
        obj = alt.obj
        if isinstance(obj, Model):
            _missing_init(it, frame, target.attr, at)
            here = bool(obj.wraps) and obj.wraps[0].place.path == at.path and within(expr, obj.wraps[0].place, at)
            if here and it.project.method(frame.cls, "state_dict") is None:  # else the class decides on its keys
                of = expr.args[0].value if isinstance(expr, t.Call) and expr.args else None
                it.emit(CompiledChild(at, target.attr, BY_KIND[obj.wraps[0].kind], t.dotted(of) if of else None))
        elif isinstance(obj, Opaque):
            if obj.kind == "parameter":
                _missing_init(it, frame, target.attr, at)
            elif obj.kind == "register-result":
                method, _, name = obj.detail.partition(" ")
                it.emit(RegisterResult(at, target.attr, method, name or None))


def within(expr: t.Expr | None, place: Place, at: Place) -> bool:
    """Does the place stand inside the expression of the statement?"""
    return expr is not None and place.statement == at.statement and any(n.n == place.node for n in t.walk(expr))


def _missing_init(it: Interpreter, frame: Frame, attr: str, at: Place) -> None:
    if frame.owner is None or it.project.is_module(frame.owner) is not True:
        return  # a mixin: the class that it is mixed into decides
    if frame.init_done or not isinstance(frame.scope, t.Def) or frame.scope.name != "__init__":
        return
    if is_co_base(frame.file, frame.owner):
        return  # what it is mixed with runs Module.__init__, and a second one would drop what that registered
    it.emit(MissingInit(frame.place(frame.scope), frame.owner.name, attr, at, _calls_init(frame.scope)))


def is_co_base(file: File, ref: ClassRef) -> bool:
    """Does a class of the same file derive from this one and from another?"""
    classes = [s.node for s in file.source.statements if isinstance(s.node, ast.ClassDef)]
    return any(
        len(c.bases) > 1 and any(isinstance(base, ast.Name) and base.id == ref.name for base in c.bases)
        for c in classes
    )


def _calls_init(scope: t.Def) -> bool:
    """Does the method call some ``__init__`` of its own, not in a class or function defined inside it?"""
    stack: list[t.Node] = list(scope.body)
    while stack:
        node = stack.pop()
        if isinstance(node, t.Call) and t.last_name(node.func) == "__init__":
            return True
        if not isinstance(node, t.Def | t.Class | t.Lambda):
            stack.extend(t.children(node))
    return False


def module_event(it: Interpreter, frame: Frame, node: t.Call, name: str, args: calls.Args) -> None:
    """``self.register_buffer(...)``, ``self.add_module(...)``, ``setattr(self, ...)``."""
    record = _record(it, frame)
    if record is None or frame.cls is None:
        return
    given = literal_str(args.get(1 if name == "setattr" else 0, "name"))
    if given is None:
        record.dynamic = True
    elif not (name == "register_parameter" and frame.conditional and _is_none(args.expr(1, "param"))):
        record.registered.add(given)  # None in one branch says nothing of what the other one assigns
    if it.project.is_module(frame.cls) is True and name != "setattr":
        _missing_init(it, frame, given or "...", frame.place(node))


def _is_none(expr: t.Expr | None) -> bool:
    return isinstance(expr, t.Const) and expr.value is None


def augmented(it: Interpreter, frame: Frame, target: t.Attr, stmt: t.Node) -> None:
    """``self.x += ...``."""
    record = _record(it, frame)
    if record is not None:
        record.changed.setdefault(target.attr, (frame.place(stmt), _method_name(frame)))


def deleted(it: Interpreter, frame: Frame, target: t.Attr) -> None:
    record = _record(it, frame)
    if record is not None:
        record.deleted.add(target.attr)


def built(it: Interpreter, frame: Frame, node: t.Call, model: Model) -> None:
    """A module is made here: inside ``forward`` that is too late."""
    if frame.cls is None or _method_name(frame) != "forward" or it.project.is_module(frame.cls) is not True:
        return
    if it.bears(model, buffers=False) is True:
        guarded = any("hasattr" in render(test.expr) or "None" in render(test.expr) for test in frame.tests)
        made = frame.bound_call
        while isinstance(made, t.Call) and isinstance(made.func, t.Attr) and made.func.attr in known.RETURNS_SELF:
            made = made.func.value  # nn.Linear(4, 4).to(device)
        attr = frame.bound_names[0] if node is made and frame.bound_names else None
        it.emit(LateModule(frame.place(node), attr, (model.cls or "").rpartition(":")[2].rpartition(".")[2], guarded))
