"""From libcst's expressions to those of the lowered tree."""

from __future__ import annotations

import ast
import warnings
from typing import TYPE_CHECKING, Any

from modelint.lint import tree as t

if TYPE_CHECKING:
    import libcst as cst
else:
    from modelint.lint.parser import nodes as cst

OPS: dict[type, str] = {
    cst.Add: "+", cst.Subtract: "-", cst.Multiply: "*", cst.Divide: "/", cst.FloorDivide: "//", cst.Modulo: "%",
    cst.Power: "**", cst.BitOr: "|", cst.BitAnd: "&", cst.BitXor: "^", cst.LeftShift: "<<", cst.RightShift: ">>",
    cst.MatrixMultiply: "@", cst.AddAssign: "+", cst.SubtractAssign: "-", cst.MultiplyAssign: "*",
    cst.DivideAssign: "/", cst.FloorDivideAssign: "//", cst.ModuloAssign: "%", cst.PowerAssign: "**",
    cst.BitOrAssign: "|", cst.BitAndAssign: "&", cst.BitXorAssign: "^", cst.LeftShiftAssign: "<<",
    cst.RightShiftAssign: ">>", cst.MatrixMultiplyAssign: "@", cst.Equal: "==", cst.NotEqual: "!=",
    cst.LessThan: "<", cst.LessThanEqual: "<=", cst.GreaterThan: ">", cst.GreaterThanEqual: ">=", cst.In: "in",
    cst.NotIn: "not in", cst.Is: "is", cst.IsNot: "is not", cst.And: "and", cst.Or: "or",
}  # fmt: skip


#: No key and no name of a file is longer: escapes in such a text need no decoding.
_LONG = 400


def _string(node: cst.SimpleString) -> str | bytes:
    """The value of a string literal; most need no decoding, and none may print a warning."""
    text = node.value
    plain = text[1:] if text[0] in "rR" and text[1] in "\"'" else text
    if plain[0] in "\"'" and (plain is not text or "\\" not in text or len(text) > _LONG):
        quotes = 3 if plain[:3] in ('"""', "'''") and len(plain) >= 6 else 1
        return plain[quotes:-quotes]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value: str | bytes = ast.literal_eval(text)
        return value


def _number(text: str) -> float:
    """A number that only has to differ from small integers."""
    try:
        return float(text.replace("_", ""))
    except ValueError:
        return 0.5  # hexadecimal, complex, huge


_CONSTANTS = {"True": True, "False": False, "None": None}


class Expressions:
    """Lowers expressions, numbered from ``first``. A node has its number before any node below it has one."""

    def __init__(self, first: int = 0) -> None:
        self.count = first
        self._words: list[set[str]] = []

    def number(self) -> int:
        self.count += 1
        return self.count - 1

    def word(self, text: str) -> str:
        if self._words:
            self._words[-1].add(text)
        return text

    def _pop_words(self) -> frozenset[str]:
        words = self._words.pop()
        if self._words:
            self._words[-1] |= words
        return frozenset(words)

    def params(self, node: cst.Parameters) -> list[t.Param]:
        out: list[t.Param] = []

        def add(p: cst.Param, kind: str) -> None:
            n = self.number()
            annotation = self.expr(p.annotation.annotation) if p.annotation else None
            out.append(t.Param(n, p.name.value, kind, self.optional(p.default), annotation))

        for p in (*node.posonly_params, *node.params):
            add(p, "")
        if isinstance(node.star_arg, cst.Param):
            add(node.star_arg, "*")
        for p in node.kwonly_params:
            add(p, "keyword")
        if node.star_kwarg:
            add(node.star_kwarg, "**")
        return out

    def optional(self, node: cst.BaseExpression | None) -> t.Expr | None:
        return None if node is None else self.expr(node)

    def expr(self, node: cst.CSTNode) -> t.Expr:
        handler = _EXPR.get(type(node))
        return handler(self, node) if handler else t.Other(self.number())

    def name(self, node: cst.Name) -> t.Expr:
        n = self.number()
        if node.value in _CONSTANTS:
            return t.Const(n, _CONSTANTS[node.value])
        return t.Name(n, self.word(node.value))

    def attr(self, node: cst.Attribute) -> t.Expr:
        n = self.number()
        return t.Attr(n, self.expr(node.value), self.word(node.attr.value))

    def call(self, node: cst.Call) -> t.Expr:
        n = self.number()
        func = self.expr(node.func)
        args = [
            t.Arg(self.number(), self.expr(a.value), a.keyword.value if a.keyword else None, a.star) for a in node.args
        ]
        return t.Call(n, func, args)

    def sub(self, node: cst.Subscript) -> t.Expr:
        n = self.number()
        value = self.expr(node.value)
        parts: list[t.Expr] = []
        for element in node.slice:
            s = element.slice
            if isinstance(s, cst.Index):
                parts.append(self.expr(s.value))
            elif isinstance(s, cst.Slice):
                parts.append(t.Slice(self.number(), self.optional(s.lower), self.optional(s.upper)))
        return t.Sub(n, value, parts[0] if len(parts) == 1 else t.Seq(n, "tuple", parts))

    def string(self, node: cst.SimpleString) -> t.Expr:
        return t.Const(self.number(), _string(node))

    def number_(self, node: cst.Integer | cst.Float | cst.Imaginary) -> t.Expr:
        n = self.number()
        return t.Const(n, int(node.value) if node.value.isdecimal() and len(node.value) < 19 else _number(node.value))

    def joined(self, node: cst.ConcatenatedString) -> t.Expr:
        n = self.number()
        parts: list[t.Expr] = []
        rest: cst.BaseExpression = node
        while isinstance(rest, cst.ConcatenatedString):
            parts.append(self.expr(rest.left))
            rest = rest.right
        parts.append(self.expr(rest))
        if all(isinstance(p, t.Const) and isinstance(p.value, str) for p in parts):
            return t.Const(n, "".join(str(p.value) for p in parts if isinstance(p, t.Const)))
        return t.FStr(n, parts)

    def fstring(self, node: cst.FormattedString) -> t.Expr:
        n = self.number()
        parts: list[t.Expr] = []
        for p in node.parts:
            if isinstance(p, cst.FormattedStringExpression):
                parts.append(self.expr(p.expression))
            elif isinstance(p, cst.FormattedStringText):
                parts.append(t.Const(self.number(), p.value))
        return t.FStr(n, parts)

    def seq(self, node: cst.List | cst.Tuple | cst.Set) -> t.Expr:
        n = self.number()
        elts: list[t.Expr] = []
        for e in node.elements:
            if isinstance(e, cst.StarredElement):
                elts.append(t.Wrapped(self.number(), "*", self.expr(e.value)))
            else:
                elts.append(self.expr(e.value))
        return t.Seq(n, type(node).__name__.lower(), elts)

    def dict_(self, node: cst.Dict) -> t.Expr:
        n = self.number()
        items: list[tuple[t.Expr | None, t.Expr]] = []
        for e in node.elements:
            if isinstance(e, cst.DictElement):
                items.append((self.expr(e.key), self.expr(e.value)))
            else:
                items.append((None, self.expr(e.value)))
        return t.DictExpr(n, items)

    def comp(self, node: cst.ListComp | cst.SetComp | cst.GeneratorExp | cst.DictComp) -> t.Expr:
        n = self.number()
        fors: list[t.For1] = []
        comp_for: cst.CompFor | None = node.for_in
        while comp_for is not None:
            f = self.number()
            target, it = self.expr(comp_for.target), self.expr(comp_for.iter)
            fors.append(t.For1(f, target, it, [self.expr(i.test) for i in comp_for.ifs]))
            comp_for = comp_for.inner_for_in
        if isinstance(node, cst.DictComp):
            return t.Comp(n, "dict", self.expr(node.key), self.expr(node.value), fors)
        kind = {cst.ListComp: "list", cst.SetComp: "set"}.get(type(node), "generator")
        return t.Comp(n, kind, None, self.expr(node.elt), fors)

    def bin(self, node: cst.BinaryOperation) -> t.Expr:
        n = self.number()
        return t.Bin(n, OPS[type(node.operator)], self.expr(node.left), self.expr(node.right))

    def bool_(self, node: cst.BooleanOperation) -> t.Expr:
        n = self.number()
        left, right = self.expr(node.left), self.expr(node.right)
        op = OPS[type(node.operator)]
        head = left.values if isinstance(left, t.BoolOp) and left.op == op else [left]
        tail = right.values if isinstance(right, t.BoolOp) and right.op == op else [right]
        return t.BoolOp(n, op, [*head, *tail])

    def unary(self, node: cst.UnaryOperation) -> t.Expr:
        n = self.number()
        value = self.expr(node.expression)
        if isinstance(node.operator, cst.Not):
            return t.Not(n, value)
        if isinstance(node.operator, cst.Minus) and isinstance(value, t.Const) and isinstance(value.value, int | float):
            return t.Const(n, -value.value)
        return t.Wrapped(n, "unary", value)

    def compare(self, node: cst.Comparison) -> t.Expr:
        n = self.number()
        left = self.expr(node.left)
        return t.Compare(n, left, [(OPS[type(c.operator)], self.expr(c.comparator)) for c in node.comparisons])

    def ifexp(self, node: cst.IfExp) -> t.Expr:
        n = self.number()
        return t.IfExp(n, self.expr(node.test), self.expr(node.body), self.expr(node.orelse))

    def lambda_(self, node: cst.Lambda) -> t.Expr:
        n = self.number()
        return t.Lambda(n, self.params(node.params), self.expr(node.body))

    def await_(self, node: cst.Await) -> t.Expr:
        return t.Wrapped(self.number(), "await", self.expr(node.expression))

    def yield_(self, node: cst.Yield) -> t.Expr:
        n = self.number()
        value = node.value
        if isinstance(value, cst.From):
            return t.Wrapped(n, "yield", self.expr(value.item))
        return t.Wrapped(n, "yield", self.expr(value)) if value is not None else t.Other(n)

    def walrus(self, node: cst.NamedExpr) -> t.Expr:
        n = self.number()
        return t.Walrus(n, self.expr(node.target), self.expr(node.value))


_EXPR: dict[type, Any] = {
    cst.Name: Expressions.name, cst.Attribute: Expressions.attr, cst.Call: Expressions.call,
    cst.Subscript: Expressions.sub, cst.SimpleString: Expressions.string, cst.Integer: Expressions.number_,
    cst.Float: Expressions.number_, cst.Imaginary: Expressions.number_, cst.ConcatenatedString: Expressions.joined,
    cst.FormattedString: Expressions.fstring, cst.List: Expressions.seq, cst.Tuple: Expressions.seq,
    cst.Set: Expressions.seq, cst.Dict: Expressions.dict_, cst.ListComp: Expressions.comp,
    cst.SetComp: Expressions.comp, cst.GeneratorExp: Expressions.comp, cst.DictComp: Expressions.comp,
    cst.BinaryOperation: Expressions.bin, cst.BooleanOperation: Expressions.bool_,
    cst.UnaryOperation: Expressions.unary, cst.Comparison: Expressions.compare, cst.IfExp: Expressions.ifexp,
    cst.Lambda: Expressions.lambda_, cst.Await: Expressions.await_, cst.Yield: Expressions.yield_,
    cst.NamedExpr: Expressions.walrus,
}  # fmt: skip
