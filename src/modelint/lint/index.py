"""The files of a project, lowered statement by statement where somebody asks, and the names across them.

Nothing here imports user code: a module is a file that is read and cut, and looked up lazily through imports.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING

from modelint.diagnostics import NotAnalysed
from modelint.lint import tree as t
from modelint.lint.asts import Definition, definitions_of, words_of
from modelint.lint.cut import cut, start
from modelint.lint.lower import Later, lower_body, lower_text
from modelint.lint.modules import Modules
from modelint.lint.names import TOP, ClassRef, FuncRef, ModuleRef, Names, Ref
from modelint.lint.prose import without_prose
from modelint.lint.source import Source, read_source
from modelint.lint.wrappers import OTHER_FRAMEWORKS

if TYPE_CHECKING:
    from modelint.lint.project import Project

#: Characters of source kept at hand, with their trees: ~60 bytes each.
MOST_KEPT = 3_000_000

_WRAPS = re.compile(r"DataParallel|AveragedModel|torch\.compile\b|\bDDP\b")
_WRAPS_BYTES = re.compile(_WRAPS.pattern.encode())
_WORDS = re.compile(r"[A-Za-z_]\w*")
_WRAPS_CHILD = re.compile(
    r"^\s*(?:self\.)?\w+\.\w+\s*=\s*[\w.]*(?:DataParallel|DDP)\((?:self\.)?\w+\.\w+", re.MULTILINE
)


class File:
    """One parsed file: its statements, and its names."""

    def __init__(self, project: Project, source: Source, names: Names) -> None:
        self.project = project
        self.source = source
        self.names = names
        self.path = source.path
        self.imports = names.imports
        self.bound = names.bound
        #: When somebody last asked for it.
        self.used = 0
        self.refused: list[NotAnalysed] = []
        self._lowered: dict[int, list[t.Stmt]] = {}
        self._defs: dict[tuple[int, int], t.Def | t.Class] = {}

    @cached_property
    def wraps_child(self) -> bool:
        """``model.encoder = DataParallel(model.encoder)``: the prefix then stands in the middle of keys."""
        return _WRAPS_CHILD.search(self.source.text) is not None

    @property
    def other_framework(self) -> bool:
        """Does the file use another framework, and no torch? Its state dicts follow other rules."""
        roots = {i.module.split(".")[0] for i in [*self.imports.values(), *self.names.stars] if i.level == 0}
        return "torch" not in roots and not OTHER_FRAMEWORKS.isdisjoint(roots)

    def lowered(self, index: int) -> list[t.Stmt]:
        """The statements of one slice, parsed by libcst on first use; empty where libcst refuses the slice."""
        if index not in self._lowered:
            statement = self.source.statements[index]
            parts = cut(statement)
            # no reference to the file itself: without a cycle, it goes when it is let go of
            later = [
                Later(
                    partial(_attempt, self.refused, self.path, body.line, partial(lower_body, body.text, start(i))),
                    partial(words_of, body.node),
                )
                for i, body in enumerate(parts.bodies)
            ]
            lower = partial(lower_text, parts.text, later)
            self._lowered[index] = _attempt(self.refused, self.path, statement.line, lower)
        return self._lowered[index]

    def node(self, ref: ClassRef | FuncRef) -> t.Def | t.Class | None:
        if ref.n == TOP:
            return self._top_node(ref)
        key = (ref.statement, ref.n)
        if key not in self._defs:
            for node in t.walk(self.lowered(ref.statement)):
                if isinstance(node, t.Def | t.Class):
                    self._defs[ref.statement, node.n] = node
        return self._defs.get(key)

    def _top_node(self, ref: ClassRef | FuncRef) -> t.Def | t.Class | None:
        wanted = t.Class if isinstance(ref, ClassRef) else t.Def
        found: t.Def | t.Class | None = None
        for node in definitions(self.lowered(ref.statement)):
            if isinstance(node, wanted) and node.name == ref.name:
                found = node
        return found

    def top(self, name: str) -> ClassRef | FuncRef | None:
        """The class or function that the top level binds to ``name``, the last one if there are several."""
        return self.names.top(name)

    def resolve(self, dotted: str) -> Ref | None:
        """What a dotted name stands for at this file's top level; None where that is not known."""
        return self.names.resolve(dotted)

    def definition(self, index: int, name: str) -> Definition | None:
        """The ast of a class or function of the top level, the last of that name in the statement."""
        found: Definition | None = None
        for node in definitions_of(self.source.statements[index].nodes):
            found = node if node.name == name else found
        return found


def _attempt(refused: list[NotAnalysed], path: str, line: int, lower: Callable[[], list[t.Stmt]]) -> list[t.Stmt]:
    """What libcst gives; nothing where it refuses, and that is said."""
    try:
        return lower()
    except Exception as error:  # libcst's errors are not one family (reference: ParserSyntaxError, Unicode*, ...)
        refused.append(NotAnalysed(path, f"libcst cannot parse this statement ({type(error).__name__})", line))
        return []


def _wraps(text: str) -> bool:
    """May this code put on a wrapper?"""
    return bool(_WRAPS.search(text) and _WRAPS.search(without_prose(text)))


class Index(Modules):
    """The files, read, cut and lowered on demand."""

    def __init__(self, root: str, overlay: Mapping[str, bytes] | None = None) -> None:
        super().__init__(root, overlay)
        self._files: dict[str, File | NotAnalysed] = {}
        self._clock = 0
        #: Characters of source at hand.
        self._held = 0
        #: Kept when the file itself is let go of.
        self._names: dict[str, Names] = {}
        self._wrapping: dict[str, frozenset[str]] = {}

    def load(self, path: str) -> File | NotAnalysed:
        found = self._files.get(path)
        if found is None:
            data = self.read(path)
            read = read_source(path, data) if isinstance(data, bytes) else data
            self._files[path] = found = self._file(read) if isinstance(read, Source) else read
            self._held += len(read.text) if isinstance(read, Source) else 0
        if isinstance(found, File):
            self._clock += 1
            found.used = self._clock
        return found

    def _file(self, source: Source) -> File:
        raise NotImplementedError

    def names(self, path: str) -> Names | None:
        """The names of a file; None where it cannot be read."""
        found = self._names.get(path)
        if found is None and (file := self.file(path)) is not None:
            return file.names
        return found

    def trim(self) -> None:
        """Let go of the files used longest ago: they are read again where somebody asks for them."""
        if self._held <= MOST_KEPT:
            return
        files = [file for file in self._files.values() if isinstance(file, File)]
        files.sort(key=lambda file: file.used, reverse=True)
        kept = 0
        for file in files:
            size = len(file.source.text)
            kept += size
            if kept > MOST_KEPT:
                del self._files[file.path]
                self._held -= size

    def file(self, path: str) -> File | None:
        loaded = self.load(path)
        return loaded if isinstance(loaded, File) else None

    def wrapping_names(self, path: str) -> frozenset[str]:
        """The top-level names of a file whose statements put on wrappers, and those that use these."""
        if path not in self._wrapping:
            self._wrapping[path] = frozenset()
            data = self.bytes(path)
            file = self.file(path) if _WRAPS_BYTES.search(data) and _wraps(data.decode("utf-8", "replace")) else None
            if file is not None:
                found = {
                    name
                    for name, indices in file.bound.items()
                    if any(_wraps(file.source.statements[i].text) for i in indices)
                }
                for name, indices in file.bound.items():
                    if any(not found.isdisjoint(_WORDS.findall(file.source.statements[i].text)) for i in indices):
                        found = found | {name}
                self._wrapping[path] = frozenset(found)
        return self._wrapping[path]

    def may_bind(self, path: str, name: str) -> bool:
        """May a file bind this name at its top level?"""
        return path in self._files or path in self._names or not path.endswith(".py") or self.text_may_bind(path, name)

    def member(self, names: Names, module: ModuleRef, name: str) -> Ref | None:
        """What ``name`` stands for in a module, asked for by a file."""
        if module.path.endswith(".py"):
            target = self.names(module.path)
            if target is None:
                return None
            ref = target.resolve(name)
            if ref is not None or not module.path.endswith("__init__.py"):
                return ref
            path = self.below(target, os.path.dirname(module.path), [name])
        else:
            path = self.below(names, module.path, [name])
        return ModuleRef(path) if path else None


def definitions(stmts: list[t.Stmt]) -> list[t.Def | t.Class]:
    """The functions and classes of a block, those below an ``if`` or ``try`` included."""
    out: list[t.Def | t.Class] = []
    stack = list(reversed(stmts))
    while stack:
        top = stack.pop()
        if isinstance(top, t.Def | t.Class):
            out.append(top)
        elif isinstance(top, t.If | t.For | t.While):
            stack.extend(reversed([*top.body, *top.orelse]))
        elif isinstance(top, t.With):
            stack.extend(reversed(top.body))
        elif isinstance(top, t.Try):
            stack.extend(reversed([*top.body, *(s for h in top.handlers for s in h.body), *top.orelse, *top.final]))
    return out


def class_defs(node: t.Class) -> list[t.Def]:
    """The methods of a class, those below an ``if`` or ``try`` of its body included."""
    out: list[t.Def] = []
    stack: list[t.Stmt] = list(reversed(node.body))
    while stack:
        top = stack.pop()
        if isinstance(top, t.Def):
            out.append(top)
        elif isinstance(top, t.If | t.Try):
            stack.extend(reversed([*top.body, *top.orelse]))
    return out
