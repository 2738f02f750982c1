"""Every silent change of this folder through `check`, without declared inputs: found ones call none of them equal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pairs import PAIRS

pytestmark = pytest.mark.slow
SILENT = [pair for pair in PAIRS if pair.drift == "silent"]
#: Of so many at least a run says where they part: else this would prove nothing.
TOLD = 0.8


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MODELINT_CACHE_DIR": str(folder.parent / "cache"), "MODELINT_PYTHON": sys.executable}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """By the name of the pair."""
    folder = tmp_path_factory.mktemp("found") / "project"
    tables = []
    for side in ("old", "new"):
        for pair in SILENT:
            place = folder / pair.kind / f"{pair.name}.py"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text((pair.folder / f"{side}.py").read_text())
            tables.append(f'[tool.modelint.models.{pair.name}]\nfactory = "{pair.kind}.{pair.name}:model"\n')
        if side == "old":
            (folder / "pyproject.toml").write_text("".join(tables))
            locked = run(folder, sys.executable, "-m", "modelint", "lock")
            assert locked.returncode == 0, locked.stderr
            run(folder, "git", "init", "-q")
            run(folder, "git", "add", "-A")
            run(folder, "git", "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "first")
    checked = run(folder, sys.executable, "-m", "modelint", "check", "--only", "layout", "--format", "json")
    found: dict[str, list[dict[str, Any]]] = {pair.name: [] for pair in SILENT}
    for each in json.loads(checked.stdout)["diagnostics"]:
        found[each["model"]].append(each)
    return found


def test_no_change_is_called_equal(said: dict[str, list[dict[str, Any]]]) -> None:
    lost = {name: own for name, own in said.items() if "error" not in {each["severity"] for each in own}}
    assert not lost


def test_most_are_told_by_a_run(said: dict[str, list[dict[str, Any]]]) -> None:
    told = [name for name, own in said.items() if any("found, not declared" in each["message"] for each in own)]
    assert len(told) >= TOLD * len(said), sorted(said.keys() - told)
