"""Key surgery: what is cut off keys, where it lands, and entries kept by name alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from modelint.lint import guards
from modelint.lint import tree as t
from modelint.lint.facts import KeyRewrite, StateWrite
from modelint.lint.render import render
from modelint.lint.state import Frame
from modelint.lint.values import (
    UNKNOWN,
    Alt,
    Checkpoint,
    Conds,
    DictVal,
    Entry,
    Key,
    Keys,
    ListVal,
    Literal,
    Opaque,
    StateDict,
    Value,
    join,
    just,
    under,
)
from modelint.lint.wrappers import BY_KIND
from modelint.rule import Place

if TYPE_CHECKING:
    from modelint.lint.calls import Args
    from modelint.lint.interpret import Interpreter

_STATE_WORDS = re.compile(r"state|ckpt|checkpoint|weight|pretrain|param|model|(^|_)sd($|_)|\bnet", re.IGNORECASE)
#: A function so named turns one key of a state dict into another.
RENAMES_KEY = re.compile(
    r"(translate|rename|convert|map|fix|clean|strip|remap|update)\w*_(key|name)|key_(transform|map)", re.IGNORECASE
)
_FOREIGN = re.compile(r"pretrain|ckpt|checkpoint|loaded|saved|weights|state|params|(^|_)sd$|_dict$|init", re.IGNORECASE)
_PREFIX = re.compile(r"^[A-Za-z_][\w.]*\.$")
#: A setting under which models are wrapped: the keys of a model at hand have the prefix then.
_PARALLEL = re.compile(r"^(?!not )[\w.]*(distributed|parallel|ddp|multi_?gpu|n_?gpus? > 1)\b", re.IGNORECASE)
#: Functions that make a tensor fit, where a shape is among their arguments.
_FITS = frozenset({"reshape", "view", "resize", "interpolate", "pad"})
#: Infixes that a framework puts in the middle of keys, and that no module is called by: they go wherever they stand.
RESERVED = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")


def literal(expr: t.Expr | None) -> object:
    return expr.value if isinstance(expr, t.Const) else None


def key_method(it: Interpreter, frame: Frame, key: Key, node: t.Call, name: str, args: Args) -> Value:
    """A string method on a key: the ways to take a prefix off, and those that keep the key a key."""
    at = frame.place(node)
    guarded = key.anchored or guards.anchored(it.usage(frame), frame, key.name)
    guarded = guarded or frame.file.wraps_child
    if name == "replace":
        guarded = guarded or literal(args.expr(0)) in RESERVED
        guarded = guarded or guards.asks_inside(frame, key.name, literal(args.expr(0)))
        guarded = guarded or guards.translates(frame, key.name, literal(args.expr(0)))
    if name == "replace" and len(args.pos) >= 2:
        old, new = literal(args.expr(0)), literal(args.expr(1))
        if (
            new == ""
            and isinstance(old, str)
            and _PREFIX.match(old)
            and (key.rewritten is None or key.rewritten[1] == "rename")
        ):
            once = literal(args.expr(2)) == 1
            cut = key._replace(rewritten=(at, "replace once" if once else "replace", old, guarded))
            if isinstance(frame.scope, t.Def) and RENAMES_KEY.search(frame.scope.name):
                key_lands(it, frame, cut)  # what this function returns is a key
            return just(cut)
        return just(key) if key.rewritten else just(key._replace(rewritten=(at, "rename", "", True)))
    if name in ("lstrip", "strip") and args.pos:
        chars = literal(args.expr(0))
        if isinstance(chars, str) and len(chars) > 2 and _PREFIX.match(chars):
            return just(key._replace(rewritten=(at, "lstrip", chars, False)))
        return just(key)
    if name == "split" and args.pos:
        sep = literal(args.expr(0))
        if isinstance(sep, str) and len(sep) > 2 and _PREFIX.match(sep):
            return (*just(Opaque("split-key", at, sep)), *just(key))
        return UNKNOWN
    if name == "removeprefix":
        return just(key._replace(rewritten=(at, "removeprefix", "", True)))
    return UNKNOWN


def key_sliced(it: Interpreter, frame: Frame, key: Key, expr: t.Sub, conds: Conds) -> Value:
    """``k[7:]`` and ``k[len("module."):]``, of a key that holds under ``conds``."""
    cut = expr.index
    if not isinstance(cut, t.Slice) or cut.upper is not None or cut.lower is None:
        return UNKNOWN
    lower = cut.lower
    size: str | None = None
    if isinstance(lower, t.Const) and isinstance(lower.value, int) and lower.value >= 2:
        size = str(lower.value)
    elif isinstance(lower, t.Call) and t.last_name(lower.func) == "len":
        size = render(lower)
    if size is None:
        return UNKNOWN
    guarded = key.anchored or guards.anchored(it.usage(frame), frame, key.name)
    # ``if not k.startswith(p): k = p + k`` before: here the key is one that was found to start so
    guarded = guarded or any(truth and text.startswith(f"{key.name}.startswith(") for text, truth in conds)
    guarded = guarded or guards.asks_for_path(frame, key.name, size) or _prefixed(under(key.of, frame.path), size)
    guarded = guarded or (_from_model(key.of) and any(truth and _PARALLEL.search(text) for text, truth in frame.path))
    return just(key._replace(rewritten=(frame.place(expr), "slice", size, guarded)))


def _prefixed(of: Value, size: str) -> bool:
    """Are these the keys of a model that is wrapped here, with a prefix of that size?"""
    models = [a.obj.model for a in of if isinstance(a.obj, StateDict) and a.obj.model is not None]
    prefixes = {"".join(BY_KIND[w.kind].prefix for w in model.wraps) for model in models}
    return {str(len(prefix)) for prefix in prefixes} == {size}


def key_split(it: Interpreter, frame: Frame, obj: Opaque, expr: t.Sub, keys: Value) -> Value:
    """``k.split("module.")[-1]``."""
    at = literal(expr.index)
    if at not in (1, -1):
        return UNKNOWN
    for alt in keys:
        if isinstance(alt.obj, Key):
            guarded = alt.obj.anchored or guards.anchored(it.usage(frame), frame, alt.obj.name)
            guarded = guarded or guards.asks_inside(frame, alt.obj.name, obj.detail)
            return just(alt.obj._replace(rewritten=(obj.place, "split", obj.detail, guarded)))
    return UNKNOWN


def key_lands(it: Interpreter, frame: Frame, key: Key) -> None:
    """A key that was cut becomes a key of a dict."""
    if key.rewritten is None or key.rewritten[1] in ("rename", "removeprefix"):
        return
    place, how, text, guarded = key.rewritten
    of_state = any(isinstance(a.obj, StateDict | Checkpoint) for a in key.of)
    of_state = (
        of_state
        or bool(_STATE_WORDS.search(key.name) or _STATE_WORDS.search(key.text))
        or text.rstrip(".") in ("module", "_orig_mod")
    )
    it.emit(KeyRewrite(place, how, text, guarded, True, of_state))


# --- filters ----------------------------------------------------------------------------------------------------------


def filters_by_name(it: Interpreter, frame: Frame, place: Place) -> bool:
    """Is an entry kept here because its name is in the model's state dict, with no look at its shape?"""
    return name_test(it, frame) is not None and not guards.compares_shapes(frame)


def unknown_name_test(it: Interpreter, frame: Frame) -> Place | None:
    """The test on this path that found a key unknown to the model."""
    tests = frame.tests
    frame.tests = tuple(test._replace(truth=not test.truth) for test in tests)
    found = name_test(it, frame)
    frame.tests = tests
    return found


def name_test(it: Interpreter, frame: Frame) -> Place | None:
    """The test on this path that asks whether a key is known to a model (or, of a model's key, to a checkpoint)."""
    for test in frame.tests:
        for part, truth in () if test.asserted else _parts(test.expr, test.truth):
            if not isinstance(part, t.Compare) or len(part.ops) != 1:
                continue
            op, right = part.ops[0]
            if (op == "in") != truth or op not in ("in", "not in"):
                continue
            left = it.peek(frame, part.left)
            held = it.peek(frame, right)
            if any(isinstance(a.obj, Key) and _iterated(a.obj.text) == _iterated(render(right)) for a in left):
                continue  # still there, in the dict that is walked over?
            if any(isinstance(a.obj, Key) for a in left) and _is_model_keys(held, left, render(right)):
                return test.place
    return None


def _iterated(text: str) -> str:
    """The dict that a loop over ``text`` walks over."""
    return text.removesuffix(".keys()").removesuffix(".items()")


def _parts(expr: t.Expr, truth: bool) -> list[tuple[t.Expr, bool]]:
    if isinstance(expr, t.Not):
        return _parts(expr.value, not truth)
    if isinstance(expr, t.BoolOp) and (expr.op == "and") == truth:
        return [part for v in expr.values for part in _parts(v, truth)]
    return [(expr, truth)]


def _is_model_keys(held: Value, left: Value, text: str) -> bool:
    if not held and _FOREIGN.search(text.split("(")[0]):
        return any(isinstance(a.obj, Key) and _from_model(a.obj.of) for a in left)
    for alt in held:
        obj = alt.obj
        if isinstance(obj, ListVal):
            # set(model.state_dict().keys())
            return any(isinstance(e.obj, Key) and _is_model_keys(e.obj.of, left, "") for v in obj.elts for e in v)
        if isinstance(obj, Keys):
            return _is_model_keys(obj.of, left, obj.text)
        if isinstance(obj, DictVal) and not obj.items and not obj.source:
            # an empty dict: nothing matches at all
            return any(isinstance(a.obj, Key) and foreign(a.obj.of, "") for a in left)
        if isinstance(obj, StateDict):
            return not any(isinstance(a.obj, Key) and _from_model(a.obj.of) and a.obj.rewritten is None for a in left)
        if isinstance(obj, Checkpoint):
            return any(isinstance(a.obj, Key) and _from_model(a.obj.of) for a in left)
    return False


def _from_model(of: Value) -> bool:
    return any(isinstance(a.obj, StateDict) for a in of)


def foreign(incoming: Value, text: str) -> bool:
    """Does what is merged come out of a checkpoint, as far as value or name tell?"""
    for alt in incoming:
        obj = alt.obj
        if isinstance(obj, Checkpoint):
            return True
        if isinstance(obj, DictVal) and obj.filtered is not None:
            return True
        if isinstance(obj, DictVal) and (foreign(obj.source, "") or any(foreign(v, "") for _, v in obj.items)):
            return True
        if isinstance(obj, Entry) and foreign(obj.of, ""):
            return True
    unknown = not incoming or all(isinstance(a.obj, DictVal) and not a.obj.items for a in incoming)
    return unknown and bool(_FOREIGN.search(text.split("(")[0]))


# --- stores and merges ------------------------------------------------------------------------------------------------


def store(it: Interpreter, frame: Frame, target: t.Sub, value: Value, stmt: t.Node) -> None:
    """``d[key] = value``."""
    base = it.eval(frame, target.value)
    index = it.eval(frame, target.index)
    path = t.dotted(target.value)
    at = frame.place(stmt)
    for alt in index:
        if isinstance(alt.obj, Key):
            key_lands(it, frame, alt.obj)
    keys = [a.obj for a in index if isinstance(a.obj, Key)]
    if path is None:
        it.direct_write(frame, target, stmt)
        return
    test = name_test(it, frame) if keys else None
    if test is not None and (
        guards.compares_shapes(frame) or it.frame_is_protocol(frame) or _loop_compares_shapes(it, frame)
    ):
        test = None
    name = index[0].obj.value if len(index) == 1 and isinstance(index[0].obj, Literal) else None
    out: list[Alt] = []
    for alt in base:
        obj = alt.obj
        if isinstance(obj, DictVal):
            held = value
            if keys:
                # an entry copied over under its own name keeps the state dict that it came from
                cut = any(k.rewritten for k in keys)
                same = [] if cut else [a.obj for k in keys for a in k.of if isinstance(a.obj, StateDict)]
                held = tuple(Alt(s) for s in same) if same and test is None else UNKNOWN
            known_name = name if isinstance(name, str) else None
            items = tuple((k, v) for k, v in obj.items if k != known_name or known_name is None)
            if held or known_name is not None:
                items = (*items, (known_name, held))[-24:]
            if (known_name, held) in obj.items:
                items = obj.items
            obj = obj._replace(items=items, filtered=test or obj.filtered)
        elif isinstance(obj, Checkpoint) and isinstance(name, str) and value:
            obj = DictVal(((None, just(obj)), (name, value)), at)
        elif isinstance(obj, StateDict):
            own = any(a.obj == obj or _same_model(a.obj, obj) for k in keys for a in k.of)
            if any(k.rewritten for k in keys):
                obj = obj._replace(stripped=("*",))
            elif keys and not own and any(foreign(k.of, k.text) for k in keys):
                obj = obj._replace(merged=at, filtered=test or obj.filtered)
                _told(it, frame, at)
            elif keys and own and (test is not None or (foreign(value, "") and asks_membership(frame))):
                obj = obj._replace(merged=at, filtered=test)
            if keys or name is not None:
                _unused_write(it, frame, path, obj, at)
                it.written.add(obj.place)  # no snapshot any more
        out.append(Alt(obj, alt.conds))
    if not base and (frame.lookup(path) is not None) and isinstance(name, str):
        return
    if out:
        frame.env[path] = tuple(out)


def _loop_compares_shapes(it: Interpreter, frame: Frame) -> bool:
    """Does the loop around this point look at shapes somewhere: does it mend what does not fit?"""
    if not frame.loops:
        return False
    loop = it.loop_starts[frame.loops[-1]][0]
    return any(
        guards.asks_shapes(node.test)
        if isinstance(node, t.If)
        else isinstance(node, t.Call) and t.last_name(node.func) in _FITS and guards.asks_shapes(node)
        for node in t.walk(loop.body)
    )


def _told(it: Interpreter, frame: Frame, at: Place) -> None:
    """Note a merge whose own function says what it merged."""
    if it.usage(frame).reports_keys(t.Other(at.node)):
        it.told.add(at)


def asks_membership(frame: Frame) -> bool:
    return any(
        isinstance(part, t.Compare) and part.ops[0][0] in ("in", "not in")
        for test in frame.tests
        for part, _ in _parts(test.expr, test.truth)
    )


def _unused_write(it: Interpreter, frame: Frame, path: str, state: StateDict, at: Place) -> None:
    """``own[k] = v`` where nothing in the function hands ``own`` on."""
    if "." in path or not isinstance(frame.scope, t.Def) or any(p.name == path for p in frame.scope.params):
        return  # a parameter: the caller has it
    if not it.usage(frame).escapes(path):
        it.emit(StateWrite(at, state.path, "variable"))


def removed(it: Interpreter, frame: Frame, path: str, base: Value, index: Value, at: Place) -> None:
    """``del d[key]`` and ``d.pop(key)``: entries dropped for their name, or, later, for their shape."""
    keys = [a.obj for a in index if isinstance(a.obj, Key)]
    name = index[0].obj.value if len(index) == 1 and isinstance(index[0].obj, Literal) else None
    if isinstance(name, str) and any(isinstance(a.obj, DictVal) for a in base):
        frame.env[path] = tuple(
            a._replace(obj=a.obj._replace(items=tuple(i for i in a.obj.items if i[0] != name)))
            if isinstance(a.obj, DictVal)
            else a
            for a in base
        )
    if not keys:
        return
    if guards.compares_shapes(frame):
        it.shape_checked.update(a.obj.filtered for a in base if isinstance(a.obj, DictVal) and a.obj.filtered)
        return
    test = unknown_name_test(it, frame)
    if test is not None and not any(isinstance(a.obj, StateDict) for a in base):
        frame.env[path] = just(DictVal((), at, test, base))


def _same_model(obj: object, state: StateDict) -> bool:
    return isinstance(obj, StateDict) and obj.path == state.path


def merged(it: Interpreter, frame: Frame, parts: list[Value], at: Place, text: str) -> Value:
    """``a.update(b)``, ``{**a, **b}``, ``a | b``: what comes of it, with the first part as the base."""
    base, rest = parts[0], parts[1:]
    incoming: Value = UNKNOWN
    for part in rest:
        incoming = join(incoming, part)
    filtered = next((a.obj.filtered for a in incoming if isinstance(a.obj, DictVal) and a.obj.filtered), None)
    whole = any(isinstance(a.obj, StateDict) for a in incoming)
    opaque = any(isinstance(a.obj, Opaque) for a in incoming)
    out: list[Alt] = []
    for alt in base:
        obj = alt.obj
        if isinstance(obj, StateDict) and not whole and not opaque and foreign(incoming, text):
            _told(it, frame, at)
            obj = obj._replace(merged=at, filtered=filtered or obj.filtered)
        elif isinstance(obj, DictVal):
            extra: list[tuple[str | None, Value]] = []
            for a in incoming:
                if isinstance(a.obj, DictVal):
                    extra.extend(i for i in a.obj.items if i not in obj.items)
                elif isinstance(a.obj, StateDict):
                    extra.append((None, just(a.obj)))
            obj = obj._replace(items=(*obj.items, *extra)[-24:], filtered=filtered or obj.filtered)
        out.append(Alt(obj, alt.conds))
    return tuple(out)
