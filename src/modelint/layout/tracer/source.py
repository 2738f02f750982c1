"""Digests of source text: the same on every Python, without comments, docstrings, layout and names of locals.

Imports no torch, so that the host can use it as well."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import linecache
import sysconfig
import types
from collections.abc import Iterator
from typing import Any

#: Fields that say how something was written, or for whom: positions are no fields.
SKIPPED = frozenset("type_comment type_params kind annotation returns type_ignores ctx".split())
#: Fields that hold a name; attributes are looked up with a dot before them.
NAMES = frozenset("id arg name asname attr".split())
MOST_FUNCTIONS = 60


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def file_digest(text: str | bytes) -> str:
    """Of a whole file: everything that running it can see, so names and annotations count. SyntaxError, ValueError
    and RecursionError are the caller's."""
    out: list[str] = []
    _write(ast.parse(text), out, {}, frozenset(("type_comment", "kind", "type_ignores", "ctx")))
    return _digest("".join(out))


def _without_docstring(body: list[Any]) -> list[Any]:
    return [each for each in body if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))]


def _write(node: Any, out: list[str], names: dict[str, str], skipped: frozenset[str]) -> None:
    if isinstance(node, ast.AST):
        if isinstance(node, ast.AnnAssign) and "annotation" in skipped:
            if node.value is None:
                return
            node = ast.Assign(targets=[node.target], value=node.value)
        out.append(type(node).__name__ + "(")
        for field in node._fields:
            if field in skipped:
                continue
            value = getattr(node, field, None)
            if value is None or value == []:
                continue
            out.append(field + "=")
            if field == "body" and isinstance(value, list):
                value = _without_docstring(value)
            if isinstance(value, str) and field in NAMES:
                value = names.get("." + value if field == "attr" else value, value)
            _write(value, out, names, skipped)
        out.append(")")
    elif isinstance(node, list):
        out.append("[")
        for each in node:
            _write(each, out, names, skipped)
            out.append(",")
        out.append("]")
    elif isinstance(node, (frozenset, set)):
        out.append("{" + ",".join(sorted(repr(each) for each in node)) + "}")
    elif isinstance(node, bytes):
        out.append("b" + node.hex())
    elif isinstance(node, str):
        out.append(ascii(node))
    else:
        out.append(repr(node))


def _locals(function: ast.AST) -> dict[str, str]:
    """Local names by first appearance. A name that is global somewhere in the function keeps its own."""
    found: dict[str, str] = {}
    kept: set[str] = set()
    for node in _ordered(function):
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            kept.update(node.names)
    for node in _ordered(function):
        name = None
        if isinstance(node, ast.arg):
            name = node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            name = node.id
        elif (isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node is not function) or isinstance(
            node, ast.ExceptHandler
        ):
            name = node.name
        if name and name not in kept and name not in found:
            found[name] = f"v{len(found)}"
    return found


def _ordered(node: ast.AST) -> Iterator[ast.AST]:
    """Depth first, in the order of the text."""
    stack = [node]
    while stack:
        top = stack.pop()
        yield top
        stack.extend(reversed(list(ast.iter_child_nodes(top))))


class _Function:
    """A definition, read once: its nodes in order, and its text with numbers for the local names."""

    def __init__(self, node: Any) -> None:
        self.node = node
        if not isinstance(node, ast.Lambda):
            node.decorator_list = []
        self.nodes = [each for each in _ordered(node) if isinstance(each, (ast.Attribute, ast.Name))]
        self.locals = _locals(node)


@functools.lru_cache(maxsize=4096)
def _parsed(code: types.CodeType) -> _Function | None:
    """The definition of a function, cut out of its file."""
    lines = linecache.getlines(code.co_filename)
    start = code.co_firstlineno - 1
    if not 0 <= start < len(lines):
        return None
    for block in (_block(lines, start), None):
        try:
            if block is None:
                block = "".join(inspect.getblock(lines[start:]))
            pad = block[: len(block) - len(block.lstrip())]
            tree = ast.parse("if 1:\n" + block if pad else block)
        except (SyntaxError, ValueError, RecursionError, IndentationError, OSError):
            continue
        for node in _ordered(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == code.co_name:
                return _Function(node)
            if isinstance(node, ast.Lambda) and code.co_name == "<lambda>":
                return _Function(node)
    return None


def _block(lines: list[str], start: int) -> str:
    """From the first line of a definition to the next line that is indented no deeper than its ``def``."""
    indent: int | None = None
    end = start
    for end in range(start, len(lines)):
        line = lines[end]
        text = line.strip()
        if not text or text[0] in "#)]}":
            continue
        depth = len(line) - len(line.lstrip())
        if indent is None:
            if text.startswith(("def ", "async def ", "lambda")):
                indent = depth
            continue
        if depth <= indent and not _signature_open(lines, start, end):
            return "".join(lines[start:end])
    return "".join(lines[start : end + 1])


def _signature_open(lines: list[str], start: int, end: int) -> bool:
    """Whether the ``def`` itself is still being written at ``end``: its brackets are open."""
    if end - start > 80:
        return False
    text = "".join(lines[start:end])
    return text.count("(") > text.count(")") or text.count("[") > text.count("]")


_PURE = {sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib") if name in sysconfig.get_paths()}


def _ours(function: Any, package: str) -> bool:
    """Of the same project as the class; of an installed one, only what stands next to it."""
    where = getattr(function, "__module__", None) or ""
    if where == package or where.startswith(package + "."):
        return True
    path = getattr(getattr(function, "__code__", None), "co_filename", "")
    return bool(path) and path[0] != "<" and "-packages" not in path and not path.startswith(tuple(_PURE))


def _plain(thing: Any) -> Any:
    """The function under decorators, classmethod, partial and the like."""
    for _ in range(8):
        if isinstance(thing, (staticmethod, classmethod)):
            thing = thing.__func__
        elif isinstance(thing, property):
            thing = thing.fget
        elif isinstance(thing, functools.partial):
            thing = thing.func
        elif hasattr(thing, "__wrapped__"):
            thing = thing.__wrapped__
        elif isinstance(thing, types.MethodType):
            thing = thing.__func__
    return thing if isinstance(thing, types.FunctionType) else None


def reached(cls: type, function: Any) -> list[Any]:
    """``function`` of ``cls``, and the methods and functions of the project that it names, in the order of reading."""
    package = (cls.__module__ or "").rpartition(".")[0] or cls.__module__ or ""
    first = _plain(function)
    if first is None:
        return []
    found: list[Any] = []
    queue, seen = [first], {first}
    while queue and len(found) < MOST_FUNCTIONS:
        here = queue.pop(0)
        found.append(here)
        tree = _parsed(here.__code__)
        if tree is None:
            continue
        for node in tree.nodes:
            thing: Any = None
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                if node.value.id == "self":
                    thing = inspect.getattr_static(cls, node.attr, None)
                else:
                    owner = here.__globals__.get(node.value.id)
                    thing = vars(owner).get(node.attr) if isinstance(owner, types.ModuleType) else None
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                thing = here.__globals__.get(node.id)
            plain = _plain(thing) if thing is not None else None
            if plain is not None and plain not in seen and _ours(plain, package):
                seen.add(plain)
                queue.append(plain)
    return found


_cache: dict[tuple[type, Any], str | None] = {}
_mentioned: dict[tuple[type, Any], set[str]] = {}


def class_digest(cls: type, function: Any) -> str | None:
    """Of a forward and what it reaches; None: no source at hand."""
    key = (cls, _plain(function))
    if key not in _cache:
        _cache[key] = _class_digest(cls, function)
    return _cache[key]


def _class_digest(cls: type, function: Any) -> str | None:
    functions = reached(cls, function)
    renamed = {}
    for index, each in enumerate(functions):
        renamed[each.__name__] = renamed["." + each.__name__] = f"f{index}"
    mentioned: set[str] = set()
    out: list[str] = []
    for index, each in enumerate(functions):
        tree = _parsed(each.__code__)
        if tree is None:
            if index == 0:
                return None
            out.append("?" + each.__name__)
            continue
        mentioned.update(node.attr for node in tree.nodes if isinstance(node, ast.Attribute))
        _write(tree.node, out, {**renamed, **tree.locals}, SKIPPED)
    _mentioned[(cls, _plain(function))] = mentioned
    return _digest("".join(out))


def mentioned(cls: type, function: Any) -> set[str]:
    """Attribute names that the source mentions."""
    class_digest(cls, function)
    return _mentioned.get((cls, _plain(function)), set())
