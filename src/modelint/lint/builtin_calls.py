"""Builtins and small functions of the standard library: what they make of what they are given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelint.lint import tree as t
from modelint.lint.evaluate import attribute, literal_str, unwrap_attr
from modelint.lint.facts import RepeatedModule
from modelint.lint.render import render
from modelint.lint.state import Frame
from modelint.lint.values import (
    UNKNOWN,
    Alt,
    Checkpoint,
    DictVal,
    Ext,
    Inst,
    Key,
    Keys,
    ListVal,
    Model,
    SelfRef,
    StateDict,
    Value,
    join,
    just,
)
from modelint.lint.wrappers import BY_KIND

if TYPE_CHECKING:
    from modelint.lint.calls import Args
    from modelint.lint.interpret import Interpreter


def _same(it: Interpreter, frame: Frame, node: t.Call, args: Args) -> Value:
    return args.get(0)


def _unknown(it: Interpreter, frame: Frame, node: t.Call, args: Args) -> Value:
    return UNKNOWN


def _dict(it: Interpreter, frame: Frame, node: t.Call, args: Args) -> Value:
    at = frame.place(node)
    if args.pos:
        out: Value = UNKNOWN
        for alt in args.pos[0]:
            if isinstance(alt.obj, StateDict | DictVal | Checkpoint):
                out = join(out, (alt,))
            elif isinstance(alt.obj, Keys) and alt.obj.which == "items":
                out = join(out, alt.obj.of)
            elif isinstance(alt.obj, ListVal):
                items = [
                    p.obj for p in it.element(just(alt.obj)) if isinstance(p.obj, ListVal) and len(p.obj.elts) == 2
                ]
                cut = any(isinstance(k.obj, Key) and k.obj.rewritten for p in items for k in p.elts[0])
                pairs = tuple((literal_str(p.elts[0]), UNKNOWN if cut else p.elts[1]) for p in items)
                out = join(out, just(DictVal(pairs, at)))
        return out
    return just(DictVal(tuple(args.kw.items()), at))


def _listed(it: Interpreter, frame: Frame, node: t.Call, args: Args) -> Value:
    if not args.pos:
        return just(ListVal("list", (), frame.place(node)))
    if any(isinstance(a.obj, Keys | StateDict | Checkpoint | DictVal | ListVal) for a in args.pos[0]):
        if any(isinstance(a.obj, ListVal) and a.obj.kind != "generator" for a in args.pos[0]):
            return args.pos[0]
        return just(ListVal("list", (it.element(args.pos[0]),), frame.place(node), exact=False))
    if not args.pos[0]:
        key = it.element(UNKNOWN, render(node.args[0].value))
        return just(ListVal("list", (key,), frame.place(node), exact=False)) if key else UNKNOWN
    return UNKNOWN


def _enumerate(it: Interpreter, frame: Frame, node: t.Call, args: Args) -> Value:
    pair = just(ListVal("tuple", (UNKNOWN, it.element(args.get(0))), frame.place(node)))
    return just(ListVal("list", (pair,), frame.place(node), exact=False))


def _zip(it: Interpreter, frame: Frame, node: t.Call, args: Args) -> Value:
    row = just(ListVal("tuple", tuple(it.element(v) for v in args.pos), frame.place(node)))
    return just(ListVal("list", (row,), frame.place(node), exact=False))


def _next(it: Interpreter, frame: Frame, node: t.Call, args: Args) -> Value:
    return it.element(args.get(0))


def _getattr(it: Interpreter, frame: Frame, node: t.Call, args: Args) -> Value:
    name = literal_str(args.get(1))
    default = args.get(2)
    out: Value = UNKNOWN
    for alt in args.get(0):
        if isinstance(alt.obj, Model) and name in ("module", "_orig_mod"):
            wrapped = alt.obj.wraps and any(BY_KIND[w.kind].child == name for w in alt.obj.wraps[:2])
            reached = unwrap_attr(alt.obj, name) if wrapped else (default and just(alt.obj)) or UNKNOWN
            out = join(out, tuple(Alt(a.obj, a.conds | alt.conds) for a in reached))
        elif isinstance(alt.obj, Ext) and alt.obj.dotted.startswith("torch.optim"):
            out = join(out, just(Ext("torch.optim.Optimizer")))
        elif isinstance(alt.obj, SelfRef | Inst) and name is not None:
            out = join(out, attribute(it, frame, alt.obj, t.Attr(node.n, t.Other(node.n), name), None))
    return out


def _setattr(it: Interpreter, frame: Frame, node: t.Call, args: Args) -> Value:
    if any(isinstance(a.obj, SelfRef) for a in args.get(0)):
        it.module_event(frame, node, "setattr", args)
    return UNKNOWN


def _deepcopy(it: Interpreter, frame: Frame, node: t.Call, args: Args) -> Value:
    return copied(args.get(0), 0)


def copied(value: Value, depth: int) -> Value:
    out = []
    for alt in value:
        obj = alt.obj
        if isinstance(obj, StateDict):
            obj = obj._replace(copied="copy")
        elif isinstance(obj, DictVal) and depth < 4:
            obj = obj._replace(items=tuple((k, copied(v, depth + 1)) for k, v in obj.items))
        elif isinstance(obj, ListVal) and depth < 4:
            obj = obj._replace(elts=tuple(copied(v, depth + 1) for v in obj.elts))
        elif isinstance(obj, Model) and obj.built:
            obj = obj._replace(built=False)
        out.append(Alt(obj, alt.conds))
    return tuple(out)


FUNCTIONS = {
    "builtins.dict": _dict, "collections.OrderedDict": _dict, "builtins.list": _listed, "builtins.sorted": _listed,
    "builtins.tuple": _listed, "builtins.set": _listed, "builtins.reversed": _same, "builtins.iter": _same,
    "builtins.next": _next, "builtins.enumerate": _enumerate, "builtins.zip": _zip, "builtins.getattr": _getattr,
    "builtins.setattr": _setattr, "copy.deepcopy": _deepcopy, "copy.copy": _same, "builtins.vars": _unknown,
    "builtins.float": _unknown, "builtins.int": _unknown, "builtins.str": _unknown, "builtins.print": _unknown,
    "builtins.len": _unknown, "builtins.isinstance": _unknown, "builtins.hasattr": _unknown, "tqdm.tqdm": _same,
    "builtins.filter": _unknown, "builtins.map": _unknown, "functools.partial": _unknown, "builtins.range": _unknown,
}  # fmt: skip


def repeated(it: Interpreter, frame: Frame, node: t.Node, value: Value, how: str) -> None:
    """``[module] * n``: one set of weights under n sets of keys."""
    for alt in value:
        if isinstance(alt.obj, ListVal):
            for element in alt.obj.elts:
                for held in element:
                    if isinstance(held.obj, Model) and it.bears(held.obj):
                        it.emit(RepeatedModule(frame.place(node), held.obj.cls or "", how))
                        return
