"""One file: its module body, then each of its functions and classes on its own."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from modelint.lint import classes, functions
from modelint.lint import tree as t
from modelint.lint.asts import walk
from modelint.lint.functions import STEPS, STEPS_OF_A_FILE
from modelint.lint.index import File, definitions
from modelint.lint.names import ClassRef, FuncRef
from modelint.lint.select import is_table
from modelint.lint.state import Frame
from modelint.lint.usage import Usage

if TYPE_CHECKING:
    from modelint.lint.interpret import Interpreter


class ModuleUsage(Usage):
    """Usage of a module body: its plain statements, and names read anywhere in the file."""

    def __init__(self, file: File) -> None:
        defs = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom
        plain = [
            s.index
            for s in file.source.statements  # several on one line, an import first, are one of these
            if not all(isinstance(node, defs) for node in s.nodes) and not is_table(s)
        ]
        super().__init__([stmt for index in plain for stmt in file.lowered(index)])
        self._tree = file.source.tree
        self._names: set[str] | None = None

    def reads(self, name: str) -> int:
        if self._names is None:
            self._names = {n.id for n in walk(self._tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        return int(name in self._names)


def module_usage(file: File) -> Usage:
    return ModuleUsage(file)


def run_file(it: Interpreter, file: File, statements: list[int]) -> None:
    if file.other_framework:
        return
    frame = Frame(file, 0, None)
    it.module_frames[file.path] = frame
    for index in statements:
        frame.statement = index
        for stmt in file.lowered(index):
            it.stmt(frame, stmt)
    for index in statements:
        for stmt in definitions(file.lowered(index)):
            if isinstance(stmt, t.Class):
                it.limit = min(it.steps + STEPS, STEPS_OF_A_FILE)
                classes.run_class(it, _class_ref(file, index, stmt))
            else:
                it.limit = min(it.steps + STEPS, STEPS_OF_A_FILE)
                ref = _func_ref(file, index, stmt)
                frame.statement = index
                functions.call_func(it, frame, ref, [], {})
    while it.later:
        classes.run_class(it, it.later.pop())
    del it.module_frames[file.path]


def _class_ref(file: File, index: int, node: t.Class) -> ClassRef:
    """The ref by which the name resolves, where this class is what the name stands for."""
    ref = file.top(node.name)
    if isinstance(ref, ClassRef) and ref.statement == index and file.node(ref) is node:
        return ref
    return ClassRef(file.path, index, node.n, node.name)


def _func_ref(file: File, index: int, node: t.Def) -> FuncRef:
    ref = file.top(node.name)
    if isinstance(ref, FuncRef) and ref.statement == index and file.node(ref) is node:
        return ref
    return FuncRef(file.path, index, node.n, node.name)
