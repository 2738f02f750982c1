"""Opening a file that somebody named: plain files only. A pipe would wait for ever, a device may do anything."""

from __future__ import annotations

import os
import stat
from typing import BinaryIO

from modelint.checkpoint.contents import Refused

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)

#: Windows has neither; elsewhere a pipe that took the place of the file must not be waited for.
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


def opened(path: str) -> BinaryIO:
    """The plain file at ``path``, links followed, for reading without a buffer.

    Raises Refused for what is no plain file, without opening it, and OSError as ``open`` does.
    """
    status = os.stat(path)
    check(status)
    if status.st_size == 0:
        # As Linux has it of what is no file on a disk: /proc/self/mem.
        raise Refused("the file is empty (0 bytes): it was not written, or not downloaded, to its end")
    file = os.fdopen(os.open(path, _FLAGS), "rb", buffering=0)
    try:
        check(os.fstat(file.fileno()))
    except BaseException:
        file.close()
        raise
    return file


def check(status: os.stat_result) -> None:
    """Refuse what is no plain file."""
    if not stat.S_ISREG(status.st_mode):
        kind = next((words for test, words in _KINDS if test(status.st_mode)), "no plain file")
        raise Refused(f"{kind}, not a file; it was not opened")


def read(file: BinaryIO, start: int, length: int) -> bytes:
    """``length`` bytes from ``start`` on, fewer at the end of the file."""
    file.seek(start)
    pieces = []
    while length > 0:
        piece = file.read(length)
        if not piece:
            break
        pieces.append(piece)
        length -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size
