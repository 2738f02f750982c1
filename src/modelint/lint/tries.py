"""Loads inside a ``try``: does a handler let the program go on with a model that is partly loaded?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from modelint.lint import tree as t
from modelint.lint.facts import TryLoad
from modelint.lint.state import Frame
from modelint.lint.usage import is_log
from modelint.rule import Place

if TYPE_CHECKING:
    from modelint.lint.interpret import Interpreter


def try_load(it: Interpreter, frame: Frame, stmt: t.Try, load: Place) -> None:
    """Do the handlers let the program go on with a model that is partly loaded?"""
    last = False
    if frame.loops:
        loop, _ = it.loop_starts[frame.loops[-1]]
        if isinstance(loop, t.While) and stmt in loop.body:
            return  # the next round loads again
        last = stmt is loop.body[-1]
    for handler in stmt.handlers:
        if not _catches_runtime_error(handler.types):
            continue
        tries_next = any(isinstance(n, t.Jump | t.Return) for n in t.walk([*stmt.body, *stmt.orelse]))
        verdict = _handler(it, frame, handler, tries_next=tries_next)
        if verdict == "swallows" and last and tries_next:
            return  # at the end of the round: the next file is tried
        if verdict != "gone":
            it.emit(TryLoad(frame.place(stmt), load, frame.place(handler), verdict))
        return


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


def _tells_nothing(frame: Frame, stmt: t.Return) -> bool:
    """A return from a function that loads and never returns a value: its caller goes on as after a load."""
    if not isinstance(frame.scope, t.Def) or not _RETRIES.search(frame.scope.name) or not _is_none(stmt.value):
        return False
    returns = (n for n in t.walk(frame.scope.body) if isinstance(n, t.Return))
    return all(_is_none(other.value) for other in returns)


def _is_none(expr: t.Expr | None) -> bool:
    return expr is None or (isinstance(expr, t.Const) and expr.value is None)


def _handler(it: Interpreter, frame: Frame, handler: t.Handler, *, tries_next: bool) -> str:
    """ "gone" (raises, leaves, tells the caller), "retries" (loads again) or "swallows"."""
    for node in t.walk(list(handler.body)):
        if isinstance(node, t.Return) and _tells_nothing(frame, node):
            continue
        if isinstance(node, t.Raise | t.Return) or (isinstance(node, t.Jump) and tries_next):
            return "gone"
        if isinstance(node, t.Assert) and any(isinstance(n, t.Name) and n.id == handler.name for n in t.walk(node)):
            return "gone"  # the error is the expected one, or it raises
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
                return "retries"  # what is wrong with that load is told of it
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
