"""Checkpoints read, and what becomes of them in ``load_state_dict``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from modelint.lint import known, saving
from modelint.lint import tree as t
from modelint.lint.facts import KeyFilter, Load, TorchLoad
from modelint.lint.render import render
from modelint.lint.state import Frame
from modelint.lint.usage import COMPARES
from modelint.lint.values import (
    UNKNOWN,
    Checkpoint,
    DictVal,
    Entry,
    Inst,
    Literal,
    Model,
    Opaque,
    SelfRef,
    StateDict,
    Super,
    Value,
    just,
)

if TYPE_CHECKING:
    from modelint.lint.calls import Args
    from modelint.lint.interpret import Interpreter

#: A model by such a name may well come out of a file.
_FILED = re.compile(r"ckpt|checkpoint|load|pretrain|saved|weights|file", re.IGNORECASE)
#: Functions in which a non-strict or filtered load is how the key protocol itself is written.
PROTOCOL = frozenset({"_load_from_state_dict", "load_state_dict", "_load_state_dict_hook", "load_state_dict_pre_hook"})


def torch_load(it: Interpreter, frame: Frame, node: t.Call, dotted: str, args: Args) -> Value:
    at = frame.place(node)
    if dotted == "torch.load":
        spread = any(a.star == "**" for a in node.args)
        given = args.kw.get("weights_only")
        weights = "absent" if "weights_only" not in args.kw else "unknown"
        if given and isinstance(given[0].obj, Literal):
            weights = "yes" if given[0].obj.value else "no"
        it.emit(
            TorchLoad(at, "map_location" in args.kw or len(args.pos) > 1 or spread, "unknown" if spread else weights)
        )
    return just(Checkpoint(at))


def load_state_dict(
    it: Interpreter, frame: Frame, node: t.Call, receiver: Value, path: str | None, args: Args
) -> Value:
    at = frame.place(node)
    func = node.func
    text = path or (render(func.value) if isinstance(func, t.Attr) else "")
    given = args.get(0, "state_dict", "checkpoint")
    via_super = any(isinstance(a.obj, Super) for a in receiver)
    is_model, own = _is_model(it, receiver, text)
    strict = _strict(frame, args)
    is_model = is_model and args.kw.keys() <= {"state_dict", "strict", "assign", "checkpoint"}
    merged, reported = None, it.usage(frame).reports_keys(node)
    for alt in given:
        if isinstance(alt.obj, StateDict):
            saving.used(it, frame, alt.obj, at, "loaded", text)
            if alt.obj.merged is not None:
                merged = alt.obj.merged
                reported = reported or ("logged" if merged in it.told else "")
            refused = reported == "refused" or alt.obj.filtered in it.shape_checked
            if alt.obj.filtered is not None and is_model and not refused:
                it.emit(KeyFilter(alt.obj.filtered, at, strict=False, told=bool(reported)))
        elif isinstance(alt.obj, DictVal) and alt.obj.filtered is not None and is_model:
            if alt.obj.filtered in it.shape_checked or reported == "refused":
                continue
            it.emit(KeyFilter(alt.obj.filtered, at, strict == "yes", bool(reported)))
    result = "used"
    if node is frame.top_call:
        result = "dropped"
    elif node is frame.bound_call and not any(n == "" or it.usage(frame).reads(n) for n in frame.bound_names):
        result = "unread"
    first = args.expr(0, "state_dict")
    piecemeal = isinstance(first, t.DictExpr) and len(first.items) == 1 and bool(frame.loops)
    empty = any(isinstance(a.obj, Checkpoint) and a.obj.empty_default for a in given)
    if not reported and isinstance(first, t.Name):
        if it.usage(frame).returns(first.id):
            reported = "logged"  # the caller sees what was merged
        elif _compared_beside(it, frame, first.id):
            reported = "logged"
    empty = empty and (render(first), True) not in frame.path
    if not (own and followed_protocol(frame)):
        fact = Load(
            at,
            text,
            is_model,
            strict,
            via_super,
            result,
            bool(reported),
            piecemeal,
            empty,
            merged,
            _is_live(frame, given),
            reported,
        )
        it.emit(fact)
        if is_model:
            it.loads.append(at)
    if via_super or own:
        for alt in receiver:
            if isinstance(alt.obj, SelfRef | Inst) and own:
                it.call_method(frame, alt.obj, "load_state_dict", args.pos, args.kw)
    return UNKNOWN


def _is_live(frame: Frame, given: Value) -> bool:
    """A state dict just taken from a model in memory, or a dict of entries of one; not of a model out of a file."""
    for alt in given:
        obj = alt.obj
        if isinstance(obj, StateDict) and obj.merged is None and not _FILED.search(obj.path):
            root = frame.lookup(re.split(r"[.\[(]", obj.path)[0]) or UNKNOWN
            return not any(isinstance(a.obj, Checkpoint | Entry) for a in root)
        if isinstance(obj, DictVal):
            held = tuple(a for _, value in obj.items for a in value)
            entries = tuple(a for h in held if isinstance(h.obj, Entry) for a in h.obj.of)
            if _is_live(frame, tuple(a for a in (*held, *entries) if isinstance(a.obj, StateDict))):
                return True
    return False


def _compared_beside(it: Interpreter, frame: Frame, name: str) -> bool:
    """``state, misses = self.match(...)``, and ``misses`` is shown: a helper of the project compared the keys."""
    for call, shown in it.usage(frame).made_beside(name):
        helper = it.definition(frame, call.func)
        if shown and helper is not None and any(COMPARES.search(word) for word in helper.words):
            return True
    return False


def followed_protocol(frame: Frame) -> bool:
    return isinstance(frame.scope, t.Def) and frame.scope.name in PROTOCOL


def _is_model(it: Interpreter, receiver: Value, text: str) -> tuple[bool, bool]:
    """Is the receiver a model, and does a class of the project bring a ``load_state_dict`` of its own?"""
    for alt in receiver:
        obj = alt.obj
        if isinstance(obj, Opaque):
            return False, False
        if isinstance(obj, Model):
            return True, False
        if isinstance(obj, SelfRef | Inst):
            own = it.project.method(obj.cls, "load_state_dict") is not None
            return it.project.is_module(obj.cls) is True or (it.project.is_module(obj.cls) is None and not own), own
    base = text.split("[")[0].split("(")[0]
    return not known.NOT_A_MODEL.search(base.rsplit(".", 1)[-1]), False


def _strict(frame: Frame, args: Args) -> str:
    """ "yes", "no", or "passed on" where a variable decides."""
    expr = args.expr(1, "strict")
    if expr is None:
        return "passed on" if any(a.star == "**" for a in args.node.args) else "yes"
    value = args.get(1, "strict")
    if "strict" not in args.kw and not isinstance(expr, t.Const) and "strict" not in render(expr):
        return "yes"  # the second argument of another protocol
    if isinstance(expr, t.Const):
        return "yes" if expr.value else "no"
    literals = [a.obj.value for a in value if isinstance(a.obj, Literal)]
    if isinstance(expr, t.Name) and literals and not any(literals) and _is_local(frame, expr.id):
        return "no"
    return "passed on"


def _is_local(frame: Frame, name: str) -> bool:
    scope = frame.scope
    return not isinstance(scope, t.Def) or all(p.name != name for p in scope.params)
