"""How old a state dict is: training events since it was taken, and what that means for its use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelint.lint import tree as t
from modelint.lint.facts import Snapshot
from modelint.lint.state import Env, Frame
from modelint.lint.values import Alt, DictVal, ListVal, Model, StateDict, Value

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
    """The value as another method of the object will find it."""
    return _changed(value, KEPT, 0, 0)


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
