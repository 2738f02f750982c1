"""Calls of functions and classes outside the project, known by their full names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from modelint.lint import calls, define, known, loading, saving
from modelint.lint import tree as t
from modelint.lint.builtin_calls import FUNCTIONS
from modelint.lint.facts import LateModule
from modelint.lint.state import Frame
from modelint.lint.values import (
    UNKNOWN,
    Alt,
    Bound,
    Ext,
    Func,
    Literal,
    Model,
    Opaque,
    Partial,
    SelfRef,
    Value,
    Wrap,
    flat,
    is_drawn,
    just,
)
from modelint.lint.wrappers import CLEAN_WRAPPERS, SHARDING, wrapper_of

if TYPE_CHECKING:
    from modelint.lint.calls import Args
    from modelint.lint.interpret import Interpreter


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
        data = args.expr(0, "data")
        none = isinstance(data, t.Call) and t.last_name(data.func) in (
            "empty",
            "zeros",
            "ones",
            "Tensor",
            "FloatTensor",
        )
        none = none and any(isinstance(a.obj, Opaque) and a.obj.detail == "placeholder" for a in args.get(0, "data"))
        return UNKNOWN if none else just(Opaque("parameter", at))  # of no elements: there is nothing to lose
    cls = known.torch_nn_class(dotted)
    if cls is not None:
        return nn_module(it, frame, cls, dotted, node, args)
    if dotted.startswith(("torch.optim.", "transformers.Adam", "apex.optimizers.", "timm.optim.", "timm.scheduler.")):
        return just(Opaque("optimizer", at))
    if dotted.startswith("torch.") and last in known.TENSOR_MAKERS and dotted.count(".") <= 2:
        grad = args.kw.get("requires_grad", UNKNOWN)
        wants = any(isinstance(a.obj, Literal) and a.obj.value is True for a in grad)
        if (
            args.pos
            and all(isinstance(a.obj, Literal) and a.obj.value == 0 for v in args.pos for a in v)
            and all(args.pos)
        ):
            return just(Opaque("tensor", at, "placeholder"))
        made_of = [a.obj.detail for a in args.get(0) if isinstance(a.obj, Opaque) and a.obj.kind == "tensor"]
        if last in ("cat", "stack"):
            made_of += [a.obj.detail for a in it.element(args.get(0)) if is_drawn(a.obj) and isinstance(a.obj, Opaque)]
        maker = (
            made_of[0]
            if made_of and last in ("from_numpy", "tensor", "as_tensor", "Tensor", "FloatTensor", "cat", "stack")
            else last
        )
        return just(Opaque("tensor", at, f"{last} grad" if wants else maker))
    if dotted == "torch.autograd.Variable":
        grad = args.get(1, "requires_grad")
        wants = any(isinstance(a.obj, Literal) and a.obj.value is True for a in grad)
        inner = [a.obj for a in args.get(0) if isinstance(a.obj, Opaque) and a.obj.kind == "tensor"]
        if wants:
            return just(Opaque("tensor", at, "Variable grad"))
        return just(inner[0]) if inner else UNKNOWN
    if dotted.startswith(("numpy.", "scipy.", "torch.")) and dotted.count(".") <= 2 and last.islower():
        drawn = next((a.obj for v in args.all() for a in v if is_drawn(a.obj)), None)
        if drawn is not None and not dotted.startswith("numpy.random."):
            return just(drawn)  # worked out from what was drawn at random
    if dotted.startswith("numpy."):
        if last in known.NUMPY_VALUES or dotted == "numpy.random.get_state":
            return just(Opaque("numpy", at, "numpy's random state" if last == "get_state" else "a numpy value"))
        drawn_here = dotted.startswith("numpy.random.") and last.islower() and last not in known.NUMPY_UNDRAWN
        return just(Opaque("tensor", at, f"numpy {last}")) if drawn_here else UNKNOWN
    if dotted == "argparse.ArgumentParser":
        return just(Opaque("parser", at))
    if dotted in known.UNSAFE_MAKERS:
        return just(Opaque(known.UNSAFE_MAKERS[dotted], at))
    if dotted in FUNCTIONS:
        return FUNCTIONS[dotted](it, frame, node, args)
    if last in CLEAN_WRAPPERS and args.pos:
        return _instead(it, args.pos[0]) if frame.conditional and last in SHARDING else args.pos[0]
    cleaned = calls.sanitize_call(it, frame, last, args)
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


def _is_method(it: Interpreter, frame: Frame, target: t.Expr | None) -> bool:
    """``self.update`` where the class at hand defines ``update``, and not as a property."""
    if not isinstance(target, t.Attr) or frame.cls is None or t.dotted(target.value) != frame.self_name:
        return False
    found = it.project.method(frame.cls, target.attr)
    return found is not None and not any("property" in t.last_name(d) for d in found[1].decorators)


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
        if _is_method(it, frame, target):
            return UNKNOWN
        if (
            not any(isinstance(a.obj, Model) for a in inner)
            and target is not None
            and _FUNCTION.search(t.last_name(target))
        ):
            return UNKNOWN
    layer = Wrap(kind, frame.place(node))
    if frame.conditional:
        it.wrapped_under_condition.add(layer.place)
    wrapped = [
        Alt(a.obj._replace(wraps=(layer, *_below(it, a.obj.wraps, layer))[:4]), a.conds)
        for a in inner
        if isinstance(a.obj, Model)
    ]
    if wrapped:
        return tuple(wrapped)
    owner = [a.obj for a in inner if isinstance(a.obj, SelfRef)]
    cls = f"{owner[0].cls.path}:{owner[0].cls.name}" if owner else None
    return just(Model(cls=cls, wraps=(layer,), place=frame.place(node)))


def _below(it: Interpreter, wraps: tuple[Wrap, ...], layer: Wrap) -> tuple[Wrap, ...]:
    """The wrappers that stay below a new one.

    Not the same one, met again in a loop; nor one for several devices put on under a condition (``n_gpu > 1``) where
    this one is too (``local_rank != -1``): they are meant as alternatives.
    """
    if layer in wraps:
        return tuple(w for w in wraps if w != layer)
    parallel = ("dp", "ddp")
    if wraps and wraps[0].kind in parallel and layer.kind in parallel:
        both = {layer.place, wraps[0].place} <= it.wrapped_under_condition
        return wraps[1:] if both else wraps
    return wraps


def _instead(it: Interpreter, inner: Value) -> Value:
    """What a sharding wrapper gets that is put on under a condition: not what was wrapped for several devices under
    another one. These ways exclude each other."""
    return tuple(
        a._replace(obj=a.obj._replace(wraps=a.obj.wraps[1:]))
        if isinstance(a.obj, Model) and a.obj.wraps and a.obj.wraps[0].place in it.wrapped_under_condition
        else a
        for a in inner
    )


def nn_module(it: Interpreter, frame: Frame, cls: str, dotted: str, node: t.Call, args: Args) -> Value:
    bears: bool | None
    anew = True
    if cls in known.CONTAINERS:
        answers = [
            it.bears(a.obj) for v in args.all() for e in (v, it.element(v)) for a in e if isinstance(a.obj, Model)
        ]
        bears = True if True in answers else None
        inside = {o.place for v in args.all() for o in flat(v) if isinstance(o, Model | Opaque)}
        it.contained |= inside
        late = [f for f in it.facts if isinstance(f, LateModule) and f.place in inside]
        it.retract(late)  # one defect, one line
        anew = bool(late) or any(_makes(frame, arg.value) for arg in node.args)
    elif cls.startswith("InstanceNorm"):
        bears = any(isinstance(a.obj, Literal) and a.obj.value for a in args.kw.get("affine", UNKNOWN))
    else:
        bears = True if cls in known.BEARING else False if cls in known.PARAMETER_FREE else None
        if any(isinstance(a.obj, Literal) and a.obj.value is False for a in args.kw.get("elementwise_affine", UNKNOWN)):
            bears = False
    model = Model(cls=dotted, bears=bears, place=frame.place(node), built=True)
    if anew:
        define.built(it, frame, node, model)
    return just(model)


def _makes(frame: Frame, expr: t.Expr) -> bool:
    """Does what goes into a container come from a call that may make it? What ``self`` is asked for is there."""
    nodes = list(t.walk(expr))
    own = any(isinstance(node, t.Name) and node.id == frame.self_name for node in nodes)
    return not own and any(isinstance(node, t.Call) for node in nodes)
