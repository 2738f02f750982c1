"""Methods whose name says what they do: of state dicts, modules, dicts, lists, keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelint.lint import keys, known, loading, saving
from modelint.lint import tree as t
from modelint.lint.evaluate import dict_get, literal_str
from modelint.lint.render import render
from modelint.lint.state import Frame
from modelint.lint.values import (
    UNKNOWN,
    Alt,
    Checkpoint,
    DictVal,
    Entry,
    Ext,
    Inst,
    Key,
    Keys,
    ListVal,
    Model,
    Opaque,
    SelfRef,
    StateDict,
    Value,
    join,
    just,
)

if TYPE_CHECKING:
    from modelint.lint.calls import Args
    from modelint.lint.interpret import Interpreter


def method(
    it: Interpreter, frame: Frame, node: t.Call, name: str, receiver: Value, path: str | None, args: Args
) -> Value | None:
    """The result of a method whose name says what it does; None to go on looking for its definition."""
    first = receiver[0].obj if receiver else None
    if name == "state_dict":
        return saving.state_dict(it, frame, node, receiver, path)
    if name == "load_state_dict":
        return loading.load_state_dict(it, frame, node, receiver, path, args)
    if name == "copy_" and any(isinstance(a.obj, Entry) and _of_state_dict(a.obj) for a in receiver):
        it.loads.append(frame.place(node))  # own_state[name].copy_(param): a load by hand
    if name in known.RETURNS_SELF and any(isinstance(a.obj, Model) for a in receiver):
        return receiver
    if isinstance(first, Opaque) and (found := _opaque_method(first, name)) is not None:
        return found
    if isinstance(first, Key):
        return it.key_method(frame, first, node, name, args)
    if name in ("items", "keys", "values") and not node.args and not isinstance(first, SelfRef | Ext | Inst | Model):
        return just(Keys(receiver, name, path or render(node.func)))
    if name in ("append", "add", "extend", "insert", "appendleft") and path and isinstance(first, ListVal) and args.pos:
        value = args.pos[-1] if name != "extend" else it.element(args.pos[0])
        grown = tuple(
            a._replace(obj=a.obj._replace(elts=(join(it.element(just(a.obj)), value),), exact=False))
            if isinstance(a.obj, ListVal)
            else a
            for a in receiver
        )
        frame.env[path] = grown
        return UNKNOWN
    if name == "get" and not receiver and len(args.node.args) == 2 and _empty_dict(args.expr(1, "default")):
        return just(Checkpoint(frame.place(node), empty_default=True))
    if name == "pop" and path and args.pos:
        keys.removed(it, frame, path, receiver, args.pos[0], frame.place(node))
    if name in ("copy", "get", "pop", "setdefault", "update") and isinstance(first, StateDict | Checkpoint | DictVal):
        return _dict_method(it, frame, node, name, receiver, path, args)
    if name == "__setattr__" and path == frame.self_name and path:
        it.module_event(frame, node, name, args)
        return UNKNOWN
    if name in ("register_buffer", "register_parameter", "add_module", "register_module") and path == frame.self_name:
        it.module_event(frame, node, name, args)
        given = literal_str(args.get(0, "name")) or ""
        return just(Opaque("register-result", frame.place(node), f"{name} {given}"))
    return None


def _of_state_dict(entry: Entry) -> bool:
    return any(isinstance(a.obj, StateDict) for a in entry.of)


def _opaque_method(obj: Opaque, name: str) -> Value | None:
    if obj.kind == "parameter":
        if name in known.LOSES_PARAMETER:
            return just(Opaque("lost-parameter", obj.place, name))
        return just(obj) if name.endswith("_") else UNKNOWN
    if obj.kind == "lost-parameter":
        return just(obj)
    if obj.kind == "tensor":
        return just(obj) if name not in ("item", "tolist", "size", "dim", "numpy", "numel") else UNKNOWN
    if obj.kind == "parser" and name == "parse_args":
        return just(Opaque("argparse.Namespace", obj.place))
    if obj.kind == "parser" and name == "parse_known_args":
        return just(ListVal("tuple", (just(Opaque("argparse.Namespace", obj.place)), UNKNOWN), obj.place))
    if obj.kind in ("optimizer", "numpy", "path"):
        return UNKNOWN
    return None


def _empty_dict(expr: t.Expr | None) -> bool:
    if isinstance(expr, t.Call):
        return t.last_name(expr.func) in ("dict", "OrderedDict") and not expr.args
    return isinstance(expr, t.DictExpr) and not expr.items


def _dict_method(
    it: Interpreter, frame: Frame, node: t.Call, name: str, receiver: Value, path: str | None, args: Args
) -> Value:
    if name == "copy":
        return receiver
    if name == "update":
        if path and args.pos:
            frame.env[path] = it.merged(
                frame, [receiver, args.pos[0]], frame.place(node), render(args.node.args[0].value)
            )
        elif path and args.kw:
            items = tuple(args.kw.items())
            frame.env[path] = tuple(
                Alt(a.obj._replace(items=(*a.obj.items, *items)), a.conds) if isinstance(a.obj, DictVal) else a
                for a in receiver
            )
        return UNKNOWN
    out: Value = UNKNOWN
    for alt in receiver:
        if isinstance(alt.obj, Checkpoint):
            empty = name == "get" and _empty_dict(args.expr(1, "default"))
            out = join(out, just(Checkpoint(alt.obj.place, empty)))
        elif isinstance(alt.obj, DictVal):
            out = join(out, join(dict_get(alt.obj, args.get(0)), args.get(1)))
        else:
            out = join(out, just(Entry(just(alt.obj))))
    return out
