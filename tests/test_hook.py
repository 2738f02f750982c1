"""The hook through the real pre-commit. It installs modelint into an environment of pre-commit's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
BAD = "def load(model, state):\n    model.load_state_dict(state, strict=False)\n"
GOOD = "def load(model, state):\n    print(model.load_state_dict(state, strict=False))\n"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="pre-commit takes hooks from a git repository"),
]


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


class Project:
    """A repository that uses the hook, and commits as a user does."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        folder.mkdir()
        git(folder, "init", "-q")

    def stage(self, name: str, data: str | bytes) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
        git(self.folder, "add", "--", name)

    def run(self, *command: str) -> tuple[int, str]:
        ran = subprocess.run(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return ran.returncode, ran.stdout

    def commit(self) -> tuple[int, str]:
        return self.run("git", "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "-m", "a commit")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hook")


@pytest.fixture(scope="module")
def environment(place: Path) -> dict[str, str]:
    """That of the user, less what an outer git hook may have left; with a store of environments of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PRE_COMMIT"))}
    scripts = str(Path(sys.executable).parent)
    return {**kept, "PRE_COMMIT_HOME": str(place / "store"), "PATH": scripts + os.pathsep + kept.get("PATH", "")}


@pytest.fixture(scope="module")
def modelint(place: Path) -> Path:
    """A clone of this repository with what its work tree holds: pre-commit takes a repository at a commit."""
    clone = place / "modelint"
    subprocess.run(["git", "clone", "-q", "--no-hardlinks", str(ROOT), str(clone)], check=True)
    listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name)
        else:
            (clone / name).unlink(missing_ok=True)
    git(clone, "add", "-A")
    git(clone, "commit", "-q", "--allow-empty", "-m", "the work tree")
    return clone


@pytest.fixture(scope="module")
def installed(place: Path, environment: dict[str, str], modelint: Path) -> Project:
    """A repository with the hook installed, as README says."""
    project = Project(place / "project", environment)
    entry = {
        "repo": str(modelint),
        "rev": git(modelint, "rev-parse", "HEAD").strip(),
        "hooks": [{"id": "modelint-lint"}],
    }
    project.stage(".pre-commit-config.yaml", yaml.safe_dump({"repos": [entry]}))
    code, output = project.run("pre-commit", "install", "--install-hooks")
    assert code == 0, output
    return project


def test_the_manifest_is_valid(environment: dict[str, str]) -> None:
    subprocess.run(
        ["pre-commit", "validate-manifest", str(ROOT / ".pre-commit-hooks.yaml")], env=environment, check=True
    )


def test_try_repo(place: Path, environment: dict[str, str], modelint: Path) -> None:
    project = Project(place / "tried", environment)
    project.stage("load.py", BAD)
    code, output = project.run("pre-commit", "try-repo", str(modelint), "modelint-lint", "--all-files")
    assert code == 1, output
    assert "load.py:2:5: MDL401 [unchecked-non-strict-load]" in output
    assert "1 file; 1 warning" in output


def test_a_commit_is_refused_until_it_is_fixed(installed: Project) -> None:
    installed.stage("load.py", BAD)
    installed.stage("notes.txt", "model.load_state_dict(state, strict=False)\n")
    code, output = installed.commit()
    assert code == 1 and "load.py:2:5: MDL401" in output, output
    assert "1 file; 1 warning" in output
    assert not git(installed.folder, "log", "--all", "--oneline")
    # What counts is what is staged, not what the work tree holds.
    (installed.folder / "load.py").write_text(GOOD)
    assert installed.commit()[0] == 1
    (installed.folder / "load.py").write_text(GOOD)
    git(installed.folder, "add", "load.py")
    code, output = installed.commit()
    assert code == 0 and "Passed" in output, output


def test_names_that_look_like_options(installed: Project) -> None:
    for name in ("-x.py", "--exit-zero.py", " space.py"):
        installed.stage(name, BAD)
    code, output = installed.commit()
    assert code == 1 and "3 files; 3 warnings" in output, output
    git(installed.folder, "rm", "-q", "--cached", "--", "-x.py", "--exit-zero.py", " space.py")


def test_only_a_syntax_error_is_a_file_that_fails(installed: Project) -> None:
    installed.stage("nul.py", b"import torch\0\n")
    code, output = installed.commit()
    assert code == 0, output
    installed.stage("broken.py", "import torch\ntorch.save(\n")
    code, output = installed.commit()
    assert code == 1 and "exit code: 3" in output and "broken.py:2: not analysed: syntax error" in output, output
    git(installed.folder, "rm", "-q", "--cached", "--", "broken.py")


def test_no_torch_in_its_environment(installed: Project, place: Path) -> None:
    packages = {path.name for path in (place / "store").glob("repo*/py_env-*/lib/python*/site-packages/*")}
    assert "libcst" in packages and "modelint" in packages
    assert "torch" not in packages


# Tracked models: the hook finds the project's own Python, which has torch; its own environment has none.

NET = """from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.last = nn.Linear(8, 2)

    def forward(self, x):
        return self.last(self.first(x))
"""


@pytest.fixture(params=["modelint-layout", "modelint"])
def tracked(
    request: pytest.FixtureRequest, tmp_path: Path, place: Path, environment: dict[str, str], modelint: Path
) -> Project:
    """A repository with an environment of its own that has torch, a tracked model, and one of the two hooks."""
    own = {name: value for name, value in environment.items() if name not in ("VIRTUAL_ENV", "MODELINT_PYTHON")}
    project = Project(tmp_path / "project", {**own, "MODELINT_CACHE_DIR": str(tmp_path / "cache")})
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", project.folder / ".venv"], check=True)
    packages = next((project.folder / ".venv/lib").glob("python*/site-packages"))
    # The torch of the tests, as if it had been installed there.
    (packages / "torch.pth").write_text(sysconfig.get_path("purelib") + "\n")
    entry = {"repo": str(modelint), "rev": git(modelint, "rev-parse", "HEAD").strip(), "hooks": [{"id": request.param}]}
    project.stage(".pre-commit-config.yaml", yaml.safe_dump({"repos": [entry]}))
    project.stage(".gitignore", ".venv/\n")
    project.stage("pyproject.toml", "[tool.modelint.models.net]\nfactory = 'net:Net'\n")
    project.stage("net.py", NET)
    code, output = project.run("pre-commit", "install", "--install-hooks")
    assert code == 0, output
    return project


def command(project: Project, place: Path, *arguments: str) -> tuple[int, str]:
    """`modelint ...` of the hook's own environment, as a user has it who installed it apart."""
    script = next((place / "store").glob("repo*/py_env-*/bin/modelint"))
    return project.run(str(script), *arguments)


def test_a_renamed_attribute_is_refused_until_it_is_accepted_or_reverted(tracked: Project, place: Path) -> None:
    code, output = tracked.commit()
    assert code == 1 and "MDL731" in output and "modelint lock net" in output, output
    code, output = command(tracked, place, "lock")
    assert code == 0, output
    assert not list(tracked.folder.rglob("__pycache__")) or not (tracked.folder / "__pycache__").exists()
    git(tracked.folder, "add", "model-manifests")
    code, output = tracked.commit()
    assert code == 0, output

    renamed = NET.replace("self.last", "self.head")
    tracked.stage("net.py", renamed)
    code, output = tracked.commit()
    assert code == 1 and "net.py:8:9: MDL707 [key-renamed]" in output and "modelint lock net" in output, output
    assert "self.head = nn.Linear(8, 2)" in output
    # Reverted, with another word in a comment: nothing is to be said.
    tracked.stage("net.py", NET + "# as it was\n")
    code, output = tracked.commit()
    assert code == 0, output
    # Accepted.
    tracked.stage("net.py", renamed)
    assert tracked.commit()[0] == 1
    code, output = command(tracked, place, "lock", "net")
    assert code == 0 and "MDL707 key-renamed (breaking)" in output, output
    # The manifest has to be part of the commit: what is not staged does not count.
    assert tracked.commit()[0] == 1
    git(tracked.folder, "add", "model-manifests")
    code, output = tracked.commit()
    assert code == 0, output

    # A commit of a manifest alone, and one that only deletes, are looked at as well.
    manifest = tracked.folder / "model-manifests/net/layout.json"
    whole = manifest.read_text()
    tracked.stage("model-manifests/net/layout.json", whole.replace("[8, 4]", "[9, 4]"))
    code, output = tracked.commit()
    assert code == 1 and "MDL703" in output, output
    tracked.stage("model-manifests/net/layout.json", whole)
    git(tracked.folder, "rm", "-q", "net.py")
    code, output = tracked.commit()
    assert code == 1 and "MDL732" in output and "exit code: 3" in output, output
    tracked.stage("net.py", renamed)
    git(tracked.folder, "rm", "-q", "pyproject.toml")
    code, output = tracked.commit()
    assert code == 1 and "MDL734" in output, output
