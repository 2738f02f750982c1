"""The private folder in which the sides of a comparison by numbers meet: who writes, who waits for whom."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Any, Callable

import torch

INPUTS, START = "inputs.pt", "start.pt"
#: Seconds between two looks for what the other side writes.
_LOOK = 0.01


class Unsettled(Exception):
    """Why numbers do not settle it."""


class Meeting:
    """As one of the sides sees it."""

    def __init__(self, folder: str, enter: Callable[..., None]) -> None:
        self._folder = folder
        self._enter = enter

    @contextlib.contextmanager
    def joined(self, side: str) -> Iterator[None]:
        """The others see that this side is at work."""
        own = os.path.join(self._folder, side)
        with open(own + ".part", "w", encoding="ascii") as file:
            file.write(str(os.getpid()))
        os.rename(own + ".part", own + ".pid")
        try:
            yield
        finally:
            with open(own + ".done", "w", encoding="ascii"):
                pass

    def write(self, name: str, value: Any) -> None:
        path = os.path.join(self._folder, name)
        torch.save(value, path + ".part")
        os.rename(path + ".part", path)

    def read(self, name: str) -> Any:
        """Waits for it, as long as the one that writes it lives. The time limit of the whole holds for the waiting."""
        path, by = os.path.join(self._folder, name), "inputs" if name == INPUTS else "old"
        self._enter("wait")
        while not os.path.exists(path):
            if not self._lives(by) and not os.path.exists(path):
                raise Unsettled(f"the {by} side ended")
            time.sleep(_LOOK)
        return torch.load(path, map_location="cpu", weights_only=True)

    def is_done(self, side: str) -> bool:
        return os.path.exists(os.path.join(self._folder, f"{side}.done"))

    def _lives(self, side: str) -> bool:
        """Whether it is at work, or has not started yet."""
        if self.is_done(side):
            return False
        try:
            with open(os.path.join(self._folder, f"{side}.pid"), encoding="ascii") as file:
                os.kill(int(file.read()), 0)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True
