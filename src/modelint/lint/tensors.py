"""Tensors that a module keeps as plain attributes: is one of them state, which a file would have to hold?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from modelint.lint import tree as t
from modelint.lint.define import Record, Store
from modelint.lint.facts import StateTensor
from modelint.lint.usage import alongside
from modelint.lint.values import Opaque, is_drawn
from modelint.rule import Place

if TYPE_CHECKING:
    from modelint.lint.interpret import Interpreter

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


def tensors(it: Interpreter, record: Record, methods: list[t.Def], building: frozenset[str]) -> None:
    if any(not _RANKS.isdisjoint(method.words) for method in methods):
        return  # each process holds a part of its own: no state dict has room for that
    for attr, stores in by_attr(record).items():
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
            if not _TRANSIENT.search(attr) and not _becomes_one(attr, methods) and not _started_anew(stores, methods):
                at = next((s.place for s in stores if _made(s)), change[0])
                it.emit(StateTensor(at, attr, "updated", change[1], change[0]))
            continue
        built = [s for s in stores if s.method in building]
        others = (s for s in stores if s not in built)
        if any(s.expr is None or not _moved(attr, s.expr) for s in others) or not _read_elsewhere(attr, methods):
            continue
        drawn = next((s for s in built if any(map(is_drawn, _made(s)))), None)
        if drawn is not None and not _TRANSIENT.search(attr):
            if not _becomes_one(attr, methods) and not _seeded(drawn, methods) and not _is_input(attr, methods):
                it.emit(StateTensor(drawn.place, attr, "random", drawn.method, None))
        elif tensors and len(stores) == 1 and first.method == "__init__":
            it.emit(StateTensor(first.place, attr, "constant", "__init__", None))


def by_attr(record: Record) -> dict[str, list[Store]]:
    out: dict[str, list[Store]] = {}
    for store in record.stores:
        out.setdefault(store.attr, []).append(store)
    return out


def passed_on(methods: list[t.Def], calls: frozenset[str] = _REGISTERS) -> set[str]:
    """Attributes that a registering call, or a star, mentions anywhere in the class."""
    out: set[str] = set()
    for node in (n for method in methods for n in t.walk(method)):
        if isinstance(node, t.Call) and t.last_name(node.func) in calls:
            for arg in node.args:
                out.update(n.attr for n in t.walk(arg.value) if isinstance(n, t.Attr) and isinstance(n.value, t.Name))
    return out


def _started_anew(stores: list[Store], methods: list[t.Def]) -> bool:
    """Does a method that runs in training call another one of the class that makes the tensor anew?"""
    starts = {f"self.{store.method}" for store in stores if _made(store) and not _UPDATERS.match(store.method)}
    return any(
        isinstance(node, t.Call) and t.dotted(node.func) in starts
        for method in methods
        if _UPDATERS.match(method.name)
        for node in t.walk(method)
    )


def _seeded(store: Store, methods: list[t.Def]) -> bool:
    """Does the same method seed the generator first? Then every instance draws the same."""
    method = next((m for m in methods if m.name == store.method), None)
    return method is not None and any(
        isinstance(n, t.Call) and n.n < store.place.node and t.last_name(n.func) in ("seed", "manual_seed") and n.args
        for n in t.walk(method)
    )


def _becomes_one(attr: str, methods: list[t.Def]) -> bool:
    """``nn.Parameter(self.start)`` somewhere in the class."""
    return attr in passed_on(methods, frozenset({"Parameter", "Buffer"}))


def _is_input(attr: str, methods: list[t.Def]) -> bool:
    """Is it only ever handed to a module of its own, whole? Then it is something to run that with."""
    read, handed = 0, 0
    own = {f"self.{method.name}" for method in methods}
    for method in methods:
        if attr not in method.words:
            continue
        stored = {n.n for s in t.walk(method) if isinstance(s, t.Assign) for n in s.targets}
        for node in t.walk(method):
            read += isinstance(node, t.Attr) and t.dotted(node) == f"self.{attr}" and node.n not in stored
            called = t.dotted(node.func) if isinstance(node, t.Call) else None
            if isinstance(node, t.Call) and called is not None and called.startswith("self.") and called not in own:
                handed += sum(t.dotted(arg.value) == f"self.{attr}" for arg in node.args)
    return 0 < read == handed


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
        if any(_is_of(node, attr) for node in nodes) and (is_tensor or _computes_tensor(store, nodes)):
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


def _computes_tensor(store: Store, nodes: list[t.Node]) -> bool:
    """Is the new value worked out by torch? What another function makes of its arguments is not known."""
    calls = [(t.dotted(n.func) or "").startswith(("torch.", "F.")) for n in nodes if isinstance(n, t.Call)]
    whole = store.expr
    foreign = isinstance(whole, t.Call) and isinstance(whole.func, t.Name)
    return any(calls) and not foreign


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
