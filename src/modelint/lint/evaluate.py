"""What an expression stands for. Calls have a room of their own (``calls``)."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING

from modelint.lint import guards, known
from modelint.lint import tree as t
from modelint.lint.names import ClassRef, ExtRef, FuncRef, ModuleRef, Ref
from modelint.lint.render import render
from modelint.lint.state import Frame, Test
from modelint.lint.values import (
    UNKNOWN,
    Alt,
    Bound,
    Checkpoint,
    Cls,
    DictVal,
    Entry,
    Ext,
    FileRef,
    Func,
    Inst,
    Key,
    ListVal,
    Literal,
    Model,
    Opaque,
    Partial,
    SelfRef,
    StateDict,
    Super,
    Value,
    is_drawn,
    join,
    just,
    under,
)
from modelint.lint.wrappers import BY_KIND

if TYPE_CHECKING:
    from modelint.lint.interpret import Interpreter

_BUILTINS = frozenset(dir(builtins))


def evaluate(it: Interpreter, frame: Frame, expr: t.Expr) -> Value:
    """The value of ``expr`` here, with the effects of its calls on what is known."""
    match expr:
        case t.Name():
            return read_name(it, frame, expr.id)
        case t.Attr():
            return read_attr(it, frame, expr)
        case t.Call():
            return it.call(frame, expr)
        case t.Const():
            v = expr.value
            return just(Literal(v)) if v is None or isinstance(v, str | int | float | bool | bytes) else UNKNOWN
        case t.Seq():
            elts = tuple(it.eval(frame, e) for e in expr.elts)
            exact = not any(isinstance(e, t.Wrapped) and e.kind == "*" for e in expr.elts)
            if not exact:
                whole: Value = UNKNOWN
                for e, v in zip(expr.elts, elts, strict=True):
                    whole = join(whole, it.element(v) if isinstance(e, t.Wrapped) and e.kind == "*" else v)
                elts = (whole,)
            return just(ListVal(expr.kind, elts, frame.place(expr), exact))
        case t.DictExpr():
            return dict_expr(it, frame, expr)
        case t.Comp():
            return comprehension(it, frame, expr)
        case t.Sub():
            return subscript(it, frame, expr)
        case t.IfExp():
            return if_expr(it, frame, expr)
        case t.Bin():
            return it.binary(frame, expr)
        case t.BoolOp():
            value: Value = UNKNOWN
            for v in expr.values:
                value = join(value, it.eval(frame, v))
            return value if expr.op == "or" else UNKNOWN
        case t.Not():
            it.eval(frame, expr.value)
            return UNKNOWN
        case t.Compare():
            it.eval(frame, expr.left)
            for _, right in expr.ops:
                it.eval(frame, right)
            return UNKNOWN
        case t.FStr():
            return f_string(it, frame, expr)
        case t.Lambda():
            inner = Frame(
                frame.file, frame.statement, expr, parent=frame, cls=frame.cls, owner=frame.owner, key=frame.key
            )
            inner.path, inner.tests = frame.path, frame.tests
            inner.self_name, inner.depth = "", frame.depth + 1
            for p in expr.params:
                inner.env[p.name] = UNKNOWN
            return just(Partial(it.eval(inner, expr.body)))
        case t.Wrapped():
            value = it.eval(frame, expr.value)
            return value if expr.kind in ("await", "*") else UNKNOWN
        case t.Walrus():
            value = it.eval(frame, expr.value)
            it.assign(frame, expr.target, value, expr)
            return value
        case t.Slice():
            for part in (expr.lower, expr.upper):
                if part is not None:
                    it.eval(frame, part)
            return UNKNOWN
        case _:
            return UNKNOWN


# --- names and attributes ---------------------------------------------------------------------------------------------


def read_name(it: Interpreter, frame: Frame, name: str) -> Value:
    bound = frame.lookup(name)
    if bound is not None:
        value = under(bound, frame.path)
        if all(isinstance(a.obj, Checkpoint | Entry) for a in value) and name in it.usage(frame).used_as_module:
            return just(Model())
        return value
    ref = frame.file.resolve(name)
    if ref is not None:
        return of_ref(ref)
    if name in it.usage(frame).used_as_module:
        return just(Model())
    if name in _BUILTINS and name not in frame.file.bound:
        return just(Ext(f"builtins.{name}"))
    return UNKNOWN


def of_ref(ref: Ref | None) -> Value:
    match ref:
        case ClassRef():
            return just(Cls(ref))
        case FuncRef():
            return just(Func(ref))
        case ExtRef():
            return just(Ext(ref.dotted))
        case ModuleRef():
            return just(FileRef(ref.path))
        case _:
            return UNKNOWN


def read_attr(it: Interpreter, frame: Frame, expr: t.Attr) -> Value:
    path = t.dotted(expr)
    if path is not None:
        bound = frame.lookup(path)
        if bound is not None:
            value = under(bound, frame.path)
            if not bound and path in it.usage(frame).used_as_module:
                return just(Model())
            return value
    base = it.eval(frame, expr.value)
    value = UNKNOWN
    for alt in base:
        found = attribute(it, frame, alt.obj, expr, path)
        value = join(value, tuple(Alt(a.obj, a.conds | alt.conds) for a in found) if alt.conds else found)
    value = under(value, frame.path)
    if not value and path is not None and path in it.usage(frame).used_as_module:
        return just(Model())
    return value


def attribute(it: Interpreter, frame: Frame, obj: object, expr: t.Attr, path: str | None) -> Value:
    name = expr.attr
    match obj:
        case Ext():
            return just(Ext(f"{obj.dotted}.{name}"))
        case FileRef():
            return of_ref(it.project.member(frame.file.names, ModuleRef(obj.path), name))
        case SelfRef() | Inst():
            held = it.heap.get(obj.key, {}).get(name)
            if held is not None:
                return held
            found = it.project.method(obj.cls, name)
            if found is None:
                return UNKNOWN
            if any(t.last_name(d) in ("property", "cached_property") for d in found[1].decorators):
                return it.call_method(frame, obj, name, [], {})
            return just(Bound(just(obj), name, path or ""))
        case Super():
            return just(Bound(just(obj), name, path or ""))
        case Cls():
            found = it.project.method(obj.ref, name)
            return just(Bound(just(obj), name, path or "")) if found else UNKNOWN
        case Model():
            return unwrap_attr(obj, name)
        case Opaque(kind="parameter") if name in known.LOSES_PARAMETER:
            return just(Opaque("lost-parameter", obj.place, name))
        case Opaque(kind="parameter" | "tensor" | "lost-parameter") if name in ("data", "T", "mT"):
            return just(obj)
        case _:
            return UNKNOWN


def unwrap_attr(model: Model, name: str) -> Value:
    """``m.module`` and ``m._orig_mod``: a compiled model hands ``.module`` on to what it wraps."""
    if name not in ("module", "_orig_mod", "_forward_module"):
        return UNKNOWN
    wraps = list(model.wraps)
    for i, wrap in enumerate(wraps):
        if BY_KIND[wrap.kind].child == name:
            return just(model._replace(wraps=tuple(wraps[i + 1 :])))
        if wrap.kind != "compile":
            break
    return just(Model(place=model.place))


# --- containers -------------------------------------------------------------------------------------------------------


def dict_expr(it: Interpreter, frame: Frame, expr: t.DictExpr) -> Value:
    items: list[tuple[str | None, Value]] = []
    for key, value_expr in expr.items:
        value = it.eval(frame, value_expr)
        if key is None:
            for alt in value:
                if isinstance(alt.obj, DictVal):
                    items.extend(alt.obj.items)
                elif isinstance(alt.obj, StateDict):
                    items.append((None, just(alt.obj)))
            continue
        named = it.eval(frame, key)
        for alt in named:
            if isinstance(alt.obj, Key):
                it.key_lands(frame, alt.obj)
        items.append((literal_str(named), value))
    place = frame.place(expr)
    if expr.items and all(key is None for key, _ in expr.items):
        texts = " ".join(render(v) for _, v in expr.items[1:])
        return it.merged(frame, [it.eval(frame, v) for _, v in expr.items], place, texts)
    return just(DictVal(tuple(items), place))


def literal_str(value: Value) -> str | None:
    if len(value) == 1 and isinstance(value[0].obj, Literal) and isinstance(value[0].obj.value, str):
        return value[0].obj.value
    return None


def comprehension(it: Interpreter, frame: Frame, expr: t.Comp) -> Value:
    saved_env, saved_tests, saved_path = dict(frame.env), frame.tests, frame.path
    source: Value = UNKNOWN
    place = frame.place(expr)
    for part in expr.fors:
        iterated = it.eval(frame, part.iter)
        source = source or iterated
        it.assign(frame, part.target, it.element(iterated, render(part.iter)), part)
        for test in part.ifs:
            it.eval(frame, test)
            frame.tests = (*frame.tests, Test(test, True, place))
            frame.path |= guards.conditions(test, True)
    key = it.eval(frame, expr.key) if expr.key is not None else UNKNOWN
    value = it.eval(frame, expr.value)
    result = _comp_value(it, frame, expr, key, value, place)
    frame.env, frame.tests, frame.path = saved_env, saved_tests, saved_path
    return result


def _comp_value(it: Interpreter, frame: Frame, expr: t.Comp, key: Value, value: Value, place: object) -> Value:
    at = frame.place(expr)
    if expr.kind == "dict":
        for alt in key:
            if isinstance(alt.obj, Key):
                it.key_lands(frame, alt.obj)
        if any(isinstance(a.obj, Key) for a in value):
            return UNKNOWN  # {k: k for k in state}: names by names
        plain = [a.obj for a in key if isinstance(a.obj, Key)]
        entries = [a.obj for a in value if isinstance(a.obj, Entry)]
        copied = copies(expr.value)
        filtered = at if it.filters_by_name(frame, at) else None
        if plain and plain[0].rewritten is None and isinstance(expr.key, t.Name):
            kept = [a.obj for a in plain[0].of if isinstance(a.obj, StateDict)]
            if kept and not filtered:
                return tuple(Alt(sd._replace(copied=sd.copied or copied)) for sd in kept)
        if filtered:
            return just(DictVal((), at, filtered, just(Checkpoint(at))))
        if entries or plain:
            return just(DictVal((), at, None, entries[0].of if entries else plain[0].of))
        return just(DictVal(((literal_str(key), value),), at))
    pairs = [a.obj for a in value if isinstance(a.obj, ListVal) and a.obj.exact and len(a.obj.elts) == 2]
    for pair in pairs:
        for alt in pair.elts[0]:
            if isinstance(alt.obj, Key):
                it.key_lands(frame, alt.obj)
    value = tuple(
        a._replace(obj=a.obj._replace(anchored=a.obj.anchored or guards.anchored(it.usage(frame), frame, a.obj.name)))
        if isinstance(a.obj, Key)
        else a
        for a in value
    )
    return just(ListVal(expr.kind, (value,), at, exact=False))


_ALIASES = frozenset({"detach", "contiguous", "requires_grad_", "view", "view_as"})
_MOVES = frozenset({"cpu", "numpy", "to", "half", "float", "double", "bfloat16", "type", "cuda"})


def copies(expr: t.Expr) -> str:
    """How an expression copies the tensor it is given: "copy", "cpu" (a copy only from another device), or ""."""
    if isinstance(expr, t.Name):
        return ""
    if isinstance(expr, t.Attr):
        return copies(expr.value) if expr.attr == "data" else "copy"
    if isinstance(expr, t.Call) and isinstance(expr.func, t.Attr):
        inner = copies(expr.func.value)
        if expr.func.attr in _ALIASES or inner == "copy":
            return inner
        return "cpu" if expr.func.attr in _MOVES else "copy"
    return "copy"


def subscript(it: Interpreter, frame: Frame, expr: t.Sub) -> Value:
    base = it.eval(frame, expr.value)
    index = it.eval(frame, expr.index)
    out: Value = UNKNOWN
    for alt in base:
        obj = alt.obj
        found: Value = UNKNOWN
        if isinstance(obj, Checkpoint):
            found = just(Checkpoint(obj.place))
        elif isinstance(obj, DictVal):
            found = dict_get(obj, index)
        elif isinstance(obj, ListVal):
            position = index[0].obj.value if len(index) == 1 and isinstance(index[0].obj, Literal) else None
            if isinstance(expr.index, t.Slice):
                found = just(obj._replace(exact=False, elts=(it.element(just(obj)),)))
            elif obj.exact and isinstance(position, int) and -len(obj.elts) <= position < len(obj.elts):
                found = obj.elts[position]
            else:
                found = it.element(just(obj))
        elif isinstance(obj, StateDict):
            found = just(Entry(just(obj)))
        elif isinstance(obj, Key) and isinstance(expr.index, t.Slice):
            found = it.key_sliced(frame, obj, expr, alt.conds | frame.path)
        elif isinstance(obj, Opaque) and obj.kind == "split-key":
            found = it.key_split(frame, obj, expr)
        elif isinstance(obj, Opaque) and obj.kind == "parameter":
            found = just(Opaque("lost-parameter", obj.place, "[...]"))
        elif is_drawn(obj):
            found = just(obj)
        out = join(out, tuple(Alt(a.obj, a.conds | alt.conds) for a in found) if alt.conds else found)
    return under(out, frame.path)


def dict_get(obj: DictVal, index: Value) -> Value:
    name = literal_str(index)
    out: Value = UNKNOWN
    for key, value in obj.items:
        if name is not None and key == name:
            out = value
        elif key is None or name is None:
            out = join(out, value)
    return out


def f_string(it: Interpreter, frame: Frame, expr: t.FStr) -> Value:
    for part in expr.parts:
        value = it.eval(frame, part)
        for alt in value:
            if isinstance(alt.obj, Key) and alt.obj.rewritten and alt.obj.rewritten[1] != "slice":
                return just(alt.obj)  # f"{prefix}{k[7:]}" still carries what was cut
    return UNKNOWN


def if_expr(it: Interpreter, frame: Frame, expr: t.IfExp) -> Value:
    it.eval(frame, expr.test)
    env, path, tests = frame.env, frame.path, frame.tests
    paths = guards.arms(frame, expr)
    out: Value = UNKNOWN
    for truth, branch in ((True, expr.body), (False, expr.orelse)):
        conds = guards.conditions(expr.test, truth)
        if guards.contradicts(path, conds) or guards.constant(expr.test) is (not truth):
            continue
        frame.env, frame.path = dict(env), path | conds
        frame.tests = (*tests, Test(expr.test, truth, frame.place(expr)))
        guards.refine(frame, expr.test, truth)
        guards.drop_wrapped(frame, paths[not truth] - paths[truth])
        value = it.eval(frame, branch)
        out = join(out, tuple(Alt(a.obj, a.conds | conds) for a in value) if len(conds) <= 3 else value)
    frame.env, frame.path, frame.tests = env, path, tests
    return out
