"""A module class as a whole: what its methods only hold, and what they register in a way that gets lost."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from modelint.lint import tree as t
from modelint.lint.asts import ast_dotted, methods_of
from modelint.lint.facts import (
    LostParameter,
    MissingInit,
    PlainContainer,
    RepeatedModule,
    StateTensor,
)
from modelint.lint.index import File
from modelint.lint.names import ClassRef
from modelint.lint.project import ClassInfo
from modelint.lint.render import render
from modelint.lint.state import Frame
from modelint.lint.usage import alongside
from modelint.lint.values import DictVal, ListVal, Model, Opaque, Value, flat, is_drawn
from modelint.rule import Place

if TYPE_CHECKING:
    from modelint.lint.interpret import Interpreter
from modelint.lint.define import Record, Store, is_co_base, within

_TRANSIENT = re.compile(
    r"hidden|cache|prev|past|last|history|loss|acc(uracy)?$|metric|mask|noise|dummy|example|sample|tmp|temp$|^h$|^c$|^x$"
    r"|input|output|attn|attention|feature|feat$|grad|cur_|current|state$|states$|(^|_)kv|epoch|iter|step|device|^pe$"
    r"|seq_|logits|probs?$|pred|target|label|anchor|grid|pos(itions?)?$|index_|batch|result|stats?$|activation",
    re.IGNORECASE,
)
_UPDATERS = re.compile(
    r"^(forward|update\w*|_update\w*|training_step|step|train_step|_momentum\w*|_dequeue\w*|\w*enqueue\w*|observe"
    r"|(end|begin|after|before)_(task|training_\w+)|on_train_\w+)$"
)
_MOVES = frozenset({
    "to", "type_as", "cuda", "cpu", "float", "half", "double", "type", "expand", "view", "repeat", "clone", "detach",
    "contiguous", "unsqueeze", "squeeze", "reshape", "bfloat16", "requires_grad_",
})  # fmt: skip
_IN_PLACE = re.compile(r"^(copy|add|mul|sub|div|lerp|addcmul|addcdiv|index_add|index_copy|scatter|fill|zero|sqrt)_$")
_RANKS = frozenset({"local_rank", "get_rank", "get_local_rank"})
_REGISTERS = frozenset({
    "ModuleList", "ModuleDict", "Sequential", "ParameterList", "ParameterDict", "add_module", "register_module",
    "register_parameter", "register_buffer",
})  # fmt: skip


def finish(it: Interpreter, file: File, info: ClassInfo, record: Record) -> None:
    """Judge what the class as a whole left unregistered."""
    if it.project.is_module(info.ref) is not True:
        return
    methods = it.project.defs(info.ref)
    _never_initialised(it, file, info, record, methods)
    _containers(it, info, record, methods)
    building = _building(methods)
    _parameters(it, record, building)
    _tensors(it, record, methods, building)
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


def _by_attr(record: Record) -> dict[str, list[Store]]:
    out: dict[str, list[Store]] = {}
    for store in record.stores:
        out.setdefault(store.attr, []).append(store)
    return out


def _containers(it: Interpreter, info: ClassInfo, record: Record, methods: list[t.Def]) -> None:
    held = next((it.heap[k] for k, r in it.records.items() if r is record), {})
    kept = {store.attr: store for store in reversed(record.stores) if isinstance(_only(store.value), ListVal | DictVal)}
    if not kept or record.dynamic:
        return
    passed, direct = _passed_on(methods), _direct_places(record)
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


def _passed_on(methods: list[t.Def], calls: frozenset[str] = _REGISTERS) -> set[str]:
    """Attributes that a registering call, or a star, mentions anywhere in the class."""
    out: set[str] = set()
    for node in (n for method in methods for n in t.walk(method)):
        if isinstance(node, t.Call) and t.last_name(node.func) in calls:
            for arg in node.args:
                out.update(n.attr for n in t.walk(arg.value) if isinstance(n, t.Attr) and isinstance(n.value, t.Name))
    return out


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
    for attr, stores in _by_attr(record).items():
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
        for store in stores:
            for alt in store.value:
                obj = alt.obj
                if not isinstance(obj, Opaque):
                    continue
                if obj.kind == "lost-parameter" and within(store.expr, obj.place, store.place):
                    it.emit(LostParameter(store.place, attr, obj.detail))
                elif obj.kind == "tensor" and store.method in building and obj.detail.endswith(" grad"):
                    it.emit(LostParameter(stores[0].place, attr, "requires_grad"))


def _tensors(it: Interpreter, record: Record, methods: list[t.Def], building: frozenset[str]) -> None:
    if any(not _RANKS.isdisjoint(method.words) for method in methods):
        return  # each process holds a part of its own: no state dict has room for that
    for attr, stores in _by_attr(record).items():
        first = stores[0]
        tensors = _made(first)
        if any(obj.detail == "placeholder" for obj in tensors):
            continue
        if attr in record.registered:
            again = [s for s in stores if _made(s)]
            if attr in record.deleted and again:
                it.emit(StateTensor(again[0].place, attr, "unregistered", again[0].method, None))
            continue
        if any(
            isinstance(a.obj, Opaque) and a.obj.kind in ("parameter", "register-result")
            for s in stores
            for a in s.value
        ):
            continue
        if (tensors and tensors[0].detail.endswith("grad")) or _UPDATERS.match(first.method):
            continue
        change = _update(attr, stores, record, methods, is_tensor=any(map(_made, stores)))
        if change is not None:
            if not _TRANSIENT.search(attr) and not _becomes_one(attr, methods):
                at = next((s.place for s in stores if _made(s)), change[0])
                it.emit(StateTensor(at, attr, "updated", change[1], change[0]))
            continue
        built = [s for s in stores if s.method in building]
        others = (s for s in stores if s not in built)
        if any(s.expr is None or not _moved(attr, s.expr) for s in others) or not _read_elsewhere(attr, methods):
            continue
        drawn = next((s for s in built if any(map(is_drawn, _made(s)))), None)
        if drawn is not None and not _TRANSIENT.search(attr):
            if not _becomes_one(attr, methods):
                it.emit(StateTensor(drawn.place, attr, "random", drawn.method, None))
        elif tensors and len(stores) == 1 and first.method == "__init__":
            it.emit(StateTensor(first.place, attr, "constant", "__init__", None))


def _becomes_one(attr: str, methods: list[t.Def]) -> bool:
    """``nn.Parameter(self.start)`` somewhere in the class."""
    return attr in _passed_on(methods, frozenset({"Parameter", "Buffer"}))


def _made(store: Store) -> list[Opaque]:
    return [a.obj for a in store.value if isinstance(a.obj, Opaque) and a.obj.kind == "tensor"]


def _update(
    attr: str, stores: list[Store], record: Record, methods: list[t.Def], *, is_tensor: bool
) -> tuple[Place, str] | None:
    """Where a method that runs in training changes the attribute from its own former value."""
    if attr in record.changed and is_tensor and _UPDATERS.match(record.changed[attr][1]):
        return record.changed[attr]
    for store in stores[1:]:
        method = next((m for m in methods if m.name == store.method), None)
        if method is None or not _UPDATERS.match(store.method) or store.expr is None:
            continue
        earlier = [s for s in stores if s.method == store.method and s.place < store.place]
        if any(s.expr is not None and not _moved(attr, s.expr) for s in earlier):
            continue  # set anew earlier in the same call: transient
        nodes = [] if _moved(attr, store.expr) else _worked_out_from(store, method)  # a cast or move is no new value
        if any(_is_of(node, attr) for node in nodes) and (is_tensor or _computes_tensor(nodes)):
            return store.place, store.method
    if not is_tensor:
        return None
    for method in methods:
        if not _UPDATERS.match(method.name):
            continue
        for node in t.walk(method):
            if isinstance(node, t.Call) and isinstance(node.func, t.Attr) and _IN_PLACE.match(node.func.attr):
                target = node.func.value
                while isinstance(target, t.Sub) or (isinstance(target, t.Attr) and target.attr == "data"):
                    target = target.value
                if isinstance(target, t.Attr) and target.attr == attr and isinstance(target.value, t.Name):
                    return Place(stores[0].place.path, stores[0].place.statement, node.n), method.name
            if isinstance(node, t.Assign | t.AugAssign):
                for item in node.targets if isinstance(node, t.Assign) else [node.target]:
                    if isinstance(item, t.Sub) and t.dotted(item.value) == f"self.{attr}":
                        return Place(stores[0].place.path, stores[0].place.statement, node.n), method.name
    return None


def _computes_tensor(nodes: list[t.Node]) -> bool:
    return any(isinstance(n, t.Call) and (t.dotted(n.func) or "").startswith(("torch.", "F.")) for n in nodes)


def _worked_out_from(store: Store, method: t.Def) -> list[t.Node]:
    """All nodes that a new value is worked out from, through local names of the method.

    Names bound in another branch than the store do not count: a cache is read in one and made anew in the other. Nor
    do names bound after it, where nothing loops.
    """
    assigns: dict[str, list[t.Expr]] = {}
    nodes = [node for part in alongside(method.body, store.place.node) for node in t.walk(part)]
    loops = any(isinstance(node, t.For | t.While) for node in nodes)
    for node in nodes:
        if isinstance(node, t.Assign) and (loops or node.n <= store.place.node):
            for target in node.targets:
                if isinstance(target, t.Name):
                    assigns.setdefault(target.id, []).append(node.value)
    out: list[t.Node] = []
    seen: set[str] = set()
    stack: list[t.Expr] = [store.expr] if store.expr is not None else []
    while stack:
        for node in t.walk(stack.pop()):
            out.append(node)
            if isinstance(node, t.Name) and node.id not in seen:
                seen.add(node.id)
                stack.extend(assigns.get(node.id, ()))
    return out


def _is_of(node: t.Node, attr: str) -> bool:
    return isinstance(node, t.Attr) and node.attr == attr and isinstance(node.value, t.Name)


def _moved(attr: str, expr: t.Expr) -> bool:
    """``self.x.to(device)``: the same values elsewhere, or in another type or shape."""
    inner = expr
    while isinstance(inner, t.Call) and isinstance(inner.func, t.Attr):
        inner = inner.func.value
    if t.dotted(inner) != f"self.{attr}":
        return False
    return {n.func.attr for n in t.walk(expr) if isinstance(n, t.Call) and isinstance(n.func, t.Attr)} <= _MOVES


def _read_elsewhere(attr: str, methods: list[t.Def]) -> bool:
    return any(m.name not in ("__init__", "__post_init__") and attr in m.words for m in methods)
