"""Names and classes across the files of a project, looked up lazily through imports.

Nothing here imports user code: a module is a file that is read and cut, and lowered only where somebody asks for it.
"""

from __future__ import annotations

import ast
import builtins
import os
import re
import sys
from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

from modelint.diagnostics import NotAnalysed
from modelint.lint import known
from modelint.lint import tree as t
from modelint.lint.lower import lower_text
from modelint.lint.read import digest, read_bytes
from modelint.lint.source import Source, read_source
from modelint.lint.wrappers import OTHER_FRAMEWORKS

#: Top-level packages that are never looked for in the project: what they are is known, or does not matter.
OUTSIDE = frozenset(sys.stdlib_module_names) | {
    "torch", "torchvision", "torchaudio", "numpy", "scipy", "pandas", "tqdm", "PIL", "cv2", "matplotlib", "yaml",
    "lightning", "pytorch_lightning", "transformers", "accelerate", "apex", "deepspeed", "timm", "einops", "wandb",
    "tensorboardX", "sklearn", "safetensors", "omegaconf", "hydra", "diffusers", "peft", "mmcv", "mmengine", "pytest",
}  # fmt: skip


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


_BUILTINS = frozenset(dir(builtins))
#: Lines that may bind the name %b at the top level, or below an ``if`` or ``try`` there.
_BINDS = (
    rb"(?m)^(?:(?: {4}|\t)?(?:(?:async )?def|class) +%b\b|(?: {4}|\t)?%b *[:=,]|.*\bimport\b.*\b%b\b|.*\bas +%b\b"
    rb"| *%b,?$)"
)
#: Characters of source kept at hand, with their trees: ~60 bytes each.
MOST_KEPT = 3_000_000

_WRAPS = re.compile(r"DataParallel|AveragedModel|torch\.compile|\bDDP\b")
_WRAPS_BYTES = re.compile(_WRAPS.pattern.encode())
_WORDS = re.compile(r"[A-Za-z_]\w*")


_WRAPS_CHILD = re.compile(
    r"^\s*(?:self\.)?\w+\.\w+\s*=\s*[\w.]*(?:DataParallel|DDP)\((?:self\.)?\w+\.\w+", re.MULTILINE
)


class Import(NamedTuple):
    """``from module import name`` (name None: the module itself)."""

    module: str
    level: int
    name: str | None


class ExtRef(NamedTuple):
    dotted: str


class ModuleRef(NamedTuple):
    """A file of the project, or a folder that is a package without ``__init__.py``."""

    path: str


Ref = ClassRef | FuncRef | ExtRef | ModuleRef


class ClassInfo(NamedTuple):
    """A class and its bases, resolved; None where a base is unknown."""

    ref: ClassRef
    bases: tuple[ClassRef | ExtRef | None, ...]


class File:
    """One parsed file: its statements, its imports, and what its top level binds."""

    def __init__(self, project: Project, source: Source) -> None:
        self.project = project
        self.source = source
        self.path = source.path
        self.imports: dict[str, Import] = {}
        self.stars: list[Import] = []
        #: Top-level name -> the statements that bind it.
        self.bound: dict[str, list[int]] = {}
        #: Project files that resolving names of this file led to, and places that were looked at in vain.
        self.links, self.missing = project.trail(source.path)
        #: When somebody last asked for it.
        self.used = 0
        self.refused: list[NotAnalysed] = []
        self._lowered: dict[int, list[t.Stmt]] = {}
        self._resolved = project.resolved.setdefault(source.path, {})
        self._defs: dict[tuple[int, int], t.Def | t.Class] = {}
        for statement in source.statements:
            for top in statement.nodes:
                self._bind(statement.index, top)
            if "import" in statement.text:
                for node in (n for top in statement.nodes for n in ast.walk(top)):
                    self._import(node)

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

    @cached_property
    def wraps_child(self) -> bool:
        """``model.encoder = DataParallel(model.encoder)``: the prefix then stands in the middle of keys."""
        return _WRAPS_CHILD.search(self.source.text) is not None

    @property
    def other_framework(self) -> bool:
        """Does the file use another framework, and no torch? Its state dicts follow other rules."""
        roots = {i.module.split(".")[0] for i in [*self.imports.values(), *self.stars] if i.level == 0}
        return "torch" not in roots and not OTHER_FRAMEWORKS.isdisjoint(roots)

    # --- the tree ---------------------------------------------------------------------------------------------------

    def lowered(self, index: int) -> list[t.Stmt]:
        """The statements of one slice, parsed by libcst on first use; empty where libcst refuses the slice."""
        if index not in self._lowered:
            statement = self.source.statements[index]
            try:
                stmts = lower_text(statement.text)
            except (
                Exception
            ) as error:  # libcst's errors are not one family (reference: ParserSyntaxError, Unicode*, ...)
                reason = f"libcst cannot parse this statement ({type(error).__name__})"
                self.refused.append(NotAnalysed(self.path, reason, statement.line))
                stmts = []
            self._lowered[index] = stmts
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
        for index in reversed(self.bound.get(name, ())):
            node = self.definition(index, name)
            if isinstance(node, ast.ClassDef):
                return ClassRef(self.path, index, TOP, name)
            if node is not None:
                return FuncRef(self.path, index, TOP, name)
        return None

    def definition(self, index: int, name: str) -> ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | None:
        """The ast of a class or function of the top level, those below an ``if`` or ``try`` included."""
        found: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | None = None
        stack: list[ast.AST] = list(reversed(self.source.statements[index].nodes))
        while stack:
            node = stack.pop()
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                found = node if node.name == name else found
            elif isinstance(node, ast.If | ast.For | ast.While | ast.With | ast.Try | ast.ExceptHandler):
                for field in ("finalbody", "orelse", "handlers", "body"):
                    stack.extend(reversed(getattr(node, field, ())))
        return found

    # --- names ------------------------------------------------------------------------------------------------------

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
        node = self.source.statements[index].node
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name | ast.Attribute):
            alias = ast_dotted(node.value)
            return self.resolve(alias) if alias and alias != name else None
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Expr):
            return None
        return self.top(name)

    def follow(self, imported: Import) -> Ref | None:
        path = self.project.module_path(self, imported.module, imported.level)
        if path is None:
            dotted = imported.module if imported.name is None else f"{imported.module}.{imported.name}"
            return ExtRef(dotted) if imported.level == 0 else None
        module = ModuleRef(path)
        return module if imported.name is None else self.project.member(self, module, imported.name)


def ast_dotted(node: ast.expr) -> str | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join(reversed([*parts, node.id])) if isinstance(node, ast.Name) else None


class Project:
    """The files under ``root``, read on demand. ``overlay`` replaces what is on disk (standard input)."""

    def __init__(self, root: str, overlay: Mapping[str, bytes] | None = None) -> None:
        self.root = root
        self.overlay = dict(overlay or {})
        self._files: dict[str, File | NotAnalysed] = {}
        self._clock = 0
        #: File -> what its names stand for: kept when the file itself is let go of.
        self.resolved: dict[str, dict[str, Ref | None]] = {}
        self._trails: dict[str, tuple[set[str], set[str]]] = {}
        self._digests: dict[str, str | None] = {}
        self._kinds: dict[str, str] = {}
        self._wrapping: dict[str, frozenset[str]] = {}
        #: What ``suspect`` found functions to return.
        self.verdicts: dict[tuple[FuncRef, bool], bool] = {}
        self._classes: dict[ClassRef, ClassInfo | None] = {}
        self._is_module: dict[ClassRef, bool | None] = {}
        #: Lowered methods, only as long as one file is at hand.
        self._defs_of: dict[ClassRef, list[t.Def]] = {}
        self._methods: dict[tuple[ClassRef, str, ClassRef | None], tuple[ClassInfo, t.Def] | None] = {}
        self._bears: dict[tuple[ClassRef, bool], bool | None] = {}

    def load(self, path: str) -> File | NotAnalysed:
        found = self._files.get(path)
        if found is None:
            data = self._read(path)
            read = read_source(path, data) if isinstance(data, bytes) else data
            self._files[path] = found = File(self, read) if isinstance(read, Source) else read
        if isinstance(found, File):
            self._clock += 1
            found.used = self._clock
        return found

    def trim(self) -> None:
        """Let go of the files used longest ago: they are read again where somebody asks for them."""
        self._defs_of.clear()
        self._methods.clear()
        files = [file for file in self._files.values() if isinstance(file, File)]
        files.sort(key=lambda file: file.used, reverse=True)
        kept = 0
        for file in files:
            kept += len(file.source.text)
            if kept > MOST_KEPT:
                del self._files[file.path]

    def trail(self, path: str) -> tuple[set[str], set[str]]:
        """The files that resolving names of a file led to, and the places looked at in vain."""
        return self._trails.setdefault(path, (set(), set()))

    def consulted(self, path: str) -> dict[str, str | None]:
        """The file and all that it led to, with their digests; None for what is missing."""
        out: dict[str, str | None] = {}
        stack = [path]
        while stack:
            top = stack.pop()
            if top not in out:
                if top not in self._digests:
                    self._read(top)
                out[top] = self._digests[top]
                links, missing = self._trails.get(top, ((), ()))
                stack.extend(links)
                for place in missing:
                    out.setdefault(place, None)
        return out

    def _read(self, path: str) -> bytes | NotAnalysed:
        data = self.overlay.get(path)
        read = read_bytes(path) if data is None else data
        if path not in self._digests:
            self._digests[path] = digest(read) if isinstance(read, bytes) else None
        return read

    def file(self, path: str) -> File | None:
        loaded = self.load(path)
        return loaded if isinstance(loaded, File) else None

    def loaded(self, path: str) -> File | None:
        found = self._files.get(path)
        return found if isinstance(found, File) else None

    def wrapping_names(self, path: str) -> frozenset[str]:
        """The top-level names of a file whose statements put on wrappers, and those that use these."""
        if path not in self._wrapping:
            self._wrapping[path] = frozenset()
            file = self.file(path) if _WRAPS_BYTES.search(self.bytes(path)) else None
            if file is not None:
                found = {
                    name
                    for name, indices in file.bound.items()
                    if any(_WRAPS.search(file.source.statements[i].text) for i in indices)
                }
                for name, indices in file.bound.items():
                    if any(not found.isdisjoint(_WORDS.findall(file.source.statements[i].text)) for i in indices):
                        found = found | {name}
                self._wrapping[path] = frozenset(found)
        return self._wrapping[path]

    def bytes(self, path: str) -> bytes:
        """The content of a file of the project; empty where it cannot be read."""
        read = self._read(path)
        return read if isinstance(read, bytes) else b""

    def may_bind(self, path: str, name: str) -> bool:
        """May a file bind this name at its top level? Its text says so without being parsed."""
        if path in self._files or not path.endswith(".py"):
            return True
        text, word = self.bytes(path), name.encode()
        if word not in text:
            return b"import *" in text
        if text.count(b"__all__") == 1 and b"\n__all__ = [" in text:
            return b'"%b"' % word in text or b"'%b'" % word in text
        if b"import *" in text or b"\\\n" in text:
            return True
        return re.search(_BINDS.replace(b"%b", re.escape(word)), text) is not None

    def kind(self, path: str) -> str:
        """ "file", "folder" or "" for nothing."""
        if path not in self._kinds:
            self._kinds[path] = (
                "file" if path in self.overlay or os.path.isfile(path) else "folder" if os.path.isdir(path) else ""
            )
        return self._kinds[path]

    def module_path(self, file: File, module: str, level: int) -> str | None:
        """The file (or folder) that ``module`` names when imported from ``file``; None for anything outside."""
        parts = module.split(".") if module else []
        if level:
            base = os.path.dirname(file.path)
            for _ in range(level - 1):
                base = os.path.dirname(base)
            return self._below(file, base, parts)
        if not parts or parts[0] in OUTSIDE:
            return None
        base = os.path.dirname(file.path)
        bases = [base]
        while base != self.root and base.startswith(self.root) and os.path.dirname(base) != base:
            base = os.path.dirname(base)
            bases.append(base)
        for base in [*bases, os.path.join(self.root, "src")]:
            if self.kind(os.path.join(base, parts[0] + ".py")) or self.kind(os.path.join(base, parts[0])) == "folder":
                found = self._below(file, base, parts)
                if found:
                    return found
            else:
                file.missing.update(os.path.join(base, parts[0] + end) for end in (".py", "/__init__.py"))
                if len(parts) > 1:  # a folder without __init__.py
                    file.missing.add(os.path.join(base, *parts) + ".py")
        return None

    def _below(self, file: File, base: str, parts: list[str]) -> str | None:
        stem = os.path.join(base, *parts) if parts else base
        for path in (os.path.join(stem, "__init__.py"), stem + ".py"):
            if self.kind(path) == "file":
                file.links.add(path)
                return path
            file.missing.add(path)
        return stem if self.kind(stem) == "folder" else None

    def member(self, file: File, module: ModuleRef, name: str) -> Ref | None:
        if module.path.endswith(".py"):
            target = self.file(module.path)
            if target is None:
                return None
            ref = target.resolve(name)
            if ref is not None or not module.path.endswith("__init__.py"):
                return ref
            path = self._below(target, os.path.dirname(module.path), [name])
        else:
            path = self._below(file, module.path, [name])
        return ModuleRef(path) if path else None

    # --- classes ----------------------------------------------------------------------------------------------------

    def info(self, ref: ClassRef) -> ClassInfo | None:
        """The bases of a class, from the ast where it stands at the top level."""
        if ref not in self._classes:
            self._classes[ref] = None
            file = self.file(ref.path)
            names = self._base_names(file, ref) if file else None
            if file is not None and names is not None:
                bases: list[ClassRef | ExtRef | None] = []
                for name in names:
                    base = file.resolve(name) if name else None
                    if base is None and name in ("object", "dict", "list", "tuple", "str", "Exception", "int", "float"):
                        base = ExtRef(f"builtins.{name}")
                    bases.append(base if isinstance(base, ClassRef | ExtRef) and base != ref else None)
                self._classes[ref] = ClassInfo(ref, tuple(bases))
        return self._classes[ref]

    def _base_names(self, file: File, ref: ClassRef) -> list[str | None] | None:
        if ref.n == TOP:
            node = file.definition(ref.statement, ref.name)
            if not isinstance(node, ast.ClassDef):
                return None
            return [ast_dotted(b.value if isinstance(b, ast.Subscript) else b) for b in node.bases]
        lowered = file.node(ref)
        if not isinstance(lowered, t.Class):
            return None
        return [t.dotted(b.value if isinstance(b, t.Sub) else b) for b in lowered.bases]

    def node(self, ref: ClassRef) -> t.Class | None:
        """The lowered class, or None where libcst refused it."""
        file = self.file(ref.path)
        node = file.node(ref) if file else None
        return node if isinstance(node, t.Class) else None

    def defs(self, ref: ClassRef) -> list[t.Def]:
        """The methods of the class itself."""
        if ref not in self._defs_of:
            node = self.node(ref)
            self._defs_of[ref] = class_defs(node) if node else []
        return self._defs_of[ref]

    def mro(self, ref: ClassRef) -> list[ClassInfo]:
        """The class and its bases inside the project, nearest first (depth first: a mixin diamond is rare here)."""
        out: list[ClassInfo] = []
        stack = [ref]
        while stack and len(out) < 40:
            info = self.info(stack.pop())
            if info and info not in out:
                out.append(info)
                stack.extend(reversed([b for b in info.bases if isinstance(b, ClassRef)]))
        return out

    def is_module(self, ref: ClassRef) -> bool | None:
        """Is it an ``nn.Module``? None where an unknown base leaves it open."""
        if ref not in self._is_module:
            self._is_module[ref] = None
            info = self.info(ref)
            answers = [self._base_is_module(base) for base in info.bases] if info else [None]
            self._is_module[ref] = True if True in answers else None if None in answers else False
        return self._is_module[ref]

    def _base_is_module(self, base: ClassRef | ExtRef | None) -> bool | None:
        if base is None:
            return None
        if isinstance(base, ClassRef):
            return self.is_module(base)
        if base.dotted in known.MODULE_BASES or known.torch_nn_class(base.dotted):
            return True
        last = base.dotted.rsplit(".", 1)[-1]
        if last in ("LightningModule", "PreTrainedModel"):
            return True
        return False if base.dotted.split(".")[0] in sys.stdlib_module_names else None

    def bears(self, ref: ClassRef, *, buffers: bool = True) -> bool | None:
        """Does an instance hold weights (parameters, or buffers too)? False only where all is known to hold none."""
        if (ref, buffers) not in self._bears:
            self._bears[ref, buffers] = None
            self._bears[ref, buffers] = self._find_bears(ref, buffers)
        return self._bears[ref, buffers]

    def _find_bears(self, ref: ClassRef, buffers: bool) -> bool | None:
        info, file = self.info(ref), self.file(ref.path)
        if info is None or file is None:
            return None
        open_ends = False
        for base in info.bases:
            answer = self.bears(base, buffers=buffers) if isinstance(base, ClassRef) else self.ext_bears(base)
            if answer:
                return True
            open_ends |= answer is None
        for method in self.defs(ref):
            for node in t.walk(method):
                if not isinstance(node, t.Call):
                    continue
                name = t.dotted(node.func)
                if name == "self.register_parameter" or (buffers and name == "self.register_buffer"):
                    return True
                if name == "self.register_buffer":
                    continue
                target = file.resolve(name) if name and not name.startswith("self.") else None
                if isinstance(target, ExtRef):
                    cls = known.torch_nn_class(target.dotted)
                    if target.dotted in known.PARAMETER or cls in known.BEARING:
                        return True
                elif isinstance(target, ClassRef) and self.is_module(target) is not False:
                    answer = self.bears(target, buffers=buffers)
                    if answer:
                        return True
                    open_ends |= answer is None
                elif target is None and name and method.name != "forward":
                    open_ends |= name.split(".")[-1][:1].isupper() or name.startswith("self.")
        return None if open_ends else False

    def ext_bears(self, base: ExtRef | None) -> bool | None:
        if base is None:
            return None
        cls = known.torch_nn_class(base.dotted)
        if cls in known.BEARING:
            return True
        if cls in known.PARAMETER_FREE or cls == "Module" or base.dotted in known.MODULE_BASES:
            return False
        return False if base.dotted.startswith("builtins.") else None

    def method(self, ref: ClassRef, name: str, *, after: ClassRef | None = None) -> tuple[ClassInfo, t.Def] | None:
        """Where ``name`` is defined: in the class or its bases; with ``after`` only in the bases that follow it."""
        key = (ref, name, after)
        if key not in self._methods:
            self._methods[key] = self._find_method(ref, name, after)
        return self._methods[key]

    def _find_method(self, ref: ClassRef, name: str, after: ClassRef | None) -> tuple[ClassInfo, t.Def] | None:
        seen = after is None
        for info in self.mro(ref):
            if seen:
                for node in self.defs(info.ref):
                    if node.name == name:
                        return info, node
            seen = seen or info.ref == after
        return None


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
