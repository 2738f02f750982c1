"""Bytes of a file, or the reason why there are none. On the path of a hook with nothing to say: no heavy imports."""

from __future__ import annotations

import os
import stat

from modelint.diagnostics import NotAnalysed

#: No one writes a larger module by hand, and ast needs up to 300 times its size.
MAX_BYTES = 10_000_000


def read_bytes(path: str) -> bytes | NotAnalysed:
    """The content of a regular file; anything else never blocks and never raises."""
    try:
        # Without O_NONBLOCK, opening a FIFO waits for a writer that may never come.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        return NotAnalysed(path, _why(error))
    try:
        status = os.fstat(handle)
        if stat.S_ISDIR(status.st_mode):
            return NotAnalysed(path, "is a directory")
        if not stat.S_ISREG(status.st_mode):
            return NotAnalysed(path, "not a regular file")
        if status.st_size > MAX_BYTES:
            return NotAnalysed(path, too_many_bytes(status.st_size))
        parts: list[bytes] = []
        size = 0
        # The size may lie (/proc) or grow meanwhile: what is read decides.
        while size <= MAX_BYTES and (part := os.read(handle, max(status.st_size + 1 - size, 65536))):
            parts.append(part)
            size += len(part)
        return b"".join(parts) if size <= MAX_BYTES else NotAnalysed(path, too_many_bytes(size))
    except OSError as error:
        return NotAnalysed(path, _why(error))
    finally:
        os.close(handle)


def digest(data: bytes) -> str:
    """The hash of a file's content, as the cache keeps it."""
    import hashlib

    return hashlib.blake2b(data, digest_size=16).hexdigest()


def too_many_bytes(size: int) -> str:
    return f"too large: {size / 1e6:.1f} MB (limit {MAX_BYTES // 1_000_000} MB)"


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[0].lower() + error.strerror[1:]
    return f"cannot be opened: {error}"
