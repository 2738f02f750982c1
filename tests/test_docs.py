"""What the documents say is there, is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from modelint.config import Configs

ROOT = Path(__file__).parent.parent
SOURCES = ROOT / "src" / "modelint"


def modules(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.py") if not path.stem.startswith("__")}


def test_architecture_names_the_modules_that_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^ *(\w+)\.py ", text, re.MULTILINE)) == modules(SOURCES)


def test_architecture_names_the_rooms_of_the_engines() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for engine in ("lint", "layout", "checkpoint"):
        table = text.partition(f"The rooms of `{engine}/`:")[2].strip().partition("\n\n")[0]
        named = re.findall(r"`(\w+)`", table)
        folders = [SOURCES / engine, *(SOURCES / engine / name for name in re.findall(r"`(\w+)/`", table))]
        beside = {path.parent for path in (SOURCES / engine).glob("*/__init__.py")} - {SOURCES / "layout/tracer"}
        assert {*folders[1:]} == beside
        assert sorted(named) == sorted(name for folder in folders for name in modules(folder))


PAGES = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("name", ["README.md", "docs/configuration.md", "docs/models.md"])
def test_the_configuration_that_is_shown_is_valid(name: str, tmp_path: Path) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    blocks = re.findall(r"^```toml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        (tmp_path / "pyproject.toml").write_text(block, encoding="utf-8")
        assert "modelint" in tomllib.loads(block)["tool"]
        found = Configs(str(tmp_path)).of_folder(str(tmp_path))
        assert found.folder == str(tmp_path) and (found.select or found.layout.models)


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "examples/README.md", *PAGES])
def test_links_and_files_exist(name: str) -> None:
    document = ROOT / name
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (document.parent / target).exists(), target
    for target in re.findall(r"`((?:src|tests|tools|rules|docs|benchmarks|examples)/[\w./]*)`", text):
        assert (ROOT / target).exists(), target
