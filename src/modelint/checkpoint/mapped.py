"""A file as memory: what is not looked at is not read."""

from __future__ import annotations

import mmap
from typing import BinaryIO


def mapped(file: BinaryIO) -> mmap.mmap:
    """The whole of a file that is not empty. It can be looked into after the file was closed."""
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
