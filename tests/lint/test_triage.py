"""Triage may leave out only what no rule reports: with and without it the same is found, on code as it is."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from modelint.lint.engine import lint_files

ROOT = Path(__file__).parents[2]


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _found(root: Path, files: list[str], *, triage: bool) -> list[tuple[object, ...]]:
    run = lint_files(files, root=str(root), triage=triage)
    return [(each.code, each.path, each.span, each.message, each in run.preview) for each in run.diagnostics]


@pytest.mark.parametrize("folder", ["tests/rules/fixtures", "examples", "src", "rules"])
def test_on_our_own_code(folder: str) -> None:
    root = ROOT / folder
    files = sorted(map(str, root.rglob("*.py")))
    assert files
    found = _found(root, files, triage=False)
    assert found or folder in ("src", "rules")
    assert _found(root, files, triage=True) == found


@pytest.mark.parametrize("name", ["libcst", "_pytest", "rich"])
def test_on_installed_packages(name: str) -> None:
    root = _package(name)
    files = sorted(map(str, root.rglob("*.py")))[::4]
    assert _found(root, files, triage=True) == _found(root, files, triage=False)


@pytest.mark.parametrize("path", sorted((ROOT / "tests/rules/fixtures").glob("*.py")), ids=lambda path: path.stem)
def test_on_each_fixture_alone(path: Path) -> None:
    assert _found(path.parent, [str(path)], triage=True) == _found(path.parent, [str(path)], triage=False)
