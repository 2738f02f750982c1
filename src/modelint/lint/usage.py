"""Questions about a whole function that its text answers: is a result read, does someone report missing keys?"""

from __future__ import annotations

import re
from collections import Counter
from functools import cached_property

from modelint.lint import known
from modelint.lint import tree as t
from modelint.lint.render import render

_LOGS = re.compile(
    r"^(print|log|info|warn|warning|debug|error|exception|critical|write|echo|secho|msg|rprint|print_log|log_\w+"
    r"|print_\w+|logging|\w*logger\w*|add_text|assert\w*|fail)$",
    re.IGNORECASE,
)
_MISSING = re.compile(
    r"missing|missed|unexpected|mismatch|unmatched|not_loaded|notloaded|unloaded|unused_key|skipped|matched|transferred"
    r"|incompatible|intersect_count|loaded_keys|different_key|keys_diff|diff_keys|extra_keys|lost_keys|ignored_keys|no_load_key"
    r"|(match|key|layer|weight|param(eter)?)s? (is |was |were )?not found"
    r"|fail(ed)? to load"
    r"|not in model|not_in_model|(load|param|weight|layer|key|tensor)[^%{]*(%d|\{[^}]*\}) ?(/|of) ?(%d|\{)",
    re.IGNORECASE,
)
#: A helper that names what it found so compares keys.
COMPARES = _MISSING
_COUNT = re.compile(r"^(n|num|count|nr)_?(\w+_)?(loaded|matched|copied|missing|unexpected)", re.IGNORECASE)
_DICTS = re.compile(r"dict|ckpt|checkpoint|weight|param|csd|keys|pretrain|state", re.IGNORECASE)
_CHECKER = re.compile(
    r"(missing|unexpected|mismatch|differ|diff_|compare|check|report|verify|validate)\w*(key|load|state|weight)"
    r"|(key|load|state|weight)\w*(missing|diff|mismatch|compare|report|verify)",
    re.IGNORECASE,
)


class Usage:
    """The answers for one function or module body, worked out once."""

    def __init__(self, body: list[t.Stmt]) -> None:
        self.body = body
        self._reads: Counter[str] | None = None
        self._assigned: dict[str, list[t.Expr]] | None = None
        self._escapes: dict[str, bool] = {}
        self._reports: dict[int, str] = {}

    @cached_property
    def nodes(self) -> list[t.Node]:
        """All nodes of the body, in source order."""
        return list(t.walk(self.body))

    def reads(self, name: str) -> int:
        """How often ``name`` is read (not stored to) in the body, nested functions included."""
        if self._reads is None:
            stores: Counter[str] = Counter()
            names: Counter[str] = Counter()
            for node in self.nodes:
                if isinstance(node, t.Name):
                    names[node.id] += 1
                targets: list[t.Expr] = []
                if isinstance(node, t.Assign):
                    targets = list(node.targets)
                elif isinstance(node, t.For):
                    targets = [node.target]
                while targets:
                    target = targets.pop()
                    if isinstance(target, t.Name):
                        stores[target.id] += 1
                    elif isinstance(target, t.Seq):
                        targets.extend(target.elts)
                    elif isinstance(target, t.Wrapped):
                        targets.append(target.value)
            names.subtract(stores)
            self._reads = names
        return self._reads[name]

    @cached_property
    def words(self) -> frozenset[str]:
        """Every name and attribute of the body."""
        return frozenset(
            n.id if isinstance(n, t.Name) else n.attr for n in self.nodes if isinstance(n, t.Name | t.Attr)
        )

    def assigned(self, name: str) -> list[t.Expr]:
        """What plain assignments of the body bind to ``name``."""
        if self._assigned is None:
            self._assigned = {}
            for node in self.nodes:
                if isinstance(node, t.Assign):
                    for target in node.targets:
                        if isinstance(target, t.Name):
                            self._assigned.setdefault(target.id, []).append(node.value)
        return self._assigned.get(name, [])

    def made_beside(self, name: str) -> list[tuple[t.Call, list[str]]]:
        """The calls whose results are unpacked into ``name`` and other names, with those that a log shows."""
        out: list[tuple[t.Call, list[str]]] = []
        for node in self.nodes:
            if not isinstance(node, t.Assign) or not isinstance(node.value, t.Call):
                continue
            for target in node.targets:
                names = [e.id for e in target.elts if isinstance(e, t.Name)] if isinstance(target, t.Seq) else []
                if name in names:
                    out.append((node.value, [other for other in names if other != name and self._logged(other)]))
        return out

    def _logged(self, name: str) -> bool:
        return any(
            isinstance(node, t.Call)
            and is_log(node)
            and any(isinstance(n, t.Name) and n.id == name for n in t.walk(node))
            for node in self.nodes
        )

    def returns(self, name: str) -> bool:
        """Is ``name`` handed to the caller, alone or in a tuple?"""
        for node in self.nodes:
            if isinstance(node, t.Return) and node.value is not None:
                parts = node.value.elts if isinstance(node.value, t.Seq) else [node.value]
                if any(isinstance(p, t.Name) and p.id == name for p in parts):
                    return True
        return False

    def escapes(self, name: str) -> bool:
        """Does the dict bound to ``name`` go anywhere: into a call, a return, another name?"""
        if name not in self._escapes:
            met, harmless = 0, 0
            for node in self.nodes:
                met += isinstance(node, t.Name) and node.id == name
                harmless += sum(isinstance(e, t.Name) and e.id == name for e in _harmless(node))
            self._escapes[name] = met > harmless
        return self._escapes[name]

    def reports_keys(self, load: t.Node) -> str:
        """Does the body say, by its own means and not only in another branch, which keys or how many were loaded?

        "refused" where it raises, "logged" where it tells, "" where it does neither.
        """
        if load.n not in self._reports:
            nodes = [node for part in alongside(self.body, load.n) for node in t.walk(part)]
            # the names that the load is given: counting one of them counts.
            given = frozenset(n.id for n in t.walk(load) if isinstance(n, t.Name))
            refused = any(_refuses(node, self.listed) for node in nodes)
            by_hand = any(isinstance(n, t.Name) and _BY_HAND.match(n.id) and self.reads(n.id) for n in nodes)
            told = by_hand or any(_reports(n, given, self.listed) for n in nodes)
            self._reports[load.n] = "refused" if refused else "logged" if told else ""
        return self._reports[load.n]

    @cached_property
    def listed(self) -> frozenset[str]:
        """Names that a loop takes from a display of constants: a look at some keys tells nothing of the others."""
        return frozenset(
            node.target.id
            for node in self.nodes
            if isinstance(node, t.For) and isinstance(node.target, t.Name) and isinstance(node.iter, t.Seq)
            and all(isinstance(e, t.Const) for e in node.iter.elts)
        )  # fmt: skip

    def replaced(self, path: str) -> frozenset[str]:
        """The items of the dict ``path`` that the body takes out, or replaces by a state dict, as texts."""
        found: set[str] = set()
        for node in self.nodes:
            state = isinstance(node, t.Assign) and "state_dict" in render(node.value)
            if isinstance(node, t.Delete) or (isinstance(node, t.Assign) and state):
                found.update(render(x) for x in node.targets if isinstance(x, t.Sub) and t.dotted(x.value) == path)
            elif isinstance(node, t.Call) and node.args and t.dotted(node.func) == f"{path}.pop":
                found.add(f"{path}[{render(node.args[0].value)}]")
        return frozenset(found)

    @cached_property
    def used_as_module(self) -> frozenset[str]:
        """Access paths on which a method is called that only modules have."""
        found: set[str] = set()
        for node in self.nodes:
            if isinstance(node, t.Call) and isinstance(node.func, t.Attr):
                name = node.func.attr
                if name in known.MODULE_METHODS or (name == "eval" and not node.args):
                    value = node.func.value
                    path = t.dotted(value.value if isinstance(value, t.Sub) else value)
                    if path:
                        found.add(render(value))
        return frozenset(found)


#: What is asked of an item, or done to its own tensor; any other read of an item hands it on.
_ON_ITEMS = frozenset({"shape", "size", "numel", "dim", "ndim", "dtype", "device", "copy_", "data"})


def _harmless(node: t.Node) -> list[t.Expr]:
    """The direct parts of a node from which a dict that stands there does not escape."""
    match node:
        case t.Attr(value=t.Sub() as item) if node.attr in _ON_ITEMS:
            return [item.value]
        case t.Attr() if node.attr in ("items", "keys", "values", "get", "pop", "update"):
            return [node.value]
        case t.Compare():
            return [e for _, e in node.ops]
        case t.For() | t.For1():
            return [node.iter]
        case t.Assign() | t.Delete():
            return [x.value if isinstance(x, t.Sub) else x for x in node.targets]
        case t.AugAssign(target=t.Sub() as item):
            return [item.value]
        case t.Call() if t.last_name(node.func) in ("len", "list", "sorted", "set"):
            return [a.value for a in node.args]
        case _:
            return []


def alongside(body: list[t.Stmt], n: int) -> list[t.Node]:
    """The statements that run along with node ``n``: all but the other arms of the ``if`` statements around it.

    Numbers go in source order, so a statement holds all numbers from its own up to that of the next one.
    """
    out: list[t.Node] = []
    for stmt, after in zip(body, [*body[1:], None], strict=False):
        inside = stmt.n <= n and (after is None or n < after.n)
        if not (inside and isinstance(stmt, t.If)):
            out.append(stmt)
            continue
        out.append(stmt.test)
        arm = stmt.orelse if stmt.orelse and n >= stmt.orelse[0].n else stmt.body
        out.extend(alongside(arm, n))
    return out


def is_log(call: t.Call) -> bool:
    name = t.last_name(call.func)
    return bool(_LOGS.match(name)) or (isinstance(call.func, t.Attr) and "log" in t.last_name(call.func.value).lower())


def _words(node: t.Node) -> list[str]:
    out = []
    for below in t.walk(node):
        if isinstance(below, t.Name):
            out.append(below.id)
        elif isinstance(below, t.Attr):
            out.append(below.attr)
        elif isinstance(below, t.Const) and isinstance(below.value, str):
            out.append(below.value)
    return out


_SHOWS = re.compile(r"_?(print|log|show|report)_")
_BY_HAND = re.compile(r"^(missing|unexpected)(_keys?)?$")


def _counted(node: t.Node) -> list[t.Expr]:
    """What ``len`` is taken of."""
    return [n.args[0].value for n in t.walk(node) if isinstance(n, t.Call) and t.last_name(n.func) == "len" and n.args]


def _reports(node: t.Node, given: frozenset[str], listed: frozenset[str]) -> bool:
    if isinstance(node, t.Call):
        if _CHECKER.search(t.last_name(node.func)) and not t.last_name(node.func).startswith("load"):
            return True
        if _SHOWS.match(t.last_name(node.func)):
            dicts = sum(bool(_DICTS.search(render(arg.value))) for arg in node.args)
            if dicts > 1:  # the model's and the file's, side by side
                return True
        if not is_log(node):
            return False
        shows = any(isinstance(n, t.Name | t.Attr) for arg in node.args for n in t.walk(arg.value))
        if shows and any(_MISSING.search(word) for word in _words(node)):
            return True
        return any(_DICTS.search(render(expr)) or render(expr) in given for expr in _counted(node))
    if isinstance(node, t.Bin):
        return node.op in ("-", "^") and _is_key_set(node.left) and _is_key_set(node.right)
    if isinstance(node, t.If):
        membership = any(_asks_for_key(n, listed) for n in t.walk(node.test))
        if membership:
            return any(
                isinstance(n, t.Raise) or (isinstance(n, t.Call) and is_log(n))
                for part in (node.body, node.orelse)
                for stmt in part
                if not isinstance(stmt, t.If)
                for n in t.walk(stmt)
            )
    return False


def _asks_for_key(node: t.Node, listed: frozenset[str]) -> bool:
    """``k in state``; a literal asks for an entry of the container, which says nothing about keys."""
    if not isinstance(node, t.Compare) or node.ops[0][0] not in ("in", "not in"):
        return False
    if isinstance(node.left, t.Name) and node.left.id in listed:
        return False
    return not isinstance(node.left, t.Const) and _is_keys(node.ops[0][1])


def _refuses(node: t.Node, listed: frozenset[str]) -> bool:
    """``assert fits``, ``assert len(fits) == n`` and ``if len(fits) < n: raise``."""
    if isinstance(node, t.Assert):
        test = node.test
        if isinstance(test, t.Call) and t.last_name(test.func) == "len" and test.args:
            test = test.args[0].value
        told = isinstance(test, t.Name) or any(_MISSING.search(word) for word in _words(node))
        counted = isinstance(test, t.Compare) and any(_DICTS.search(render(expr)) for expr in _counted(test))
        return told or counted or any(_asks_for_key(n, listed) for n in t.walk(test))
    if isinstance(node, t.If):
        counts = any(
            (isinstance(n, t.Call) and t.last_name(n.func) == "len") or (isinstance(n, t.Name) and _COUNT.search(n.id))
            for n in t.walk(node.test)
        )
        return counts and any(isinstance(n, t.Raise) for n in node.body)
    return False


def _is_key_set(expr: t.Expr) -> bool:
    return isinstance(expr, t.Call) and t.last_name(expr.func) in ("set", "keys", "frozenset")


def _is_keys(expr: t.Expr) -> bool:
    text = render(expr).lower()
    return any(
        word in text for word in ("state", "dict", "keys", "param", "ckpt", "checkpoint", "weights", "own", "model")
    )
