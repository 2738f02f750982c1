"""Modules that nothing calls, or whose caller could not be traced: called as their signature suggests."""

from __future__ import annotations

import linecache
import re
from typing import Any

from .frames import user_frame
from .graph import Node
from .scopes import OutOfTime, Path, Scope
from .structure import bound, signature
from .values import TensorValue, Untraceable

MOST_ATTEMPTS = 10


def alone(tracer: Any, module: Any) -> None:
    """A module that nothing calls, or whose caller could not be traced, called as its signature suggests."""
    known = tracer.signatures.of(module)
    # What an unknown caller gives is unknown; that of the model itself may leave out what is optional.
    optional_calls = tracer.extras if module is tracer.model else tracer.calls
    forward = module.forward
    described = signature(forward)
    parameters = list(described.parameters.values()) if described is not None else []
    positional = [each for each in parameters if each.kind in (0, 1)]
    keywords = [each for each in parameters if each.kind == 3]
    required = sum(each.default is each.empty for each in positional)
    if not positional and any(each.kind == 2 for each in parameters):
        required = 1
    optional = [each.name for each in (*positional[required:], *keywords) if each.default is None]
    given = [each.name for each in keywords if each.default is each.empty]
    for _ in range(MOST_ATTEMPTS):
        error = attempt(tracer, module, required, given, tracer.calls)
        if error is None:
            break
        # What it asks for: named in the message, or in the line that failed for want of it.
        words = set(re.findall(r"\w+", _line(error) + " " + str(error)))
        left = [name for name in optional if name not in given and _may_be_tensor(name)]
        wanted = [name for name in left if name in words]
        if any(name in words for name in given):
            wanted = [name for name in left if name.startswith("decoder_")] or wanted
        wanted = wanted or left
        if not wanted or isinstance(error, OutOfTime):
            tracer.failed.add(known)
            return
        given = [*given, wanted[0]]
    else:
        tracer.failed.add(known)
        return
    more = [name for name in optional if name not in given and _may_be_tensor(name)][:8]
    if more and tracer.ticks < 40_000:
        error = attempt(tracer, module, required, [*given, *more], optional_calls)
        for name in more[:4] if error is not None else ():
            attempt(tracer, module, required, [*given, name], optional_calls)


def attempt(tracer: Any, module: Any, count: int, names: list[str], into: Any) -> BaseException | None:
    """Traces the call with the first ``count`` arguments, and those named; None: that went well."""
    outer = Path(Scope(tracer, module), ())
    args = tuple(TensorValue(Node("argument", (index,)), outer) for index in range(count))
    kwargs = {name: TensorValue(Node("argument", (name,)), outer) for name in names}
    key, traced = tracer.trace(module, args, kwargs, bound(module.forward, args, kwargs))
    if traced.node is None:
        return traced.error or Untraceable()
    into.roots.append(key)
    tracer.count(key, into)
    return None


def _line(error: BaseException) -> str:
    """The line of the forward in which it was raised."""
    trace = user_frame(error)
    return linecache.getline(trace.tb_frame.f_code.co_filename, trace.tb_lineno) if trace is not None else ""


def _may_be_tensor(name: str) -> bool:
    """Flags and caches default to None as well as masks do."""
    return not name.startswith(("output_", "return_", "use_", "is_")) and not any(
        word in name for word in ("past", "cache", "kwargs", "config", "generator", "callback", "dtype", "device")
    )
