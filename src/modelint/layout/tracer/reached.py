"""Which lines of the project ran: a difference in lines that did not run is not seen by any numbers."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any

from .uses import is_project_file


class Lines:
    """Watches while `watching`; of each file of the project the lines that ran."""

    def __init__(self, model: dict[str, Any]) -> None:
        self._model = model
        self._own: dict[str, bool] = {}
        self._ran: dict[str, set[int]] = {}

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            yield
        finally:
            sys.settrace(before)

    def found(self) -> dict[str, list[int]]:
        return {path: sorted(lines) for path, lines in self._ran.items()}

    def _enter(self, frame: FrameType, event: str, argument: Any) -> Any | None:
        path = frame.f_code.co_filename
        own = self._own.get(path)
        if own is None:
            own = self._own[path] = is_project_file(path, self._model)
        if not own:
            return None
        ran = self._ran.setdefault(path, set())
        ran.add(frame.f_lineno)

        def line(frame: FrameType, event: str, argument: Any) -> Any:
            if event == "line":
                ran.add(frame.f_lineno)
            return line

        return line


def together(every: Iterable[Lines]) -> dict[str, list[int]]:
    """The lines of a file that ran in any of them."""
    found: dict[str, set[int]] = {}
    for each in every:
        for path, lines in each.found().items():
            found.setdefault(path, set()).update(lines)
    return {path: sorted(lines) for path, lines in found.items()}
