"""What a call does: to what is known, and to weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from modelint.lint import external, known, methods, saving
from modelint.lint import tree as t
from modelint.lint.evaluate import attribute
from modelint.lint.render import render
from modelint.lint.state import Frame
from modelint.lint.values import (
    UNKNOWN,
    Alt,
    Bound,
    Checkpoint,
    Cls,
    DictVal,
    Ext,
    Func,
    Inst,
    ListVal,
    Model,
    Partial,
    SelfRef,
    StateDict,
    Super,
    Value,
    join,
    just,
)
from modelint.lint.wrappers import sanitized

if TYPE_CHECKING:
    from modelint.lint.interpret import Interpreter


class Args(NamedTuple):
    """The evaluated arguments of a call; ``pos`` stops being exact after a ``*``."""

    node: t.Call
    pos: list[Value]
    kw: dict[str, Value]

    def get(self, index: int, *names: str) -> Value:
        for name in names:
            if name in self.kw:
                return self.kw[name]
        return self.pos[index] if index < len(self.pos) else UNKNOWN

    def expr(self, index: int, *names: str) -> t.Expr | None:
        for arg in self.node.args:
            if arg.keyword in names and arg.keyword is not None:
                return arg.value
        plain = [a.value for a in self.node.args if a.keyword is None and not a.star]
        return plain[index] if index < len(plain) else None

    def all(self) -> list[Value]:
        return [*self.pos, *self.kw.values()]


def call(it: Interpreter, frame: Frame, node: t.Call) -> Value:
    func = node.func
    name = t.last_name(func)
    if isinstance(func, t.Name) and name == "super":
        return just(Super(frame.owner, frame.key)) if frame.owner is not None else UNKNOWN
    receiver: Value = UNKNOWN
    path: str | None = None
    if isinstance(func, t.Attr):
        path = t.dotted(func.value)
        receiver = it.eval(frame, func.value)
    args = evaluate_args(it, frame, node)
    it.watch_training(frame, node, name)
    if isinstance(func, t.Attr):
        handled = methods.method(it, frame, node, name, receiver, path, args)
        if handled is not None:
            return handled
    callee = _callee(it, frame, func, receiver, path)
    out: Value = UNKNOWN
    known_callee = False
    for alt in callee:
        found = apply(it, frame, alt.obj, node, args)
        known_callee = known_callee or found is not None
        out = join(out, found or UNKNOWN)
    if name == "__init__":
        frame.init_done = True  # only now: a mixin called later finds it done, the called one does not
    return out if known_callee else opaque(it, frame, node, name, args, path)


def _callee(it: Interpreter, frame: Frame, func: t.Expr, receiver: Value, path: str | None) -> Value:
    """The called value, without evaluating the receiver (and its effects) a second time."""
    if not isinstance(func, t.Attr):
        return it.eval(frame, func)
    full = f"{path}.{func.attr}" if path else None
    bound = frame.lookup(full) if full else None
    if bound:
        return bound
    out: Value = UNKNOWN
    for alt in receiver:
        out = join(out, attribute(it, frame, alt.obj, func, full))
    return out


def evaluate_args(it: Interpreter, frame: Frame, node: t.Call) -> Args:
    pos: list[Value] = []
    kw: dict[str, Value] = {}
    for arg in node.args:
        value = it.eval(frame, arg.value)
        if arg.keyword is not None:
            kw[arg.keyword] = value
        elif arg.star == "*":
            spread = value[0].obj if len(value) == 1 else None
            if isinstance(spread, ListVal) and spread.exact:
                pos.extend(spread.elts)
            else:
                pos.append(it.element(value))
        elif arg.star == "**":
            for alt in value:
                if isinstance(alt.obj, DictVal):
                    kw.update({k: v for k, v in alt.obj.items if k is not None})
        else:
            pos.append(value)
    return Args(node, pos, kw)


# --- calls of known things --------------------------------------------------------------------------------------------


def apply(it: Interpreter, frame: Frame, obj: object, node: t.Call, args: Args) -> Value | None:
    """Call ``obj``; None where nothing is known of it."""
    match obj:
        case Ext():
            return external.external(it, frame, obj.dotted, node, args)
        case Func():
            found = it.call_func(frame, obj.ref, args.pos, args.kw, node)
            cleaned = sanitize_call(it, frame, obj.ref.name, args)
            followed = any(isinstance(a.obj, Model | StateDict | DictVal) for a in found or UNKNOWN)
            if cleaned is not None and not followed:
                return cleaned  # the name says what following it did not show
            return found if found is not None else opaque(it, frame, node, obj.ref.name, args, None)
        case Cls():
            return it.construct(frame, obj.ref, node, args)
        case Bound():
            out: Value = UNKNOWN
            for alt in obj.value:
                if isinstance(alt.obj, SelfRef | Inst | Super):
                    found = it.call_method(frame, alt.obj, obj.name, args.pos, args.kw)
                elif isinstance(alt.obj, Cls):
                    found = it.call_unbound(frame, alt.obj.ref, obj.name, args.pos, args.kw)
                else:
                    continue
                out = join(out, found)
            cleaned = sanitize_call(it, frame, obj.name, args)
            return cleaned if cleaned is not None else out
        case Partial():
            return obj.result
        case Inst():
            return it.call_method(frame, obj, "__call__", args.pos, args.kw)
        case Model() | SelfRef():
            return UNKNOWN
        case _:
            return None


def sanitize_call(it: Interpreter, frame: Frame, name: str, args: Args) -> Value | None:
    """A call that by its name takes wrappers off a model, or prefixes off a state dict (also in place)."""
    strips = sanitized(name)
    if strips is None:
        return None
    out: Value = UNKNOWN
    if "state_dict" in name and not any(isinstance(a.obj, StateDict) for v in args.pos for a in v):
        models = [a.obj for v in args.pos for a in v if isinstance(a.obj, Model)]
        receiver = render(args.node.args[0].value) if args.node.args else ""
        state = StateDict(models[0] if models else None, frame.place(args.node), receiver, it.age, stripped=strips)
        return just(state)
    for index, value in enumerate(args.pos):
        for alt in value:
            if isinstance(alt.obj, Model):
                kept = tuple(w for w in alt.obj.wraps if not ("*" in strips or w.kind in strips))
                out = join(out, (Alt(alt.obj._replace(wraps=kept), alt.conds),))
            elif isinstance(alt.obj, StateDict):
                clean = Alt(alt.obj._replace(stripped=(*alt.obj.stripped, *strips)), alt.conds)
                out = join(out, (clean,))
                path = t.dotted(args.node.args[index].value)
                if path and index == 0:
                    frame.env[path] = (clean,)
    return out


def opaque(it: Interpreter, frame: Frame, node: t.Call, name: str, args: Args, path: str | None) -> Value:
    """A call that cannot be followed: its name may still say enough."""
    cleaned = sanitize_call(it, frame, name, args)
    if cleaned is not None:
        return cleaned
    if known.LOADER_WORDS.match(name):
        return just(Checkpoint(frame.place(node)))
    if known.SAVE_WORDS.search(name) and not (path and path.split(".")[-1] in ("fabric", "accelerator", "trainer")):
        for value in args.all():
            saving.save(it, frame, node, name, value, pickles=False)
    if name in ("prepare", "setup") and path and path.split(".")[-1] in ("accelerator", "fabric") and args.pos:
        values = tuple(args.pos)
        return values[0] if len(values) == 1 else just(ListVal("tuple", values, frame.place(node)))
    return UNKNOWN
