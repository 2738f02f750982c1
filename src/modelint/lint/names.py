"""What the top level of one file binds, and what its names stand for across the files of the project.

Small, and kept for the whole run: a name is resolved without a second look at the file.
"""

from __future__ import annotations

import ast
import builtins
import re
from typing import TYPE_CHECKING, NamedTuple

from modelint.lint.asts import ast_dotted, definitions_of, methods_of, statements_below

if TYPE_CHECKING:
    from modelint.lint.index import Index
    from modelint.lint.source import Source


class ClassRef(NamedTuple):
    path: str
    statement: int
    n: int
    name: str


class FuncRef(NamedTuple):
    path: str
    statement: int
    n: int
    name: str


#: Stands for the number of a definition of the top level: which one it is, its name tells.
TOP = -1


class ExtRef(NamedTuple):
    dotted: str


class ModuleRef(NamedTuple):
    """A file of the project, or a folder that is a package without ``__init__.py``."""

    path: str


Ref = ClassRef | FuncRef | ExtRef | ModuleRef


class Import(NamedTuple):
    """``from module import name`` (name None: the module itself)."""

    module: str
    level: int
    name: str | None


class Head(NamedTuple):
    """What the ast says of a class of the top level: names of bases (None: no name) and of its own methods."""

    bases: tuple[str | None, ...]
    methods: frozenset[str]


_BUILTINS = frozenset(dir(builtins))
#: Where a statement may be an import; strings may look so, too.
_IMPORTS = re.compile(r"(?:^|[:;])[ \t]*(?:import|from)\b", re.MULTILINE)


class Names:
    """The names of one file."""

    __slots__ = ("_resolved", "bound", "heads", "imports", "links", "missing", "path", "plain", "project", "stars")

    def __init__(self, project: Index, source: Source) -> None:
        self.project = project
        self.path = source.path
        self.imports: dict[str, Import] = {}
        self.stars: list[Import] = []
        #: Top-level name -> the statements that bind it.
        self.bound: dict[str, list[int]] = {}
        #: The classes of the top level, by statement and name; None for a function.
        self.heads: dict[tuple[int, str], Head | None] = {}
        #: Plain statements that bind: the dotted name that they give another name to, None for any other value.
        self.plain: dict[int, str | None] = {}
        #: Project files that resolving names of this file led to, and places that were looked at in vain.
        self.links, self.missing = project.trail(source.path)
        self._resolved: dict[str, Ref | None] = {}
        for statement in source.statements:
            for top in statement.nodes:
                self._bind(statement.index, top)
            for each in definitions_of(statement.nodes):
                self.heads[statement.index, each.name] = _head(each) if isinstance(each, ast.ClassDef) else None
            node = statement.node
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name | ast.Attribute):
                self.plain[statement.index] = ast_dotted(node.value)
            elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Expr):
                self.plain[statement.index] = None
            if _IMPORTS.search(statement.text):
                for stmt in statements_below(statement.nodes):
                    self._import(stmt)

    def _bind(self, index: int, node: ast.stmt) -> None:
        stack: list[ast.AST] = [node]
        while stack:
            top = stack.pop()
            names: list[str] = []
            match top:
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                    names.append(top.name)
                case ast.Assign():
                    names.extend(target.id for target in top.targets if isinstance(target, ast.Name))
                case ast.AnnAssign() if isinstance(top.target, ast.Name):
                    names.append(top.target.id)
                case ast.If() | ast.Try() | ast.With() | ast.For() | ast.While():
                    for field in ("body", "orelse", "handlers", "finalbody"):
                        stack.extend(getattr(top, field, ()))
                case ast.ExceptHandler():
                    stack.extend(top.body)
            for name in names:
                self.bound.setdefault(name, []).append(index)

    def _import(self, node: ast.AST) -> None:
        match node:
            case ast.Import():
                for alias in node.names:
                    if alias.asname:
                        self._name(alias.asname, Import(alias.name, 0, None))
                    else:
                        self._name(alias.name.split(".")[0], Import(alias.name.split(".")[0], 0, None))
            case ast.ImportFrom():
                for alias in node.names:
                    if alias.name == "*":
                        self.stars.append(Import(node.module or "", node.level, None))
                    else:
                        self._name(alias.asname or alias.name, Import(node.module or "", node.level, alias.name))

    def _name(self, name: str, value: Import) -> None:
        """Of rival imports (``try: from apex ... except ImportError: from torch ...``) torch's own counts."""
        old = self.imports.get(name)
        if old is None or not old.module.startswith("torch"):
            self.imports[name] = value

    def top(self, name: str) -> ClassRef | FuncRef | None:
        """The class or function that the top level binds to ``name``, the last one if there are several."""
        for index in reversed(self.bound.get(name, ())):
            if (index, name) in self.heads:
                kind = FuncRef if self.heads[index, name] is None else ClassRef
                return kind(self.path, index, TOP, name)
        return None

    def resolve(self, dotted: str) -> Ref | None:
        """What a dotted name stands for at this file's top level; None where that is not known."""
        if dotted not in self._resolved:
            self._resolved[dotted] = None  # a cycle of imports ends here
            self._resolved[dotted] = self._resolve(dotted)
        return self._resolved[dotted]

    def _resolve(self, dotted: str) -> Ref | None:
        head, _, rest = dotted.partition(".")
        ref: Ref | None = None
        if head in self.bound:
            ref = self._bound(head)
        if ref is None and head in self.imports:
            ref = self.follow(self.imports[head])
        if ref is None and head not in self.bound and head not in _BUILTINS:
            for star in self.stars:
                module = self.follow(star)
                if isinstance(module, ModuleRef):
                    ref = self.project.member(self, module, head) if self.project.may_bind(module.path, head) else None
                    if ref:
                        break
                elif isinstance(module, ExtRef) and module.dotted.startswith("torch"):
                    ref = ExtRef(f"{module.dotted}.{head}")
        for part in rest.split(".") if rest else ():
            if isinstance(ref, ExtRef):
                ref = ExtRef(f"{ref.dotted}.{part}")
            elif isinstance(ref, ModuleRef):
                ref = self.project.member(self, ref, part)
            else:
                return None
        return ref

    def _bound(self, name: str) -> Ref | None:
        index = self.bound[name][-1]
        if index not in self.plain:
            return self.top(name)
        alias = self.plain[index]
        return self.resolve(alias) if alias and alias != name else None

    def follow(self, imported: Import) -> Ref | None:
        path = self.project.module_path(self, imported.module, imported.level)
        if path is None:
            dotted = imported.module if imported.name is None else f"{imported.module}.{imported.name}"
            return ExtRef(dotted) if imported.level == 0 else None
        module = ModuleRef(path)
        return module if imported.name is None else self.project.member(self, module, imported.name)


def _head(node: ast.ClassDef) -> Head:
    bases = (ast_dotted(base.value if isinstance(base, ast.Subscript) else base) for base in node.bases)
    return Head(tuple(bases), frozenset(method.name for method in methods_of(node.body)))
