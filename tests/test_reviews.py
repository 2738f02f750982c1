"""What a pull request is shown: `diff manifest:NAME@main model:NAME` and `check`, as Markdown.

``tests/reviews`` holds what is printed in each situation. Read the difference, then accept it with

    MODELINT_UPDATE_SNAPSHOT=1 python -m pytest tests/test_reviews.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from modelint.cli import main

pytestmark = pytest.mark.slow
GOLDEN = Path(__file__).parent / "reviews"
NET = """import torch
from torch import nn
from torch.nn import functional as F


class Attention(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.q = nn.Linear(dim, dim)
        self.k = nn.Linear(dim, dim)
        self.v = nn.Linear(dim, dim)

    def forward(self, x):
        q, k, v = self.q(x), self.k(x), self.v(x)
        return torch.softmax(q @ k.transpose(-2, -1), dim=-1) @ v


class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.attn = Attention(dim)
        self.fc = nn.Linear(dim, dim)

    def forward(self, x):
        return x + F.gelu(self.fc(self.attn(x)))


class Net(nn.Module):
    def __init__(self, words=50, dim=8):
        super().__init__()
        self.embed = nn.Embedding(words, dim)
        self.blocks = nn.ModuleList(Block(dim) for _ in range(3))
        self.head = nn.Linear(dim, words)

    def forward(self, x):
        x = self.embed(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)
"""
RENAMED = NET.replace("self.fc", "self.proj")
FUSED = NET.replace(
    """        self.q = nn.Linear(dim, dim)
        self.k = nn.Linear(dim, dim)
        self.v = nn.Linear(dim, dim)
""",
    "        self.qkv = nn.Linear(dim, 3 * dim)\n",
).replace("self.q(x), self.k(x), self.v(x)", "self.qkv(x).chunk(3, dim=-1)")
TANH = NET.replace("F.gelu(self.fc(self.attn(x)))", 'F.gelu(self.fc(self.attn(x)), approximate="tanh")')
BOTH = TANH.replace("self.fc", "self.proj")
RESIZED = NET.replace("words=50", "words=64")
CONFIG = '[tool.modelint.models.net]\nfactory = "net:Net"\n'
SECOND = '[tool.modelint.models.tiny]\nfactory = "net:Block"\nargs = [4]\n'


class Situation(NamedTuple):
    now: str
    config: str = CONFIG
    #: Kept before the change.
    release: str | None = None


SITUATIONS = {
    "rename": Situation(RENAMED),
    "fused projections": Situation(FUSED),
    "another gelu": Situation(TANH),
    "a rename and another gelu": Situation(BOTH),
    "vocabulary resized": Situation(RESIZED),
    "a release that breaks": Situation(RENAMED, release="v1"),
    "a release that loads": Situation(TANH, release="v1"),
    "several models": Situation(RENAMED, CONFIG + SECOND),
}


def git(folder: Path, *arguments: str) -> str:
    own = ("-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "commit.gpgsign=false")
    ran = subprocess.run(["git", *own, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return ran.stdout


class Project:
    """A repository whose branch ``main`` has the model as it was, and whose work tree has a change."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capture = folder, capture
        self.err = ""

    def run(self, *arguments: str) -> tuple[int, str]:
        self._capture.readouterr()
        code = main(list(arguments))
        out, self.err = self._capture.readouterr()
        assert "Traceback" not in self.err
        return code, out

    def start(self, config: str = CONFIG, release: str | None = None, below: str = ".") -> None:
        place = self.folder / below
        place.mkdir(exist_ok=True)
        (place / "net.py").write_text(NET)
        (place / "pyproject.toml").write_text(config)
        git(self.folder, "init", "-q", "-b", "main")
        code, out = self.run("lock", *(("net", "--release", release) if release else ()))
        assert code == 0, out + self.err
        self.commit("the model")

    def commit(self, message: str) -> None:
        git(self.folder, "add", "-A")
        git(self.folder, "commit", "-q", "-m", message)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Project:
    monkeypatch.setenv("MODELINT_PYTHON", sys.executable)
    monkeypatch.setenv("MODELINT_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return Project(folder, capsys)


@pytest.mark.parametrize("name", SITUATIONS)
def test_what_a_pull_request_is_shown(project: Project, name: str) -> None:
    situation = SITUATIONS[name]
    project.start(situation.config, situation.release)
    git(project.folder, "checkout", "-q", "-b", "change")
    (project.folder / "net.py").write_text(situation.now)
    parts = []
    for command in (
        ("check", "--only", "layout", "--format", "markdown"),
        ("diff", "manifest:net@main", "model:net", "--format", "markdown"),
    ):
        code, out = project.run(*command)
        parts.append(f"$ modelint {' '.join(command)}\n\n{out}\n(exit {code})\n")
    text = "\n".join(parts)
    golden = GOLDEN / f"{name.replace(' ', '_')}.txt"
    if os.environ.get("MODELINT_UPDATE_SNAPSHOT"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_the_log_of_a_job_has_the_summary_folded(project: Project) -> None:
    project.start()
    (project.folder / "net.py").write_text(RENAMED)
    code, out = project.run("check", "--only", "layout", "--format", "github")
    annotation, group, *summary = out.splitlines()
    assert code == 1 and annotation.startswith("::error file=net.py,line=22,")
    assert group == "::group::modelint: `net`: old files do not load" and summary[-1] == "::endgroup::"
    assert "**Proved**" in summary and not any("details" in line for line in summary)
    assert not any(line.startswith("::") for line in summary[:-1])


def test_text_and_json_between_two_layouts(project: Project) -> None:
    project.start()
    (project.folder / "net.py").write_text(TANH)
    code, out = project.run("diff", "manifest:net", "model:net")
    assert code == 0 and "MDL713 forward-changed: net: Block.forward changed" in " ".join(out.split())
    (project.folder / "net.py").write_text(RENAMED)
    code, out = project.run("diff", "manifest:net@main", "model:net", "--format", "json")
    found = json.loads(out)
    assert code == 1 and len(found["renamed"]) == 6 and {each["certainty"] for each in found["renamed"]} == {"proved"}
    (project.folder / "net.py").write_text(BOTH)
    code, out = project.run("diff", "manifest:net@main", "model:net", "--format", "json")
    assert {each["certainty"] for each in json.loads(out)["renamed"]} == {"proposed"}
    assert project.run("lock", "net")[0] == 0
    code, out = project.run("diff", "manifest:net@main", "manifest:net", "--format", "markdown")
    assert code == 1 and "under the new names it computes something else" in out


def test_where_the_old_manifest_comes_from(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model below the root, releases before revisions, a checkout without branches, and what is not there."""
    project.start(release="v1", below="models")
    monkeypatch.chdir(project.folder / "models")
    (Path("model-manifests/net") / "layout.json").write_text("{}")
    project.commit("a manifest that nobody can read")
    git(project.folder, "tag", "v1")
    git(project.folder, "checkout", "-q", "--detach")
    for broken in ("manifest:net", "manifest:net@HEAD", "manifest:net@main", "manifest:net@git:v1"):
        code, _ = project.run("diff", "manifest:net@v1", broken)
        assert code == 3 and f"{broken}: model-manifests/net/layout.json:1: it is no manifest" in project.err
    assert project.run("diff", "manifest:net@v1", "manifest:net@main~1")[0] == 0
    git(project.folder, "checkout", "-q", "--orphan", "empty")
    git(project.folder, "rm", "-q", "-r", "-f", "--cached", ".")
    (project.folder / "README").write_text("nothing\n")
    git(project.folder, "add", "README")
    git(project.folder, "commit", "-q", "-m", "nothing")
    code, _ = project.run("diff", "manifest:net@empty", "manifest:net@v1")
    assert code == 3 and "revision empty has no model-manifests/net/layout.json: the model was not" in project.err
    code, _ = project.run("diff", "manifest:net@mian", "manifest:net@v1")
    words = "no release 'mian' is kept (releases: v1), and git knows no revision 'mian' in ."
    assert code == 2 and words in project.err


def test_a_clone_that_lacks_the_revision(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project.start()
    first = git(project.folder, "rev-parse", "HEAD").strip()
    git(project.folder, "checkout", "-q", "-b", "change")
    (project.folder / "net.py").write_text(RENAMED)
    project.commit("renamed")
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{project.folder}", "shallow")
    git(tmp_path, "clone", "-q", "--branch", "change", f"file://{project.folder}", "whole")
    monkeypatch.chdir(tmp_path / "shallow")
    assert project.run("diff", f"manifest:net@{first}", "manifest:net")[0] == 2
    assert "the clone is shallow: `git fetch --unshallow`" in project.err
    monkeypatch.chdir(tmp_path / "whole")
    assert project.run("diff", "manifest:net@main", "manifest:net")[0] == 2
    assert "git knows no revision 'main' in .; it knows origin/main" in project.err
    assert project.run("diff", "manifest:net@origin/main", "manifest:net")[0] == 0
    monkeypatch.setenv("PATH", "")
    assert project.run("diff", "manifest:net@origin/main", "manifest:net")[0] == 3
    assert "git cannot be run" in project.err
