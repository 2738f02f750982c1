"""Which statements of a file to interpret: those that can matter to weights, and those that lead to or from them.

The text and the ast decide here only what is worth giving to libcst; every diagnostic is decided on libcst.
Whatever a rule could report must be let through, and a test holds this file to that on real code.
"""

from __future__ import annotations

import ast
import re

from modelint.lint.asts import walk
from modelint.lint.index import File
from modelint.lint.names import ClassRef, Import
from modelint.lint.prose import without_prose
from modelint.lint.source import Statement
from modelint.lint.suspect import defines, repeats

#: Words of a statement through which state dicts, checkpoints or wrappers go.
_FLOW = re.compile(
    r"state_dict|DataParallel|AveragedModel|load_url|load_file|save_file|load_checkpoint|load_ckpt|load_pretrained_weights"
    r"|best\w*\s*=\s*[\w.]*(?:model|net|network)\b"
)
#: A prefix taken off something, as ``keys`` knows the ways.
_REWRITE = re.compile(
    r"""\.replace\(\s*f?["'][\w.]*\.["']\s*,\s*["']["']|\[(?<!\.shape\[)\s*(?:[2-9]|\d\d+|len\([^)]*\))\s*:\s*\]|\.l?strip\(\s*["'][\w.]+\.["']"""
    r"""|\.split\(\s*["'][\w.]+\.["']"""
)
#: A try around something that, by its name, loads.
_TRY = re.compile(r"\bexcept\b")
_LOADS = re.compile(r"(?:load|resume|restore|pretrain|init_weight|checkpoint)\w*\s*\(", re.IGNORECASE)
_REPEATED = re.compile(r"\]\s*\)?\s*\*|\*\s*\(?\s*\[")
_WRAPS = re.compile(r"DataParallel|AveragedModel|torch\.compile")
_WORDS = re.compile(r"[A-Za-z_]\w*")
#: Modules of which a function named like this reads or writes checkpoints.
_VERBS = {"torch": ("save", "load", "compile"), "pickle": ("dump",), "joblib": ("dump",), "dill": ("dump",),
          "torch_xla.core.xla_model": ("save",)}  # fmt: skip

#: A larger table at the top level is data, whatever small calls stand in it.
_TABLE = 1000


def select(file: File) -> list[int]:
    """The indices of the statements to interpret, in order."""
    verbs = _Verbs(file)
    seeds: set[int] = set()
    chosen: set[int] = set()
    for statement in file.source.statements:
        text = statement.text
        if _flows(text, verbs) and _flows(without_prose(text), verbs):
            seeds.add(statement.index)
        elif any(defines(file, node) for node in statement.nodes) or (
            _REPEATED.search(text) and any(repeats(file, node) for node in statement.nodes)
        ):
            chosen.add(statement.index)
    seeds |= _through_imports(file, seeds)
    chosen |= _users(file, seeds)
    return sorted(chosen | _binders(file, chosen))


def _flows(text: str, verbs: _Verbs) -> bool:
    """Does anything here hand on state dicts, or checkpoints, or put on a wrapper, as far as words tell?"""
    if _FLOW.search(text) or verbs.stand_in(text) or _REWRITE.search(text):
        return True
    return bool(_TRY.search(text) and _LOADS.search(text))


class _Verbs:
    """The calls by which a file's imports name torch.save, torch.load, torch.compile, pickle.dump, wrappers."""

    def __init__(self, file: File) -> None:
        calls: list[str] = []
        #: Without one of these words a text has none of the calls.
        self._words: set[str] = set()
        for name, imported in file.imports.items():
            if imported.name is None or f"{imported.module}.{imported.name}" in _VERBS:
                head = imported.module if imported.name is None else f"{imported.module}.{imported.name}"
                if head in _VERBS:
                    calls.append(rf"{re.escape(name)}\s*\.\s*(?:{'|'.join(_VERBS[head])})")
                    self._words.update(_VERBS[head])
            elif imported.name in _VERBS.get(imported.module, ()) or _WRAPS.search(imported.name):
                calls.append(re.escape(name))
                self._words.add(name)
        self._calls = re.compile(rf"\b(?:{'|'.join(calls)})\b") if calls else None

    def stand_in(self, text: str) -> bool:
        return any(word in text for word in self._words) and bool(self._calls and self._calls.search(text))


# --- leading to and from ----------------------------------------------------------------------------------------------


def _through_imports(file: File, seeds: set[int]) -> set[int]:
    """Statements that use a function or class of another file that puts on wrappers: the save may be in a third."""
    names: dict[str, Import] = {n: i for n, i in file.imports.items() if i.name is not None or i.level or i.module}
    wrapping: set[str] = set()
    for name, imported in names.items():
        path = file.project.module_path(file.names, imported.module, imported.level)
        target = file.project.wrapping_names(path) if path and path.endswith(".py") else frozenset()
        if imported.name in target or (imported.name is None and target):
            wrapping.add(name)
    if not wrapping:
        return set()
    return {
        s.index
        for s in file.source.statements
        if s.index not in seeds and not isinstance(s.node, ast.Import | ast.ImportFrom)
        and not wrapping.isdisjoint(_WORDS.findall(s.text))
    }  # fmt: skip


def _users(file: File, seeds: set[int]) -> set[int]:
    """The seeds and, in turn, the statements that use what they define; not the module classes among those."""
    defines: dict[int, list[str]] = {}
    for name, indices in file.bound.items():
        for index in indices:
            defines.setdefault(index, []).append(name)
    words = {s.index: frozenset(_WORDS.findall(s.text)) for s in file.source.statements if s.index not in seeds}
    out = set(seeds)
    fresh = {name for index in seeds for name in defines.get(index, ())}
    while fresh:
        users = {
            i
            for i, found in words.items()
            if i not in out
            and not fresh.isdisjoint(found)
            and not _plain_module(file, i)
            and not is_table(file.source.statements[i])
            and not _entry_point(file.source.statements[i].node, fresh)
        }
        users = {i for i in users if not isinstance(file.source.statements[i].node, ast.Import | ast.ImportFrom)}
        out |= users
        fresh = {name for index in users for name in defines.get(index, ())}
    return out


def _plain_module(file: File, index: int) -> bool:
    node = file.source.statements[index].node
    if not isinstance(node, ast.ClassDef):
        return False
    ref = file.top(node.name)
    return isinstance(ref, ClassRef) and file.project.is_module(ref) is True


def _entry_point(node: ast.stmt, names: set[str]) -> bool:
    """A function that only calls one of these with plain settings and gives back what it returns.

    ``return _create_net("net_tiny", pretrained, **dict(depth=2, **kwargs))``: nothing is known there that is not known
    inside, unless a setting turns strictness off or names a prefix.
    """
    if not isinstance(node, ast.FunctionDef) or len(node.body) > 4:
        return False
    returned: set[str] = set()
    for stmt in reversed(node.body):
        value = getattr(stmt, "value", None)
        match stmt:
            case ast.Return(value=ast.Name(id=name)):
                returned.add(name)
                continue
            case ast.Return() | ast.Expr(value=ast.Constant()):
                pass
            case ast.Assign(targets=[ast.Name(id=name)]) if name in returned or not _mentions(value, names):
                pass
            case _:
                return False
        if value is not None and not _settings(value):
            return False
    return True


def _mentions(node: ast.AST | None, names: set[str]) -> bool:
    return node is not None and any(isinstance(n, ast.Name) and n.id in names for n in walk(node))


def _settings(value: ast.expr) -> bool:
    """Calls of names, displays, constants and names alone; not ``strict=...``, no text that may be a prefix."""
    for node in walk(value):
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str) and (node.value.endswith(".") or "module" in node.value):
                return False
        elif isinstance(node, ast.keyword):
            if node.arg is not None and "strict" in node.arg:
                return False
        elif isinstance(node, ast.Call):
            if not isinstance(node.func, ast.Name):
                return False
        elif not isinstance(node, _PLAIN):
            return False
    return True


_PLAIN = (ast.Name, ast.Attribute, ast.List, ast.Tuple, ast.Dict, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop,
          ast.expr_context)  # fmt: skip


def _binds_plainly(statement: Statement) -> bool:
    definition = isinstance(statement.node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    return not definition and not is_table(statement)


def is_table(statement: Statement) -> bool:
    """A large display of settings, bare or handed to one function."""
    node, text = statement.node, statement.text
    value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
    if isinstance(value, ast.Call) and len(value.args) == 1 and not value.keywords:
        value = value.args[0]
    return len(text) > _TABLE and isinstance(value, ast.Dict | ast.List | ast.Tuple)


def _binders(file: File, chosen: set[int]) -> set[int]:
    """Plain statements of the module body that bind what the chosen ones read."""
    out: set[int] = set()
    fresh = set(chosen)
    while fresh:
        read = {word for index in fresh for word in _WORDS.findall(file.source.statements[index].text)}
        fresh = {
            index
            for name in read & file.bound.keys()
            for index in file.bound[name]
            if index not in chosen and index not in out and _binds_plainly(file.source.statements[index])
        }  # fmt: skip
        out |= fresh
    return out
