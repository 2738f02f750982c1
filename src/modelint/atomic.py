"""Writing a file so that nobody ever sees half of it."""

from __future__ import annotations

import os
import stat

_STREAMS = {"/dev/stdout": 1, "/dev/fd/1": 1, "/dev/stderr": 2, "/dev/fd/2": 2}


def write(path: str, data: bytes) -> None:
    """Replace the content of ``path``: temporary file in the same folder, fsync, rename; the mode is kept.

    A symbolic link stays one (its target is replaced), and what is no plain file is written to. ``/dev/stdout`` is
    written to even where it leads to a plain file, which has more than this in it.
    Raises OSError and leaves the old content when that fails.
    """
    if (descriptor := _STREAMS.get(path)) is not None:
        with open(os.dup(descriptor), "wb") as stream:
            stream.write(data)
        return
    target = os.path.realpath(path)
    try:
        mode: int | None = os.stat(target).st_mode
    except FileNotFoundError:
        mode = None
    if mode is not None and not stat.S_ISREG(mode):
        with open(path, "wb") as device:
            device.write(data)
        return
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name[:100]}.{os.getpid()}.tmp")
    # os.open and not tempfile, whose files nobody else may read: a new file gets the mode that the umask gives.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if mode is not None:
                os.chmod(temporary, stat.S_IMODE(mode))
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
