"""Where in the user's code an exception, or a question for a truth, comes from."""

from __future__ import annotations

import os
import sys
from typing import Any

import torch

from .values import instructions

HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
TORCH = os.path.dirname(os.path.abspath(torch.__file__)) + os.sep


def user_frame(error: BaseException) -> Any:
    """The innermost frame of neither the tracer nor torch."""
    found, trace = None, error.__traceback__
    while trace is not None:
        if not trace.tb_frame.f_code.co_filename.startswith((HERE, TORCH)):
            found = trace
        trace = trace.tb_next
    return found


def explicit_raise(error: BaseException) -> bool:
    """Whether the code itself refused, by ``raise`` or ``assert``, and not what it runs on here."""
    trace = error.__traceback__
    if isinstance(error, SystemExit):
        return True
    if trace is None:
        return False
    if "NoneType" in str(error) and isinstance(error, (AttributeError, TypeError)):
        return True  # what is None here is None in real life
    while trace.tb_next is not None:
        trace = trace.tb_next
    if trace.tb_frame.f_code.co_filename.startswith((HERE, TORCH)):
        # A module that lacks an attribute lacks it in real life, too.
        return isinstance(error, AttributeError) and "' object has no attribute '" in str(error)
    return any(
        offset == trace.tb_lasti and name in ("RAISE_VARARGS", "RERAISE")
        for offset, name, _ in instructions(trace.tb_frame.f_code)
    )


def in_assert() -> bool:
    """Whether the truth that is asked for is that of an ``assert``."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(HERE):
        frame = frame.f_back
    if frame is None:
        return False
    following = [each for each in instructions(frame.f_code) if each[0] >= frame.f_lasti][:6]
    for index, (_, name, _) in enumerate(following[:-1]):
        if "JUMP" in name:
            return "IF_TRUE" in name and following[index + 1][1] in ("LOAD_ASSERTION_ERROR", "LOAD_COMMON_CONSTANT")
    return False
