"""The commit that wrote a manifest, and its files in a temporary folder, with git as it is."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from modelint.layout.settling import revision
from modelint.layout.settling.revision import NoRevision


class Repository:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = str(folder / "sub" / "layout.json")
        folder.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> str:
        settings = ("user.name=a", "user.email=a@b.c", "protocol.file.allow=always", "commit.gpgsign=false")
        given = [word for setting in settings for word in ("-c", setting)]
        ran = subprocess.run(["git", *given, *arguments], cwd=self.folder, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    def write(self, name: str, data: bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def commit(self) -> str:
        self.git("add", "-A")
        self.git("commit", "-qm", "change")
        return self.git("rev-parse", "HEAD")

    def extract(self, folder: Path) -> tuple[str, ...]:
        folder.mkdir()
        return revision.extract(revision.base(self.manifest), str(folder)).lacks


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def test_the_last_commit_that_gave_it_its_content(repository: Repository) -> None:
    repository.write("sub/layout.json", b"1")
    repository.commit()
    repository.write("sub/layout.json", b"2")
    repository.commit()
    repository.write("sub/layout.json", b"1")
    third = repository.commit()
    repository.write("code.py", b"x = 1")
    repository.commit()
    assert revision.base(repository.manifest) == (third, str(repository.folder.resolve()), False)
    repository.write("sub/layout.json", b"2")  # not committed, and known from before
    assert repository.git("log", "-1", "--format=%P", third) == revision.base(repository.manifest).commit


def test_a_merge_that_wrote_it(repository: Repository) -> None:
    repository.write("sub/layout.json", b"1\n\n\n\n2\n")
    repository.commit()
    repository.git("checkout", "-qb", "other")
    repository.write("sub/layout.json", b"3\n\n\n\n2\n")
    repository.commit()
    repository.git("checkout", "-q", "main")
    repository.write("sub/layout.json", b"1\n\n\n\n4\n")
    repository.commit()
    repository.git("merge", "-q", "--no-edit", "other")
    merge = repository.git("rev-parse", "HEAD")
    repository.write("code.py", b"x = 1")
    repository.commit()
    assert revision.base(repository.manifest).commit == merge


def test_why_there_is_none(repository: Repository, tmp_path: Path) -> None:
    repository.write("sub/layout.json", b"1")
    with pytest.raises(NoRevision, match="there is no commit yet"):
        revision.base(repository.manifest)
    repository.write("code.py", b"x = 1")
    repository.git("add", "code.py")
    repository.git("commit", "-qm", "change")
    with pytest.raises(NoRevision, match="its manifest was never committed as it is now"):
        revision.base(repository.manifest)
    (tmp_path / "layout.json").write_text("1")
    with pytest.raises(NoRevision, match="it is in no git repository"):
        revision.base(str(tmp_path / "layout.json"))


def test_without_git(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NoRevision, match="git cannot be run"):
        revision.base(repository.manifest)


def test_a_shallow_clone_is_told(repository: Repository, tmp_path: Path) -> None:
    for content in (b"1", b"2"):
        repository.write("sub/layout.json", content)
        repository.commit()
    repository.git("clone", "-q", "--depth", "1", f"file://{repository.folder}", str(tmp_path / "shallow"))
    assert revision.base(str(tmp_path / "shallow/sub/layout.json")).boundary
    assert not revision.base(repository.manifest).boundary


def test_what_a_hook_says_of_another_index_does_not_count(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    repository.write("sub/layout.json", b"1")
    commit = repository.commit()
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nothing"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    assert revision.base(repository.manifest).commit == commit


def test_files_are_written_as_they_were(repository: Repository, tmp_path: Path) -> None:
    names = {"sub/layout.json": b"1", "a b/\u00e9.py": b"x\r\n\0", "empty.py": b""}
    for name, data in names.items():
        repository.write(name, data)
    os.symlink("empty.py", repository.folder / "link.py")
    os.symlink("/etc/passwd", repository.folder / "outside")
    os.symlink("../../etc/passwd", repository.folder / "above")
    repository.write(".gitattributes", b"*.py export-ignore\nempty.py export-subst\n")
    repository.commit()
    repository.write("empty.py", b"not empty any more")
    assert repository.extract(tmp_path / "copy") == ()
    copy = tmp_path / "copy"
    assert all((copy / name).read_bytes() == data for name, data in names.items())
    assert (copy / "link.py").is_symlink()
    assert not os.path.lexists(copy / "outside")
    assert not os.path.lexists(copy / "above")


def test_neither_the_work_tree_nor_git_is_touched(repository: Repository, tmp_path: Path) -> None:
    repository.write("sub/layout.json", b"1")
    repository.commit()
    repository.write("code.py", b"x = 1")
    repository.git("add", "code.py")

    def state() -> dict[str, int]:
        return {str(path): path.stat().st_mtime_ns for path in repository.folder.rglob("*")}

    before = state()
    repository.extract(tmp_path / "copy")
    assert state() == before


def test_what_the_copy_lacks(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = Repository(tmp_path / "inner")
    inner.write("module.py", b"x = 1")
    inner.commit()
    repository.write("sub/layout.json", b"1")
    repository.git("submodule", "add", "-q", f"file://{inner.folder}", "there")
    repository.git("submodule", "add", "-q", f"file://{inner.folder}", "gone")
    repository.write("weights.bin", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n")
    repository.write("large.bin", b"1234567")
    repository.write("large.py", b"x = 12345")
    repository.commit()
    repository.git("submodule", "deinit", "-q", "-f", "gone")
    monkeypatch.setattr(revision, "_LARGE", 6)
    monkeypatch.setattr(revision, "_POINTER", b"version")
    lacks = repository.extract(tmp_path / "copy")
    assert "a submodule that is not there: gone" in lacks
    assert any(each.startswith("large files: ") and "large.bin" in each for each in lacks)
    assert (tmp_path / "copy/there/module.py").read_bytes() == b"x = 1"
    assert (tmp_path / "copy/large.py").exists()
    assert not (tmp_path / "copy/large.bin").exists()


def test_an_object_that_is_not_in_this_clone(repository: Repository, tmp_path: Path) -> None:
    """As in a partial clone; nothing is fetched."""
    repository.write("sub/layout.json", b"1")
    repository.write("code.py", b"x = 1")
    repository.commit()
    blob = repository.git("rev-parse", "HEAD:code.py")
    os.unlink(repository.folder / ".git/objects" / blob[:2] / blob[2:])
    (tmp_path / "copy").mkdir()
    with pytest.raises(NoRevision, match=f"object {blob[:10]} is not in this clone"):
        revision.extract(revision.base(repository.manifest), str(tmp_path / "copy"))


def test_what_a_file_was(repository: Repository, tmp_path: Path) -> None:
    repository.write("sub/layout.json", b"1")
    repository.write("code.py", b"x = 1\n")
    repository.write("latin.py", b"# \xe9\n")
    repository.commit()
    repository.write("code.py", b"x = 2\n")
    repository.commit()
    repository.write("code.py", b"x = 3\n")
    repository.write("new.py", b"")
    then = revision.Then(repository.manifest)
    names = ("code.py", "new.py", "latin.py", "../outside.py")
    assert [then(str(repository.folder / name)) for name in names] == ["x = 1\n", None, None, None]
    assert revision.Then(str(tmp_path / "layout.json"))(str(tmp_path / "code.py")) is None
