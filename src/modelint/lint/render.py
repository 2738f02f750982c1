"""Expressions as texts that can be compared."""

from __future__ import annotations

from modelint.lint import tree as t


def render(expr: t.Expr | None, depth: int = 0) -> str:
    """A canonical text of an expression: equal texts mean the same test. Not meant for people."""
    if expr is None:
        return ""
    if depth > 8:
        return f"<{expr.n}>"
    match expr:
        case t.Name():
            return expr.id
        case t.Attr():
            return f"{render(expr.value, depth + 1)}.{expr.attr}"
        case t.Const():
            return repr(expr.value)
        case t.Call():
            args = ",".join(f"{a.star}{a.keyword or ''}={render(a.value, depth + 1)}" for a in expr.args)
            return f"{render(expr.func, depth + 1)}({args})"
        case t.Sub():
            return f"{render(expr.value, depth + 1)}[{render(expr.index, depth + 1)}]"
        case t.Not():
            return f"not {render(expr.value, depth + 1)}"
        case t.Compare():
            return render(expr.left, depth + 1) + "".join(f" {op} {render(e, depth + 1)}" for op, e in expr.ops)
        case t.BoolOp():
            return "(" + f" {expr.op} ".join(render(v, depth + 1) for v in expr.values) + ")"
        case t.Bin():
            return f"({render(expr.left, depth + 1)} {expr.op} {render(expr.right, depth + 1)})"
        case t.Seq():
            return f"{expr.kind}[{','.join(render(e, depth + 1) for e in expr.elts)}]"
        case t.Wrapped():
            return f"{expr.kind} {render(expr.value, depth + 1)}"
        case _:
            return f"<{expr.n}>"
