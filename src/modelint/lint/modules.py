"""Where the modules of a project are: names of modules to files, and what was read of them."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from modelint.diagnostics import NotAnalysed
from modelint.lint.read import digest, read_bytes
from modelint.lint.trail import Trail

if TYPE_CHECKING:
    from modelint.lint.names import Names

#: Top-level packages that are never looked for in the project: what they are is known, or does not matter.
OUTSIDE = frozenset(sys.stdlib_module_names) | {
    "torch", "torchvision", "torchaudio", "numpy", "scipy", "pandas", "tqdm", "PIL", "cv2", "matplotlib", "yaml",
    "lightning", "pytorch_lightning", "transformers", "accelerate", "apex", "deepspeed", "timm", "einops", "wandb",
    "tensorboardX", "sklearn", "safetensors", "omegaconf", "hydra", "diffusers", "peft", "mmcv", "mmengine", "pytest",
}  # fmt: skip

#: Lines that may bind the name %b at the top level, or below an ``if`` or ``try`` there.
_BINDS = (
    rb"(?m)^(?:(?: {4}|\t)?(?:(?:async )?def|class) +%b\b|(?: {4}|\t)?%b *[:=,]|.*\bimport\b.*\b%b\b|.*\bas +%b\b"
    rb"| *%b,?$)"
)
#: So much of what was read is kept.
_MOST_BYTES = 8_000_000


class Modules:
    """The files under ``root`` as bytes, read on demand. ``overlay`` replaces what is on disk (standard input)."""

    def __init__(self, root: str, overlay: Mapping[str, bytes] | None = None) -> None:
        self.root = root
        self.overlay = dict(overlay or {})
        self._trails: dict[str, tuple[set[str], set[str]]] = {}
        self._digests: dict[str, str | None] = {}
        #: Whose trail has grown since `consulted` told of it, and of whom it has told.
        self._grown: set[str] = set()
        self._told: set[str] = set()
        self._kinds: dict[str, str] = {}
        #: What `bytes` has read: the modules that a package gathers are asked for one name after the other.
        self._texts: dict[str, bytes] = {}
        self._held_bytes = 0

    def trail(self, path: str) -> tuple[set[str], set[str]]:
        """The files that resolving names of a file led to, and the places looked at in vain."""
        return self._trails.setdefault(path, (set(), set()))

    def consulted(self, path: str) -> dict[str, Trail]:
        """The trails of the file and of all that it led to, without those that were told of before and have not
        grown."""
        fresh = {path, *self._grown}
        self._grown.clear()
        for each in tuple(fresh):
            fresh |= self.trail(each)[0] - self._told
        self._told |= fresh
        return {each: Trail(self._digest(each), *map(frozenset, self.trail(each))) for each in fresh}

    def _digest(self, path: str) -> str | None:
        if path not in self._digests:
            self.read(path)
        return self._digests[path]

    def _led(self, names: Names, path: str) -> None:
        if path not in names.links:
            names.links.add(path)
            self._grown.add(names.path)

    def _missed(self, names: Names, *paths: str) -> None:
        if not names.missing.issuperset(paths):
            names.missing.update(paths)
            self._grown.add(names.path)

    def read(self, path: str) -> bytes | NotAnalysed:
        data = self.overlay.get(path)
        read = read_bytes(path) if data is None else data
        if path not in self._digests:
            self._digests[path] = digest(read) if isinstance(read, bytes) else None
        return read

    def bytes(self, path: str) -> bytes:
        """The content of a file of the project; empty where it cannot be read."""
        found = self._texts.get(path)
        if found is None:
            read = self.read(path)
            found = read if isinstance(read, bytes) else b""
            self._held_bytes += len(found)
            if self._held_bytes > _MOST_BYTES:
                self._texts.clear()
                self._held_bytes = len(found)
            self._texts[path] = found
        return found

    def text_may_bind(self, path: str, name: str) -> bool:
        """May a file bind this name at its top level? Its text says so without being parsed."""
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

    def module_path(self, names: Names, module: str, level: int) -> str | None:
        """The file (or folder) that ``module`` names in an import of this file; None for anything outside."""
        parts = module.split(".") if module else []
        if level:
            base = os.path.dirname(names.path)
            for _ in range(level - 1):
                base = os.path.dirname(base)
            return self.below(names, base, parts)
        if not parts or parts[0] in OUTSIDE:
            return None
        base = os.path.dirname(names.path)
        bases = [base]
        while base != self.root and base.startswith(self.root) and os.path.dirname(base) != base:
            base = os.path.dirname(base)
            bases.append(base)
        for base in [*bases, os.path.join(self.root, "src")]:
            if self.kind(os.path.join(base, parts[0] + ".py")) or self.kind(os.path.join(base, parts[0])) == "folder":
                found = self.below(names, base, parts)
                if found and found != names.path:  # train/train.py means the folder by `from train import utils`
                    return found
            else:
                self._missed(names, *(os.path.join(base, parts[0] + end) for end in (".py", "/__init__.py")))
                if len(parts) > 1:  # a folder without __init__.py
                    self._missed(names, os.path.join(base, *parts) + ".py")
        return None

    def below(self, names: Names, base: str, parts: list[str]) -> str | None:
        """The module below a folder, noted on the trail of the file that asks."""
        stem = os.path.join(base, *parts) if parts else base
        for path in (os.path.join(stem, "__init__.py"), stem + ".py"):
            if self.kind(path) == "file":
                self._led(names, path)
                return path
            self._missed(names, path)
        return stem if self.kind(stem) == "folder" else None
