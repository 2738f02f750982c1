"""PATHs to files: what a walk takes, what it leaves out, and where the project's root is."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from modelint.config import Configs
from modelint.files import NoSuchPath, find


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")


def found(folder: Path, *paths: str) -> list[str]:
    """The files below ``folder`` that ``paths`` lead to, relative to it."""
    targets = find(list(paths) or ["."], str(folder), Configs(str(folder))).targets
    return [os.path.relpath(target.path, folder).replace(os.sep, "/") for target in targets]


def roots(folder: Path, *paths: str) -> dict[str, str]:
    targets = find(list(paths), str(folder), Configs(str(folder))).targets
    return {os.path.relpath(target.path, folder): os.path.relpath(target.root, folder) for target in targets}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return folder


def test_python_files_in_a_steady_order(tmp_path: Path) -> None:
    make(tmp_path, "b.py", "a/z.pyi", "a/b/c.py", "c.txt", "d.ipynb", "A.py", "py")
    assert found(tmp_path) == ["A.py", "b.py", "a/z.pyi", "a/b/c.py"]


@pytest.mark.parametrize(
    "folder",
    ".git .hg .venv venv .tox .nox .mypy_cache .ruff_cache .pytest_cache __pypackages__ build dist node_modules "
    "site-packages vendor third_party external .eggs .ipynb_checkpoints __pycache__".split(),
)
def test_folders_without_code_of_the_project_are_left_out(tmp_path: Path, folder: str) -> None:
    make(tmp_path, f"{folder}/a.py", f"deep/{folder}/a.py", "kept.py", f"{folder}.py", f"my{folder}/a.py")
    assert sorted(found(tmp_path)) == sorted(["kept.py", f"{folder}.py", f"my{folder}/a.py"])
    # Named on the command line, it is meant.
    assert found(tmp_path, folder) == [f"{folder}/a.py"]


def test_a_virtual_environment_of_any_name_is_left_out(tmp_path: Path) -> None:
    make(tmp_path, "myenv/lib/a.py", "a.py")
    make(tmp_path, "myenv/pyvenv.cfg")
    assert found(tmp_path) == ["a.py"]


def test_gitignore_of_every_level(repository: Path) -> None:
    make(repository, "a.py", "out/b.py", "src/c.py", "src/gen.py", "src/deep/gen.py", "src/deep/kept.py", "local.py")
    (repository / ".gitignore").write_text("out/\n# comment\ngen.py\n")
    (repository / "src" / "deep" / ".gitignore").write_text("!gen.py\n")
    (repository / ".git" / "info" / "exclude").write_text("/local.py\n")
    assert found(repository) == ["a.py", "src/c.py", "src/deep/gen.py", "src/deep/kept.py"]
    # From below: the files above hold up to the root of the repository.
    assert found(repository / "src") == ["c.py", "deep/gen.py", "deep/kept.py"]
    listed = subprocess.run(
        ["git", "ls-files", "--others", "--exclude-standard", "*.py"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert sorted(found(repository)) == sorted(listed)


def test_gitignore_above_the_repository_does_not_count(tmp_path: Path, repository: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.py\n")
    make(repository, "a.py", "inner/b.py")
    assert found(repository) == ["a.py", "inner/b.py"]
    # Seen from outside, a repository inside another folder is a world of its own, too.
    (tmp_path / ".gitignore").write_text("a.py\n")
    assert found(tmp_path) == ["repository/a.py", "repository/inner/b.py"]


def test_an_ignored_folder_or_file_that_is_named_is_looked_at(repository: Path) -> None:
    make(repository, "out/a.py", "b.py")
    (repository / ".gitignore").write_text("out/\nb.py\n")
    assert found(repository) == []
    assert found(repository, "out", "b.py") == ["out/a.py", "b.py"]


def test_a_gitignore_with_lines_that_are_no_patterns(repository: Path) -> None:
    make(repository, "a.py", "b.py")
    (repository / ".gitignore").write_bytes(b"!\n\xff\xfe\n/\n//\n***\\\nb.py\n")
    assert "b.py" not in found(repository)


def test_extend_exclude(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "legacy/b.py", "src/legacy/c.py", "src/old_d.py", "vendor/e.py")
    (tmp_path / "modelint.toml").write_text('extend-exclude = ["/legacy", "old_*.py", "!vendor/"]\n')
    assert found(tmp_path) == ["a.py", "src/legacy/c.py", "vendor/e.py"]
    assert found(tmp_path, "legacy", "src/old_d.py") == ["legacy/b.py", "src/old_d.py"]


def test_force_exclude_holds_for_what_is_named(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "legacy/b.py", "build/c.py", "build/deep/d.py")
    (tmp_path / "modelint.toml").write_text('extend-exclude = ["legacy/"]\nforce-exclude = true\n')
    assert found(tmp_path, "a.py", "legacy/b.py", "build/c.py", "legacy", "build", "build/deep") == ["a.py"]


def test_each_file_once(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "src/b.py")
    assert found(tmp_path, "src/b.py", ".", "./a.py", str(tmp_path / "src"), "src/../a.py") == ["src/b.py", "a.py"]


def test_named_files_need_no_suffix(tmp_path: Path) -> None:
    make(tmp_path, "script", " space.py", "-dash.py", "a b.txt")
    assert found(tmp_path, "script", " space.py", "-dash.py", "a b.txt") == [
        "script",
        " space.py",
        "-dash.py",
        "a b.txt",
    ]


def test_links(tmp_path: Path) -> None:
    make(tmp_path, "real/a.py")
    (tmp_path / "real" / "loop").symlink_to(tmp_path)
    (tmp_path / "real" / "self.py").symlink_to("self.py")
    (tmp_path / "again.py").symlink_to("real/a.py")
    (tmp_path / "folder").symlink_to("real")
    assert found(tmp_path) == ["real/a.py"]
    # Named, they are followed, and what they lead to is still looked at once.
    assert found(tmp_path, "again.py", "real") == ["again.py"]
    assert found(tmp_path, "folder") == ["folder/a.py"]
    assert found(tmp_path, "real/self.py") == ["real/self.py"]


def test_what_is_no_regular_file_is_passed_over(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "folder.py/b.py")
    os.mkfifo(tmp_path / "pipe.py")
    assert found(tmp_path) == ["a.py", "folder.py/b.py"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_a_folder_that_cannot_be_listed_is_said(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "closed/b.py")
    (tmp_path / "closed").chmod(0)
    try:
        result = find(["."], str(tmp_path), Configs(str(tmp_path)))
    finally:
        (tmp_path / "closed").chmod(0o700)
    assert [skipped.path for skipped in result.not_analysed] == [str(tmp_path / "closed")]


@pytest.mark.parametrize("name", ["none.py", "none/", "a.py/b.py"])
def test_a_path_that_does_not_exist(tmp_path: Path, name: str) -> None:
    make(tmp_path, "a.py")
    with pytest.raises(NoSuchPath, match=f"^{name}: no such file or folder$"):
        found(tmp_path, "a.py", name)


def test_a_tree_that_is_very_deep(tmp_path: Path) -> None:
    deep = "/".join(["d"] * 400)
    make(tmp_path, f"{deep}/a.py")
    assert found(tmp_path) == [f"{deep}/a.py"]


def test_the_root_is_the_nearest_marker(tmp_path: Path) -> None:
    make(tmp_path, "one/pyproject.toml", "one/src/a.py", "two/b.py", "two/inner/modelint.toml", "two/inner/c.py")
    assert roots(tmp_path, "one/src/a.py", "two/inner/c.py") == {
        "one/src/a.py": "one",
        "two/inner/c.py": "two/inner",
    }
    # A project inside another that is looked at too belongs to it.
    assert roots(tmp_path, "two/b.py", "two/inner/c.py") == {"two/b.py": ".", "two/inner/c.py": "."}
    # One walk is one project, whatever lies below.
    assert set(roots(tmp_path, ".").values()) == {"."}
    assert roots(tmp_path / "one" / "src", "a.py") == {"a.py": ".."}
    # Outside of the working directory and without a marker: the folder itself.
    assert roots(tmp_path / "one", "../two") == {"../two/b.py": "../two", "../two/inner/c.py": "../two"}
