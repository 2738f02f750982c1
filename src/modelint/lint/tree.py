"""The lowered tree: what the interpreter needs of a libcst statement, and nothing else.

Every node carries ``n``, its number in the order in which ``lower`` met the libcst nodes of one top-level statement.
The number is all that a fact keeps of a position; ``places`` turns it into lines and columns where a diagnostic stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, dataclass_transform

_T = TypeVar("_T")


@dataclass_transform(eq_default=False)
def _node(cls: type[_T]) -> type[_T]:
    """A dataclass with slots. Without a docstring it would be given its signature, which takes half of the import."""
    cls.__doc__ = cls.__doc__ or cls.__name__
    return dataclass(slots=True, eq=False, repr=False)(cls)


@_node
class Node:
    n: int


@_node
class Expr(Node):
    pass


@_node
class Stmt(Node):
    pass


@_node
class Name(Expr):
    id: str


@_node
class Attr(Expr):
    value: Expr
    attr: str


@_node
class Arg(Node):
    value: Expr
    keyword: str | None
    star: str


@_node
class Call(Expr):
    func: Expr
    args: list[Arg]


@_node
class Slice(Expr):
    lower: Expr | None
    upper: Expr | None


@_node
class Sub(Expr):
    value: Expr
    index: Expr


@_node
class Const(Expr):
    value: object


@_node
class FStr(Expr):
    parts: list[Expr]


@_node
class Seq(Expr):
    kind: str
    elts: list[Expr]


@_node
class DictExpr(Expr):
    items: list[tuple[Expr | None, Expr]]


@_node
class For1(Node):
    """One ``for target in iter if ...`` of a comprehension."""

    target: Expr
    iter: Expr
    ifs: list[Expr]


@_node
class Comp(Expr):
    kind: str
    key: Expr | None
    value: Expr
    fors: list[For1]


@_node
class Bin(Expr):
    op: str
    left: Expr
    right: Expr


@_node
class BoolOp(Expr):
    op: str
    values: list[Expr]


@_node
class Not(Expr):
    value: Expr


@_node
class Compare(Expr):
    left: Expr
    ops: list[tuple[str, Expr]]


@_node
class IfExp(Expr):
    test: Expr
    body: Expr
    orelse: Expr
    unwraps: list[frozenset[tuple[str, str]]] | None = None


@_node
class Param(Node):
    name: str
    kind: str
    default: Expr | None
    annotation: Expr | None


@_node
class Lambda(Expr):
    params: list[Param]
    body: Expr


@_node
class Wrapped(Expr):
    """A starred, awaited or yielded expression, or a unary minus: the value below it is what matters."""

    kind: str
    value: Expr


@_node
class Walrus(Expr):
    target: Expr
    value: Expr


@_node
class Other(Expr):
    """An expression that nothing here reads."""


@_node
class Assign(Stmt):
    targets: list[Expr]
    value: Expr


@_node
class AugAssign(Stmt):
    target: Expr
    op: str
    value: Expr


@_node
class ExprStmt(Stmt):
    value: Expr


@_node
class If(Stmt):
    test: Expr
    body: list[Stmt]
    orelse: list[Stmt]
    #: What ``guards.unwrapped_paths`` says of the two arms, once asked.
    unwraps: list[frozenset[tuple[str, str]]] | None = None


@_node
class For(Stmt):
    target: Expr
    iter: Expr
    body: list[Stmt]
    orelse: list[Stmt]
    words: frozenset[str] = field(default=frozenset())


@_node
class While(Stmt):
    test: Expr
    body: list[Stmt]
    orelse: list[Stmt]
    words: frozenset[str] = field(default=frozenset())


@_node
class With(Stmt):
    items: list[tuple[Expr, Expr | None]]
    body: list[Stmt]


@_node
class Handler(Node):
    types: Expr | None
    name: str | None
    body: list[Stmt]


@_node
class Try(Stmt):
    body: list[Stmt]
    handlers: list[Handler]
    orelse: list[Stmt]
    final: list[Stmt]


@_node
class Return(Stmt):
    value: Expr | None


@_node
class Raise(Stmt):
    value: Expr | None


@_node
class Jump(Stmt):
    kind: str


@_node
class Delete(Stmt):
    targets: list[Expr]


@_node
class Assert(Stmt):
    test: Expr


@_node
class Case(Node):
    names: list[str]
    body: list[Stmt]


@_node
class Match(Stmt):
    subject: Expr
    cases: list[Case]


@_node
class Def(Stmt):
    """A function, whose body is lowered where somebody asks for it (`cut`)."""

    name: str
    params: list[Param]
    decorators: list[Expr]
    _body: list[Stmt] | Callable[[], list[Stmt]]
    _words: frozenset[str] | Callable[[], frozenset[str]]

    @property
    def body(self) -> list[Stmt]:
        if not isinstance(self._body, list):
            self._body = self._body()
        return self._body

    @property
    def words(self) -> frozenset[str]:
        """Every identifier below this definition: a cheap answer to "can this matter?"."""
        if not isinstance(self._words, frozenset):
            self._words = self._words()
        return self._words


@_node
class Class(Stmt):
    name: str
    bases: list[Expr]
    body: list[Stmt]
    decorators: list[Expr]


@_node
class Nothing(Stmt):
    """Imports, pass, global: known already, or without effect on values."""


def children(node: Node) -> list[Node]:
    """The nodes directly below ``node``, in source order."""
    kind = type(node)
    accessor = _ACCESSORS.get(kind) or _accessor(kind)
    return accessor(node)


def _accessor(kind: type[Node]) -> Callable[[Any], list[Node]]:
    """How to get at the children of this class: its fields are known from their types, and need no look each time."""
    singles = {"Expr", "Expr | None", "Stmt"}
    lists = {"list[Expr]", "list[Stmt]", "list[Arg]", "list[Param]", "list[For1]", "list[Handler]", "list[Case]"}
    steps: list[tuple[str, str]] = []
    for each in fields(kind):
        known = str(each.type)
        if known in singles:
            steps.append((each.name, "one"))
        elif known in lists:
            steps.append((each.name, "many"))
        elif known.startswith("list[tuple["):
            steps.append((each.name, "pairs"))

    def none(node: Any) -> list[Node]:
        return []

    def some(node: Any) -> list[Node]:
        out: list[Node] = []
        for name, shape in steps:
            value = getattr(node, name)
            if shape == "many":
                out += value
            elif shape == "one":
                if value is not None:
                    out.append(value)
            else:
                out += [part for pair in value for part in pair if isinstance(part, Node)]
        return out

    _ACCESSORS[kind] = accessor = some if steps else none
    return accessor


_ACCESSORS: dict[type, Callable[[Any], list[Node]]] = {
    Name: lambda node: [],
    Const: lambda node: [],
    Attr: lambda node: [node.value],
    Arg: lambda node: [node.value],
    Call: lambda node: [node.func, *node.args],
    Sub: lambda node: [node.value, node.index],
    ExprStmt: lambda node: [node.value],
    Assign: lambda node: [*node.targets, node.value],
    Def: lambda node: [*node.params, *node.body, *node.decorators],
}


def walk(node: Node | list[Stmt]) -> Iterator[Node]:
    """All nodes at and below ``node``, in source order, without recursion."""
    stack: list[Node] = node[::-1] if isinstance(node, list) else [node]  # type: ignore[assignment]
    accessors = _ACCESSORS
    while stack:
        top = stack.pop()
        yield top
        kind = type(top)
        below = (accessors.get(kind) or _accessor(kind))(top)
        if below:
            below.reverse()
            stack += below


def dotted(expr: Expr) -> str | None:
    """``a.b.c`` for a name with attributes only, else None."""
    parts: list[str] = []
    while isinstance(expr, Attr):
        parts.append(expr.attr)
        expr = expr.value
    if not isinstance(expr, Name):
        return None
    parts.append(expr.id)
    return ".".join(reversed(parts))


def last_name(expr: Expr) -> str:
    """The last word of a callee: ``c`` of ``a.b.c`` and of ``f().c``; "" where there is none."""
    if isinstance(expr, Attr):
        return expr.attr
    return expr.id if isinstance(expr, Name) else ""
