"""Which statements of a file to interpret: those that can matter to weights, and those that lead to or from them.

The text and the ast decide here only what is worth giving to libcst; every diagnostic is decided on libcst.
Whatever a rule could report must be let through, and a test holds this file to that on real code.
"""

from __future__ import annotations

import ast
import re

from modelint.lint import known
from modelint.lint.index import ClassRef, ExtRef, File, Import, ast_dotted

#: Words of a statement through which state dicts, checkpoints or wrappers go.
_FLOW = re.compile(
    r"state_dict|DataParallel|AveragedModel|load_url|load_file|save_file|load_checkpoint|load_ckpt|load_pretrained_weights"
    r"|best\w*\s*=\s*[\w.]*(?:model|net|network)\b"
)
#: A prefix taken off something, as ``keys`` knows the ways.
_REWRITE = re.compile(
    r"""\.replace\(\s*f?["'][\w.]*\.["']\s*,\s*["']["']|\[\s*(?:[2-9]|\d\d+|len\([^)]*\))\s*:\s*\]|\.l?strip\(\s*["'][\w.]+\.["']"""
    r"""|\.split\(\s*["'][\w.]+\.["']"""
)
#: A try around something that, by its name, loads.
_TRY = re.compile(r"\bexcept\b")
_LOADS = re.compile(r"\w*(?:load|resume|restore|pretrain|init_weight|checkpoint)\w*\s*\(", re.IGNORECASE)
_REPEATED = re.compile(r"\]\s*\)?\s*\*|\*\s*\(?\s*\[")
_WRAPS = re.compile(r"DataParallel|AveragedModel|torch\.compile")
_WORDS = re.compile(r"[A-Za-z_]\w*")
#: Modules of which a function named like this reads or writes checkpoints.
_VERBS = {"torch": ("save", "load", "compile"), "pickle": ("dump",), "joblib": ("dump",), "dill": ("dump",),
          "torch_xla.core.xla_model": ("save",)}  # fmt: skip

_CONTAINER_CALLS = frozenset({"list", "dict", "OrderedDict", "tuple", "set", "defaultdict"})
_CONTAINER_NODES = (
    ast.List,
    ast.Dict,
    ast.Tuple,
    ast.Set,
    ast.ListComp,
    ast.DictComp,
    ast.SetComp,
    ast.GeneratorExp,
    ast.BinOp,
)
_GROWS = frozenset({"append", "extend", "insert", "update", "add", "setdefault"})


def select(file: File) -> list[int]:
    """The indices of the statements to interpret, in order."""
    verbs = _verbs(file)
    seeds: set[int] = set()
    chosen: set[int] = set()
    for statement in file.source.statements:
        text = statement.text
        if _FLOW.search(text) or (verbs and verbs.search(text)) or _REWRITE.search(text) or (
            _TRY.search(text) and _LOADS.search(text)
        ):  # fmt: skip
            seeds.add(statement.index)
        elif _REPEATED.search(text) or any(_defines(file, node) for node in statement.nodes):
            chosen.add(statement.index)
    seeds |= _through_imports(file, seeds)
    chosen |= _users(file, seeds)
    return sorted(chosen | _binders(file, chosen))


def _verbs(file: File) -> re.Pattern[str] | None:
    """The calls by which this file's imports name torch.save, torch.load, torch.compile, pickle.dump, wrappers."""
    words: list[str] = []
    for name, imported in file.imports.items():
        if imported.name is None:
            head = imported.module
            if head in _VERBS:
                words.append(rf"{re.escape(name)}\s*\.\s*(?:{'|'.join(_VERBS[head])})")
        elif f"{imported.module}.{imported.name}" in _VERBS:
            words.append(rf"{re.escape(name)}\s*\.\s*(?:{'|'.join(_VERBS[f'{imported.module}.{imported.name}'])})")
        elif imported.name in _VERBS.get(imported.module, ()) or _WRAPS.search(imported.name):
            words.append(re.escape(name))
    return re.compile(rf"\b(?:{'|'.join(words)})\b") if words else None


# --- leading to and from ----------------------------------------------------------------------------------------------


def _through_imports(file: File, seeds: set[int]) -> set[int]:
    """Statements that use a function or class of another file that puts on wrappers: the save may be in a third."""
    names: dict[str, Import] = {n: i for n, i in file.imports.items() if i.name is not None or i.level or i.module}
    wrapping: set[str] = set()
    for name, imported in names.items():
        path = file.project.module_path(file, imported.module, imported.level)
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
            if i not in out and not fresh.isdisjoint(found) and not _plain_module(file, i)
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
            if index not in chosen and index not in out
            and not isinstance(file.source.statements[index].node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        }  # fmt: skip
        out |= fresh
    return out


# --- module classes ---------------------------------------------------------------------------------------------------


def _defines(file: File, node: ast.stmt) -> bool:
    """Does a class below this statement do what a rule of the define stage could report?"""
    stack: list[ast.stmt] = [node]
    while stack:
        top = stack.pop()
        if isinstance(top, ast.ClassDef):
            if top.bases and _candidate(file, top):
                return True
            stack.extend(top.body)
        elif isinstance(top, ast.If | ast.Try):
            stack.extend([*top.body, *top.orelse])
        elif isinstance(top, ast.FunctionDef):
            stack.extend(s for s in top.body if isinstance(s, ast.ClassDef))
    return False


def _candidate(file: File, cls: ast.ClassDef) -> bool:
    ref = file.top(cls.name)
    if isinstance(ref, ClassRef) and file.definition(ref.statement, cls.name) is cls:
        if file.project.is_module(ref) is not True:
            return False
    grows = False
    for method in _functions(cls.body):
        if method.name == "__init__" and _init_candidate(method):
            return True
        if method.name == "forward" and _makes_modules(file, method):
            return True
        updates = method.name == "forward" or "update" in method.name or "step" in method.name or "queue" in method.name
        simple = _statements(method.body)
        local = {
            target.id
            for stmt in simple
            if isinstance(stmt, ast.Assign) and _container(stmt.value)
            for target in stmt.targets
            if isinstance(target, ast.Name)
        }
        for stmt in simple:
            if isinstance(stmt, ast.Assign | ast.AnnAssign) and stmt.value is not None:
                targets = stmt.targets if isinstance(stmt, ast.Assign) else [stmt.target]
                for target in targets:
                    if _on_self(target) and (
                        _suspicious(stmt.value, updates)
                        or (isinstance(stmt.value, ast.Name) and stmt.value.id in local)
                    ):
                        return True
            elif (
                isinstance(stmt, ast.Expr)
                and isinstance(stmt.value, ast.Call)
                and isinstance(stmt.value.func, ast.Attribute)
            ):
                grows = grows or (stmt.value.func.attr in _GROWS and _on_self(stmt.value.func.value))
    return grows


def _functions(body: list[ast.stmt]) -> list[ast.FunctionDef]:
    out: list[ast.FunctionDef] = []
    for stmt in body:
        if isinstance(stmt, ast.FunctionDef):
            out.append(stmt)
        elif isinstance(stmt, ast.If | ast.Try):
            out.extend(_functions([*stmt.body, *stmt.orelse]))
    return out


def _statements(body: list[ast.stmt]) -> list[ast.stmt]:
    """All simple statements at any depth of blocks."""
    out: list[ast.stmt] = []
    stack = list(body)
    while stack:
        stmt = stack.pop()
        if isinstance(stmt, ast.If | ast.For | ast.While | ast.With | ast.Try):
            for field in ("body", "orelse", "finalbody"):
                stack.extend(getattr(stmt, field, ()))
            for handler in getattr(stmt, "handlers", ()):
                stack.extend(handler.body)
        else:
            out.append(stmt)
    return out


def _container(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Name) and value.func.id in _CONTAINER_CALLS
    return isinstance(value, _CONTAINER_NODES)


def _on_self(target: ast.expr) -> bool:
    return isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name)


def _suspicious(value: ast.expr, updates: bool) -> bool:
    """A value that may hide weights: a plain container, a changed Parameter, a tensor, a compiled module, None."""
    if isinstance(value, ast.Constant):
        return False
    if isinstance(value, ast.Name):
        return False
    if updates and not isinstance(value, ast.Attribute):
        return True
    if isinstance(value, _CONTAINER_NODES):
        return any(isinstance(n, ast.Call | ast.Name) for n in ast.walk(value))
    if not isinstance(value, ast.Call):
        return any(isinstance(n, ast.Call) for n in ast.walk(value)) and not isinstance(value, ast.Compare)
    func = value.func
    root = func
    while isinstance(root, ast.Attribute):
        root = root.value
    if isinstance(root, ast.Call):
        return True  # a method of a call's result: nn.Parameter(...).to(...)
    last = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
    if isinstance(root, ast.Name) and root.id == "self":
        return last.startswith(("register_", "add_module")) or not isinstance(func, ast.Attribute)
    if last in _CONTAINER_CALLS or last in known.TENSOR_MAKERS or last in ("Variable", "compile"):
        return True
    return any(k.arg == "requires_grad" for k in value.keywords)


def _init_candidate(method: ast.FunctionDef) -> bool:
    """No call of an ``__init__``, one that comes after something else, or a default that is a call."""
    if any(isinstance(default, ast.Call) for default in [*method.args.defaults, *method.args.kw_defaults]):
        return True
    for stmt in method.body:
        if isinstance(stmt, ast.Expr) and isinstance(stmt.value, ast.Constant):
            continue
        if isinstance(stmt, ast.Expr) and isinstance(stmt.value, ast.Call):
            func = stmt.value.func
            if isinstance(func, ast.Attribute) and func.attr == "__init__":
                return False
        if any(_on_self(t) for t in getattr(stmt, "targets", ())) and not isinstance(
            getattr(stmt, "value", None), ast.Name | ast.Constant | ast.Attribute
        ):
            return True
        if isinstance(stmt, ast.If | ast.For | ast.With | ast.Try | ast.Expr):
            return True
    return False


def _makes_modules(file: File, method: ast.FunctionDef) -> bool:
    seen: set[str] = set()
    for node in ast.walk(method):
        if isinstance(node, ast.Call):
            func = node.func
            last = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
            if last[:1].isupper() and last not in seen:
                seen.add(last)
                name = ast_dotted(func)
                ref = file.resolve(name) if name else None
                if isinstance(ref, ExtRef):
                    cls = known.torch_nn_class(ref.dotted)
                    if cls and cls not in known.PARAMETER_FREE:
                        return True
                elif isinstance(ref, ClassRef) and file.project.is_module(ref) is True:
                    return True
    return False
