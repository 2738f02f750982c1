"""Why equal numbers prove little where nobody chose the inputs: the change may wait for a size or value that they lack.

A number that was written anew was meant to change something. A test of a number goes one way for these inputs, and may
go another way for others, unless it is one of the model's own settings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from modelint.layout.settling.changes import Change
from modelint.layout.settling.statements import read

#: In the dump of a statement.
_PLAIN = r"Constant\(value=-?[\d.][\w.+-]*\)"
_NUMBER = re.compile(rf"UnaryOp\(op=USub\(\), operand={_PLAIN}\)|{_PLAIN}")


def why(olds: Mapping[str, str], news: Mapping[str, str], changes: Sequence[Change]) -> str | None:
    """None: nothing speaks against equal numbers.

    ``olds``, ``news``: the files of either side; ``changes``: the statements that differ, as far as they count.
    """
    if not changes:
        return "what changed is not among the statements that ran"
    by_function: dict[str, list[Change]] = {}
    for each in changes:
        by_function.setdefault(each.function.name, []).append(each)
    for own in by_function.values():
        olds_of, news_of = ([each.statement.text for each in own if each.is_new is new] for new in (False, True))
        if _renumbered(olds_of, news_of):
            return f"a number changed ({_place(own[-1])}), which may matter for others"
    for name in olds.keys() & news.keys():
        if _renumbered(read(olds[name]).values, read(news[name]).values):
            return f"a number changed ({name}), which may matter for others"
    for each in changes:
        if each.ran and each.statement.turns and not each.makes:
            return f"a test of a number changed ({_place(each)}), which others may pass or fail"
    return None


def _renumbered(olds: Iterable[str], news: Iterable[str]) -> bool:
    """Whether a statement is as before but for a number in it."""
    before, after = set(olds), set(news)
    gone = {_NUMBER.sub("#", each) for each in before - after}
    return any(_NUMBER.sub("#", each) in gone for each in after - before)


def _place(change: Change) -> str:
    return f"{change.function.name}, line {change.statement.line}"
