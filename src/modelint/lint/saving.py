"""State dicts made, and what reaches a file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from modelint.lint import known, snapshots
from modelint.lint import tree as t
from modelint.lint.facts import Layer, Save, SavedModule, SavedState, Unsafe
from modelint.lint.names import ClassRef, ExtRef
from modelint.lint.render import render
from modelint.lint.snapshots import KEPT
from modelint.lint.state import Frame
from modelint.lint.values import (
    UNKNOWN,
    Alt,
    Checkpoint,
    DictVal,
    Entry,
    Inst,
    ListVal,
    Model,
    Opaque,
    SelfRef,
    StateDict,
    Super,
    Value,
    just,
    under,
)
from modelint.lint.wrappers import BY_KIND
from modelint.rule import Place

if TYPE_CHECKING:
    from modelint.lint.interpret import Interpreter

_RANK = re.compile(
    r"rank|is_main|main_process|is_master|master|primary|world_size|is_chief|local_main|zero_only", re.IGNORECASE
)
_UNSAFE_KINDS = frozenset(known.UNSAFE_MAKERS.values()) | {"argparse.Namespace"}


def state_dict(it: Interpreter, frame: Frame, node: t.Call, receiver: Value, path: str | None) -> Value:
    """``x.state_dict()``: live tensors of the model, or the state of an optimizer, or an overriding method's result."""
    text = path or (render(node.func.value) if isinstance(node.func, t.Attr) else "")
    if known.NOT_A_MODEL.search(text.split("[")[0].rsplit(".", 1)[-1]):
        return just(Opaque("optimizer-state", frame.place(node)))
    loop = frame.loops[-1] if frame.loops else None
    out: list[Alt] = []
    followed: Value = UNKNOWN
    for alt in receiver:
        obj = alt.obj
        if isinstance(obj, Opaque):
            return just(Opaque("optimizer-state", frame.place(node)))
        if isinstance(obj, Super):
            return just(StateDict(None, frame.place(node), "super()", it.age))
        if isinstance(obj, SelfRef | Inst) and it.project.is_module(obj.cls) is not True:
            followed = it.call_method(frame, obj, "state_dict", [], {})
            continue
        model = obj if isinstance(obj, Model) else None
        stripped = ("*",) if frame.sharded else ()
        taken = StateDict(model, frame.place(node), text, it.age, loop=loop, stripped=stripped)
        out.append(Alt(taken, alt.conds))
    if followed:
        return followed
    if not out:
        return just(StateDict(None, frame.place(node), text, it.age, loop=loop))
    return under(tuple(out), frame.path)


def layers(it: Interpreter, frame: Frame | None, state: StateDict) -> tuple[Layer, ...]:
    """The wrappers that leave a prefix in this state dict, outermost first."""
    out: list[Layer] = []
    if state.model is not None:
        for wrap in state.model.wraps:
            wrapper = BY_KIND[wrap.kind]
            if wrapper.prefix and not ("*" in state.stripped or wrap.kind in state.stripped):
                out.append(Layer(wrapper, wrap.place))
    if frame is not None and "*" not in state.stripped:
        below = state.path + "."
        for path, value in frame.env.items():
            if path.startswith(below) and state.path:
                for alt in under(value, frame.path):
                    if isinstance(alt.obj, Model) and alt.obj.wraps:
                        wrap = alt.obj.wraps[0]
                        out.append(Layer(BY_KIND[wrap.kind], wrap.place, path[len(below) :]))
                        break
    return tuple(out)


def save(it: Interpreter, frame: Frame, node: t.Call, sink: str, value: Value, *, pickles: bool) -> Value:
    """Emit what a save writes: the state dicts in it, the whole modules, and what torch.load will refuse.

    Of a value that may be one dict or another, tensors of one say nothing about what else is in the other.
    """
    states: list[SavedState] = []
    modules = [*_modules_inside(it, frame, node), *(_child(it, frame, node) if pickles and not value else ())]
    unsafe: list[Unsafe] = []
    carrying: set[Alt] = set()
    refused: set[Alt] = set()
    at = frame.place(node)
    stack: list[tuple[str | None, Value, int, Alt, Place | None]] = [
        (None, (a,), 0, a, None) for a in under(value, frame.path)
    ]
    while stack:
        key, held, depth, whole, inside = stack.pop()
        for alt in held:
            obj = alt.obj
            if isinstance(obj, Entry):
                source = [a.obj for a in obj.of if isinstance(a.obj, StateDict)]
                obj = source[0] if source and depth else obj
            if depth and isinstance(obj, Checkpoint | Entry):
                carrying.add(whole)
            if isinstance(obj, StateDict):
                found = SavedState(obj.place, obj.path, layers(it, frame, obj), bool(alt.conds))
                if found not in states:
                    states.append(found)
                used(it, frame, obj, at, "saved")
            elif isinstance(obj, Model):
                modules.append(SavedModule(key or "", obj.cls))
            elif isinstance(obj, SelfRef) and it.project.is_module(obj.cls):
                modules.append(SavedModule(key or "self", obj.cls.name))
            elif isinstance(obj, Opaque) and (obj.kind in _UNSAFE_KINDS or obj.kind in ("numpy", "optimizer")):
                kind = {"numpy": obj.detail, "optimizer": "an optimizer object"}.get(obj.kind, obj.kind)
                unsafe.append(Unsafe(kind, key, obj.place, inside))
                refused.add(whole)
            elif isinstance(obj, Inst) and depth:
                unsafe.append(Unsafe(f"a {obj.cls.name} object", key, None, inside))
            elif isinstance(obj, DictVal) and depth < 5:
                stack.extend((k or key, under(v, frame.path), depth + 1, whole, obj.place) for k, v in obj.items)
            elif isinstance(obj, ListVal) and depth < 5:
                stack.extend((key, under(v, frame.path), depth + 1, whole, inside) for v in obj.elts)
    bare = {s.place for s in states if not s.layers}
    states = [s._replace(conditional=s.conditional or s.place in bare) for s in states]
    if states or modules or unsafe:
        guarded = _rank_decides(frame, node)
        distributed = (
            "init_process_group" in frame.file.source.text or "DistributedDataParallel" in frame.file.source.text
        )
        carried = not carrying.isdisjoint(refused)
        unloadable = tuple(dict.fromkeys(unsafe))
        it.emit(Save(at, sink, pickles, tuple(states), tuple(modules), unloadable, guarded, distributed, carried))
    return UNKNOWN


def _rank_decides(frame: Frame, node: t.Call) -> bool:
    """A test of the rank, a decorator that makes one, or the rank in the file's name."""
    texts = [render(test.expr) for test in frame.tests] + [text for text, _ in frame.path]
    texts += [
        n.id if isinstance(n, t.Name) else n.attr
        for a in node.args[1:]
        for n in t.walk(a)
        if isinstance(n, t.Name | t.Attr)
    ]
    if isinstance(frame.scope, t.Def):
        texts += [render(d) for d in frame.scope.decorators]
    return any(_RANK.search(text) for text in texts)


def _modules_inside(it: Interpreter, frame: Frame, node: t.Call) -> list[SavedModule]:
    """``x["model"].parameters()`` elsewhere in the function tells that ``save(x)`` pickles a module."""
    path = t.dotted(node.args[0].value) if node.args else None
    if path is None:
        return []
    return [
        SavedModule(text[len(path) + 1 : -1].strip("'\""), None)
        for text in sorted(it.usage(frame).used_as_module - it.usage(frame).replaced(path))
        if text.startswith(path + "[") and text.endswith("]")
    ]


def _child(it: Interpreter, frame: Frame, node: t.Call) -> list[SavedModule]:
    """``save(model.encoder)``, where the class of ``model`` assigns ``self.encoder`` a module and nothing else."""
    child = node.args[0].value if node.args else None
    if not isinstance(child, t.Attr):
        return []
    for alt in it.peek(frame, child.value):
        if not isinstance(alt.obj, Model) or alt.obj.wraps:
            continue
        path, _, name = (alt.obj.cls or "").rpartition(":")
        file = it.project.file(path) if path else None
        owner = file.top(name) if file is not None else None
        found = it.project.method(owner, "__init__") if isinstance(owner, ClassRef) else None
        if found is None:
            continue
        init, mine = found[1], it.project.file(found[0].ref.path)
        made = [s.value for s in t.walk(init.body) if isinstance(s, t.Assign) and _stores(s, init, child.attr)]
        refs = [mine.resolve(t.dotted(v.func) or "") for v in made if isinstance(v, t.Call)] if mine is not None else []
        if made and len(refs) == len(made) and all(
            (isinstance(ref, ClassRef) and it.project.is_module(ref) is True)
            or (isinstance(ref, ExtRef) and known.torch_nn_class(ref.dotted) is not None)
            for ref in refs
        ):  # fmt: skip
            return [SavedModule("", None)]
    return []


def _stores(stmt: t.Assign, method: t.Def, attr: str) -> bool:
    own = method.params[0].name if method.params else ""
    return any(t.dotted(target) == f"{own}.{attr}" for target in stmt.targets)


def used(it: Interpreter, frame: Frame, state: StateDict, at: Place, use: str, receiver: str = "") -> None:
    """A state dict is used: if training went on since it was taken, it was no snapshot."""
    if use == "saved" and state.loop is not None and state.loop in frame.loops:
        return  # taken and saved in one loop: meant to be fresh
    if state.age == KEPT and (use != "loaded" or receiver != state.path):
        return  # another method may have taken it a moment ago
    if state.place in it.written:
        return
    if state.age < it.age and state.copied != "copy" and state.bound is not None:
        snapshots.report(it, state, at, use)
