"""From a libcst statement to the lowered tree: the one walk over libcst nodes.

Recursion is bounded: ``source`` leaves out statements whose expressions nest deeper than the evaluator bears,
chains of ``elif`` and of implicitly joined strings are followed in loops, and Python limits indentation to 100 levels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from modelint.lint import cut
from modelint.lint import tree as t
from modelint.lint.expressions import OPS, Expressions
from modelint.lint.parser import parse

if TYPE_CHECKING:
    import libcst as cst
else:
    from modelint.lint.parser import nodes as cst


class Later(NamedTuple):
    """What gives the body of a function, and its words."""

    body: Callable[[], list[t.Stmt]]
    words: Callable[[], frozenset[str]]


class Lowering(Expressions):
    """Lowers one part of a top-level statement; ``later`` gives the bodies and words that `cut` took out."""

    def __init__(self, later: Sequence[Later] = (), *, first: int = 0) -> None:
        super().__init__(first)
        self.later = later

    def module(self, module: cst.Module) -> list[t.Stmt]:
        return self.statements(module.body)

    def body(self, suite: cst.BaseSuite) -> list[t.Stmt]:
        if isinstance(suite, cst.SimpleStatementSuite):
            return [self.small(s) for s in suite.body]
        return self.statements(suite.body)

    def statements(self, items: Sequence[Any]) -> list[t.Stmt]:
        out: list[t.Stmt] = []
        for item in items:
            if isinstance(item, cst.SimpleStatementLine):
                out.extend([self.small(s) for s in item.body])
            else:
                handler = _COMPOUND.get(type(item))
                out.append(handler(self, item) if handler else t.Nothing(self.number()))
        return out

    def small(self, node: cst.BaseSmallStatement) -> t.Stmt:
        n = self.number()
        match node:
            case cst.Expr():
                return t.ExprStmt(n, self.expr(node.value))
            case cst.Assign():
                value = self.expr(node.value)
                return t.Assign(n, [self.expr(target.target) for target in node.targets], value)
            case cst.AnnAssign():
                target = self.expr(node.target)
                if node.value is None:
                    return t.Nothing(n)
                return t.Assign(n, [target], self.expr(node.value))
            case cst.AugAssign():
                return t.AugAssign(n, self.expr(node.target), OPS[type(node.operator)], self.expr(node.value))
            case cst.Return():
                return t.Return(n, self.optional(node.value))
            case cst.Raise():
                return t.Raise(n, self.optional(node.exc))
            case cst.Break():
                return t.Jump(n, "break")
            case cst.Continue():
                return t.Jump(n, "continue")
            case cst.Del():
                target = self.expr(node.target)
                return t.Delete(n, target.elts if isinstance(target, t.Seq) else [target])
            case cst.Assert():
                return t.Assert(n, self.expr(node.test))
            case _:
                return t.Nothing(n)

    def if_(self, node: cst.If) -> t.Stmt:
        arms: list[t.If] = []
        orelse: list[t.Stmt] = []
        branch: cst.If | cst.Else | None = node
        while branch is not None:
            if isinstance(branch, cst.Else):
                orelse = self.body(branch.body)
                break
            n = self.number()
            arms.append(t.If(n, self.expr(branch.test), self.body(branch.body), []))
            branch = branch.orelse
        for arm in reversed(arms):
            arm.orelse = orelse
            orelse = [arm]
        return arms[0]

    def for_(self, node: cst.For) -> t.Stmt:
        n = self.number()
        target, it = self.expr(node.target), self.expr(node.iter)
        self._words.append(set())
        body = self.body(node.body)
        words = self._pop_words()
        return t.For(n, target, it, body, self.body(node.orelse.body) if node.orelse else [], words)

    def while_(self, node: cst.While) -> t.Stmt:
        n = self.number()
        test = self.expr(node.test)
        self._words.append(set())
        body = self.body(node.body)
        words = self._pop_words()
        return t.While(n, test, body, self.body(node.orelse.body) if node.orelse else [], words)

    def with_(self, node: cst.With) -> t.Stmt:
        n = self.number()
        items = [(self.expr(i.item), self.expr(i.asname.name) if i.asname else None) for i in node.items]
        return t.With(n, items, self.body(node.body))

    def try_(self, node: cst.Try | cst.TryStar) -> t.Stmt:
        n = self.number()
        body = self.body(node.body)
        handlers = []
        for h in node.handlers:
            name = h.name.name.value if h.name and isinstance(h.name.name, cst.Name) else None
            handlers.append(t.Handler(self.number(), self.optional(h.type), name, self.body(h.body)))
        orelse = self.body(node.orelse.body) if node.orelse else []
        return t.Try(n, body, handlers, orelse, self.body(node.finalbody.body) if node.finalbody else [])

    def match_(self, node: cst.Match) -> t.Stmt:
        n = self.number()
        subject = self.expr(node.subject)
        return t.Match(n, subject, [t.Case(self.number(), [], self.body(c.body)) for c in node.cases])

    def def_(self, node: cst.FunctionDef) -> t.Stmt:
        n = self.number()
        decorators = [self.expr(d.decorator) for d in node.decorators]
        self._words.append(set())
        params = self.params(node.params)
        index = self._marked(node.body) if self.later else None
        if index is not None:
            self._words.pop()
            self.count = cut.start(index) + cut.SPAN
            return t.Def(n, node.name.value, params, decorators, *self.later[index])
        body = self.body(node.body)
        return t.Def(n, node.name.value, params, decorators, body, self._pop_words())

    def _marked(self, suite: cst.BaseSuite) -> int | None:
        """Which of the bodies that were taken out this one stands for."""
        match suite:
            case cst.IndentedBlock(body=[cst.SimpleStatementLine(body=[cst.Expr(value=cst.Name(value=name))])]):
                return int(name.removeprefix(cut.MARK)) if name.startswith(cut.MARK) else None
        return None

    def class_(self, node: cst.ClassDef) -> t.Stmt:
        n = self.number()
        decorators = [self.expr(d.decorator) for d in node.decorators]
        bases = [self.expr(a.value) for a in node.bases]
        return t.Class(n, node.name.value, bases, self.body(node.body), decorators)


_COMPOUND: dict[type, Any] = {
    cst.If: Lowering.if_, cst.For: Lowering.for_, cst.While: Lowering.while_, cst.With: Lowering.with_,
    cst.Try: Lowering.try_, cst.TryStar: Lowering.try_, cst.Match: Lowering.match_, cst.FunctionDef: Lowering.def_,
    cst.ClassDef: Lowering.class_,
}  # fmt: skip


def lower_text(text: str, later: Sequence[Later] = ()) -> list[t.Stmt]:
    """Parse one slice of whole statements and lower it.

    Raises ``libcst.ParserSyntaxError`` where libcst refuses what ``ast`` took (an annotated parenthesised name).
    """
    return Lowering(later).module(parse(text))


def lower_body(text: str, first: int) -> list[t.Stmt]:
    """The same of a body that `cut` took out."""
    return Lowering(first=first).body(body_of(parse(text)))


def body_of(module: cst.Module) -> cst.BaseSuite:
    """What stands below the head that `cut` put on a body."""
    head = module.body[0]
    assert isinstance(head, cst.FunctionDef)
    return head.body
