"""What libcst may be given: caps on size and depth, worked out at a fraction of the cost of ``ast.parse``.

libcst's parser keeps a table of every attempt: its memory grows by ~4.5 kB and its time by ~20 us per open bracket
*around* each bracket, so 20 kB of `f(f(f(...)))` can take 2 GB; chains `a.b().c()` cost the square of their length.
Each check is an upper bound in C (translate, accumulate) first; only what exceeds it is walked exactly.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from itertools import accumulate

#: Depth of an expression, of `elif` and of blocks, in ast nodes.
MAX_DEPTH = 150
#: Sum over all brackets of the depth at which they stand.
MAX_NESTING = 60_000
#: Tokens of one statement: ~15 us and ~1.6 kB each in libcst.
MAX_TOKENS = 150_000
#: Tokens of one file: ~4 us and ~0.4 kB each in ast.
MAX_FILE_TOKENS = 600_000
#: Below these sizes (characters) a statement, a file cannot exceed its cap of tokens.
_SMALL, _SMALL_FILE = MAX_TOKENS // 2, MAX_FILE_TOKENS
#: Assignments of constants above this size cost libcst time and tell no rule anything.
_DATA = 16_000

_TOKEN = re.compile(r"\w+|[^\w\s]")
_BRACKETS = b"()[]{}"
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in _BRACKETS)
_STEPS = bytes(1 if byte in b"([{" else 255 for byte in range(256))
#: What can make an expression deeper by one: brackets, operators, words, and a pair of quotes (joined strings).
_DEEPER = b"([{.+-*/%@&|^~<>"
_NOT_DEEPER = bytes(byte for byte in range(256) if byte not in _DEEPER)
_DEEPER_WORDS = ("not", "lambda", "if", "await", "yield", "and", "or")  # "for" holds "or"
_PREFIXED = re.compile(
    r"""(?:[fFtT][rR]?|[rR][fFtT])(?:\"{3}(?:[^"\\]|\\.|"(?!""))*\"{3}|'{3}(?:[^'\\]|\\.|'(?!''))*'{3}"""
    r"""|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')""",
    re.DOTALL,
)
_STRING = re.compile(
    r"""#[^\n]*|\"{3}[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*\"{3}|'{3}[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'{3}"""
    r"""|"[^"\\\n]*(?:\\.[^"\\\n]*)*"|'[^'\\\n]*(?:\\.[^'\\\n]*)*'""",
    re.DOTALL,
)

_DEEP = "an expression is nested or chained deeper than 150"
_NESTED = "its brackets are nested too deeply"


def file_too_large(text: str) -> str | None:
    """Why ast would need too much memory for this file."""
    if len(text) <= _SMALL_FILE or (tokens := _tokens(text)) <= MAX_FILE_TOKENS:
        return None
    return f"too large: {tokens:,} tokens (limit {MAX_FILE_TOKENS:,})"


def too_much(nodes: Sequence[ast.stmt], text: str, lines: Sequence[str]) -> str | None:
    """Why libcst would need too much time or memory for this top-level statement."""
    if len(text) <= MAX_DEPTH:
        return None
    if len(text) > _DATA and is_data(nodes):
        return "only data"
    if len(text) > _SMALL and (tokens := _tokens(text)) > MAX_TOKENS:
        return f"too large: {tokens:,} tokens (limit {MAX_TOKENS:,})"
    if _nesting(nodes, text) > MAX_NESTING:
        return _NESTED
    if _too_deep(nodes, text, lines):
        return _DEEP
    return None


def is_data(nodes: Sequence[ast.stmt]) -> bool:
    """Only assignments of constants, in whatever containers: no rule can want to see them."""
    return all(isinstance(node, (ast.Assign, ast.AnnAssign, ast.Expr)) for node in nodes) and all(
        isinstance(node, _DATA_NODES) for top in nodes for node in ast.walk(top)
    )


_DATA_NODES = (
    *(ast.Assign, ast.AnnAssign, ast.Expr, ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.Name),
    *(ast.UnaryOp, ast.BinOp, ast.operator, ast.unaryop, ast.expr_context),
)


def _tokens(text: str) -> int:
    return sum(1 for _ in _TOKEN.finditer(text))


def _nesting(nodes: Sequence[ast.stmt], text: str) -> int:
    """Sum of the depths of all brackets; strings do not count, but the code in f-strings does."""
    if text.count("(") + text.count("[") + text.count("{") <= MAX_NESTING // 200:
        return 0
    inside = sum(len(_brackets(found[0])) for found in _PREFIXED.finditer(text))
    if inside > 2 * MAX_DEPTH:
        return sum(_exact_nesting(top) for top in nodes)
    depths = list(accumulate(memoryview(_brackets(_STRING.sub("", text)).translate(_STEPS)).cast("b")))
    return sum(depths)


def _brackets(text: str) -> bytes:
    return text.encode("ascii", "replace").translate(None, _NOT_BRACKETS)


def _too_deep(nodes: Iterable[ast.stmt], text: str, lines: Sequence[str]) -> bool:
    """Walk the statements alone; look into one only where its text has room for so deep an expression."""
    if _room(text) <= MAX_DEPTH:
        return False
    stack: list[tuple[Iterable[ast.stmt], int]] = [(nodes, 0)]
    while stack:
        block, depth = stack.pop()
        if depth > MAX_DEPTH:
            return True
        for node in block:
            first, last = node.lineno, node.end_lineno or node.lineno
            if type(node) in _COMPOUND:
                first, inner = first_line(node), _blocks(node)
                stack.extend([(part, depth + 1) for part in inner])
                # The header alone; where a block starts on its line, that line stands for it.
                last = min([part[0].lineno for part in inner])
                if isinstance(node, (ast.Try, ast.TryStar)) and node.handlers:
                    first, last = node.handlers[0].lineno, node.handlers[-1].body[0].lineno
                elif isinstance(node, ast.Match):
                    last = node.end_lineno or last
            if first == last:
                if len(lines[first - 1]) > MAX_DEPTH and _room(lines[first - 1]) > MAX_DEPTH and _exceeds(node, lines):
                    return True
            elif _room("\n".join(lines[first - 1 : last])) > MAX_DEPTH and _exceeds(node, lines):
                return True
    return False


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
#: Statements with statements inside.
_COMPOUND = frozenset(
    (*_DEFINITIONS, *_LOOPS, ast.If, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match),
)


def first_line(node: ast.stmt) -> int:
    """The line of the statement, its decorators included."""
    if isinstance(node, _DEFINITIONS) and node.decorator_list:
        return min(node.lineno, node.decorator_list[0].lineno)
    return node.lineno


def _blocks(node: ast.AST) -> list[list[ast.stmt]]:
    """The statement lists inside of a compound statement, none of them empty."""
    if isinstance(node, ast.Match):
        return [case.body for case in node.cases]
    found: list[list[ast.stmt]] = [node.body]  # type: ignore[attr-defined]
    for name in ("orelse", "finalbody"):
        if part := getattr(node, name, None):
            found.append(part)
    found += [handler.body for handler in getattr(node, "handlers", ())]
    return found


def _room(text: str) -> int:
    """How deep an expression in this text can be at most."""
    if len(text) <= MAX_DEPTH:
        return 0
    signs = len(text.encode("ascii", "replace").translate(None, _NOT_DEEPER))
    signs += (text.count('"') + text.count("'")) // 2
    return signs if signs > MAX_DEPTH else signs + sum(map(text.count, _DEEPER_WORDS))


def _exceeds(statement: ast.AST, lines: Sequence[str]) -> bool:
    """Exactly: is an expression of this statement (without the statements inside) too deep?"""
    stack: list[tuple[ast.AST, int]] = [(statement, 0)]
    while stack:
        node, depth = stack.pop()
        if isinstance(node, ast.BoolOp):
            depth += len(node.values) - 1  # libcst nests them to the left
        elif isinstance(node, (ast.Constant, ast.JoinedStr)):
            depth += _joined(node, lines)
        elif isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
            depth += len(node.generators)
        elif isinstance(node, ast.alias):
            depth += node.name.count(".")
        if depth > MAX_DEPTH:
            return True
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.stmt):
                stack.append((child, depth + 1))
    return False


def _joined(node: ast.Constant | ast.JoinedStr, lines: Sequence[str]) -> int:
    """How many string literals are joined implicitly: libcst nests them to the right."""
    if isinstance(node, ast.Constant) and not isinstance(node.value, (str, bytes)):
        return 0
    last = node.end_lineno or node.lineno
    text = "\n".join(lines[node.lineno - 1 : last])
    if text.count('"') + text.count("'") <= 2 * MAX_DEPTH:
        return 0
    after = len(lines[last - 1].encode()) - (node.end_col_offset or 0)
    own = text.encode()[node.col_offset :]
    return len(_STRING.findall(own[: len(own) - after].decode("utf-8", "replace")))


#: Where brackets may stand in the source; parentheses leave no trace in the ast.
_BRACKETED = (
    *(ast.Call, ast.Subscript, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.ListComp, ast.SetComp, ast.DictComp),
    *(ast.GeneratorExp, ast.FormattedValue, ast.IfExp, ast.Lambda, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare),
)


def _exact_nesting(top: ast.AST) -> int:
    """The sum of the depths of all that may be bracketed, f-strings included."""
    total = 0
    stack: list[tuple[ast.AST, int]] = [(top, 0)]
    while stack:
        node, depth = stack.pop()
        inner = depth + isinstance(node, _BRACKETED)
        total += inner if inner > depth else 0
        for name, value in ast.iter_fields(node):
            # What is called or subscripted stands before the bracket, not in it.
            below = depth if name in ("func", "value") else inner
            if isinstance(value, ast.AST):
                stack.append((value, below))
            elif isinstance(value, list):
                stack.extend((item, below) for item in value if isinstance(item, ast.AST))
    return total
