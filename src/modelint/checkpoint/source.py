"""Bytes that are read in pieces: of a file that is larger than memory, or of memory itself.

Files are read, never mapped: one that is cut short meanwhile would end the program with a signal.
"""

from __future__ import annotations

from typing import BinaryIO, Protocol

from modelint.checkpoint import regular


class Source(Protocol):
    """Something of ``size`` bytes."""

    @property
    def size(self) -> int: ...

    def read(self, start: int, length: int) -> bytes:
        """So many bytes from ``start`` on, fewer at the end."""


class InFile:
    """An open file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = regular.size(file)

    def read(self, start: int, length: int) -> bytes:
        return regular.read(self._file, start, length)


class InMemory:
    """Bytes that have been read already."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read(self, start: int, length: int) -> bytes:
        return self._data[start : start + length]
