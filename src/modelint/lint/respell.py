"""Syntax newer than the running Python, spelled in an older one: line for line, and column for column.

Python's own parser, the gate before libcst, refuses such a file whole. libcst knows the syntax, but can be crashed or
kept busy by what that gate would have refused: it looks at the file in a child with limits on memory and time. The
child takes out what means nothing to a rule (type parameters, the word ``type``, the texts around the expressions of an
f-string), and what comes back goes through the gate as any other file.
"""

from __future__ import annotations

import ast
import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import libcst

#: Of the child: seconds of CPU, and bytes. A file of 200 kB takes a second and 300 MB.
_SECONDS = 10
_MEMORY = 1_500_000_000
#: A longer file, deeper brackets, and longer runs of operators are not tried.
_MOST_CHARACTERS = 400_000
_DEEPEST = 60
_RUN = re.compile(r"(?:(?:not|lambda|await)\b[\s:]*|[-+~*/%@|&^<>.]\s*){40}")
#: An f-string in an f-string is spelled anew from the outside in.
_PASSES = 4


def respelled(text: str) -> str | None:
    """The text in syntax that the running Python knows, every name where it was; None where that cannot be had."""
    if len(text) > _MOST_CHARACTERS or _depth(text) > _DEEPEST or _RUN.search(text):
        return None
    import subprocess

    try:
        ran = subprocess.run(
            [sys.executable, "-P", "-m", "modelint.lint.respell"],
            input=text.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=3 * _SECONDS,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return ran.stdout.decode() if ran.returncode == 0 else None


def _depth(text: str) -> int:
    depth = deepest = 0
    for bracket in re.findall(r"[()\[\]{}]", text):
        depth = depth + 1 if bracket in "([{" else max(depth - 1, 0)
        deepest = max(deepest, depth)
    return deepest


# --- in the child -----------------------------------------------------------------------------------------------------


def main() -> int:
    """Text on stdin, respelled text on stdout; exit code 1 where the running Python does not know it even so."""
    _limit()
    text = sys.stdin.buffer.read().decode()
    for _ in range(_PASSES):
        changed = _once(text)
        if _is_known(changed):
            sys.stdout.buffer.write(changed.encode())
            return 0
        if changed == text:
            break
        text = changed
    return 1


def _limit() -> None:
    try:
        import resource
    except ImportError:  # not on Windows, where the time-out of the parent is left
        return
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    if sys.platform != "darwin":  # which refuses it
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def _is_known(text: str) -> bool:
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return True


def _once(text: str) -> str:
    """One pass over the whole file."""
    import libcst
    from libcst.metadata import ByteSpanPositionProvider, MetadataWrapper

    wrapper = MetadataWrapper(libcst.parse_module(text), unsafe_skip_copy=True)
    spans = wrapper.resolve(ByteSpanPositionProvider)
    page = _Page(text, spans)
    pending: list[libcst.CSTNode] = [wrapper.module]
    while pending:
        node = pending.pop()
        if not page.respell(node):
            pending.extend(node.children)
    return "".join(page.text)


class _Page:
    """The characters of a file, changed in place: each change is as long as what it replaces."""

    def __init__(self, text: str, spans: Any) -> None:
        self.text = list(text)
        self._spans = spans
        #: Where each byte of UTF-8, of which libcst counts the offsets, stands in ``text``.
        self._places = [at for at, character in enumerate(text) for _ in character.encode()]
        self._places.append(len(text))

    def respell(self, node: libcst.CSTNode) -> bool:
        """Change the text of ``node`` where it is of newer syntax; whether what stands in it is done with, too."""
        import libcst as cst

        if isinstance(node, cst.TypeAlias):
            self._alias(node)
        elif isinstance(node, cst.TypeParameters):
            self._blank(*self._span(node))
            return True
        elif isinstance(node, cst.ExceptHandler | cst.ExceptStarHandler) and isinstance(node.type, cst.Tuple):
            self._parenthesise(node.type)
        elif isinstance(node, cst.ConcatenatedString | cst.FormattedString | cst.TemplatedString):
            start, end = self._span(node)
            if not _is_known(f"({''.join(self.text[start:end])})"):
                self._list_expressions(node)
                return True
        return False

    def _span(self, node: libcst.CSTNode) -> tuple[int, int]:
        span = self._spans[node]
        return self._places[span.start], self._places[span.start + span.length]

    def _blank(self, start: int, end: int) -> None:
        """Spaces; a newline, which no bracket holds any more, is carried over."""
        for at in range(start, end):
            if self.text[at] == "\n":
                self.text[at - 1] = "\\"
            else:
                self.text[at] = " "

    def _alias(self, node: libcst.TypeAlias) -> None:
        """``type X[T] = int``: an assignment to X, which starts where the word ``type`` stood."""
        start, _ = self._span(node)
        name_start, name_end = self._span(node.name)
        name = self.text[name_start:name_end]
        if node.type_parameters is not None:
            self._blank(*self._span(node.type_parameters))
        self._blank(start, name_end)
        self.text[start : start + len(name)] = name

    def _parenthesise(self, node: libcst.Tuple) -> None:
        """``except A, B:``; the brackets take the place of the blanks before it and after its last comma."""
        start, end = self._span(node)
        inside = "".join(self.text[start:end])
        before, comma, after = inside.rpartition(", ")
        if not node.lpar and comma and self.text[start - 1] == " ":
            self.text[start - 1 : end] = f"({before},{after})"

    def _list_expressions(self, node: libcst.CSTNode) -> None:
        """The expressions of strings as a tuple, each where it stood: who formats a value has looked at it."""
        start, end = self._span(node)
        # In brackets a newline needs no more care.
        new = [character if character == "\n" else " " for character in self.text[start:end]]
        for first, last in map(self._span, _expressions(node)):
            new[first - start : last - start] = self.text[first:last]
            new[last - start] = ","
        new[0], new[-1] = "(", ")"
        self.text[start:end] = new


def _expressions(node: libcst.CSTNode) -> list[libcst.BaseExpression]:
    """The outermost expressions in strings, also those that say how another one is formatted."""
    import libcst as cst

    found: list[libcst.BaseExpression] = []
    pending: list[libcst.CSTNode] = [node]
    while pending:
        each = pending.pop()
        if isinstance(each, cst.FormattedStringExpression | cst.TemplatedStringExpression):
            found.append(each.expression)
            pending.extend(each.format_spec or ())
        elif isinstance(each, cst.ConcatenatedString | cst.FormattedString | cst.TemplatedString):
            pending.extend(each.children)
    return found


if __name__ == "__main__":
    sys.exit(main())
