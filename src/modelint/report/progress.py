"""How far the building of models is: a line on the terminal that goes away at the end."""

from __future__ import annotations

from typing import IO

from modelint.report.escape import shown


class Bar:
    """A bar, drawn from the first time that it is told something until it is stopped."""

    def __init__(self, stream: IO[str]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
        self._bar = Progress(*columns, TimeElapsedColumn(), console=Console(file=stream), transient=True)
        self._task = self._bar.add_task("models", total=None)

    def __call__(self, name: str, done: int, total: int) -> None:
        self._bar.start()
        self._bar.update(self._task, description=shown(name), completed=done, total=total)

    def stop(self) -> None:
        """Take it away, and give the cursor back."""
        self._bar.stop()
