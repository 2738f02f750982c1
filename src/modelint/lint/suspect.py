"""Which module classes could break a rule of the define stage, as far as the ast tells: a net with wide meshes.

A value is followed through the expressions that hand it on, local names and the methods of the class; what a name of
the file stands for is looked up. What is let through is decided by the interpreter, what is not is never looked at.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from functools import cached_property

from modelint.lint import known
from modelint.lint.asts import ast_dotted, methods_of, walk
from modelint.lint.index import File
from modelint.lint.names import ClassRef, ExtRef, FuncRef, Ref

_BUILTINS = frozenset(dir(builtins))
_CONTAINER_CALLS = frozenset(
    {"list", "dict", "OrderedDict", "tuple", "set", "defaultdict", "deque", "reversed", "sorted"}
)
_GROWS = frozenset({"append", "extend", "insert", "update", "add", "setdefault", "appendleft"})
_DISPLAYS = (ast.List, ast.Tuple, ast.Set, ast.Dict, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
#: Parts of the names of methods that change state.
_UPDATES = ("update", "step", "queue", "moment", "observe", "task", "train")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def defines(file: File, node: ast.stmt) -> bool:
    """Does a class below this statement do what a rule of the define stage could report?"""
    stack: list[ast.stmt] = [node]
    while stack:
        top = stack.pop()
        if isinstance(top, ast.ClassDef):
            if top.bases and _Class(file, top).suspect():
                return True
            stack.extend(top.body)
        elif isinstance(top, ast.If | ast.Try):
            stack.extend([*top.body, *top.orelse])
            for handler in getattr(top, "handlers", ()):
                stack.extend(handler.body)
        elif isinstance(top, _FUNCTIONS):
            stack.extend(top.body)
    return False


def repeats(file: File, node: ast.AST) -> bool:
    """``[module] * n`` somewhere below."""
    scope = _Scope(file, node)
    for each in walk(node):
        if isinstance(each, ast.BinOp) and isinstance(each.op, ast.Mult):
            for side in (each.left, each.right):
                if isinstance(side, ast.List | ast.Tuple | ast.ListComp) and scope.makes(side):
                    return True
    return False


class _Scope:
    """The names that a function, or any statement, binds."""

    def __init__(self, file: File, node: ast.AST, owner: _Class | None = None) -> None:
        self.file = file
        self.node = node
        self.owner = owner
        self._assigned: dict[str, list[ast.expr]] | None = None

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return walk(self.node)

    def assigned(self, name: str) -> list[ast.expr]:
        """What is bound to the name or put into what it holds."""
        if self._assigned is None:
            self._assigned = {}
            for node in self.nodes:
                for key, value in _bindings(node) if type(node) in _BINDING else ():
                    self._assigned.setdefault(key, []).append(value)
        return self._assigned.get(name, [])

    def makes(self, value: ast.expr, seen: frozenset[str] = frozenset()) -> bool:
        """May a module or parameter that is made here stand anywhere in this value?"""
        for node in walk(value):
            if isinstance(node, ast.Call) and self._is_maker(node.func):
                return True
            if isinstance(node, ast.Name) and node.id not in seen:
                more = seen | {node.id}
                if any(self.makes(each, more) for each in self.assigned(node.id)):
                    return True
        return False

    def _is_maker(self, func: ast.expr) -> bool:
        """May a call of this give a new module or parameter?"""
        name = ast_dotted(func)
        if name is None:
            return not isinstance(func, ast.Attribute) or isinstance(func.value, ast.Call | ast.Subscript)
        head = name.partition(".")[0]
        if head == "self":
            return self.owner is None or self.owner.returns(name.partition(".")[2], makes=True)
        bound = self.assigned(name)
        if bound and not any(isinstance(each, ast.Call) for each in bound):  # block = Basic if small else Bottleneck
            names = {ast_dotted(n) for each in bound for n in walk(each) if isinstance(n, ast.Name | ast.Attribute)}
            return any(self._refers_to_maker(each) for each in names if each and not self.assigned(each))
        return self._refers_to_maker(name)

    def _refers_to_maker(self, name: str) -> bool:
        ref = self.resolve(name)
        if isinstance(ref, ExtRef):
            return ref.dotted in known.PARAMETER or known.torch_nn_class(ref.dotted) is not None
        if isinstance(ref, ClassRef):
            return self.file.project.is_module(ref) is True
        return isinstance(ref, FuncRef) and _returns(self.file, ref, makes=True)

    def resolve(self, name: str) -> Ref | None:
        head = name.partition(".")[0]
        if head in _BUILTINS and head not in self.file.bound:
            return None
        if bound := self.assigned(head):
            alias = ast_dotted(bound[-1])
            return self.file.resolve(alias) if alias and alias != head and "." not in name else None
        return self.file.resolve(name)

    def suspicious(self, value: ast.expr, depth: int = 0) -> bool:
        """May this be a plain container with modules, a tensor, a changed Parameter, or None from a registration?"""
        if depth > 6:
            return True
        match value:
            case ast.Name():
                held = self.assigned(value.id)
                if any(_is_container(each) for each in held) and self.makes(value):
                    return True
                return any(self.suspicious(each, depth + 1) for each in held)
            case ast.Call():
                return self._call(value, depth)
            case ast.IfExp():
                return any(self.suspicious(each, depth + 1) for each in (value.body, value.orelse))
            case ast.BoolOp():
                return any(self.suspicious(each, depth + 1) for each in value.values)
            case ast.BinOp():
                sides = (value.left, value.right)
                return any(_is_parameter(n) for n in walk(value)) or any(
                    self.suspicious(each, depth + 1) for each in sides
                )
            case ast.Attribute() | ast.Subscript():
                if ast_dotted(value) is not None:
                    return False
                return _is_parameter(value.value) or self.suspicious(value.value, depth + 1)
            case ast.Await() | ast.Starred() | ast.NamedExpr() | ast.UnaryOp():
                inner = value.operand if isinstance(value, ast.UnaryOp) else value.value
                return self.suspicious(inner, depth + 1)
            case _:
                return isinstance(value, _DISPLAYS) and self.makes(value)

    def _call(self, value: ast.Call, depth: int) -> bool:
        func = value.func
        name = ast_dotted(func)
        last = _last(func)
        if last in known.TENSOR_MAKERS or last == "Variable" or (name is not None and ".random." in name):
            return True
        if last in _CONTAINER_CALLS:
            return self.makes(value)
        if any(k.arg == "requires_grad" for k in value.keywords) and last != "Parameter":
            return True
        if isinstance(func, ast.Attribute):
            if isinstance(func.value, ast.Name) and func.value.id == "self":
                by_method = self.owner is not None and self.owner.returns(last, makes=False)
                return by_method or last.startswith(("register_", "add_module"))
            if name is None or self.assigned(name.partition(".")[0]):
                return _is_parameter(func.value) or self.suspicious(func.value, depth + 1)
        ref = self.resolve(name) if name is not None else None
        return isinstance(ref, FuncRef) and _returns(self.file, ref, makes=False)

    def returns(self, *, makes: bool) -> bool:
        """Does the function return (or yield) anything made here, or else anything suspicious?"""
        return any(
            self.makes(node.value) if makes else self.suspicious(node.value)
            for node in self.nodes
            if isinstance(node, ast.Return | ast.Yield | ast.YieldFrom) and node.value is not None
        )


def _returns(file: File, ref: FuncRef, *, makes: bool) -> bool:
    """Does a function of the project return anything made here (or else anything suspicious)?"""
    verdicts = file.project.verdicts
    key = (ref, makes)
    if key not in verdicts:
        verdicts[key] = False  # what calls itself returns what its other returns give
        home = file.project.file(ref.path)
        node = home.definition(ref.statement, ref.name) if home is not None else None
        verdicts[key] = home is None or not isinstance(node, _FUNCTIONS) or _Scope(home, node).returns(makes=makes)
    return verdicts[key]


_BINDING = frozenset({ast.Assign, ast.AnnAssign, ast.AugAssign, ast.NamedExpr, ast.For, ast.Call})


def _bindings(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    match node:
        case ast.Assign():
            for target in node.targets:
                for each in walk(target):
                    if isinstance(each, ast.Name) and each.id != "self":
                        yield each.id, node.value
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            yield name, value
        case ast.AugAssign(target=ast.Name(id=name)) | ast.NamedExpr(target=ast.Name(id=name)):
            yield name, node.value
        case ast.For(target=ast.Name(id=name)):
            yield name, node.iter
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr)) if attr in _GROWS:
            for value in (*node.args, *(k.value for k in node.keywords)):
                yield name, value


class _Class:
    """A class under suspicion."""

    def __init__(self, file: File, node: ast.ClassDef) -> None:
        self.file = file
        self.node = node
        self.methods = {method.name: method for method in methods_of(node.body)}
        self._returning: set[str] = set()

    def suspect(self) -> bool:
        ref = self.file.top(self.node.name)
        inherits = True
        if isinstance(ref, ClassRef) and self.file.definition(ref.statement, self.node.name) is self.node:
            if self.file.project.is_module(ref) is not True:
                return False
            info = self.file.project.info(ref)
            inherits = info is None or any(not isinstance(base, ExtRef) for base in info.bases)
        return any(self._method(method, inherits) for method in self.methods.values())

    def _method(self, method: ast.FunctionDef | ast.AsyncFunctionDef, inherits: bool) -> bool:
        scope = _Scope(self.file, method, self)
        if method.name == "__init__" and (self._late_init(method) or self._default(scope, method)):
            return True
        if method.name == "forward" and self._makes_modules(scope):
            return True
        updates = method.name == "forward" or any(word in method.name for word in _UPDATES)
        for stmt in _simple_statements(method.body):
            if isinstance(stmt, ast.Assign | ast.AnnAssign | ast.AugAssign) and stmt.value is not None:
                targets = stmt.targets if isinstance(stmt, ast.Assign) else [stmt.target]
                for target in (part for each in targets for part in _parts(each)):
                    if _on_object(target):
                        if scope.suspicious(stmt.value) or (updates and _updated(stmt.value, inherits)):
                            return True
                    elif isinstance(target, ast.Subscript) and _on_object(target.value) and scope.makes(stmt.value):
                        return True
            elif isinstance(stmt, ast.Delete) and any(map(_on_object, stmt.targets)):
                return True
            elif isinstance(stmt, ast.Expr) and isinstance(stmt.value, ast.Call):
                func = stmt.value.func
                grows = isinstance(func, ast.Attribute) and func.attr in _GROWS and _on_object(func.value)
                given = (*stmt.value.args, *(k.value for k in stmt.value.keywords))
                if grows and any(scope.makes(arg) for arg in given):
                    return True
        return False

    def returns(self, name: str, *, makes: bool) -> bool:
        """Does a method of the class return anything made here (or else anything suspicious)?"""
        method = self.methods.get(name)
        if method is None or name in self._returning:
            return makes and method is None and "." not in name
        self._returning.add(name)
        found = _Scope(self.file, method, self).returns(makes=makes)
        self._returning.discard(name)
        return found

    def _late_init(self, method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        """Does anything that may register come before a call of an ``__init__``?"""
        for stmt in method.body:
            if isinstance(stmt, ast.Expr) and isinstance(stmt.value, ast.Call):
                func = stmt.value.func
                if isinstance(func, ast.Attribute) and func.attr == "__init__":
                    return False
            for node in walk(stmt):
                if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                    plain = ast.Constant | ast.Attribute
                    if any(map(_on_object, targets)) and not isinstance(node.value, plain):
                        return True
                elif isinstance(node, ast.Call) and (ast_dotted(node.func) or "").startswith("self."):
                    return True
        return True

    def _default(self, scope: _Scope, method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        """A default that is a module."""
        defaults = [*method.args.defaults, *method.args.kw_defaults]
        return any(isinstance(each, ast.Call) and scope.makes(each) for each in defaults)

    def _makes_modules(self, scope: _Scope) -> bool:
        seen: set[str] = set()
        for node in scope.nodes:
            name = ast_dotted(node.func) if isinstance(node, ast.Call) else None
            if name is None or name in seen:
                continue
            seen.add(name)
            ref = scope.resolve(name) if name.rpartition(".")[2][:1].isupper() else None
            if isinstance(ref, ExtRef):
                cls = known.torch_nn_class(ref.dotted)
                if cls and cls not in known.PARAMETER_FREE:
                    return True
            elif isinstance(ref, ClassRef) and self.file.project.is_module(ref) is True:
                return True
        return False


def _simple_statements(body: list[ast.stmt]) -> list[ast.stmt]:
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


def _parts(target: ast.expr) -> list[ast.expr]:
    """``self.a, self.b = ...`` binds both."""
    if isinstance(target, ast.Tuple | ast.List):
        return [part for each in target.elts for part in _parts(each)]
    return [target]


def _on_object(target: ast.expr) -> bool:
    return isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name)


def _is_container(node: ast.expr) -> bool:
    return isinstance(node, _DISPLAYS) or (isinstance(node, ast.Call) and _last(node.func) in _CONTAINER_CALLS)


def _last(func: ast.expr) -> str:
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


def _is_parameter(node: ast.AST) -> bool:
    """``nn.Parameter(...)``."""
    return isinstance(node, ast.Call) and _last(node.func) == "Parameter"


def _updated(value: ast.expr, inherits: bool) -> bool:
    """May this be a new value worked out from a tensor, one of a base class if there is any in the project?"""
    if inherits:
        return not isinstance(value, ast.Attribute | ast.Constant | ast.Name)
    names = (ast_dotted(node.func) for node in walk(value) if isinstance(node, ast.Call))
    return any(name is not None and name.startswith(("torch.", "F.")) for name in names)
