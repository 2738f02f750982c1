"""The interpreter: walks the lowered tree of one file, keeps values flow by flow, and emits facts.

Bounded everywhere: by a budget of steps for each file asked for, by depth of calls, by alternatives of a value.
When the budget is spent calls are no longer followed; what is not followed is unknown, and unknown makes no fact.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from modelint.lint import builtin_calls, calls, classes, define, evaluate, files, functions, keys, known, statements
from modelint.lint import tree as t
from modelint.lint.facts import StateWrite
from modelint.lint.index import File
from modelint.lint.names import ClassRef, FuncRef
from modelint.lint.project import Project
from modelint.lint.render import render
from modelint.lint.state import Env, Frame
from modelint.lint.usage import Usage
from modelint.lint.values import (
    UNKNOWN,
    Checkpoint,
    Conds,
    DictVal,
    Entry,
    Inst,
    Key,
    Keys,
    ListVal,
    Model,
    Opaque,
    SelfRef,
    StateDict,
    Super,
    Value,
    join,
    just,
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
        #: Steps taken, and the count at which calls are no longer followed.
        self.steps = 0
        self.limit = functions.STEPS
        self.visits: dict[tuple[str, int, int], int] = {}
        self.active: list[tuple[str, int, int]] = []
        self.memo: dict[object, tuple[Value, tuple[Place, ...], int, Env]] = {}
        #: Functions of a file, with their arguments, that were followed to their end: on their own they show no more.
        self.ran: set[object] = set()
        #: The frame around each nested function, nested classes still to interpret, what is known of each instance.
        self.parents: dict[FuncRef, Frame] = {}
        self.later: list[ClassRef] = []
        #: Names and methods worth following, by file and by class.
        self.flows: dict[str, frozenset[str]] = {}
        self.flow_methods: dict[ClassRef, frozenset[str]] = {}
        self.records: dict[int, define.Record] = {}
        #: Where modules were made that some ModuleList or Sequential holds.
        self.contained: set[Place | None] = set()
        #: Filters by name whose result is compared by shape afterwards.
        self.shape_checked: set[Place] = set()
        #: The loops met, with the training events before them.
        self.loop_starts: dict[Place, tuple[t.For | t.While, int]] = {}
        #: State dicts that had items replaced.
        self.written: set[Place] = set()
        self.wrapped_under_condition: set[Place] = set()
        #: Merges whose function reports what it merged.
        self.told: set[Place] = set()
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
                self._usage[key] = files.module_usage(frame.file)
        return self._usage[key]

    def eval(self, frame: Frame, expr: t.Expr) -> Value:
        self.steps += 1
        return evaluate.evaluate(self, frame, expr)

    def retract(self, facts: Iterable[object]) -> None:
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

    def bears(self, model: Model, *, buffers: bool = True) -> bool | None:
        """Does this module hold weights?"""
        if model.bears is not None or model.cls is None:
            return model.bears
        path, _, name = model.cls.rpartition(":")
        file = self.project.file(path) if path else None
        ref = file.top(name) if file else None
        return self.project.bears(ref, buffers=buffers) if isinstance(ref, ClassRef) else None

    def definition(self, frame: Frame, func: t.Expr) -> t.Def | None:
        """The function or method of the project that ``func`` names."""
        if isinstance(func, t.Attr) and isinstance(func.value, t.Name) and frame.cls is not None:
            found = self.project.method(frame.cls, func.attr) if func.value.id == frame.self_name else None
            return found[1] if found else None
        ref = frame.file.resolve(t.dotted(func) or "")
        file = self.project.file(ref.path) if isinstance(ref, FuncRef) else None
        node = file.node(ref) if file is not None and isinstance(ref, FuncRef) else None
        return node if isinstance(node, t.Def) else None

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
        receiver = render(node.func.value).lower() if isinstance(node.func, t.Attr) else ""
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

    def key_sliced(self, frame: Frame, key: Key, expr: t.Sub, conds: Conds) -> Value:
        return keys.key_sliced(self, frame, key, expr, conds)

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
        return classes.construct(self, frame, ref, node, args)

    def direct_write(self, frame: Frame, target: t.Sub, stmt: t.Node) -> None:
        """``model.state_dict()[k] = v``."""
        call = target.value
        if isinstance(call, t.Call) and t.last_name(call.func) == "state_dict" and isinstance(call.func, t.Attr):
            receiver = render(call.func.value)
            if not known.NOT_A_MODEL.search(receiver.rsplit(".", 1)[-1]):
                self.emit(StateWrite(frame.place(stmt), receiver, "direct"))

    def binary(self, frame: Frame, expr: t.Bin) -> Value:
        left, right = self.eval(frame, expr.left), self.eval(frame, expr.right)
        if expr.op == "*":
            for value in (left, right):
                builtin_calls.repeated(self, frame, expr, value, "list")
        if expr.op == "|" and any(isinstance(a.obj, StateDict | DictVal) for a in left):
            return keys.merged(self, frame, [left, right], frame.place(expr), render(expr.right))
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
            if isinstance(alt.obj, Key) and alt.obj.rewritten and alt.obj.rewritten[1] != "slice" and expr.op == "+":
                return just(alt.obj)
            if isinstance(alt.obj, Key) and expr.op == "+":
                begun = isinstance(expr.left, t.Const)  # from here on it starts with what was put before it
                renamed = alt.obj._replace(rewritten=(frame.place(expr), "rename", "", True))
                return just(renamed._replace(anchored=renamed.anchored or begun))
        return UNKNOWN

    # --- statements, files -------------------------------------------------------------------------------------------

    def assign(self, frame: Frame, target: t.Expr, value: Value, stmt: t.Node) -> None:
        statements.assign(self, frame, target, value, stmt)

    def block(self, frame: Frame, body: list[t.Stmt]) -> bool:
        """Interpret statements; False when the end cannot be reached."""
        return statements.block(self, frame, body)

    def stmt(self, frame: Frame, stmt: t.Stmt) -> bool:
        return statements.statement(self, frame, stmt)

    def run(self, file: File, chosen: list[int]) -> None:
        """Interpret these top-level statements of a file, then each of its functions and classes on its own."""
        files.run_file(self, file, chosen)
