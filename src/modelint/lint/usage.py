"""Questions about a whole function that its text answers: is a result read, does someone report missing keys?"""

from __future__ import annotations

import re
from collections import Counter

from modelint.lint import tree as t

_LOGS = re.compile(r"^(print|log|info|warn|warning|debug|error|exception|critical|write|echo|secho|msg|rprint|print_log|"
                   r"log_\w+|print_\w+|logging|\w*logger\w*|add_text|assert\w*|fail)$", re.IGNORECASE)  # fmt: skip
_MISSING = re.compile(r"missing|unexpected|mismatch|unmatched|not_loaded|notloaded|unloaded|unused_key|skipped|matched|"
                      r"transferred|incompatible|intersect_count|loaded_keys|different_key|keys_diff|diff_keys|"
                      r"extra_keys|lost_keys|ignored_keys|not in model|not_in_model", re.IGNORECASE)  # fmt: skip
_DICTS = re.compile(r"dict|ckpt|checkpoint|weight|param|csd|keys|pretrain|state", re.IGNORECASE)
_CHECKER = re.compile(r"(missing|unexpected|mismatch|differ|diff_|compare|check|report|verify|validate)\w*(key|load|state|weight)"
                      r"|(key|load|state|weight)\w*(missing|diff|mismatch|compare|report|verify)", re.IGNORECASE)  # fmt: skip


class Usage:
    """The answers for one function or module body, worked out once."""

    def __init__(self, body: list[t.Stmt]) -> None:
        self.body = body
        self._reads: Counter[str] | None = None
        self._reports: dict[int, bool] = {}
        self._modules: frozenset[str] | None = None

    def reads(self, name: str) -> int:
        """How often ``name`` is read (not stored to) in the body, nested functions included."""
        if self._reads is None:
            stores: Counter[str] = Counter()
            names: Counter[str] = Counter()
            for node in t.walk(self.body):
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

    def reports_keys(self, load: t.Node) -> bool:
        """Does the body say, by its own means and not only in another branch, which keys or how many were loaded?"""
        if load.n not in self._reports:
            self._reports[load.n] = any(_reports(node) for part in _alongside(self.body, load.n) for node in t.walk(part))
        return self._reports[load.n]

    def used_as_module(self) -> frozenset[str]:
        """Access paths on which a method is called that only modules have."""
        if self._modules is None:
            from modelint.lint import known

            found: set[str] = set()
            for node in t.walk(self.body):
                if isinstance(node, t.Call) and isinstance(node.func, t.Attr):
                    name = node.func.attr
                    if name in known.MODULE_METHODS or (name == "eval" and not node.args):
                        value = node.func.value
                        path = t.dotted(value.value if isinstance(value, t.Sub) else value)
                        if path:
                            found.add(t.render(value))
            self._modules = frozenset(found)
        return self._modules


def _alongside(body: list[t.Stmt], n: int) -> list[t.Node]:
    """The statements that run along with node ``n``: all but the other arms of the ``if`` statements around it.

    Numbers go in source order, so a statement holds all numbers from its own up to that of the next one.
    """
    out: list[t.Node] = []
    for stmt, after in zip(body, [*body[1:], None], strict=True):
        inside = stmt.n <= n and (after is None or n < after.n)
        if not (inside and isinstance(stmt, t.If)):
            out.append(stmt)
            continue
        out.append(stmt.test)
        arm = stmt.orelse if stmt.orelse and n >= stmt.orelse[0].n else stmt.body
        out.extend(_alongside(arm, n))
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


def _reports(node: t.Node) -> bool:
    if isinstance(node, t.Call):
        if _CHECKER.search(t.last_name(node.func)) and not t.last_name(node.func).startswith("load"):
            return True
        if not is_log(node):
            return False
        if any(_MISSING.search(word) for word in _words(node)):
            return True
        for below in t.walk(node):
            if isinstance(below, t.Call) and t.last_name(below.func) == "len" and below.args:
                if _DICTS.search(t.render(below.args[0].value)):
                    return True
        return False
    if isinstance(node, t.Assert):
        return any(_MISSING.search(word) for word in _words(node))
    if isinstance(node, t.If):
        membership = any(
            isinstance(n, t.Compare) and n.ops[0][0] in ("in", "not in") and _is_keys(n.ops[0][1])
            for n in t.walk(node.test)
        )
        if membership:
            return any(
                isinstance(n, t.Raise) or (isinstance(n, t.Call) and is_log(n))
                for part in (node.body, node.orelse)
                for stmt in part
                if not isinstance(stmt, t.If)
                for n in t.walk(stmt)
            )
    return False


def _is_keys(expr: t.Expr) -> bool:
    text = t.render(expr).lower()
    return any(
        word in text for word in ("state", "dict", "keys", "param", "ckpt", "checkpoint", "weights", "own", "model")
    )
