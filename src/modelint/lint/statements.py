"""Statements: assignments, branches that join, loops that settle, early returns, tries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelint.lint import define, functions, guards, keys, snapshots, tries
from modelint.lint import tree as t
from modelint.lint.render import render
from modelint.lint.snapshots import frozen, shift_env
from modelint.lint.state import Env, Frame, Test, join_envs
from modelint.lint.values import (
    UNKNOWN,
    Alt,
    DictVal,
    Inst,
    Key,
    ListVal,
    Opaque,
    StateDict,
    Value,
    join,
    just,
    under,
)
from modelint.rule import Place

if TYPE_CHECKING:
    from modelint.lint.interpret import Interpreter


# --- assignment -------------------------------------------------------------------------------------------------


#: Context managers under which FSDP gives clean keys.
_SHARDED = frozenset({"state_dict_type", "summon_full_params", "GatheredParameters"})


def assign(it: Interpreter, frame: Frame, target: t.Expr, value: Value, stmt: t.Node) -> None:
    match target:
        case t.Name():
            named = tuple(
                a._replace(obj=a.obj._replace(name=target.id)) if isinstance(a.obj, Key) else a for a in value
            )
            frame.bind(target.id, _bound(named, frame.place(stmt)))
        case t.Attr():
            path = t.dotted(target)
            if isinstance(target.value, t.Name) and target.value.id == frame.self_name and frame.self_name:
                define.attribute_store(it, frame, target, value, stmt)
                snapshots.kept_as_best(it, frame, target, value, stmt)
            if path is not None:
                frame.bind(path, _bound(value, frame.place(stmt)))
            else:
                it.eval(frame, target.value)
            if target.attr == "data" or path is None:
                return
            _store_on_instance(it, frame, target, value)
        case t.Seq():
            _unpack(it, frame, target, value, stmt)
        case t.Wrapped():
            assign(it, frame, target.value, UNKNOWN, stmt)
        case t.Sub():
            keys.store(it, frame, target, value, stmt)


def _store_on_instance(it: Interpreter, frame: Frame, target: t.Attr, value: Value) -> None:
    """``trainer.model = DDP(...)``: the instance holds it from now on."""
    for alt in it.eval(frame, target.value):
        if isinstance(alt.obj, Inst):
            held = it.heap.setdefault(alt.obj.key, {})
            held[target.attr] = join(held.get(target.attr, UNKNOWN), value)


def _unpack(it: Interpreter, frame: Frame, target: t.Seq, value: Value, stmt: t.Node) -> None:
    size = len(target.elts)
    starred = any(isinstance(e, t.Wrapped) for e in target.elts)
    parts: list[Value] = [UNKNOWN] * size
    for alt in value:
        if isinstance(alt.obj, ListVal):
            exact = alt.obj.exact and len(alt.obj.elts) == size and not starred
            for i in range(size):
                found = alt.obj.elts[i] if exact else it.element(just(alt.obj))
                parts[i] = join(parts[i], tuple(Alt(a.obj, a.conds | alt.conds) for a in found))
        elif isinstance(alt.obj, Opaque) and alt.obj.kind == "tensor":
            parts = [join(part, (alt,)) for part in parts]  # p, l, u = scipy.linalg.lu(drawn)
    for element, part in zip(target.elts, parts, strict=True):
        assign(it, frame, element, part, stmt)


# --- statements -------------------------------------------------------------------------------------------------


def block(it: Interpreter, frame: Frame, body: list[t.Stmt]) -> bool:
    """Interpret statements; False when the end cannot be reached."""
    for stmt in body:
        it.steps += 1
        if not statement(it, frame, stmt):
            return False
    return True


def statement(it: Interpreter, frame: Frame, stmt: t.Stmt) -> bool:
    match stmt:
        case t.Assign():
            _assign(it, frame, stmt)
        case t.ExprStmt():
            frame.top_call = stmt.value.value if isinstance(stmt.value, t.Wrapped) else stmt.value
            it.eval(frame, stmt.value)
        case t.If():
            return _if(it, frame, stmt)
        case t.For() | t.While():
            return _loop(it, frame, stmt)
        case t.With():
            sharded = any(isinstance(e, t.Call) and t.last_name(e.func) in _SHARDED for e, _ in stmt.items)
            frame.sharded += sharded
            for expr, target in stmt.items:
                value = it.eval(frame, expr)
                if target is not None:
                    assign(it, frame, target, value, stmt)
            alive = block(it, frame, stmt.body)
            frame.sharded -= sharded
            return alive
        case t.Try():
            return _try(it, frame, stmt)
        case t.Return():
            frame.top_call = None
            value = it.eval(frame, stmt.value) if stmt.value is not None else UNKNOWN
            snapshots.returned(it, frame, stmt, value)
            frame.returns.append((under(value, frame.path), dict(frame.env), it.age))
            return False
        case t.Raise():
            if stmt.value is not None:
                it.eval(frame, stmt.value)
            return False
        case t.Jump():
            if stmt.kind == "break":
                frame.breaks.append((dict(frame.env), it.age))
            else:
                frame.continues.append(dict(frame.env))
            return False
        case t.AugAssign():
            value = it.eval(frame, t.Bin(stmt.n, stmt.op, stmt.target, stmt.value))
            if isinstance(stmt.target, t.Attr) and t.dotted(stmt.target.value) == frame.self_name:
                define.augmented(it, frame, stmt.target, stmt)
            if isinstance(stmt.target, t.Sub):
                held = it.eval(frame, stmt.target.value)  # in place: the live tensor itself is changed
                it.written.update(a.obj.place for a in held if isinstance(a.obj, StateDict))
            if isinstance(stmt.target, t.Name | t.Attr) and (path := t.dotted(stmt.target)):
                frame.bind(path, value)
        case t.Delete():
            for target in stmt.targets:
                if isinstance(target, t.Sub) and (path := t.dotted(target.value)):
                    base, index = it.eval(frame, target.value), it.eval(frame, target.index)
                    keys.removed(it, frame, path, base, index, frame.place(stmt))
                if isinstance(target, t.Attr) and t.dotted(target.value) == frame.self_name:
                    define.deleted(it, frame, target)
                path = t.dotted(target)
                if path is not None:
                    frame.bind(path, UNKNOWN)
        case t.Assert():
            it.eval(frame, stmt.test)
            frame.path |= guards.conditions(stmt.test, True)
            frame.tests = (*frame.tests, Test(stmt.test, True, frame.place(stmt), asserted=True))
            guards.refine(frame, stmt.test, True)
        case t.Match():
            return _match(it, frame, stmt)
        case t.Def():
            functions.define_function(it, frame, stmt)
        case t.Class():
            functions.define_class(it, frame, stmt)
        case _:
            pass
    return not _leaves(stmt)


def _leaves(stmt: t.Stmt) -> bool:
    """``sys.exit()`` and its like end the block as a raise does."""
    if isinstance(stmt, t.ExprStmt) and isinstance(stmt.value, t.Call):
        return t.dotted(stmt.value.func) in ("sys.exit", "exit", "quit", "os._exit")
    return False


def _assign(it: Interpreter, frame: Frame, stmt: t.Assign) -> None:
    frame.top_call = None
    frame.bound_call = stmt.value
    frame.bound_names = _names(stmt.targets)
    value = it.eval(frame, stmt.value)
    frame.bound_call = None
    for name in frame.bound_names:
        if name and "state_dict" in it.usage(frame).words and _is_another(stmt.value, name):
            frame.env = frozen(frame.env, name)
    snapshots.model_kept(it, frame, stmt, value)
    for target in stmt.targets:
        assign(it, frame, target, value, stmt)


def _if(it: Interpreter, frame: Frame, stmt: t.If) -> bool:
    frame.top_call = None
    it.eval(frame, stmt.test)
    always = guards.constant(stmt.test)
    env, path, tests = frame.env, frame.path, frame.tests
    bodies = {True: stmt.body, False: stmt.orelse}
    unwraps = guards.arms(frame, stmt)
    ends: dict[bool, tuple[bool, Env, int]] = {}
    age = it.age
    then = {truth: guards.conditions(stmt.test, truth) for truth in bodies}
    frame.conditional += 1
    for truth, body in bodies.items():
        dead = always is (not truth) or guards.contradicts(path, then[truth])
        frame.env, frame.path = dict(env), path | then[truth]
        frame.tests = (*tests, Test(stmt.test, truth, frame.place(stmt)))
        guards.refine(frame, stmt.test, truth)
        if not dead:
            others = unwraps[not truth]
            if others and not body:
                others = guards.rebound_unwrapped(bodies[not truth])
            guards.drop_wrapped(frame, others - unwraps[truth])
        it.age = age
        alive = False if dead else block(it, frame, body)
        ends[truth] = (alive, frame.env, it.age)
    frame.conditional -= 1
    frame.path, frame.tests = path, tests
    it.age = max(end[2] for end in ends.values())
    ends = {truth: (ok, shift_env(end, it.age - at), at) for truth, (ok, end, at) in ends.items()}
    reached = {truth for truth, end in ends.items() if end[0]}
    if reached == {True, False}:
        settled = not frame.loops or _is_setting(stmt.test)
        frame.env = join_envs(ends[True][1], ends[False][1], then[True], then[False], settled=settled)
        return True
    if not reached:
        frame.env = env
        return False
    (truth,) = reached
    frame.env = ends[truth][1]
    if always is None and bodies[not truth]:
        # the other branch left: what it tested holds for the rest of this block
        frame.path = path | then[truth]
        raises = isinstance(bodies[not truth][-1], t.Raise)
        frame.tests = (*tests, Test(stmt.test, truth, frame.place(stmt), asserted=raises))
    return True


def _is_setting(test: t.Expr) -> bool:
    """``args.distributed``, ``self.distributed``: the same in every round of a loop."""
    return isinstance(test, t.Attr) or (isinstance(test, t.Not) and _is_setting(test.value))


def _loop(it: Interpreter, frame: Frame, stmt: t.For | t.While) -> bool:
    frame.top_call = None
    outer = frame.breaks, frame.continues
    tests, path = frame.tests, frame.path
    iterated = it.eval(frame, stmt.iter if isinstance(stmt, t.For) else stmt.test)
    before = dict(frame.env)
    frame.loops = (*frame.loops, frame.place(stmt))
    it.loop_starts[frame.place(stmt)] = (stmt, it.age)
    rounds = 2 if "state_dict" in stmt.words else 1
    frame.breaks = []
    for _ in range(rounds):
        frame.continues = []
        frame.tests, frame.path = tests, path
        if isinstance(stmt, t.While):
            frame.tests = (*tests, Test(stmt.test, True, frame.place(stmt)))
            guards.refine(frame, stmt.test, True)
        else:
            assign(it, frame, stmt.target, it.element(iterated, render(stmt.iter)), stmt)
        alive = block(it, frame, stmt.body)
        ends = [*frame.continues, *([frame.env] if alive else [])]
        env = ends[0] if ends else before
        for other in ends[1:]:
            env = join_envs(env, other)
        frame.env = dict(env)
        if isinstance(stmt, t.While):
            it.eval(frame, stmt.test)
        frame.env = dict(join_envs(frame.env, before)) if rounds == 1 else frame.env
    frame.env = dict(join_envs(frame.env, before))
    for env, age in frame.breaks:
        frame.env = dict(join_envs(frame.env, shift_env(env, it.age - age)))
    if isinstance(stmt, t.While):
        guards.refine(frame, stmt.test, False)
    forever = isinstance(stmt, t.While) and guards.constant(stmt.test) is True and not frame.breaks
    frame.loops = frame.loops[:-1]
    frame.breaks, frame.continues = outer
    frame.tests, frame.path = tests, path
    if forever:
        return False
    return block(it, frame, stmt.orelse)


def _try(it: Interpreter, frame: Frame, stmt: t.Try) -> bool:
    before = dict(frame.env)
    path, tests = frame.path, frame.tests
    marks = len(it.loads)
    unwraps = guards.unwrapped_paths(stmt.body)
    alive = block(it, frame, stmt.body)
    loads = it.loads[marks:]
    after = frame.env
    start = dict(join_envs(before, after))
    ends: list[Env] = []
    frame.path, frame.tests = path, tests
    if alive:
        alive = block(it, frame, stmt.orelse)
        if alive:
            ends.append(frame.env)
    for handler in stmt.handlers:
        frame.env, frame.path, frame.tests = dict(start), path, tests
        guards.drop_wrapped(frame, unwraps)
        if handler.name:
            frame.bind(handler.name, UNKNOWN)
        if block(it, frame, handler.body):
            ends.append(frame.env)
    if loads:
        tries.try_load(it, frame, stmt, loads[0])
    frame.path, frame.tests = path, tests
    env = ends[0] if ends else dict(start)
    for other in ends[1:]:
        env = join_envs(env, other)
    frame.env = dict(env)
    return block(it, frame, stmt.final) and bool(ends)


def _match(it: Interpreter, frame: Frame, stmt: t.Match) -> bool:
    it.eval(frame, stmt.subject)
    env = dict(frame.env)
    ends = [env]
    for case in stmt.cases:
        frame.env = dict(env)
        if block(it, frame, case.body):
            ends.append(frame.env)
    out = ends[0]
    for other in ends[1:]:
        out = join_envs(out, other)
    frame.env = dict(out)
    return True


def _bound(value: Value, place: Place, depth: int = 0) -> Value:
    """Note on state dicts that have no name yet where they got one."""
    if not any(isinstance(a.obj, StateDict | DictVal) for a in value):
        return value
    out = []
    for alt in value:
        obj = alt.obj
        if isinstance(obj, StateDict) and obj.bound is None:
            obj = obj._replace(bound=place)
        elif isinstance(obj, DictVal) and depth < 3:
            obj = obj._replace(items=tuple((k, _bound(v, place, depth + 1)) for k, v in obj.items))
        out.append(Alt(obj, alt.conds))
    return tuple(out)


def _names(targets: list[t.Expr]) -> tuple[str, ...]:
    """The plain names that an assignment binds; "" stands for an attribute or an item."""
    out: list[str] = []
    stack = list(targets)
    while stack:
        top = stack.pop()
        if isinstance(top, t.Name):
            out.append(top.id)
        elif isinstance(top, t.Seq):
            stack.extend(top.elts)
        elif isinstance(top, t.Wrapped):
            stack.append(top.value)
        else:
            out.append("")  # an attribute or an item: kept for somebody to read
    return tuple(out)


def _is_another(expr: t.Expr, name: str) -> bool:
    """Is what ``name`` will stand for not what it stood for: made without it, or a copy of it?"""
    if isinstance(expr, t.Call) and t.last_name(expr.func) == "deepcopy" and expr.args:
        return t.dotted(expr.args[0].value) == name
    return not _mentions(expr, name)


def _mentions(expr: t.Expr, name: str) -> bool:
    return any(isinstance(n, t.Name) and n.id == name for n in t.walk(expr))
