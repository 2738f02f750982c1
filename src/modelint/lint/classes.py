"""Classes: instances built with the values at hand, and each class interpreted on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelint.lint import calls, define, external, functions, registry
from modelint.lint import tree as t
from modelint.lint.names import ClassRef, ExtRef
from modelint.lint.state import Frame
from modelint.lint.values import UNKNOWN, Inst, Model, Value, flat, just
from modelint.lint.wrappers import wrapper_of

if TYPE_CHECKING:
    from modelint.lint.interpret import Interpreter


def construct(it: Interpreter, frame: Frame, ref: ClassRef, node: t.Call, args: calls.Args) -> Value:
    for info in it.project.mro(ref):
        for base in info.bases:
            wrapper = wrapper_of(base.dotted) if isinstance(base, ExtRef) else None
            if wrapper is not None:
                return external.wrap(it, frame, wrapper.kind, node, args)
    if it.project.is_module(ref) is True:
        model = Model(cls=f"{ref.path}:{ref.name}", place=frame.place(node), built=True)
        define.built(it, frame, node, model)
        return just(model)
    key = it.instance((ref, tuple(args.pos), tuple(sorted(args.kw.items(), key=functions.first))))
    if key is None:
        return UNKNOWN
    obj = Inst(ref, key)
    fresh = key not in it.heap
    it.heap.setdefault(key, {})
    if fresh:
        functions.call_method(it, frame, obj, "__init__", args.pos, args.kw)
        if holds_wrapped(it, key):
            run_methods(it, ref, key, inherited=True, frame=frame)
    return just(obj)


def holds_wrapped(it: Interpreter, key: int) -> bool:
    return any(isinstance(obj, Model) and obj.wraps for v in it.heap.get(key, {}).values() for obj in flat(v))


def run_class(it: Interpreter, ref: ClassRef) -> None:
    """Interpret a class on its own: ``__init__`` first, then the other methods with what they leave on self."""
    info = it.project.info(ref)
    file = it.project.file(ref.path)
    if info is None or file is None:
        return
    key = it.instance((ref, "on its own", ()))
    if key is None or key in it.heap:
        return
    it.heap[key] = {}
    frame = Frame(file, ref.statement, None)
    record = define.begin(it, ref, key)
    node = it.project.node(ref)
    if node is None:
        return
    for inner in node.body:
        if isinstance(inner, t.Class):
            it.later.append(ClassRef(ref.path, ref.statement, inner.n, inner.name))
    own = {d.name for d in it.project.defs(ref)}
    if "__init__" not in own and (inherited := it.project.method(ref, "__init__")) is not None:
        functions.method(it, frame, ref, key, inherited, [], {})
    mark = it.heap_mark(key)
    run_methods(it, ref, key, inherited=False, frame=frame)
    if it.heap_mark(key) != mark and any("state_dict" in d.words for d in it.project.defs(ref)):
        run_methods(it, ref, key, inherited=False, frame=frame)
    if holds_wrapped(it, key):
        run_methods(it, ref, key, inherited=True, frame=frame)
    registry.finish(it, file, info, record)


def run_methods(it: Interpreter, ref: ClassRef, key: int, *, inherited: bool, frame: Frame) -> None:
    seen: set[str] = set()
    for info in it.project.mro(ref):
        defs = it.project.defs(info.ref)
        for node in sorted(defs, key=lambda d: d.name != "__init__"):
            if node.name in seen:
                continue
            seen.add(node.name)
            if inherited and (node.name == "__init__" or "state_dict" not in node.words):
                continue
            functions.method(it, frame, ref, key, (info, node), [], {})
        if not inherited:
            return
