"""The bar for the building of models: on a terminal, and gone at the end."""

from __future__ import annotations

import io

from modelint.report.progress import Bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_names_the_model_and_goes_away() -> None:
    terminal = Terminal()
    bar = Bar(terminal)
    bar("net [a\x1b]", 1, 3)
    bar("other", 3, 3)
    bar.stop()
    bar.stop()
    drawn = terminal.getvalue()
    assert "3/3" in drawn and "\x1b]" not in drawn
    # The cursor is given back, and the line is cleared.
    assert drawn.rstrip().endswith("\x1b[2K") or "\x1b[?25h" in drawn


def test_a_bar_that_was_never_told_anything_draws_nothing() -> None:
    terminal = Terminal()
    Bar(terminal).stop()
    assert terminal.getvalue() == ""
