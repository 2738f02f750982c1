"""A module class as a whole: what its methods only hold, and what they register in a way that gets lost."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from modelint.lint import tree as t
from modelint.lint.asts import ast_dotted, methods_of
from modelint.lint.facts import (
    LostParameter,
    MissingInit,
    PlainContainer,
    RepeatedModule,
)
from modelint.lint.index import File
from modelint.lint.names import ClassRef
from modelint.lint.project import ClassInfo
from modelint.lint.render import render
from modelint.lint.state import Frame
from modelint.lint.tensors import by_attr, passed_on, tensors
from modelint.lint.values import DictVal, ListVal, Model, Opaque, Value, flat
from modelint.rule import Place

if TYPE_CHECKING:
    from modelint.lint.interpret import Interpreter
from modelint.lint.define import Record, Store, is_co_base, within


def finish(it: Interpreter, file: File, info: ClassInfo, record: Record) -> None:
    """Judge what the class as a whole left unregistered."""
    if it.project.is_module(info.ref) is not True:
        return
    methods = it.project.defs(info.ref)
    _never_initialised(it, file, info, record, methods)
    _containers(it, info, record, methods)
    building = _building(methods)
    _parameters(it, record, building)
    tensors(it, record, methods, building)
    for method in methods:
        for param in method.params:
            if param.default is not None and method.name == "__init__":
                frame = Frame(file, info.ref.statement, None)
                for alt in it.eval(frame, param.default):
                    if isinstance(alt.obj, Model) and alt.obj.built and it.bears(alt.obj):
                        it.emit(RepeatedModule(frame.place(param), alt.obj.cls or "", "default"))


def _never_initialised(it: Interpreter, file: File, info: ClassInfo, record: Record, methods: list[t.Def]) -> None:
    """An ``__init__`` that keeps plain values only, and never calls that of ``nn.Module``: its instances raise when
    they are called or given a module."""
    init = next((m for m in methods if m.name == "__init__"), None)
    if init is None or "__call__" in {m.name for m in methods} or is_co_base(file, info.ref):
        return
    stores = [s for s in record.stores if s.method == "__init__"]
    place = Place(file.path, info.ref.statement, init.n)
    told = any(isinstance(f, MissingInit) and f.place == place for f in it.facts)
    if not stores or told or init.words & {"super", "__init__", "__dict__", "__setattr__"} or _hands_on_self(init):
        return
    late = [s.place for s in record.stores for a in s.value if s.method != "__init__" and is_registered(a.obj)]
    if late or _is_called(it, file, info.ref, methods):
        it.emit(MissingInit(place, info.ref.name, None, late[0] if late else stores[0].place, False))


def is_registered(obj: object) -> bool:
    return isinstance(obj, Model) or (isinstance(obj, Opaque) and obj.kind == "parameter")


def _hands_on_self(method: t.Def) -> bool:
    """Does anything get ``self`` as a whole, or run as a method of it? It may well call ``__init__``."""
    name = method.params[0].name if method.params else ""
    for node in t.walk(method):
        if isinstance(node, t.Call):
            if any(isinstance(a.value, t.Name) and a.value.id == name for a in node.args):
                return True
            if isinstance(node.func, t.Attr) and isinstance(node.func.value, t.Name) and node.func.value.id == name:
                return True
    return False


def _is_called(it: Interpreter, file: File, ref: ClassRef, methods: list[t.Def]) -> bool:
    """Is there a ``forward`` that a call would run: in the class, or in one of the file that adds just that?"""
    if any(m.name == "forward" for m in methods):
        return True
    for statement in file.source.statements:
        node = statement.node
        if isinstance(node, ast.ClassDef) and [ast_dotted(base) for base in node.bases] == [ref.name]:
            names = {m.name for m in methods_of(node.body)}
            if "forward" in names and not names & {"__init__", "__call__"}:
                return True
    return False


def _containers(it: Interpreter, info: ClassInfo, record: Record, methods: list[t.Def]) -> None:
    held = next((it.heap[k] for k, r in it.records.items() if r is record), {})
    kept = {store.attr: store for store in reversed(record.stores) if isinstance(_only(store.value), ListVal | DictVal)}
    if not kept or record.dynamic:
        return
    passed, direct = passed_on(methods), _direct_places(record)
    for attr, store in kept.items():
        if attr in record.registered or attr in passed or attr in record.deleted:
            continue
        if any(not isinstance(_only(s.value), ListVal | DictVal) for s in record.stores if s.attr == attr):
            continue
        if _put_aside(attr, store, held.get(attr, store.value), methods):
            continue
        elements = [
            o for o in flat(held.get(attr, store.value))
            if (isinstance(o, Model) and o.built and o.place not in direct and o.place not in it.contained)
            or (isinstance(o, Opaque) and o.kind == "parameter" and o.place not in direct)
        ]  # fmt: skip
        for obj in elements:
            bears = it.bears(obj) if isinstance(obj, Model) else True
            if bears:
                container = _only(store.value)
                kind = "dict" if isinstance(container, DictVal) else getattr(container, "kind", "list")
                what = "module" if isinstance(obj, Model) else "parameter"
                name = (obj.cls or "").rpartition(":")[2].rpartition(".")[2] if isinstance(obj, Model) else "Parameter"
                it.emit(PlainContainer(store.place, attr, kind, what, name))
                break


def _put_aside(attr: str, store: Store, held: Value, methods: list[t.Def]) -> bool:
    """``self.teacher = [build()]``, read as ``self.teacher[0]`` alone: the known way to keep a module unregistered."""
    if not isinstance(store.expr, t.Seq) or len(store.expr.elts) != 1:
        return False
    if any(not (isinstance(a.obj, ListVal) and a.obj.exact and len(a.obj.elts) == 1) for a in held):
        return False
    met = first = 0
    for node in (node for method in methods for node in t.walk(method)):
        met += isinstance(node, t.Attr) and node.attr == attr
        if isinstance(node, t.Sub) and isinstance(node.value, t.Attr) and node.value.attr == attr:
            first += isinstance(node.index, t.Const) and node.index.value == 0
    return first > 0 and met == first + 1  # and the store


def _only(value: Value) -> object:
    return value[0].obj if value else None


def _direct_places(record: Record) -> set[Place | None]:
    """Places of modules and parameters that some attribute holds directly: registered there."""
    return {a.obj.place for s in record.stores for a in s.value if isinstance(a.obj, Model | Opaque)}


def _building(methods: list[t.Def]) -> frozenset[str]:
    """``__init__`` and the methods of the class that it calls."""
    init = next((m for m in methods if m.name == "__init__"), None)
    if init is None:
        return frozenset({"__init__", "__post_init__"})
    called = {t.dotted(n.func) for n in t.walk(init) if isinstance(n, t.Call)}
    return frozenset(
        {"__init__", "__post_init__", *(m.name for m in methods if f"self.{m.name}" in called and m.name != "forward")}
    )


def _parameters(it: Interpreter, record: Record, building: frozenset[str]) -> None:
    for attr, stores in by_attr(record).items():
        wrapped_again = any(
            isinstance(a.obj, Opaque)
            and a.obj.kind == "parameter"
            and s.expr is not None
            and f"self.{attr}" in render(s.expr)
            for s in stores
            for a in s.value
        )
        if attr in record.registered or wrapped_again:
            continue
        # What stands there first is a placeholder.
        given = any(s.method not in building and isinstance(s.expr, t.Name) for s in stores)
        for store in stores:
            for alt in store.value:
                obj = alt.obj
                if not isinstance(obj, Opaque):
                    continue
                if obj.kind == "lost-parameter" and within(store.expr, obj.place, store.place):
                    it.emit(LostParameter(store.place, attr, obj.detail))
                elif obj.kind == "tensor" and store.method in building and obj.detail.endswith(" grad") and not given:
                    it.emit(LostParameter(stores[0].place, attr, "requires_grad"))
