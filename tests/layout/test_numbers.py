"""Silent drift and renames settled by numbers, through the command line and a real torch, in a git repository."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from modelint.cli import main

NET = '''"""A net."""
import torch
from torch import nn
from torch.nn import functional as F

import helper


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.lin = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        return x + self.drop(F.gelu(self.lin(self.norm(x))))


class Net(nn.Module):
    def __init__(self, width: int = 8, flag: bool = False) -> None:
        super().__init__()
        self.flag = flag
        self.first = nn.Linear(4, width)
        self.blocks = nn.ModuleList([Block(width) for _ in range(2)])
        self.last = nn.Linear(width, 2)
        self.register_buffer("scale", torch.ones(3), persistent=False)

    def forward(self, x, targets=None):
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        x = helper.scaled(self.last(x))
        if targets is not None:
            return F.cross_entropy(x, targets)
        return x * self.scale[0]
'''
HELPER = """import sys


def scaled(x):
    return 1.0 * x


def inputs():
    import torch

    return (torch.randn(3, 4),), {}
"""
CONFIG = """[tool.modelint.models.net]
factory = "net:Net"
inputs = ["float32[5, 4]"]
"""


pytestmark = pytest.mark.slow


def git(folder: Path, *arguments: str) -> str:
    settings = ("user.name=a", "user.email=a@b.c", "protocol.file.allow=always", "commit.gpgsign=false")
    given = [word for setting in settings for word in ("-c", setting)]
    ran = subprocess.run(["git", *given, *arguments], cwd=folder, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


class Repository:
    def __init__(self, folder: Path, temporary: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.temporary = temporary
        self._capture = capture

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def replace(self, name: str, *pairs: tuple[str, str]) -> None:
        text = (self.folder / name).read_text(encoding="utf-8")
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new)
        self.write(name, text)

    def commit(self) -> None:
        git(self.folder, "add", "-A")
        git(self.folder, "commit", "-qm", "change")

    def check(self, *arguments: str) -> tuple[list[dict[str, Any]], str]:
        """The diagnostics, and stderr. Nothing of the work tree, of .git or in the temporary folder is touched."""
        before = self._state()
        self._capture.readouterr()
        main(["check", "--only", "layout", "--format", "json", *arguments])
        out, err = self._capture.readouterr()
        assert "Traceback" not in err, err
        assert self._state() == before
        assert os.listdir(self.temporary) == []
        return json.loads(out)["diagnostics"], err

    def one(self, *arguments: str) -> dict[str, Any]:
        found, err = self.check(*arguments)
        assert len(found) == 1, (found, err)
        return found[0]

    def unsettled(self) -> str:
        """Why; the finding is as it would be without numbers."""
        found, err = self.check()
        assert [each["severity"] for each in found] == ["error"]
        assert found[0]["message"].endswith("and computes something else")
        lines = [line for line in err.splitlines() if line.startswith("net: not settled by numbers: ")]
        assert len(lines) == 1, err
        return lines[0].removeprefix("net: not settled by numbers: ")

    def _state(self) -> dict[str, int]:
        return {
            str(path): path.stat().st_mtime_ns
            for path in self.folder.rglob("*")
            if path.is_file() and not path.is_symlink()
        }


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a locked model."""
    place = tmp_path_factory.mktemp("numbers")
    folder = place / "project"
    folder.mkdir()
    (folder / "net.py").write_text(NET)
    (folder / "helper.py").write_text(HELPER)
    (folder / "pyproject.toml").write_text(CONFIG)
    environment = {**os.environ, "MODELINT_CACHE_DIR": str(place / "cache"), "MODELINT_PYTHON": sys.executable}
    ran = subprocess.run(
        [sys.executable, "-m", "modelint", "lock"], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    return folder


@pytest.fixture
def bare(
    tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Repository:
    """The project, without its repository."""
    folder, temporary = tmp_path / "project", tmp_path / "temporary"
    shutil.copytree(template, folder, ignore=shutil.ignore_patterns(".git"))
    temporary.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MODELINT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("MODELINT_PYTHON", sys.executable)
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    return Repository(folder, temporary, capsys)


@pytest.fixture
def repository(bare: Repository, template: Path) -> Repository:
    shutil.copytree(template / ".git", bare.folder / ".git")
    return bare


# Verdicts


def test_equal_is_information(repository: Repository) -> None:
    repository.replace("net.py", ("return x + self", "return 0.5 * (x + x) + self"))
    found = repository.one()
    assert (found["code"], found["severity"]) == ("MDL713", "information")
    assert found["message"].endswith("an old checkpoint loads, and computes the same on the declared inputs")
    assert found["help"] == "`modelint lock net` records the new layout"


def test_different_says_where_the_outputs_part_first(repository: Repository) -> None:
    repository.replace(
        "net.py", ("F.gelu(self.lin(self.norm(x)))", "F.gelu(self.lin(self.norm(x)), approximate='tanh')")
    )
    found = repository.one()
    assert (found["code"], found["severity"]) == ("MDL713", "error")
    assert "computes something else: outputs part first at blocks.0.drop, by " in found["message"]
    assert "e-04; the output differs by " in found["message"]


def test_an_eps_is_seen(repository: Repository) -> None:
    repository.replace("net.py", ("LayerNorm(width)", "LayerNorm(width, eps=1e-6)"))
    found = repository.one()
    assert (found["code"], found["severity"]) == ("MDL712", "error")
    assert "outputs part first at blocks.0.norm, by " in found["message"]


def test_training_alone_is_a_warning(repository: Repository) -> None:
    repository.replace("net.py", ("Dropout(0.1)", "Dropout(0.2)"))
    found = repository.one()
    assert (found["code"], found["severity"]) == ("MDL712", "warning")
    assert "evaluates to the same on the declared inputs; training goes another way: in training" in found["message"]


def test_gradients_are_compared(repository: Repository) -> None:
    repository.replace("net.py", ("x = self.first(x)\n", "x = self.first(x).detach()\n"))
    found = repository.one()
    assert found["severity"] == "warning"
    assert "the gradient of first." in found["message"]


def test_what_only_the_source_told_is_raised(repository: Repository) -> None:
    """A forward that cannot be traced, and that computes something else."""
    untraced = ("x = self.first(x)\n", "x = self.first(x)\n        x = x + float(x.sum()) * len(str(float(x[0, 0])))\n")
    repository.replace("net.py", untraced)
    subprocess.run([sys.executable, "-m", "modelint", "lock"], check=True, capture_output=True)
    repository.commit()
    repository.replace("net.py", ("x + float(x.sum())", "x + 1e-3 * float(x.sum())"))
    found = repository.one()
    assert (found["code"], found["severity"]) == ("MDL713", "error")
    assert "computes something else: outputs part first at " in found["message"]


def test_a_rename_is_proved(repository: Repository) -> None:
    repository.replace("net.py", ("self.norm", "self.ln"))
    found = repository.one()
    assert (found["code"], found["severity"]) == ("MDL707", "error")
    assert "proved: under the new names it computes the same on the declared inputs" in found["message"]
    assert "check it" not in found["help"]


def test_what_looks_like_a_rename_and_computes_something_else(repository: Repository) -> None:
    repository.replace("net.py", ("self.norm", "self.ln"), ("x + self.drop(", "x + 2 * self.drop("))
    found = repository.one()
    assert (found["code"], found["severity"]) == ("MDL707", "error")
    assert "under the new names it computes something else: outputs part first at " in found["message"]


def test_hooks_that_take_old_files_to_the_wrong_place_are_an_error(repository: Repository) -> None:
    hook = """
        self._register_load_state_dict_pre_hook(self._rename)

    def _rename(self, state, prefix, *rest):
        for name in ("weight", "bias"):
            if prefix + "norm." + name in state:
                state[prefix + "ln." + name] = state.pop(prefix + "norm." + name)FACTOR
"""
    edit = ("self.norm", "self.ln"), ("self.drop = nn.Dropout(0.1)\n", "self.drop = nn.Dropout(0.1)\n" + hook)
    repository.replace("net.py", *edit, ("FACTOR", ""))
    found = repository.one()
    assert (found["severity"], found["drift"]["class"]) == ("information", "safe")
    assert "loads, through the model's own load hooks, and computes the same" in found["message"]
    repository.replace("net.py", ('"norm." + name)\n', '"norm." + name) * 2\n'))
    found = repository.one()
    assert (found["severity"], found["drift"]["class"]) == ("error", "silent")
    assert "load hooks, and computes something else: outputs part first at blocks.0.ln, by " in found["message"]


def test_changed_lines_that_do_not_run_settle_nothing(repository: Repository) -> None:
    repository.replace("net.py", ("F.cross_entropy(x, targets)", "2 * F.cross_entropy(x, targets)"))
    assert repository.unsettled() == "the changed lines did not run with these inputs (net.py:35)"


def test_a_branch_that_the_settings_rule_out_need_not_run(repository: Repository) -> None:
    branch = "        if self.flag:\n            x = 2 * x\n        else:\n            x = 0.5 * (x + x)\n"
    repository.replace("net.py", ("        x = self.first(x)\n", "        x = self.first(x)\n" + branch))
    assert repository.one()["severity"] == "information"


def test_inputs_of_a_callable_that_the_old_code_does_not_have(repository: Repository) -> None:
    repository.replace("pyproject.toml", ('["float32[5, 4]"]', '"samples:batch"'))
    repository.write("samples.py", "import torch\n\n\ndef batch():\n    return {'x': torch.randn(3, 4)}\n")
    repository.replace("net.py", ("return x + self", "return 0.5 * (x + x) + self"))
    assert repository.one()["severity"] == "information"


def test_the_old_side_is_what_its_own_configuration_declares(repository: Repository) -> None:
    """A package that was renamed, with another factory."""
    (repository.folder / "net.py").rename(repository.folder / "network.py")
    repository.replace("network.py", ("return x + self", "return 0.5 * (x + x) + self"), ("class Net(", "class Main("))
    repository.replace("pyproject.toml", ("net:Net", "network:Main"))
    assert repository.one()["severity"] == "information"


def test_the_code_that_wrote_the_manifest_counts_not_the_last_commit(repository: Repository) -> None:
    """As a CI job sees it: the drift is committed, and the work tree is clean."""
    repository.replace("net.py", ("F.gelu(", "F.relu("))
    repository.commit()
    repository.write("other.txt", "more")
    repository.commit()
    assert "outputs part first at blocks.0.drop" in repository.one()["message"]


def test_nothing_runs_without_inputs_or_without_drift(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelint.layout.numbers.settle", None)
    assert repository.check()[0] == []
    repository.replace("pyproject.toml", ('inputs = ["float32[5, 4]"]\n', ""))
    repository.replace("net.py", ("F.gelu(", "F.relu("))
    found = repository.one()
    assert (found["severity"], found["message"].endswith("loads, and computes something else")) == ("error", True)


# Bounds


def test_a_probe_is_run_in_place_of_the_model(repository: Repository) -> None:
    repository.replace("net.py", ("return x + self", "return 0.5 * (x + x) + self"))
    repository.replace("pyproject.toml", ('"net:Net"\n', '"net:Net"\nprobe = {width = "no width"}\n'))
    assert "does not run with the declared inputs: TypeError" in repository.unsettled()
    repository.replace("pyproject.toml", ('"no width"', "4"))
    assert repository.one()["severity"] == "information"


def test_too_large_is_told_with_the_way_out(repository: Repository) -> None:
    repository.replace("net.py", ("F.gelu(", "F.relu("))
    repository.replace("pyproject.toml", ("[tool", '[tool.modelint]\nmemory = "1000MB"\n[tool'))
    repository.replace(
        "net.py", ("        self.last =", "        self.extra = nn.Linear(8000, 8000)\n        self.last =")
    )
    subprocess.run([sys.executable, "-m", "modelint", "lock"], check=True, capture_output=True)
    repository.replace("net.py", ("F.relu(", "F.gelu("))
    why = repository.unsettled()
    assert why.startswith("it is too large (about 2.4 GiB in float64)")
    assert why.endswith("a smaller configuration in [tool.modelint.models.net.probe]")


def test_the_time_is_bounded(repository: Repository) -> None:
    repository.replace("net.py", ("x = self.first(x)\n", "x = self.first(x)\n        wait()\n"))
    repository.write("pyproject.toml", "[tool.modelint]\ntimeout = 4\n" + CONFIG)
    repository.replace("net.py", ("class Block", SLOW + "class Block"))
    why = repository.unsettled()
    assert "its run on the declared inputs took longer than 4 s; declare a smaller configuration in" in why


SLOW = """
def wait():
    import sys
    import time

    if "_modelint_tracer.numbers" in sys.modules and torch.get_default_dtype() is torch.float64:
        time.sleep(60)


"""


# Faults


def test_outside_a_repository(bare: Repository) -> None:
    bare.replace("net.py", ("F.gelu(", "F.relu("))
    assert bare.unsettled() == "it is in no git repository"


def test_a_manifest_that_was_never_committed(bare: Repository) -> None:
    git(bare.folder, "init", "-q")
    bare.replace("net.py", ("F.gelu(", "F.relu("))
    assert bare.unsettled() == "there is no commit yet"
    git(bare.folder, "add", "net.py")
    git(bare.folder, "commit", "-qm", "without")
    assert bare.unsettled() == "its manifest was never committed as it is now"


def test_a_shallow_clone(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.replace("net.py", ("F.gelu(", "F.relu("))
    repository.commit()
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repository.folder}", "shallow")
    monkeypatch.chdir(tmp_path / "shallow")
    repository.folder = tmp_path / "shallow"
    assert repository.unsettled().startswith("the clone is shallow, and ends at commit ")


def test_code_that_does_not_import_any_more(repository: Repository) -> None:
    repository.write("helper.py", "import a_package_of_long_ago\n" + HELPER)
    repository.commit()
    repository.write(
        "model-manifests/net/layout.json", (repository.folder / "model-manifests/net/layout.json").read_text() + "\n"
    )
    repository.commit()
    repository.write("helper.py", HELPER)
    repository.replace("net.py", ("F.gelu(", "F.relu("))
    why = repository.unsettled()
    assert why.startswith("the code of commit ")
    assert "does not build: ModuleNotFoundError: No module named 'a_package_of_long_ago'" in why


def test_a_manifest_that_was_committed_without_its_code(repository: Repository) -> None:
    repository.replace("net.py", ("LayerNorm(width)", "LayerNorm(width, eps=1e-3)"))
    subprocess.run([sys.executable, "-m", "modelint", "lock"], check=True, capture_output=True)
    git(repository.folder, "add", "model-manifests")
    git(repository.folder, "commit", "-qm", "the manifest alone")
    repository.replace("net.py", ("F.gelu(", "F.relu("))
    assert repository.unsettled().endswith(", which wrote the manifest, has another layout here")


def test_code_in_a_submodule(repository: Repository, tmp_path: Path) -> None:
    """The commit that the old code names counts, if it is there."""
    inner = tmp_path / "inner"
    inner.mkdir()
    git(inner, "init", "-q", "-b", "main")
    (inner / "helper.py").write_text(HELPER)
    git(inner, "add", "-A")
    git(inner, "commit", "-qm", "first")
    git(repository.folder, "rm", "-q", "helper.py")
    git(repository.folder, "submodule", "add", "-q", f"file://{inner}", "lib")
    repository.write("pyproject.toml", '[tool.modelint]\npythonpath = ["lib"]\n' + CONFIG)
    subprocess.run([sys.executable, "-m", "modelint", "lock"], check=True, capture_output=True)
    with open(repository.folder / "model-manifests/net/layout.json", "a") as file:
        file.write("\n")
    repository.commit()
    repository.replace("lib/helper.py", ("1.0 * x", "1.5 * x"))
    git(repository.folder / "lib", "commit", "-qam", "second")
    git(repository.folder, "add", "-A")
    found = repository.one()
    assert found["severity"] == "error"
    assert "computes something else: " in found["message"]
    shutil.rmtree(repository.folder / "lib")
    shutil.copytree(inner, repository.folder / "lib", ignore=shutil.ignore_patterns(".git"))
    repository.replace("lib/helper.py", ("1.0 * x", "1.5 * x"))
    why = repository.unsettled()
    assert "does not build: ModuleNotFoundError: No module named 'helper'" in why
    assert why.endswith("(its copy lacks a submodule that is not there: lib)")


def test_git_lfs_pointers_are_told(repository: Repository) -> None:
    repository.write("table.txt", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 2\n")
    reading = ("import sys\n", "import sys\n\nTABLE = int(open(__file__.replace('helper.py', 'table.txt')).read())\n")
    repository.replace("helper.py", reading)
    with open(repository.folder / "model-manifests/net/layout.json", "a") as file:
        file.write("\n")
    repository.commit()
    repository.write("table.txt", "1\n")
    repository.replace("net.py", ("F.gelu(", "F.relu("))
    why = repository.unsettled()
    assert "does not build: ValueError" in why
    assert why.endswith("(its copy lacks git-lfs pointers, not their files: table.txt)")


def test_old_code_that_takes_a_module_of_the_work_tree(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ignored, generated file that is on the path of the interpreter."""
    monkeypatch.setenv("PYTHONPATH", str(repository.folder))
    repository.write(".gitignore", "generated.py\n")
    repository.write("generated.py", "FACTOR = 1.0\n")
    repository.replace("helper.py", ("import sys\n", "import generated\n"))
    with open(repository.folder / "model-manifests/net/layout.json", "a") as file:
        file.write("\n")
    repository.commit()
    repository.replace("net.py", ("F.gelu(", "F.relu("))
    assert repository.unsettled().endswith(" imports generated.py of the work tree")


def test_randomness_that_cannot_be_seeded(repository: Repository) -> None:
    noise = "x = self.first(x)\n        x = x + int.from_bytes(__import__('os').urandom(2), 'big')\n"
    repository.replace("net.py", ("x = self.first(x)\n", noise))
    assert repository.unsettled().startswith("two runs of the same code differ: ")


def test_ctrl_c_leaves_nothing_behind(repository: Repository) -> None:
    repository.replace("net.py", ("x = self.first(x)\n", "x = self.first(x)\n        wait()\n"))
    repository.replace("net.py", ("class Block", SLOW + "class Block"))
    before = repository._state()
    command = [sys.executable, "-m", "modelint", "check", "--only", "layout"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    end = time.monotonic() + 120
    while not list(repository.temporary.glob("modelint-numbers-*/0/initial.pt")) and time.monotonic() < end:
        time.sleep(0.05)
    (folder,) = repository.temporary.glob("modelint-numbers-*")
    running = int((folder / "0" / "new.pid").read_text())
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert os.listdir(repository.temporary) == []
    assert repository._state() == before
    with pytest.raises(ProcessLookupError):
        os.kill(running, 0)
