"""What is installed: wheel, sdist and editable install hold every package, the rules among them."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

#: Asks what an installation has to know, from a folder where nothing but it can be found.
PROGRAM = (
    "from modelint import catalogue; import modelint;"
    "print(modelint.__file__); print(*(rule.code for rule in catalogue.rules())); catalogue.page('MDL401')"
)


def packages() -> set[str]:
    """Every folder with modules, under the name by which it is imported."""
    found = set()
    for place, name in (("src/modelint", "modelint"), ("rules", "modelint.rules")):
        for module in (ROOT / place).rglob("*.py"):
            inner = module.parent.relative_to(ROOT / place).parts
            found.add(".".join((name, *inner)))
    return found


def test_every_package_is_listed() -> None:
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == packages()
    missing = [name for name in packages() if not (folder_of(name) / "__init__.py").is_file()]
    assert not missing


def folder_of(package: str) -> Path:
    if package.startswith("modelint.rules"):
        return ROOT / package.removeprefix("modelint.").replace(".", "/")
    return ROOT / "src" / package.replace(".", "/")


def test_the_dependencies_are_few_and_torch_is_none_of_them() -> None:
    names = {text.split(">")[0] for text in PROJECT["project"]["dependencies"]}
    assert names == {"libcst", "rich", "pathspec"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return {path.suffix: path for path in folder.iterdir()}


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """The interpreter of a clean environment."""
    venv.create(tmp_path / "venv", with_pip=True)
    return tmp_path / "venv" / "bin" / "python"


def installed(python: Path, cwd: Path, *what: str) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for command in (
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what],
        [str(python), "-c", PROGRAM],
    ):
        ran = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
    location, codes = ran.stdout.splitlines()
    from modelint import catalogue

    assert codes.split() == list(catalogue.codes())
    return [location, str(python.parent / "modelint")]


@pytest.mark.slow
def test_the_wheel(built: dict[str, Path], python: Path, tmp_path: Path) -> None:
    names = zipfile.ZipFile(built[".whl"]).namelist()
    assert "modelint/py.typed" in names
    assert not [name for name in names if name.startswith(("rules/", "tests/", "src/"))]
    location, script = installed(python, tmp_path, str(built[".whl"]))
    assert location.startswith(str(tmp_path))
    assert subprocess.run([script, "--version"], capture_output=True, check=True).stdout.startswith(b"modelint ")


@pytest.mark.slow
def test_the_sdist(built: dict[str, Path], python: Path, tmp_path: Path) -> None:
    with tarfile.open(built[".gz"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"rules/lint/mdl401_unchecked_non_strict_load.py", "examples/expected.txt", "LICENSE", "Makefile"} <= names
    installed(python, tmp_path, str(built[".gz"]))


@pytest.mark.slow
def test_the_editable_install(python: Path, tmp_path: Path) -> None:
    location, _ = installed(python, tmp_path, "--editable", str(ROOT))
    assert Path(location) == ROOT / "src" / "modelint" / "__init__.py"
