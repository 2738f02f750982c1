"""`modelint migrate` on every breaking pair of this folder; ``migrations.txt`` keeps what came of each.

All pairs are models of one project: the old code is locked and committed, the new code put in its place, and each model
migrated. Whether the weights of the old code compute the same in the migrated model is judged by torch alone.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest
from pairs import PAIRS, Pair
from truth import judge, record

pytestmark = pytest.mark.slow
BREAKING = [pair for pair in PAIRS if pair.drift == "breaking"]
SNAPSHOT = Path(__file__).with_name("migrations.txt")
HEAD = """# pair: what `modelint migrate` says => what the old weights compute in the migrated model, by torch alone
# Renew: MODELINT_UPDATE_SNAPSHOT=1 pytest tests/models/test_migrations.py
"""


class Ran(NamedTuple):
    code: int
    out: str


class Project(NamedTuple):
    folder: Path

    def file(self, pair: Pair) -> Path:
        return self.folder / f"{pair.name}.py"

    def run(self, *arguments: str) -> Ran:
        environment = {**os.environ, "MODELINT_PYTHON": sys.executable, "MODELINT_CACHE_DIR": str(self.folder / ".c")}
        command = [sys.executable, "-m", "modelint", *arguments]
        ran = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
        assert "Traceback" not in ran.stderr and ran.returncode in (0, 1), ran.stderr
        return Ran(ran.returncode, ran.stdout)

    def load(self, pair: Pair) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"migrated_{pair.name}", self.file(pair))
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("pairs")
    made = Project(folder)
    lines = []
    for pair in BREAKING:
        made.file(pair).write_bytes((pair.folder / "old.py").read_bytes())
        lines += [f"[tool.modelint.models.{pair.name}]", f"factory = '{pair.name}:model'"]
        lines += [f"inputs = '{pair.name}:inputs'"]
    (folder / "pyproject.toml").write_text("\n".join(lines) + "\n")
    assert made.run("lock").code == 0
    for arguments in (["init", "-q"], ["add", "*.py", "*.toml", "model-manifests"], ["commit", "-qm", "old"]):
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)
    for pair in BREAKING:
        made.file(pair).write_bytes((pair.folder / "new.py").read_bytes())
    yield made


@pytest.fixture(scope="module")
def migrated(project: Project) -> dict[Pair, Ran]:
    return {pair: project.run("migrate", pair.name) for pair in BREAKING}


def told(ran: Ran) -> str:
    """The line of the outcome, and what numbers say."""
    lines = ran.out.splitlines()
    first = lines[0].partition(": ")[2]
    numbers = [line.strip() for line in lines if line.startswith("  numbers: ")]
    return "; ".join((first, *numbers))


def test_table(project: Project, migrated: dict[Pair, Ran]) -> None:
    lines = []
    for pair, ran in migrated.items():
        old, new = pair.load("old"), project.load(pair)
        verdict = judge(record(old.model, old.inputs), new.model, new.inputs)
        lines.append(f"{pair}: {told(ran)} => {verdict.cls} {verdict.where}".rstrip() + "\n")
    text = HEAD + "".join(lines)
    if os.environ.get("MODELINT_UPDATE_SNAPSHOT"):
        SNAPSHOT.write_text(text, encoding="utf-8")
    assert text == SNAPSHOT.read_text(encoding="utf-8")
