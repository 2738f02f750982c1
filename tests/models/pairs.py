"""The pairs of models of this folder: ``KIND/NAME/old.py`` and ``new.py``.

Each file has ``model()`` and ``inputs()``. The first line of ``new.py`` says what is to be reported: ``# expect: CODE
CLASS``, where CLASS is *breaking*, *silent*, *training* (only training changes) or *information* (a file loads and
means the same), or ``# expect: nothing``. The second line says what was done.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

HERE = Path(__file__).parent


class Pair(NamedTuple):
    kind: str
    name: str
    #: None: nothing may be reported above information.
    code: str | None
    drift: str
    why: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @property
    def folder(self) -> Path:
        return HERE / self.kind / self.name

    def load(self, side: str) -> ModuleType:
        path = self.folder / f"{side}.py"
        spec = importlib.util.spec_from_file_location(f"{self.kind}_{self.name}_{side}", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


def read(path: Path) -> Pair:
    first, second = path.read_text().splitlines()[:2]
    words = first.removeprefix("# expect: ").split()
    code, drift = (None, "nothing") if words == ["nothing"] else words
    return Pair(path.parent.parent.name, path.parent.name, code, drift, second.removeprefix("# "))


PAIRS = [read(path) for path in sorted(HERE.glob("*/*/new.py"))]
