"""Calls into functions, methods and classes of the project: followed with the values at hand, within bounds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from modelint.lint import known
from modelint.lint import tree as t
from modelint.lint.index import File
from modelint.lint.keys import RENAMES_KEY
from modelint.lint.names import ClassRef, ExtRef, FuncRef
from modelint.lint.project import ClassInfo
from modelint.lint.snapshots import kept_over, shift, shift_env
from modelint.lint.state import Env, Frame, join_envs
from modelint.lint.values import (
    UNKNOWN,
    Checkpoint,
    Cls,
    DictVal,
    Func,
    Inst,
    Key,
    ListVal,
    Model,
    Opaque,
    SelfRef,
    StateDict,
    Super,
    Value,
    flat,
    join,
    just,
)

if TYPE_CHECKING:
    from modelint.lint.interpret import Interpreter

#: A function that has none of these words and is not small cannot change what is known of weights.
FLOW_WORDS = frozenset({
    "state_dict", "load_state_dict", "save", "save_file", "dump", "DataParallel", "DistributedDataParallel", "DDP",
    "compile", "AveragedModel", "module", "_orig_mod", "Parameter", "ModuleList", "Sequential", "removeprefix",
    "lstrip",
    "register_buffer", "add_module", "__init__", "model", "net", "network", "randn", "randint", "randperm",
    "save_checkpoint", "save_model", "save_state", "save_on_master",
})  # fmt: skip
SMALL, TINY = 40, 12
#: What makes the users of a function worth following too.
_KEY_WORDS = frozenset({
    "state_dict", "load_state_dict", "DataParallel", "DistributedDataParallel", "DDP", "AveragedModel",
})  # fmt: skip
_WORDS = re.compile(r"[A-Za-z_]\w*")
#: Steps for one definition of a file, and for a file.
STEPS, STEPS_OF_A_FILE = 20_000, 150_000
#: How often a function is followed with arguments that tell nothing.
DULL_VISITS = 4
DEPTH = 7
#: Loads that happen inside a function so named count for a ``try`` around its call.
_LOADS = re.compile(r"load|resume|restore|pretrain|init_weight|checkpoint", re.IGNORECASE)


# --- definitions met on the way ---------------------------------------------------------------------------------------


def define_function(it: Interpreter, frame: Frame, stmt: t.Def) -> None:
    if frame.scope is None and frame.cls is None:
        return  # a top-level name: resolved through the file
    ref = FuncRef(frame.file.path, frame.statement, stmt.n, stmt.name)
    it.parents[ref] = frame
    frame.bind(stmt.name, just(Func(ref)))
    frame.closures.append(stmt)


def define_class(it: Interpreter, frame: Frame, stmt: t.Class) -> None:
    ref = ClassRef(frame.file.path, frame.statement, stmt.n, stmt.name)
    if frame.scope is not None:
        frame.bind(stmt.name, just(Cls(ref)))
        it.later.append(ref)


# --- calls ------------------------------------------------------------------------------------------------------------


def call_func(it: Interpreter, frame: Frame, ref: FuncRef, pos: list[Value], kw: dict[str, Value]) -> Value | None:
    file = it.project.file(ref.path)
    node = file.node(ref) if file else None
    if file is None or not isinstance(node, t.Def):
        return None
    parent = it.parents.get(ref) or it.module_frames.get(ref.path)
    inner = Frame(file, ref.statement, node, parent=parent, depth=frame.depth + 1)
    if parent is not None and parent.scope is not None:
        inner.cls, inner.owner, inner.key = parent.cls, parent.owner, parent.key
    inner.path = frame.path
    return invoke(it, frame, inner, node, node.params, pos, kw)


def call_method(
    it: Interpreter, frame: Frame, obj: SelfRef | Inst | Super, name: str, pos: list[Value], kw: dict[str, Value]
) -> Value:
    cls = frame.cls if isinstance(obj, Super) and frame.cls is not None else obj.cls
    found = it.project.method(cls, name, after=obj.cls if isinstance(obj, Super) else None)
    if found is None:
        if obj.key == frame.key and name != "__init__" and not isinstance(obj, Super):
            frame.init_done = True  # an unknown base may well have done it
        return UNKNOWN
    return method(it, frame, cls, obj.key, found, pos, kw)


def call_unbound(
    it: Interpreter, frame: Frame, ref: ClassRef, name: str, pos: list[Value], kw: dict[str, Value]
) -> Value:
    """``Base.__init__(self, ...)`` and static methods."""
    found = it.project.method(ref, name)
    if found is None:
        return UNKNOWN
    kinds = {t.last_name(d) for d in found[1].decorators}
    if not kinds & {"staticmethod", "classmethod"} and pos:
        for alt in pos[0]:
            if isinstance(alt.obj, SelfRef | Inst):
                return method(it, frame, alt.obj.cls, alt.obj.key, found, pos[1:], kw)
        return UNKNOWN
    return method(it, frame, ref, -1, found, pos, kw)


def method(
    it: Interpreter,
    frame: Frame,
    cls: ClassRef,
    key: int,
    found: tuple[ClassInfo, t.Def],
    pos: list[Value],
    kw: dict[str, Value],
) -> Value:
    info, node = found
    file = it.project.file(info.ref.path)
    if file is None:
        return UNKNOWN
    inner = Frame(
        file, info.ref.statement, node, parent=it.module_frames.get(file.path), cls=cls, owner=info.ref, key=key,
        depth=frame.depth + 1,
    )  # fmt: skip
    inner.path = frame.path
    params = bind_self(inner, node, cls, key)
    same = key == frame.key and key >= 0 and bool(frame.self_name) and bool(inner.self_name)
    if same:
        mine, theirs = frame.self_name + ".", inner.self_name + "."
        inner.env.update({theirs + p[len(mine) :]: v for p, v in frame.env.items() if p.startswith(mine)})
        inner.init_done = frame.init_done
    elif node.name != "__init__":
        inner.init_done = True
    if inner.self_name and key >= 0:
        for attr, held in it.heap.get(key, {}).items():
            inner.env.setdefault(f"{inner.self_name}.{attr}", held)
    value = invoke(it, frame, inner, node, params, pos, kw)
    if same and node.name != "__init__":
        frame.init_done = frame.init_done or inner.init_done or "__init__" in node.words
    return value if value is not None else UNKNOWN


def bind_self(frame: Frame, node: t.Def, cls: ClassRef, key: int) -> list[t.Param]:
    """Bind ``self`` (or ``cls``) and give the parameters that remain."""
    kinds = {t.last_name(d) for d in node.decorators}
    if "staticmethod" in kinds or not node.params:
        return node.params
    first = node.params[0].name
    if "classmethod" in kinds:
        frame.env[first] = just(Cls(cls))
        return node.params[1:]
    frame.self_name = first
    frame.env[first] = just(SelfRef(cls, key))
    return node.params[1:]


def worth_following(it: Interpreter, frame: Frame, node: t.Def) -> bool:
    """Small, or with a word of its own that matters, or calling something of its file or class that has one.

    Far away, in another file and with arguments that tell nothing, only the plainest words count.
    """
    if frame.far and frame.cls is not None and it.project.is_module(frame.cls):
        # the base of a library's models: what it does to weights, it does when it is interpreted itself
        return len(node.words) <= TINY
    if len(node.words) <= SMALL:
        return True
    if node.words & _KEY_WORDS or node.words & flow_names(it, frame.file):
        return True
    if node.words & FLOW_WORDS and not frame.far:
        return True
    return frame.cls is not None and bool(node.words & flow_methods(it, frame.cls))


def flow_names(it: Interpreter, file: File) -> frozenset[str]:
    """The top-level names of a file that stand for state dicts made, saved, loaded or wrapped, and their users."""
    if file.path not in it.flows:
        words = {s.index: frozenset(_WORDS.findall(s.text)) for s in file.source.statements}
        found: set[str] = set()
        while True:
            more = {
                name
                for name, indices in file.bound.items()
                if name not in found and any(words[i] & _KEY_WORDS or not found.isdisjoint(words[i]) for i in indices)
            }
            if not more:
                break
            found |= more
        it.flows[file.path] = frozenset(found)
    return it.flows[file.path]


def flow_methods(it: Interpreter, cls: ClassRef) -> frozenset[str]:
    if cls not in it.flow_methods:
        defs = [d for info in it.project.mro(cls) for d in it.project.defs(info.ref)]
        it.flow_methods[cls] = frozenset(d.name for d in defs if d.words & _KEY_WORDS) - {"forward", "__init__"}
    return it.flow_methods[cls]


def invoke(
    it: Interpreter,
    caller: Frame,
    inner: Frame,
    node: t.Def,
    params: list[t.Param],
    pos: list[Value],
    kw: dict[str, Value],
) -> Value | None:
    """Interpret a function body with these arguments; None where it is not followed."""
    ident = (inner.file.path, inner.statement, node.n)
    keys = any(isinstance(a.obj, Key) for v in (*pos, *kw.values()) for a in v)
    inner.far = (caller.far or inner.file is not caller.file) and not _tells(it, inner.key, pos, kw)
    if not keys and not worth_following(it, inner, node):
        if {"step", "backward"} <= node.words:
            it.age += 1
        return None
    if (inner.depth > 1 and it.steps > it.limit) or inner.depth > DEPTH or it.active.count(ident) > 0:
        return None
    inner.loops = caller.loops
    bind_params(it, inner, params, pos, kw)
    memo_key = (ident, inner.key, tuple(sorted(inner.env.items(), key=first)), inner.path, it.heap_mark(inner.key))
    plain = inner.depth == 1 and inner.key < 0 and not inner.loops and _only_if_run(inner)
    if plain and memo_key[:3] in it.ran:
        return None
    known_result = it.memo.get(memo_key)
    if known_result is not None:
        value, loads, age, self_env = known_result
        it.loads.extend(loads)
        it.age += age
        _give_back(caller, inner, self_env)
        return value
    if inner.depth > 1 and not _tells(it, inner.key, pos, kw):
        # nothing goes in that could matter: a few visits show what this function does by itself
        it.visits[ident] = it.visits.get(ident, 0) + 1
        if it.visits[ident] > DULL_VISITS:
            return None
    marks, age = len(it.loads), it.age
    it.active.append(ident)
    value, env = run_body(it, inner, node)
    it.active.pop()
    if plain and it.steps <= it.limit:
        it.ran.add(memo_key[:3])
    if not _LOADS.search(node.name):
        del it.loads[marks:]
    mine = inner.self_name + "."
    self_env = {p[len(mine) :]: v for p, v in env.items() if inner.self_name and p.startswith(mine)}
    keep_attributes(it, inner.key, self_env)
    if it.age == age and not any(isinstance(o, StateDict) for v in (value, *self_env.values()) for o in flat(v)):
        it.memo[memo_key] = (value, tuple(it.loads[marks:]), it.age - age, self_env)
    _give_back(caller, inner, self_env)
    return value


def _tells(it: Interpreter, key: int, pos: list[Value], kw: dict[str, Value]) -> bool:
    """Does an argument, or an attribute of self, hold a wrapped model, a state dict, a checkpoint or a key?"""
    held = (obj for value in it.heap.get(key, {}).values() for obj in flat(value))
    if any(isinstance(obj, StateDict | Checkpoint | Key) or (isinstance(obj, Model) and obj.wraps) for obj in held):
        return True
    given = (obj for value in (*pos, *kw.values()) for obj in flat(value))
    return any(
        isinstance(obj, StateDict | Checkpoint | Key | Opaque) or (isinstance(obj, Model) and obj.wraps)
        for obj in given
    )


def _only_if_run(frame: Frame) -> bool:
    """Is no more known on the way here than that the file is the program?"""
    return all(text.startswith("__name__ == ") for text, _ in frame.path)


def first(item: tuple[str, Value]) -> str:
    return item[0]


def _give_back(caller: Frame, inner: Frame, self_env: Env) -> None:
    """What a method stored on self holds for its caller, if that is a method of the same object."""
    if inner.key == caller.key and inner.key >= 0 and caller.self_name:
        for path, value in self_env.items():
            caller.env[f"{caller.self_name}.{path}"] = value


def keep_attributes(it: Interpreter, key: int, self_env: Env) -> None:
    if key < 0:
        return
    held = it.heap.setdefault(key, {})
    for path, value in self_env.items():
        if "." not in path:
            held[path] = join(held.get(path, UNKNOWN), kept_over(value))


def bind_params(it: Interpreter, inner: Frame, params: list[t.Param], pos: list[Value], kw: dict[str, Value]) -> None:
    index = 0
    for param in params:
        value: Value = UNKNOWN
        if param.kind == "*":
            value = just(ListVal("tuple", tuple(pos[index:]), inner.place(param)))
            index = len(pos)
        elif param.kind == "**":
            named = {p.name for p in params}
            value = just(DictVal(tuple((k, v) for k, v in kw.items() if k not in named), inner.place(param)))
        elif param.name in kw:
            value = kw[param.name]
        elif param.kind == "" and index < len(pos):
            value = pos[index]
            index += 1
        if not value and param.name in ("k", "key", "name") and RENAMES_KEY.search(inner_name(inner)):
            value = just(Key(UNKNOWN, param.name))
        inner.env[param.name] = value or annotated(inner, param)


def inner_name(frame: Frame) -> str:
    return frame.scope.name if isinstance(frame.scope, t.Def) else ""


def annotated(inner: Frame, param: t.Param) -> Value:
    """What an annotation promises: a module, or an object that ``torch.load`` refuses."""
    name = t.dotted(param.annotation) if param.annotation is not None else None
    ref = inner.file.resolve(name) if name else None
    if isinstance(ref, ExtRef):
        if ref.dotted in known.MODULE_BASES:
            return just(Model())
        if ref.dotted in known.UNSAFE_TYPES:
            return just(Opaque(known.UNSAFE_TYPES[ref.dotted], inner.place(param)))
    if isinstance(ref, ClassRef) and inner.file.project.is_module(ref) is True:
        return just(Model(cls=f"{ref.path}:{ref.name}"))
    return UNKNOWN


def run_body(it: Interpreter, frame: Frame, node: t.Def) -> tuple[Value, Env]:
    """Interpret a body: the value returned, and the environment at its ends joined."""
    alive = it.block(frame, node.body)
    ends = [shift_env(env, it.age - age) for _, env, age in frame.returns]
    if alive:
        ends.append(frame.env)
    value: Value = UNKNOWN
    for returned, _, age in frame.returns:
        value = join(value, shift(returned, it.age - age))
    env = ends[0] if ends else frame.env
    for other in ends[1:]:
        env = join_envs(env, other)
    frame.env = dict(env)
    for closure in frame.closures:
        ref = FuncRef(frame.file.path, frame.statement, closure.n, closure.name)
        ident = (frame.file.path, frame.statement, closure.n)
        if it.steps < it.limit and frame.depth < DEPTH and ident not in it.active:
            inner = Frame(
                frame.file, frame.statement, closure, parent=frame, cls=frame.cls, owner=frame.owner, key=frame.key,
                depth=frame.depth + 1,
            )  # fmt: skip
            it.parents[ref] = frame
            inner.init_done = True
            bind_params(it, inner, closure.params, [], {})
            it.active.append(ident)
            run_body(it, inner, closure)
            it.active.pop()
    return value, env
