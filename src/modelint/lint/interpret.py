"""The interpreter: walks the lowered tree of one file, keeps values flow by flow, and emits facts.

Bounded everywhere: by a budget of steps for each file asked for, by depth of calls, by alternatives of a value.
When the budget is spent calls are no longer followed; what is not followed is unknown, and unknown makes no fact.
"""

from __future__ import annotations

import re

from modelint.lint import calls, define, evaluate, functions, guards, keys, known, snapshots
from modelint.lint import tree as t
from modelint.lint.facts import StateWrite, TryLoad
from modelint.lint.index import ClassRef, File, FuncRef, Project
from modelint.lint.snapshots import frozen, shift_env
from modelint.lint.state import Env, Frame, Test, join_envs
from modelint.lint.usage import Usage, is_log
from modelint.lint.values import (
    UNKNOWN,
    Alt,
    Checkpoint,
    DictVal,
    Entry,
    Inst,
    Key,
    Keys,
    ListVal,
    LoadResult,
    Model,
    Opaque,
    SelfRef,
    StateDict,
    Super,
    Value,
    join,
    just,
    under,
)
from modelint.rule import Place

MOST_INSTANCES = 4000
#: Iterating something unknown by such a name gives keys.
_STATE_NAME = re.compile(
    r"(^|[._])(state(_dict)?|ckpt|checkpoint|weights|pretrained\w*|sd|saved|\w*_dict|\w*_sd|\w*_state)$"
)


class Interpreter:
    """Interprets files of one project; ``facts`` holds what was found, in order, each once."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.facts: dict[object, None] = {}
        self.heap: dict[int, dict[str, Value]] = {}
        self.loads: list[Place] = []
        #: Training events so far: an optimizer step, a call of a train function.
        self.age = 0
        self.steps = 0
        self.active: list[tuple[str, int, int]] = []
        self.memo: dict[object, tuple[Value, tuple[Place, ...], int, Env]] = {}
        #: The frame around each nested function, nested classes still to interpret, what is known of each instance.
        self.parents: dict[FuncRef, Frame] = {}
        self.later: list[ClassRef] = []
        self.records: dict[int, define.Record] = {}
        #: Where modules were made that some ModuleList or Sequential holds.
        self.contained: set[Place | None] = set()
        #: Filters by name whose result is compared by shape afterwards.
        self.shape_checked: set[Place] = set()
        #: The loops met, with the training events before them.
        self.loop_starts: dict[Place, tuple[t.For | t.While, int]] = {}
        self._instances: dict[object, int] = {}
        self._usage: dict[int, Usage] = {}
        self.module_frames: dict[str, Frame] = {}

    # --- small services ---------------------------------------------------------------------------------------------

    def emit(self, fact: object) -> None:
        self.facts[fact] = None

    def instance(self, ident: object) -> int | None:
        """The heap key of an instance: the same class built from the same arguments is the same instance."""
        if len(self._instances) > MOST_INSTANCES:
            return None
        return self._instances.setdefault(ident, len(self._instances))

    def heap_mark(self, key: int) -> object:
        """Equal as long as what the instance holds is the same."""
        return frozenset(self.heap.get(key, {}).items())

    def usage(self, frame: Frame) -> Usage:
        """The usage of the function that the frame interprets; a lambda shares that of the function around it."""
        while isinstance(frame.scope, t.Lambda) and frame.parent is not None:
            frame = frame.parent
        key = id(frame.scope) if frame.scope is not None else id(frame.file)
        if key not in self._usage:
            if isinstance(frame.scope, t.Def):
                self._usage[key] = Usage(frame.scope.body)
            else:
                self._usage[key] = functions.module_usage(frame.file)
        return self._usage[key]

    def eval(self, frame: Frame, expr: t.Expr) -> Value:
        self.steps += 1
        return evaluate.evaluate(self, frame, expr)

    def retract(self, facts: list[object]) -> None:
        for fact in facts:
            del self.facts[fact]

    def peek(self, frame: Frame, expr: t.Expr) -> Value:
        """The value of a plain expression, with no effect on facts or on the environment."""
        facts, env, loads, age = dict(self.facts), dict(frame.env), list(self.loads), self.age
        value = self.eval(frame, expr)
        self.facts, frame.env, self.loads, self.age = facts, env, loads, age
        return value

    def call(self, frame: Frame, node: t.Call) -> Value:
        return calls.call(self, frame, node)

    def bears(self, model: Model) -> bool | None:
        """Does this module hold weights?"""
        if model.bears is not None or model.cls is None:
            return model.bears
        path, _, name = model.cls.rpartition(":")
        file = self.project.loaded(path) if path else None
        ref = file.top(name) if file else None
        return self.project.bears(ref) if isinstance(ref, ClassRef) else None

    def element(self, value: Value, text: str = "") -> Value:
        """What iterating ``value`` gives."""
        if not value and text and _STATE_NAME.search(text):
            return just(Key(UNKNOWN, "", text=text))
        out: Value = UNKNOWN
        for alt in value:
            obj = alt.obj
            found: Value = UNKNOWN
            if isinstance(obj, Keys):
                key, entry = just(Key(obj.of, "", text=obj.text)), just(Entry(obj.of))
                if obj.which == "items":
                    values = entry
                    for held in obj.of:
                        if isinstance(held.obj, DictVal):
                            values = join(values, evaluate.dict_get(held.obj, UNKNOWN))
                    found = just(ListVal("tuple", (key, values), Place("", 0, 0)))
                else:
                    found = key if obj.which == "keys" else self._values(obj.of, entry)
            elif isinstance(obj, StateDict | Checkpoint | DictVal):
                found = just(Key((alt,), "", text=text))
            elif isinstance(obj, ListVal):
                for held_value in obj.elts:
                    found = join(found, held_value)
            out = join(out, found)
        return out

    def _values(self, of: Value, entry: Value) -> Value:
        out: Value = UNKNOWN
        for alt in of:
            if isinstance(alt.obj, DictVal):
                out = join(out, evaluate.dict_get(alt.obj, UNKNOWN))
        return out or entry

    def watch_training(self, frame: Frame, node: t.Call, name: str) -> None:
        """Count a training event: weights move here."""
        if not known.TRAINS.search(name):
            return
        receiver = t.render(node.func.value).lower() if isinstance(node.func, t.Attr) else ""
        if known.NOT_TRAINING.search(name.lower()) or known.NOT_TRAINING.search(receiver.rsplit(".", 1)[-1]):
            return
        if (
            name == "train"
            and isinstance(node.func, t.Attr)
            and not any(w in receiver for w in ("train", "engine", "solver", "learner"))
        ):
            return  # model.train() only switches the mode
        self.age += 1

    # --- the hooks that calls and evaluate use ----------------------------------------------------------------------

    def key_method(self, frame: Frame, key: Key, node: t.Call, name: str, args: calls.Args) -> Value:
        return keys.key_method(self, frame, key, node, name, args)

    def key_sliced(self, frame: Frame, key: Key, expr: t.Sub) -> Value:
        return keys.key_sliced(self, frame, key, expr)

    def key_split(self, frame: Frame, obj: Opaque, expr: t.Sub) -> Value:
        base = self.peek(frame, expr.value)
        return keys.key_split(self, frame, obj, expr, base)

    def key_lands(self, frame: Frame, key: Key) -> None:
        keys.key_lands(self, frame, key)

    def filters_by_name(self, frame: Frame, place: Place) -> bool:
        return keys.filters_by_name(self, frame, place) and not self.frame_is_protocol(frame)

    def frame_is_protocol(self, frame: Frame) -> bool:
        return isinstance(frame.scope, t.Def) and frame.scope.name.startswith(
            ("_load_from_state_dict", "_load_state_dict")
        )

    def merged(self, frame: Frame, parts: list[Value], at: Place, text: str) -> Value:
        return keys.merged(self, frame, parts, at, text)

    def module_event(self, frame: Frame, node: t.Call, name: str, args: calls.Args) -> None:
        define.module_event(self, frame, node, name, args)

    def call_func(
        self, frame: Frame, ref: FuncRef, pos: list[Value], kw: dict[str, Value], node: t.Call
    ) -> Value | None:
        return functions.call_func(self, frame, ref, pos, kw)

    def call_method(
        self, frame: Frame, obj: SelfRef | Inst | Super, name: str, pos: list[Value], kw: dict[str, Value]
    ) -> Value:
        return functions.call_method(self, frame, obj, name, pos, kw)

    def call_unbound(self, frame: Frame, ref: ClassRef, name: str, pos: list[Value], kw: dict[str, Value]) -> Value:
        return functions.call_unbound(self, frame, ref, name, pos, kw)

    def construct(self, frame: Frame, ref: ClassRef, node: t.Call, args: calls.Args) -> Value:
        return functions.construct(self, frame, ref, node, args)

    def direct_write(self, frame: Frame, target: t.Sub, stmt: t.Node) -> None:
        """``model.state_dict()[k] = v``."""
        call = target.value
        if isinstance(call, t.Call) and t.last_name(call.func) == "state_dict" and isinstance(call.func, t.Attr):
            receiver = t.render(call.func.value)
            if not known.NOT_A_MODEL.search(receiver.rsplit(".", 1)[-1]):
                self.emit(StateWrite(frame.place(stmt), receiver, "direct"))

    def binary(self, frame: Frame, expr: t.Bin) -> Value:
        left, right = self.eval(frame, expr.left), self.eval(frame, expr.right)
        if expr.op == "*":
            for value in (left, right):
                calls.repeated(self, frame, expr, value, "list")
        if expr.op == "|" and any(isinstance(a.obj, StateDict | DictVal) for a in left):
            return keys.merged(self, frame, [left, right], frame.place(expr), t.render(expr.right))
        if expr.op == "+" and any(isinstance(a.obj, ListVal) for a in (*left, *right)):
            both = join(self.element(left), self.element(right))
            return just(ListVal("list", (both,), frame.place(expr), exact=False))
        if expr.op == "*" and any(isinstance(a.obj, ListVal) for a in left):
            return left
        for alt in (*left, *right):
            if isinstance(alt.obj, Opaque):
                if alt.obj.kind == "parameter":
                    return just(Opaque("lost-parameter", alt.obj.place, expr.op))
                if alt.obj.kind in ("lost-parameter", "tensor", "path"):
                    return just(alt.obj)
            if isinstance(alt.obj, Key) and alt.obj.rewritten and expr.op == "+":
                return just(alt.obj)
            if isinstance(alt.obj, Key) and expr.op == "+":
                return just(alt.obj._replace(rewritten=(frame.place(expr), "rename", "", True)))
        return UNKNOWN

    # --- assignment -------------------------------------------------------------------------------------------------

    def assign(self, frame: Frame, target: t.Expr, value: Value, stmt: t.Node) -> None:
        match target:
            case t.Name():
                named = tuple(
                    a._replace(obj=a.obj._replace(name=target.id)) if isinstance(a.obj, Key) else a for a in value
                )
                frame.bind(target.id, _bound(named, frame.place(stmt)))
            case t.Attr():
                path = t.dotted(target)
                if isinstance(target.value, t.Name) and target.value.id == frame.self_name and frame.self_name:
                    define.attribute_store(self, frame, target, value, stmt)
                if path is not None:
                    frame.bind(path, _bound(value, frame.place(stmt)))
                else:
                    self.eval(frame, target.value)
                if target.attr == "data" or path is None:
                    return
                self._store_on_instance(frame, target, value)
            case t.Seq():
                self._unpack(frame, target, value, stmt)
            case t.Wrapped():
                self.assign(frame, target.value, UNKNOWN, stmt)
            case t.Sub():
                keys.store(self, frame, target, value, stmt)

    def _store_on_instance(self, frame: Frame, target: t.Attr, value: Value) -> None:
        """``trainer.model = DDP(...)``: the instance holds it from now on."""
        for alt in self.eval(frame, target.value):
            if isinstance(alt.obj, Inst):
                held = self.heap.setdefault(alt.obj.key, {})
                held[target.attr] = join(held.get(target.attr, UNKNOWN), value)

    def _unpack(self, frame: Frame, target: t.Seq, value: Value, stmt: t.Node) -> None:
        size = len(target.elts)
        starred = any(isinstance(e, t.Wrapped) for e in target.elts)
        parts: list[Value] = [UNKNOWN] * size
        for alt in value:
            if isinstance(alt.obj, ListVal):
                exact = alt.obj.exact and len(alt.obj.elts) == size and not starred
                for i in range(size):
                    found = alt.obj.elts[i] if exact else self.element(just(alt.obj))
                    parts[i] = join(parts[i], tuple(Alt(a.obj, a.conds | alt.conds) for a in found))
            elif isinstance(alt.obj, LoadResult):
                pass
        for element, part in zip(target.elts, parts, strict=True):
            self.assign(frame, element, part, stmt)

    # --- statements -------------------------------------------------------------------------------------------------

    def block(self, frame: Frame, body: list[t.Stmt]) -> bool:
        """Interpret statements; False when the end cannot be reached."""
        for stmt in body:
            self.steps += 1
            if not self.stmt(frame, stmt):
                return False
        return True

    def stmt(self, frame: Frame, stmt: t.Stmt) -> bool:
        match stmt:
            case t.Assign():
                self._assign(frame, stmt)
            case t.ExprStmt():
                frame.top_call = stmt.value.value if isinstance(stmt.value, t.Wrapped) else stmt.value
                self.eval(frame, stmt.value)
            case t.If():
                return self._if(frame, stmt)
            case t.For() | t.While():
                return self._loop(frame, stmt)
            case t.With():
                for expr, target in stmt.items:
                    value = self.eval(frame, expr)
                    if target is not None:
                        self.assign(frame, target, value, stmt)
                return self.block(frame, stmt.body)
            case t.Try():
                return self._try(frame, stmt)
            case t.Return():
                frame.top_call = None
                value = self.eval(frame, stmt.value) if stmt.value is not None else UNKNOWN
                frame.returns.append((under(value, frame.path), dict(frame.env), self.age))
                return False
            case t.Raise():
                if stmt.value is not None:
                    self.eval(frame, stmt.value)
                return False
            case t.Jump():
                if stmt.kind == "break":
                    frame.breaks.append((dict(frame.env), self.age))
                else:
                    frame.continues.append(dict(frame.env))
                return False
            case t.AugAssign():
                value = self.eval(frame, t.Bin(stmt.n, stmt.op, stmt.target, stmt.value))
                if isinstance(stmt.target, t.Attr) and t.dotted(stmt.target.value) == frame.self_name:
                    define.augmented(self, frame, stmt.target, stmt)
                if isinstance(stmt.target, t.Name | t.Attr) and (path := t.dotted(stmt.target)):
                    frame.bind(path, value)
            case t.Delete():
                for target in stmt.targets:
                    if isinstance(target, t.Sub) and (path := t.dotted(target.value)):
                        base, index = self.eval(frame, target.value), self.eval(frame, target.index)
                        keys.removed(self, frame, path, base, index, frame.place(stmt))
                    if isinstance(target, t.Attr) and t.dotted(target.value) == frame.self_name:
                        define.deleted(self, frame, target)
                    path = t.dotted(target)
                    if path is not None:
                        frame.bind(path, UNKNOWN)
            case t.Assert():
                self.eval(frame, stmt.test)
                frame.path |= guards.conditions(stmt.test, True)
                frame.tests = (*frame.tests, Test(stmt.test, True, frame.place(stmt), asserted=True))
                guards.refine(frame, stmt.test, True)
            case t.Match():
                return self._match(frame, stmt)
            case t.Def():
                functions.define_function(self, frame, stmt)
            case t.Class():
                functions.define_class(self, frame, stmt)
            case _:
                pass
        return not self._leaves(stmt)

    @staticmethod
    def _leaves(stmt: t.Stmt) -> bool:
        """``sys.exit()`` and its like end the block as a raise does."""
        if isinstance(stmt, t.ExprStmt) and isinstance(stmt.value, t.Call):
            return t.dotted(stmt.value.func) in ("sys.exit", "exit", "quit", "os._exit")
        return False

    def _assign(self, frame: Frame, stmt: t.Assign) -> None:
        frame.top_call = None
        frame.bound_call = stmt.value
        frame.bound_names = _names(stmt.targets)
        value = self.eval(frame, stmt.value)
        frame.bound_call = None
        for name in frame.bound_names:
            if name and "state_dict" in self.usage(frame).words and not _mentions(stmt.value, name):
                frame.env = frozen(frame.env, name)
        snapshots.model_kept(self, frame, stmt, value)
        for target in stmt.targets:
            self.assign(frame, target, value, stmt)

    def _if(self, frame: Frame, stmt: t.If) -> bool:
        frame.top_call = None
        self.eval(frame, stmt.test)
        always = guards.constant(stmt.test)
        env, path, tests = frame.env, frame.path, frame.tests
        bodies = {True: stmt.body, False: stmt.orelse}
        unwraps = guards.arms(stmt)
        ends: dict[bool, tuple[bool, Env, int]] = {}
        age = self.age
        then = {truth: guards.conditions(stmt.test, truth) for truth in bodies}
        frame.conditional += 1
        for truth, body in bodies.items():
            dead = always is (not truth) or guards.contradicts(path, then[truth])
            frame.env, frame.path = dict(env), path | then[truth]
            frame.tests = (*tests, Test(stmt.test, truth, frame.place(stmt)))
            guards.refine(frame, stmt.test, truth)
            if body or not dead:
                guards.drop_wrapped(frame, unwraps[not truth] - unwraps[truth] if body else frozenset())
            self.age = age
            alive = False if dead else self.block(frame, body)
            ends[truth] = (alive, frame.env, self.age)
        frame.conditional -= 1
        frame.path, frame.tests = path, tests
        self.age = max(end[2] for end in ends.values())
        ends = {truth: (ok, shift_env(end, self.age - at), at) for truth, (ok, end, at) in ends.items()}
        reached = {truth for truth, end in ends.items() if end[0]}
        if reached == {True, False}:
            frame.env = join_envs(ends[True][1], ends[False][1], then[True], then[False])
            return True
        if not reached:
            frame.env = env
            return False
        (truth,) = reached
        frame.env = ends[truth][1]
        if always is None and bodies[not truth]:
            # the other branch left: what it tested holds for the rest of this block
            frame.path = path | then[truth]
            frame.tests = (*tests, Test(stmt.test, truth, frame.place(stmt)))
            guards.drop_wrapped(frame, unwraps[not truth] - unwraps[truth] if not bodies[truth] else frozenset())
        return True

    def _loop(self, frame: Frame, stmt: t.For | t.While) -> bool:
        frame.top_call = None
        outer = frame.breaks, frame.continues
        tests, path = frame.tests, frame.path
        iterated = self.eval(frame, stmt.iter if isinstance(stmt, t.For) else stmt.test)
        before = dict(frame.env)
        frame.loops = (*frame.loops, frame.place(stmt))
        self.loop_starts[frame.place(stmt)] = (stmt, self.age)
        rounds = 2 if "state_dict" in stmt.words else 1
        frame.breaks = []
        for _ in range(rounds):
            frame.continues = []
            frame.tests, frame.path = tests, path
            if isinstance(stmt, t.While):
                frame.tests = (*tests, Test(stmt.test, True, frame.place(stmt)))
                guards.refine(frame, stmt.test, True)
            else:
                self.assign(frame, stmt.target, self.element(iterated, t.render(stmt.iter)), stmt)
            alive = self.block(frame, stmt.body)
            ends = [*frame.continues, *([frame.env] if alive else [])]
            env = ends[0] if ends else before
            for other in ends[1:]:
                env = join_envs(env, other)
            frame.env = dict(env)
            if isinstance(stmt, t.While):
                self.eval(frame, stmt.test)
            frame.env = dict(join_envs(frame.env, before)) if rounds == 1 else frame.env
        frame.env = dict(join_envs(frame.env, before))
        for env, age in frame.breaks:
            frame.env = dict(join_envs(frame.env, shift_env(env, self.age - age)))
        if isinstance(stmt, t.While):
            guards.refine(frame, stmt.test, False)
        forever = isinstance(stmt, t.While) and guards.constant(stmt.test) is True and not frame.breaks
        frame.loops = frame.loops[:-1]
        frame.breaks, frame.continues = outer
        frame.tests, frame.path = tests, path
        if forever:
            return False
        return self.block(frame, stmt.orelse)

    def _try(self, frame: Frame, stmt: t.Try) -> bool:
        before = dict(frame.env)
        path, tests = frame.path, frame.tests
        marks = len(self.loads)
        unwraps = guards.unwrapped_paths(stmt.body)
        alive = self.block(frame, stmt.body)
        loads = self.loads[marks:]
        after = frame.env
        start = dict(join_envs(before, after))
        if loads:
            self._try_load(frame, stmt, loads[0])
        ends: list[Env] = []
        frame.path, frame.tests = path, tests
        if alive:
            alive = self.block(frame, stmt.orelse)
            if alive:
                ends.append(frame.env)
        for handler in stmt.handlers:
            frame.env, frame.path, frame.tests = dict(start), path, tests
            guards.drop_wrapped(frame, unwraps)
            if handler.name:
                frame.bind(handler.name, UNKNOWN)
            if self.block(frame, handler.body):
                ends.append(frame.env)
        frame.path, frame.tests = path, tests
        env = ends[0] if ends else dict(start)
        for other in ends[1:]:
            env = join_envs(env, other)
        frame.env = dict(env)
        return self.block(frame, stmt.final) and bool(ends)

    def _try_load(self, frame: Frame, stmt: t.Try, load: Place) -> None:
        """Do the handlers let the program go on with a model that is partly loaded?"""
        for handler in stmt.handlers:
            if not _catches_runtime_error(handler.types):
                continue
            tries_next = any(isinstance(n, t.Jump | t.Return) for n in t.walk([*stmt.body, *stmt.orelse]))
            verdict = _handler(handler, tries_next=tries_next)
            if verdict != "gone":
                self.emit(
                    TryLoad(frame.place(stmt), load, frame.place(handler), verdict == "swallows", verdict == "retries")
                )
            return

    def _match(self, frame: Frame, stmt: t.Match) -> bool:
        self.eval(frame, stmt.subject)
        env = dict(frame.env)
        ends = [env]
        for case in stmt.cases:
            frame.env = dict(env)
            if self.block(frame, case.body):
                ends.append(frame.env)
        out = ends[0]
        for other in ends[1:]:
            out = join_envs(out, other)
        frame.env = dict(out)
        return True

    # --- files ------------------------------------------------------------------------------------------------------

    def run(self, file: File, statements: list[int]) -> None:
        """Interpret these top-level statements of a file, then each of its functions and classes on its own."""
        functions.run_file(self, file, statements)


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


def _mentions(expr: t.Expr, name: str) -> bool:
    return any(isinstance(n, t.Name) and n.id == name for n in t.walk(expr))


def _catches_runtime_error(types: t.Expr | None) -> bool:
    if types is None:
        return True
    each = types.elts if isinstance(types, t.Seq) else [types]
    return any(t.last_name(e) in ("Exception", "BaseException", "RuntimeError") for e in each)


_FLAGS = ("success", "loaded", "ok", "found", "valid", "failed", "fail", "resumed", "compatible", "errors", "status")


_RETRIES = re.compile(r"load|restore|resume", re.IGNORECASE)


def _in_branch(body: list[t.Stmt], node: t.Node) -> bool:
    """Does the node run only if some test of the handler came out right?"""
    return any(isinstance(s, t.If) and any(n is node for n in t.walk([*s.body, *s.orelse])) for s in t.walk(list(body)))


def _handler(handler: t.Handler, *, tries_next: bool) -> str:
    """ "gone" (raises, leaves, tells the caller), "retries" (loads again) or "swallows"."""
    for node in t.walk(list(handler.body)):
        if isinstance(node, t.Raise | t.Return) or (isinstance(node, t.Jump) and tries_next):
            return "gone"
        if isinstance(node, t.Call):
            name = t.last_name(node.func)
            if t.dotted(node.func) in ("sys.exit", "exit", "quit", "os._exit") or name in (
                "fail",
                "skip",
                "abort",
                "exit",
            ):
                return "gone"
            if _RETRIES.search(name) and not is_log(node) and not _in_branch(handler.body, node):
                return "retries"
            told = any(isinstance(n, t.Name) and n.id == handler.name for a in node.args for n in t.walk(a))
            if (
                handler.name
                and told
                and not is_log(node)
                and name in ("append", "put", "add", "setdefault", "emit", "send")
            ):
                return "gone"
        if isinstance(node, t.Assign):
            for target in node.targets:
                word = t.last_name(target).lower()
                if any(flag in word for flag in _FLAGS):
                    return "gone"
    return "swallows"
