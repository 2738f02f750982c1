"""The suppression comments of one file: only real comments count, never the text of a string."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from typing import NamedTuple

from modelint.diagnostics import Span

#: A file without these bytes has no suppression comment: it is not looked at here.
MARK = b"modelint:"

#: Larger files are not analysed either.
LARGEST = 10_000_000

_DIRECTIVE = re.compile(
    r"(?<![`'\"])#\s*modelint:\s*(ignore-file|ignore)(?![\w-])\s*(?:\[(?P<codes>[^\]#]*)(?P<end>\])?)?"
)
_CODE = re.compile(r"[^,\s]+")
#: Tokens that neither begin a statement nor stand for its last line.
_LAYOUT = {tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING, tokenize.ENDMARKER}


class Directive(NamedTuple):
    """One suppression comment. ``codes`` says where in it each code stands."""

    span: Span
    whole_file: bool
    codes: dict[str, Span]
    #: It hides every code of its line: only ``# modelint: ignore`` does.
    everything: bool
    #: Why a comment without codes hides nothing.
    flaw: str
    #: Nothing but the comment stands on its line.
    alone: bool

    @property
    def bare(self) -> bool:
        """It names no code."""
        return not self.codes


class Comments(NamedTuple):
    """The suppression comments of a file, and where its statements begin and end."""

    directives: tuple[Directive, ...]
    #: Line -> first and last line of the statement on it; of a compound statement, of its header. Only those of
    #: several lines.
    statements: dict[int, tuple[int, int]]
    #: The file could be cut into tokens to its end.
    whole: bool


def read_comments(data: bytes) -> Comments:
    """The suppression comments of a file; of a broken file, those before the break."""
    directives: list[Directive] = []
    statements: dict[int, tuple[int, int]] = {}
    try:
        first = 0
        for token in _tokens(data):
            if token.type == tokenize.COMMENT:
                directives += _directives(token)
            elif token.type == tokenize.NEWLINE:
                last = token.start[0]
                if 0 < first < last:
                    statements.update(dict.fromkeys(range(first, last + 1), (first, last)))
                first = 0
            elif not first and token.type not in _LAYOUT:
                first = token.start[0]
    except (tokenize.TokenError, SyntaxError, ValueError, LookupError):
        return Comments(tuple(directives), statements, whole=False)
    return Comments(tuple(directives), statements, whole=True)


def _tokens(data: bytes) -> Iterator[tokenize.TokenInfo]:
    if len(data) > LARGEST:
        raise ValueError("too large")
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    text = data.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
    return tokenize.generate_tokens(io.StringIO(text).readline)


def _directives(token: tokenize.TokenInfo) -> Iterator[Directive]:
    line, start = token.start
    for match in _DIRECTIVE.finditer(token.string):
        span = Span(line, start + match.start() + 1, line, start + len(match.group().rstrip()) + match.start() + 1)
        whole_file = match[1] == "ignore-file"
        codes: dict[str, Span] = {}
        flaw = ""
        if match["codes"] is None:
            flaw = "a whole file is ignored only by code" if whole_file else ""
        elif match["end"] is None:
            flaw = "the bracket is never closed"
        else:
            offset = start + match.start("codes") + 1
            for code in _CODE.finditer(match["codes"]):
                codes[code.group().upper()] = Span(line, offset + code.start(), line, offset + code.end())
            flaw = "" if codes else "the bracket is empty"
        everything = not codes and not flaw
        yield Directive(span, whole_file, codes, everything, flaw, alone=not token.line[:start].strip())
