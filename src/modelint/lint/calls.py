"""What a call does: to what is known, and to weights."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from modelint.lint import define, keys, known, loading, saving
from modelint.lint import tree as t
from modelint.lint.evaluate import attribute, dict_get, literal_str, unwrap_attr
from modelint.lint.facts import LateModule, RepeatedModule
from modelint.lint.state import Frame
from modelint.lint.values import (
    UNKNOWN,
    Alt,
    Bound,
    Checkpoint,
    Cls,
    DictVal,
    Entry,
    Ext,
    Func,
    Inst,
    Key,
    Keys,
    ListVal,
    Literal,
    Model,
    Opaque,
    Partial,
    SelfRef,
    StateDict,
    Super,
    Value,
    Wrap,
    flat,
    join,
    just,
)
from modelint.lint.wrappers import BY_KIND, CLEAN_WRAPPERS, sanitized, wrapper_of

if TYPE_CHECKING:
    from modelint.lint.interpret import Interpreter


class Args(NamedTuple):
    """The evaluated arguments of a call; ``pos`` stops being exact after a ``*``."""

    node: t.Call
    pos: list[Value]
    kw: dict[str, Value]
    starred: bool

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
        handled = method(it, frame, node, name, receiver, path, args)
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
    starred = False
    for arg in node.args:
        value = it.eval(frame, arg.value)
        if arg.keyword is not None:
            kw[arg.keyword] = value
        elif arg.star == "*":
            starred = True
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
    return Args(node, pos, kw, starred)


# --- methods known by name --------------------------------------------------------------------------------------------


def method(
    it: Interpreter, frame: Frame, node: t.Call, name: str, receiver: Value, path: str | None, args: Args
) -> Value | None:
    """The result of a method whose name says what it does; None to go on looking for its definition."""
    first = receiver[0].obj if receiver else None
    if name == "state_dict":
        return saving.state_dict(it, frame, node, receiver, path)
    if name == "load_state_dict":
        return loading.load_state_dict(it, frame, node, receiver, path, args)
    if name in known.RETURNS_SELF and any(isinstance(a.obj, Model) for a in receiver):
        return receiver
    if isinstance(first, Opaque) and (found := _opaque_method(first, name)) is not None:
        return found
    if isinstance(first, Key):
        return it.key_method(frame, first, node, name, args)
    if name in ("items", "keys", "values") and not node.args and not isinstance(first, SelfRef | Ext | Inst | Model):
        return just(Keys(receiver, name, path or t.render(node.func)))
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
                frame, [receiver, args.pos[0]], frame.place(node), t.render(args.node.args[0].value)
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


# --- calls of known things --------------------------------------------------------------------------------------------


def apply(it: Interpreter, frame: Frame, obj: object, node: t.Call, args: Args) -> Value | None:
    """Call ``obj``; None where nothing is known of it."""
    match obj:
        case Ext():
            return external(it, frame, obj.dotted, node, args)
        case Func():
            found = it.call_func(frame, obj.ref, args.pos, args.kw, node)
            cleaned = _sanitize_call(it, frame, obj.ref.name, args)
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
            cleaned = _sanitize_call(it, frame, obj.name, args)
            return cleaned if cleaned is not None else out
        case Partial():
            return obj.result
        case Inst():
            return it.call_method(frame, obj, "__call__", args.pos, args.kw)
        case Model() | SelfRef():
            return UNKNOWN
        case _:
            return None


def external(it: Interpreter, frame: Frame, dotted: str, node: t.Call, args: Args) -> Value | None:
    last = dotted.rsplit(".", 1)[-1]
    at = frame.place(node)
    wrapper = wrapper_of(dotted)
    if wrapper is not None:
        return wrap(it, frame, wrapper.kind, node, args)
    if dotted in known.SAVERS:
        return saving.save(it, frame, node, dotted, args.get(0, "obj", "data", "value"), pickles=True)
    if dotted in known.SAVE_FILES:
        return saving.save(it, frame, node, dotted, args.get(0, "tensors"), pickles=False)
    if dotted in known.CHECKPOINT_LOADERS or known.LOADER_WORDS.match(last):
        return loading.torch_load(it, frame, node, dotted, args)
    if dotted in known.PARAMETER:
        return just(Opaque("parameter", at))
    cls = known.torch_nn_class(dotted)
    if cls is not None:
        return nn_module(it, frame, cls, dotted, node, args)
    if dotted.startswith(("torch.optim.", "transformers.Adam", "apex.optimizers.", "timm.optim.", "timm.scheduler.")):
        return just(Opaque("optimizer", at))
    if dotted.startswith("torch.") and last in known.TENSOR_MAKERS and dotted.count(".") <= 2:
        grad = args.kw.get("requires_grad", UNKNOWN)
        wants = any(isinstance(a.obj, Literal) and a.obj.value is True for a in grad)
        made_of = [a.obj.detail for a in args.get(0) if isinstance(a.obj, Opaque) and a.obj.kind == "tensor"]
        maker = (
            made_of[0] if made_of and last in ("from_numpy", "tensor", "as_tensor", "Tensor", "FloatTensor") else last
        )
        return just(Opaque("tensor", at, f"{last} grad" if wants else maker))
    if dotted == "torch.autograd.Variable":
        grad = args.get(1, "requires_grad")
        wants = any(isinstance(a.obj, Literal) and a.obj.value is True for a in grad)
        inner = [a.obj for a in args.get(0) if isinstance(a.obj, Opaque) and a.obj.kind == "tensor"]
        if wants:
            return just(Opaque("tensor", at, "Variable grad"))
        return just(inner[0]) if inner else UNKNOWN
    if dotted.startswith("numpy."):
        if last in known.NUMPY_VALUES or dotted == "numpy.random.get_state":
            return just(Opaque("numpy", at, "numpy's random state" if last == "get_state" else "a numpy value"))
        return just(Opaque("tensor", at, f"numpy {last}")) if dotted.startswith("numpy.random.") else UNKNOWN
    if dotted == "argparse.ArgumentParser":
        return just(Opaque("parser", at))
    if dotted in known.UNSAFE_MAKERS:
        return just(Opaque(known.UNSAFE_MAKERS[dotted], at))
    if dotted in _FUNCTIONS:
        return _FUNCTIONS[dotted](it, frame, node, args)
    if last in CLEAN_WRAPPERS and args.pos:
        return args.pos[0]
    cleaned = _sanitize_call(it, frame, last, args)
    if cleaned is not None:
        return cleaned
    if _makes_model(dotted, last):
        return just(Model(cls=dotted, place=at))
    return None


def _makes_model(dotted: str, last: str) -> bool:
    if dotted.startswith("torchvision.models."):
        return not last.startswith(("get_", "list_"))
    if dotted.startswith("transformers.") and last in ("from_pretrained", "from_config"):
        owner = dotted.rsplit(".", 2)[-2]
        return owner.startswith("AutoModel") or "Model" in owner or "For" in owner
    return dotted in ("timm.create_model", "timm.models.create_model", "torch.hub.load")


#: A compiled thing by such a name is a function, not a module.
_FUNCTION = re.compile(
    r"forward|step|fn$|func|loss|method|kernel|attention$|^_?call|^train|^f$|score|encode$|decode$|sample"
)


def wrap(it: Interpreter, frame: Frame, kind: str, node: t.Call, args: Args) -> Value:
    inner = args.get(0, "module", "model")
    if not node.args:
        return UNKNOWN
    if kind == "compile":
        if any(isinstance(a.obj, Literal) and a.obj.value is True for a in args.kw.get("disable", UNKNOWN)):
            return inner
        if inner and all(isinstance(a.obj, Func | Bound | Partial | Ext) for a in inner):
            return UNKNOWN
        target = args.expr(0, "model")
        if (
            not any(isinstance(a.obj, Model) for a in inner)
            and target is not None
            and _FUNCTION.search(t.last_name(target))
        ):
            return UNKNOWN
    layer = Wrap(kind, frame.place(node))
    wrapped = [Alt(a.obj._replace(wraps=(layer, *a.obj.wraps)[:4]), a.conds) for a in inner if isinstance(a.obj, Model)]
    if wrapped:
        return tuple(wrapped)
    owner = [a.obj for a in inner if isinstance(a.obj, SelfRef)]
    cls = f"{owner[0].cls.path}:{owner[0].cls.name}" if owner else None
    return just(Model(cls=cls, wraps=(layer,), place=frame.place(node)))


def nn_module(it: Interpreter, frame: Frame, cls: str, dotted: str, node: t.Call, args: Args) -> Value:
    bears: bool | None
    if cls in known.CONTAINERS:
        answers = [
            it.bears(a.obj) for v in args.all() for e in (v, it.element(v)) for a in e if isinstance(a.obj, Model)
        ]
        bears = True if True in answers else None
        inside = {o.place for v in args.all() for o in flat(v) if isinstance(o, Model | Opaque)}
        it.contained |= inside
        it.retract([f for f in it.facts if isinstance(f, LateModule) and f.place in inside])  # one defect, one line
    elif cls.startswith("InstanceNorm"):
        bears = any(isinstance(a.obj, Literal) and a.obj.value for a in args.kw.get("affine", UNKNOWN))
    else:
        bears = True if cls in known.BEARING else False if cls in known.PARAMETER_FREE else None
        if any(isinstance(a.obj, Literal) and a.obj.value is False for a in args.kw.get("elementwise_affine", UNKNOWN)):
            bears = False
    model = Model(cls=dotted, bears=bears, place=frame.place(node), built=True)
    define.built(it, frame, node, model)
    return just(model)


def _sanitize_call(it: Interpreter, frame: Frame, name: str, args: Args) -> Value | None:
    """A call that by its name takes wrappers off a model, or prefixes off a state dict (also in place)."""
    strips = sanitized(name)
    if strips is None:
        return None
    out: Value = UNKNOWN
    if "state_dict" in name and not any(isinstance(a.obj, StateDict) for v in args.pos for a in v):
        models = [a.obj for v in args.pos for a in v if isinstance(a.obj, Model)]
        receiver = t.render(args.node.args[0].value) if args.node.args else ""
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
    cleaned = _sanitize_call(it, frame, name, args)
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


# --- builtins and small functions -------------------------------------------------------------------------------------


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
                pairs = tuple((literal_str(p.elts[0]), p.elts[1]) for p in items)
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
        key = it.element(UNKNOWN, t.render(node.args[0].value))
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


_FUNCTIONS = {
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
