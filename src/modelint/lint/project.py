"""The classes of a project: their bases, methods, and whether they are modules and hold weights."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import NamedTuple

from modelint.lint import known
from modelint.lint import tree as t
from modelint.lint.index import File, Index, class_defs
from modelint.lint.names import TOP, ClassRef, ExtRef, FuncRef, Names
from modelint.lint.source import Source


class ClassInfo(NamedTuple):
    """A class and its bases, resolved; None where a base is unknown."""

    ref: ClassRef
    bases: tuple[ClassRef | ExtRef | None, ...]


class Project(Index):
    """The files under ``root``, and what is known of their classes."""

    def __init__(self, root: str, overlay: Mapping[str, bytes] | None = None) -> None:
        super().__init__(root, overlay)
        #: What ``suspect`` found functions to return.
        self.verdicts: dict[tuple[FuncRef, bool], bool] = {}
        self._classes: dict[ClassRef, ClassInfo | None] = {}
        self._mro: dict[ClassRef, list[ClassInfo]] = {}
        self._is_module: dict[ClassRef, bool | None] = {}
        self._bears: dict[tuple[ClassRef, bool], bool | None] = {}
        #: Lowered methods, only as long as one file is at hand.
        self._defs_of: dict[ClassRef, list[t.Def]] = {}
        self._methods: dict[tuple[ClassRef, str, ClassRef | None], tuple[ClassInfo, t.Def] | None] = {}

    def _file(self, source: Source) -> File:
        names = self._names.get(source.path)
        if names is None:
            self._names[source.path] = names = Names(self, source)
        return File(self, source, names)

    def trim(self) -> None:
        """Let go of what is large and was not used lately."""
        self._defs_of.clear()
        self._methods.clear()
        super().trim()

    def info(self, ref: ClassRef) -> ClassInfo | None:
        """The bases of a class, from the ast where it stands at the top level."""
        if ref not in self._classes:
            self._classes[ref] = None
            home, names = self.names(ref.path), self._base_names(ref)
            if home is not None and names is not None:
                bases: list[ClassRef | ExtRef | None] = []
                for name in names:
                    base = home.resolve(name) if name else None
                    if base is None and name in ("object", "dict", "list", "tuple", "str", "Exception", "int", "float"):
                        base = ExtRef(f"builtins.{name}")
                    bases.append(base if isinstance(base, ClassRef | ExtRef) and base != ref else None)
                self._classes[ref] = ClassInfo(ref, tuple(bases))
        return self._classes[ref]

    def _base_names(self, ref: ClassRef) -> tuple[str | None, ...] | None:
        if ref.n == TOP:
            names = self.names(ref.path)
            head = names.heads.get((ref.statement, ref.name)) if names else None
            return head.bases if head else None
        file = self.file(ref.path)
        lowered = file.node(ref) if file else None
        if not isinstance(lowered, t.Class):
            return None
        return tuple(t.dotted(b.value if isinstance(b, t.Sub) else b) for b in lowered.bases)

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

    def has_method(self, ref: ClassRef, name: str) -> bool:
        """Does the class itself define it? Of a class of the top level the ast knows, without libcst."""
        names = self.names(ref.path) if ref.n == TOP else None
        head = names.heads.get((ref.statement, ref.name)) if names else None
        return name in head.methods if head else any(node.name == name for node in self.defs(ref))

    def mro(self, ref: ClassRef) -> list[ClassInfo]:
        """The class and its bases inside the project, nearest first (depth first: a mixin diamond is rare here)."""
        if ref not in self._mro:
            self._mro[ref] = self._find_mro(ref)
        return self._mro[ref]

    def _find_mro(self, ref: ClassRef) -> list[ClassInfo]:
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
        info, names = self.info(ref), self.names(ref.path)
        if info is None or names is None:
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
                target = names.resolve(name) if name and not name.startswith("self.") else None
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
            if seen and self.has_method(info.ref, name):
                for node in self.defs(info.ref):
                    if node.name == name:
                        return info, node
            seen = seen or info.ref == after
        return None
