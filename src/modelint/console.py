"""What is said, and where: stdout, stderr, colour, and the one line for input that cannot be used."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import IO


class Wrong(Exception):
    """The user's input cannot be used; the text is the one line that says why."""


@contextlib.contextmanager
def stdout() -> Iterator[IO[str]]:
    """stdout, flushed at the end. What cannot be written is said, unless the reader has gone."""
    if sys.stdout is None:
        raise Wrong("stdout is closed")
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        close_stdout()
        raise Wrong(f"stdout cannot be written: {error.strerror}") from None


def close_stdout() -> None:
    """Nobody can read the output: what is still buffered must not fail again at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def colored(wish: str, stream: IO[str]) -> bool:
    """Whether to write in colour; ``wish`` is what --color says."""
    if wish != "auto":
        return wish == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal(stream)


def is_terminal(stream: IO[str] | None) -> bool:
    """Does somebody look at it, on something that can move its cursor?"""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def say(line: str) -> None:
    """A line on stderr."""
    with contextlib.suppress(OSError, ValueError):
        print(line.encode("utf-8", "backslashreplace").decode("utf-8"), file=sys.stderr)


def count(number: int, noun: str) -> str:
    """``3 files``."""
    return f"{number} {noun}" if number == 1 or noun == "information" else f"{number} {noun}s"
