"""Paths in the formats that are read by a forge: relative to the root of the repository."""

from __future__ import annotations

import os

from modelint.report import Outcome


def to_root(outcome: Outcome, path: str) -> str:
    """``path`` relative to the repository root, with ``/``; absolute when it lies outside."""
    cwd = outcome.cwd or os.getcwd()
    absolute = os.path.normpath(os.path.join(cwd, path))
    root = outcome.root or cwd
    try:
        relative = os.path.relpath(absolute, root)
    except ValueError:  # another drive
        relative = os.pardir
    outside = relative == os.pardir or relative.startswith(os.pardir + os.sep)
    return (absolute if outside else relative).replace(os.sep, "/")
