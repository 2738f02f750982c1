"""Which statements of a file to interpret."""

from __future__ import annotations

from modelint.lint.index import File


def select(file: File) -> list[int]:
    return [s.index for s in file.source.statements]
