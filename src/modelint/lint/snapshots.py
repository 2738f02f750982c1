"""How old a state dict is: training events since it was taken, and what that means for its use."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from modelint.lint import known
from modelint.lint import tree as t
from modelint.lint.facts import Snapshot
from modelint.lint.state import Env, Frame
from modelint.lint.values import Alt, Conds, DictVal, ListVal, Model, StateDict, Value, flat
from modelint.rule import Place

if TYPE_CHECKING:
    from modelint.lint.interpret import Interpreter

#: The age of a state dict that one method left on self: any training may have come before another method runs.
KEPT = -1


def _changed(value: Value, age: int | None, by: int, depth: int) -> Value:
    if not any(isinstance(a.obj, StateDict | DictVal | ListVal) for a in value):
        return value
    out: list[Alt] = []
    for alt in value:
        obj = alt.obj
        if isinstance(obj, StateDict) and obj.age != KEPT:
            obj = obj._replace(age=obj.age + by if age is None else age)
        elif isinstance(obj, DictVal) and depth < 3:
            obj = obj._replace(items=tuple((k, _changed(v, age, by, depth + 1)) for k, v in obj.items))
        elif isinstance(obj, ListVal) and depth < 3:
            obj = obj._replace(elts=tuple(_changed(v, age, by, depth + 1) for v in obj.elts))
        out.append(Alt(obj, alt.conds))
    return tuple(out)


def shift(value: Value, by: int) -> Value:
    """The value as it is ``by`` events later that did not happen on its path."""
    return _changed(value, None, by, 0) if by else value


def shift_env(env: Env, by: int) -> Env:
    return {path: shift(value, by) for path, value in env.items()} if by else env


def kept_over(value: Value) -> Value:
    """The value as another method of the object, or the same one called again, will find it."""
    aged = _changed(value, KEPT, 0, 0)
    return tuple(Alt(a.obj, _lasting(a.conds)) if isinstance(a.obj, StateDict) else a for a in aged)


def _lasting(conds: Conds) -> Conds:
    """What stays so between two calls: settings, not comparisons of what is at hand."""
    return frozenset(c for c in conds if all(part.isidentifier() for part in c[0].split(".")))


def frozen(env: Env, name: str) -> Env:
    """``name`` is bound to something new: state dicts taken from what it was change no more."""
    out: Env = {}
    for path, value in env.items():
        if any(isinstance(a.obj, StateDict | DictVal) for a in value):
            value = _frozen(value, name, 0)
        out[path] = value
    return out


def _frozen(value: Value, name: str, depth: int) -> Value:
    out: list[Alt] = []
    for alt in value:
        obj = alt.obj
        if isinstance(obj, StateDict) and (obj.path == name or obj.path.startswith(name + ".")):
            obj = obj._replace(copied="copy")
        elif isinstance(obj, DictVal) and depth < 3:
            obj = obj._replace(items=tuple((k, _frozen(v, name, depth + 1)) for k, v in obj.items))
        out.append(Alt(obj, alt.conds))
    return tuple(out)


def report(it: Interpreter, state: StateDict, at: Place, use: str) -> None:
    """One snapshot is one fact: where its use was seen that counts, else that it was kept."""
    if state.bound is None or (state.copied == "cpu" and _only_on_a_gpu(it, state.bound)):
        return
    told = [f for f in it.facts if isinstance(f, Snapshot) and f.place == state.bound]
    if told and (use == "used" or told[0].use != "used"):
        return
    it.retract(list(told))
    it.emit(Snapshot(state.bound, at, use, state.copied == "cpu"))


def _only_on_a_gpu(it: Interpreter, place: Place) -> bool:
    """A file that calls .cuda() without asking for a device: there .cpu() does copy."""
    file = it.project.file(place.path)
    text = file.source.text if file is not None else ""
    return ".cuda(" in text and "device" not in text and "is_available" not in text


def returned(it: Interpreter, frame: Frame, stmt: t.Return, value: Value) -> None:
    """The best state dict of a training loop is returned: what the caller gets is the last one."""
    for obj in flat(value):
        if not isinstance(obj, StateDict) or obj.loop is None or obj.loop in frame.loops or obj.bound is None:
            continue
        taken = obj.age != KEPT and obj.age < it.age and obj.copied != "copy" and obj.place not in it.written
        loop = it.loop_starts.get(obj.loop)
        if taken and loop is not None and _chosen(loop[0], obj.place.node):
            report(it, obj, frame.place(stmt), "returned")


def _chosen(loop: t.For | t.While, n: int) -> bool:
    """Does node ``n`` run only in those rounds of the loop that are better than others?"""
    for stmt in t.walk(loop):
        if isinstance(stmt, t.If) and any(node.n == n for node in t.walk(stmt.body)):
            for node in t.walk(stmt.test):
                if isinstance(node, t.Compare) and any(op in ("<", ">", "<=", ">=") for op, _ in node.ops):
                    return True
                if _BETTER.search(t.last_name(node) if isinstance(node, t.Name | t.Attr) else ""):
                    return True
    return False


_BETTER = re.compile(r"best|better|improve", re.IGNORECASE)


def kept_as_best(it: Interpreter, frame: Frame, target: t.Attr, value: Value, stmt: t.Node) -> None:
    """``self.best_state = model.state_dict()`` where something got better: it is there to be used later."""
    if not frame.conditional or not isinstance(frame.scope, t.Def) or "best" not in target.attr.lower():
        return
    live = [a.obj for a in value if isinstance(a.obj, StateDict) and a.obj.copied != "copy" and not a.obj.merged]
    if not live or any(state.model is not None and state.model.built for state in live):
        return
    for node in t.walk(frame.scope):
        saves = isinstance(node, t.Call) and known.SAVE_WORDS.search(t.last_name(node.func))
        if saves and any(isinstance(n, t.Attr) and n.attr == target.attr for n in t.walk(node)):
            return  # written on the spot
    report(it, live[0]._replace(bound=frame.place(stmt)), frame.place(stmt), "used")


def model_kept(it: Interpreter, frame: Frame, stmt: t.Assign, value: Value) -> None:
    """``best_model = model`` in a training loop: a second name for the model that goes on being trained."""
    source = t.dotted(stmt.value)
    if len(stmt.targets) != 1 or source is None or not frame.loops or not frame.conditional:
        return
    name = t.last_name(stmt.targets[0])
    if "best" not in name.lower() or source.rsplit(".", 1)[-1] not in ("model", "net", "network"):
        return
    if value and not all(isinstance(a.obj, Model) for a in value):
        return
    loop, age = it.loop_starts[frame.loops[-1]]
    root = source.split(".")[0]
    made_anew = any(
        isinstance(node, t.Name) and node.id == root
        for part in t.walk(loop)
        if isinstance(part, t.Assign | t.For)
        for target in (part.targets if isinstance(part, t.Assign) else [part.target])
        for node in t.walk(target)
        if not (root == "self" and isinstance(part, t.Assign))
    )
    read = isinstance(stmt.targets[0], t.Attr) or it.usage(frame).reads(name) > 0
    if it.age > age and not made_anew and read:
        it.emit(Snapshot(frame.place(stmt), frame.place(stmt), "model", False))
