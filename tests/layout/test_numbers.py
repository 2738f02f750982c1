"""Silent drift and renames settled by numbers, through the command line and a real torch, in a git repository."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from modelint.cli import main
from modelint.layout import building
from modelint.layout.settling import numbers

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

    def lock(self) -> None:
        ran = subprocess.run([*COMMAND, "lock"], capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr

    def touch(self, name: str) -> None:
        """Other bytes, which mean the same."""
        with open(self.folder / name, "a") as file:
            file.write("\n")

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


# Verdicts: of many models in one repository, each with an edit of its own


class Said(NamedTuple):
    code: str
    severity: str
    message: str
    help: str
    cls: str


class Variant(NamedTuple):
    """What is edited after the lock; ``before``: edits that the manifest knows."""

    edits: tuple[tuple[str, str], ...]
    before: tuple[tuple[str, str], ...] = ()
    #: More for its table in the configuration, after the lock.
    config: str = 'inputs = ["float32[5, 4]"]'


DOUBLED = ("return x + self", "return 0.5 * (x + x) + self")
RELU = ("F.gelu(", "F.relu(")
RENAMED = ("self.norm", "self.ln")
HOOK = """self.drop = nn.Dropout(0.1)
        self._register_load_state_dict_pre_hook(self._rename)

    def _rename(self, state, prefix, *rest):
        for name in ("weight", "bias"):
            if prefix + "norm." + name in state:
                state[prefix + "ln." + name] = FACTOR * state.pop(prefix + "norm." + name)
"""
UNTRACED = "x = self.first(x)\n        x = x + FACTOR * float(x.sum()) * len(str(float(x[0, 0])))\n"
BRANCH = """x = self.first(x)
        if self.flag:
            x = 2 * x
        else:
            x = 0.5 * (x + x)
"""
RARE = """x = self.first(x)
        if x.abs().max() > 1e6:
            x = x / 2
"""
GUARDED = """x = self.first(x)
        if x.isnan().any():
            x = x.nan_to_num()
"""
RANDOM = "x = self.first(x)\n        x = x + int.from_bytes(__import__('os').urandom(2), 'big')\n"
WAIT = """x = self.first(x)
        if "_modelint_tracer.numbers" in __import__("sys").modules and torch.get_default_dtype() is torch.float64:
            __import__("time").sleep(60)
"""
LARGE = "self.extra = nn.Linear(8000, 8000)\n        self.last ="
FIRST = "x = self.first(x)\n"
SEEN = """self.decay = 0.9
        self.register_buffer("seen", torch.zeros(()))
        self.last ="""
#: A buffer that training alone moves.
MOVES = """x = self.first(x)
        if self.training:
            self.seen = self.decay * self.seen + x.detach().mean()
"""
#: Autograd needs what the second line overwrites.
IN_PLACE, ADDED = "x = self.first(x).sigmoid()\n        x *= 2.0\n", "x = self.first(x)\n        x += 2.0\n"
HOOKED = (
    ("self.last =", SEEN.replace("zeros", "ones")),
    ("self.blocks =", "self.first.register_full_backward_hook(self._move)\n        self.blocks ="),
    (
        "    def forward(self, x, t",
        "    def _move(self, *given):\n        self.seen *= self.decay\n\n    def forward(self, x, t",
    ),
)

VARIANTS = {
    "equal": Variant((DOUBLED,)),
    "tanh": Variant((("F.gelu(self.lin(self.norm(x)))", "F.gelu(self.lin(self.norm(x)), approximate='tanh')"),)),
    "eps": Variant((("LayerNorm(width)", "LayerNorm(width, eps=1e-6)"),)),
    "dropout": Variant((("Dropout(0.1)", "Dropout(0.2)"),)),
    "detached": Variant(((FIRST, "x = self.first(x).detach()\n"),)),
    "untraced": Variant((("0.5 * float", "0.6 * float"),), ((FIRST, UNTRACED.replace("FACTOR", "0.5")),)),
    "renamed": Variant((RENAMED,)),
    "no_rename": Variant((RENAMED, ("x + self.drop(", "x + 2 * self.drop("))),
    "hook": Variant((RENAMED, ("self.drop = nn.Dropout(0.1)\n", HOOK.replace("FACTOR", "1.0")))),
    "wrong_hook": Variant((RENAMED, ("self.drop = nn.Dropout(0.1)\n", HOOK.replace("FACTOR", "2.0")))),
    "not_run": Variant(((FIRST, RARE),)),
    "partly": Variant(((FIRST, GUARDED),)),
    "unreached": Variant((("x.nan_to_num()", "x.relu()"),), ((FIRST, GUARDED),)),
    "optional": Variant((("F.cross_entropy(x, targets)", "2 * F.cross_entropy(x, targets)"),)),
    "targets": Variant(
        (("F.cross_entropy(x, targets)", "2 * F.cross_entropy(x, targets)"),),
        config='inputs = ["float32[5, 4]", "int64[5] < 2"]',
    ),
    "branch": Variant(((FIRST, BRANCH),)),
    "callable": Variant((DOUBLED,), config='inputs = "samples:batch"'),
    "moved": Variant((DOUBLED, ("class Net(", "class Main("))),
    "bad_probe": Variant((RELU,), config='inputs = ["float32[5, 4]"]\nprobe = {width = "no width"}'),
    "probe": Variant((DOUBLED,), config='inputs = ["float32[5, 4]"]\nprobe = {width = 4}'),
    "other_shape": Variant((("nn.Linear(width, 2)", "nn.Linear(width, 3)"), RELU)),
    "bad_inputs": Variant((RELU,), config='inputs = ["float32[5, 5]"]'),
    "unseeded": Variant(((FIRST, RANDOM),)),
    "without": Variant((RELU,), config=""),
    # What no layout tells, and what is no difference.
    "decay": Variant((("self.decay = 0.9", "self.decay = 0.5"),), (("self.last =", SEEN), (FIRST, MOVES))),
    "moves": Variant((("x.detach().mean()", "x.detach().sum()"),), (("self.last =", SEEN), (FIRST, MOVES))),
    "in_place": Variant((("x *= 2.0", "x = x * 2.0"),), ((FIRST, IN_PLACE),)),
    "hooked": Variant((("self.decay = 0.9", "self.decay = 0.5"),), HOOKED),
    "out_of_place": Variant((("x += 2.0", "x = x + 2.0"),), ((FIRST, ADDED),)),
    "undeclared": Variant((("x *= 2.0", "x = x * 2.0"),), ((FIRST, IN_PLACE),), ""),
    "no_run": Variant((("x += 2.0", "x = x + 2.0"),), ((FIRST, ADDED),), 'inputs = ["float32[5, 5]"]'),
}
#: Those with bounds.
BOUNDED = {
    "slow": Variant((RELU,), ((FIRST, WAIT),)),
    "large": Variant((RELU,), (("self.last =", LARGE),)),
}


def run_variants(folder: Path, variants: dict[str, Variant], head: str = "") -> dict[str, tuple[list[Said], str]]:
    """Lock, commit, edit, check; of each model what is said, and the note why numbers did not settle it."""
    environment = {**os.environ, "MODELINT_CACHE_DIR": str(folder / "cache"), "MODELINT_PYTHON": sys.executable}
    project = folder / "project"
    project.mkdir()
    (project / "helper.py").write_text(HELPER)
    for name, variant in variants.items():
        (project / f"{name}.py").write_text(edited(NET, variant.before))
    tables = (f'[tool.modelint.models.{name}]\nfactory = "{name}:Net"\n' for name in variants)
    (project / "pyproject.toml").write_text(head + "".join(tables))
    ran = subprocess.run([*COMMAND, "lock"], cwd=project, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    git(project, "init", "-q", "-b", "main")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "first")
    (project / "samples.py").write_text("import torch\n\n\ndef batch():\n    return {'x': torch.randn(3, 4)}\n")
    tables = []
    for name, variant in variants.items():
        text = edited((project / f"{name}.py").read_text(), variant.edits)
        factory = f"{name}:Net"
        if name == "moved":
            (project / f"{name}.py").unlink()
            factory = "package.net:Main"
        place = project / f"{factory.partition(':')[0].replace('.', '/')}.py"
        place.parent.mkdir(exist_ok=True)
        place.write_text(text)
        tables.append(f'[tool.modelint.models.{name}]\nfactory = "{factory}"\n{variant.config}\n')
    (project / "pyproject.toml").write_text(head + "".join(tables))
    check = ["check", "--only", "layout", "--format", "json"]
    ran = subprocess.run([*COMMAND, *check], cwd=project, env=environment, capture_output=True, text=True)
    assert "Traceback" not in ran.stderr, ran.stderr
    found: dict[str, tuple[list[Said], str]] = {}
    for name in variants:
        mark = f"{name}: not settled by numbers: "
        notes = [line.removeprefix(mark) for line in ran.stderr.splitlines() if line.startswith(mark)]
        said = [
            Said(each["code"], each["severity"], each["message"], each["help"], each["drift"]["class"])
            for each in json.loads(ran.stdout)["diagnostics"]
            if each["model"] == name
        ]
        found[name] = said, "".join(notes)
    return found


COMMAND = [sys.executable, "-m", "modelint"]


def edited(text: str, edits: Iterable[tuple[str, str]]) -> str:
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[Said], str]]:
    return run_variants(tmp_path_factory.mktemp("variants"), VARIANTS)


Verdicts = dict[str, tuple[list[Said], str]]


def settled(verdicts: Verdicts, name: str) -> Said:
    said, why = verdicts[name]
    assert why == ""
    assert len(said) == 1, said
    return said[0]


def unsettled(verdicts: Verdicts, name: str) -> str:
    """Why; the finding is as it would be without numbers."""
    said, why = verdicts[name]
    assert [each.severity for each in said] == ["error"]
    assert said[0].message.endswith("and computes something else")
    assert why
    return why


def test_equal_is_information(verdicts: Verdicts) -> None:
    found = settled(verdicts, "equal")
    assert (found.code, found.severity) == ("MDL713", "information")
    assert found.message.endswith("an old checkpoint loads, and computes the same on the declared inputs")
    assert found.help == "`modelint lock equal` records the new layout"


def test_different_says_where_the_outputs_part_first(verdicts: Verdicts) -> None:
    found = settled(verdicts, "tanh")
    assert (found.code, found.severity) == ("MDL713", "error")
    assert "computes something else: outputs part first at blocks.0.drop, by " in found.message
    assert "e-04; the output differs by " in found.message


def test_an_eps_is_seen(verdicts: Verdicts) -> None:
    found = settled(verdicts, "eps")
    assert (found.code, found.severity) == ("MDL712", "error")
    assert "outputs part first at blocks.0.norm, by " in found.message


def test_training_alone_is_a_warning(verdicts: Verdicts) -> None:
    found = settled(verdicts, "dropout")
    assert (found.code, found.severity) == ("MDL712", "warning")
    assert "evaluates to the same on the declared inputs; training goes another way: in training" in found.message


def test_gradients_are_compared(verdicts: Verdicts) -> None:
    found = settled(verdicts, "detached")
    assert found.severity == "warning"
    assert "the gradient of first." in found.message


def test_what_only_the_source_told_is_raised(verdicts: Verdicts) -> None:
    """A forward that cannot be traced, and that computes something else."""
    found = settled(verdicts, "untraced")
    assert (found.code, found.severity) == ("MDL713", "error")
    assert "computes something else: outputs part first at " in found.message


def test_a_rename_is_proved(verdicts: Verdicts) -> None:
    found = settled(verdicts, "renamed")
    assert (found.code, found.severity, found.cls) == ("MDL707", "error", "breaking")
    assert "proved: under the new names it computes the same on the declared inputs" in found.message
    assert "check it" not in found.help


def test_what_looks_like_a_rename_and_computes_something_else(verdicts: Verdicts) -> None:
    found = settled(verdicts, "no_rename")
    assert (found.code, found.severity, found.cls) == ("MDL707", "error", "breaking")
    assert "under the new names it computes something else: outputs part first at " in found.message


def test_hooks_that_take_old_files_where_they_belong(verdicts: Verdicts) -> None:
    found = settled(verdicts, "hook")
    assert (found.severity, found.cls) == ("information", "safe")
    assert "loads, through the model's own load hooks, and computes the same" in found.message


def test_hooks_that_do_something_else_to_old_files_are_an_error(verdicts: Verdicts) -> None:
    found = settled(verdicts, "wrong_hook")
    assert (found.severity, found.cls) == ("error", "silent")
    assert "load hooks, and computes something else: outputs part first at blocks.0.ln, by " in found.message


def test_a_test_of_a_number_behind_which_nothing_ran_is_a_warning(verdicts: Verdicts) -> None:
    line = NET[: NET.index(FIRST)].count("\n") + 3
    found = settled(verdicts, "not_run")
    assert (found.code, found.severity, found.cls) == ("MDL713", "warning", "silent")
    words = f"some of the changed lines (not_run.py:{line}) did not run with them"
    assert found.message.endswith(f"and computes the same on the declared inputs; {words}")


def test_changed_lines_that_do_not_run_are_named_and_no_error(verdicts: Verdicts) -> None:
    line = NET[: NET.index(FIRST)].count("\n") + 3
    found = settled(verdicts, "partly")
    assert (found.code, found.severity, found.cls) == ("MDL713", "information", "silent")
    words = f"some of the changed lines (partly.py:{line}) did not run with them"
    assert found.message.endswith(f"and computes the same on the declared inputs; {words}")
    found = settled(verdicts, "unreached")
    assert (found.code, found.severity, found.cls) == ("MDL713", "warning", "silent")
    words = f"the changed lines (unreached.py:{line}) did not run with them"
    assert found.message.endswith(f"and computes the same on the declared inputs; {words}")
    assert "revert it" in found.help
    said, why = verdicts["optional"]
    assert "computes the same on" not in said[0].message
    assert why == "the changed lines (optional.py:35) did not run with these inputs"


def test_optional_arguments_are_told_where_the_inputs_have_them(verdicts: Verdicts) -> None:
    found = settled(verdicts, "targets")
    assert (found.code, found.severity, found.cls) == ("MDL713", "error", "silent")
    assert "computes something else: outputs part first at the end of the forward, by 5.0e-01" in found.message


def test_a_branch_that_the_settings_rule_out_need_not_run(verdicts: Verdicts) -> None:
    assert settled(verdicts, "branch").severity == "information"


def test_inputs_of_a_callable_that_the_old_code_does_not_have(verdicts: Verdicts) -> None:
    assert settled(verdicts, "callable").severity == "information"


def test_the_old_side_is_what_its_own_configuration_declares(verdicts: Verdicts) -> None:
    """A package that was renamed, with another factory."""
    assert settled(verdicts, "moved").severity == "information"


def test_a_probe_is_run_in_place_of_the_model(verdicts: Verdicts) -> None:
    assert settled(verdicts, "probe").severity == "information"
    assert "does not run with the declared inputs: TypeError" in unsettled(verdicts, "bad_probe")


def test_files_that_do_not_load_cannot_be_run(verdicts: Verdicts) -> None:
    said, why = verdicts["other_shape"]
    assert {each.severity for each in said} == {"error"}
    assert why == "files of the old layout do not load"


def test_inputs_that_do_not_fit(verdicts: Verdicts) -> None:
    assert "does not run with the declared inputs: RuntimeError" in unsettled(verdicts, "bad_inputs")


def test_randomness_that_cannot_be_seeded(verdicts: Verdicts) -> None:
    assert unsettled(verdicts, "unseeded").startswith("two runs of the same code differ: ")


def test_without_inputs_nothing_is_settled(verdicts: Verdicts) -> None:
    said, why = verdicts["without"]
    assert [each.severity for each in said] == ["error"]
    assert why == ""


def test_what_training_alone_does(verdicts: Verdicts) -> None:
    for name, steps in {"moves": "a step", "decay": "two steps", "hooked": "a step"}.items():
        found = settled(verdicts, name)
        assert (found.code, found.severity, found.cls) == ("MDL713", "warning", "safe")
        assert f"training goes another way: after {steps} in training seen differs by " in found.message
    assert "Net.forward reads as before, and computes with another value: " in settled(verdicts, "hooked").message


def test_old_code_that_does_not_train(verdicts: Verdicts) -> None:
    found = settled(verdicts, "in_place")
    assert (found.code, found.severity) == ("MDL713", "warning")
    assert "training goes another way: only one of them runs in training: RuntimeError" in found.message


def test_where_layouts_are_alike_and_numbers_too_nothing_is_said(verdicts: Verdicts) -> None:
    for name in ("out_of_place", "undeclared"):
        assert verdicts[name] == ([], ""), name
    said, why = verdicts["no_run"]
    assert said == []
    assert "does not run with the declared inputs: RuntimeError" in why


# Bounds


def test_time_and_memory_are_bounded(tmp_path: Path) -> None:
    found = run_variants(tmp_path, BOUNDED, '[tool.modelint]\ntimeout = 20\nmemory = "1000MB"\n')
    why = unsettled(found, "large")
    assert why.startswith("it is too large (about 2.4 GiB in float64)")
    assert why.endswith("a smaller configuration in [tool.modelint.models.large.probe]")
    why = unsettled(found, "slow")
    assert "its run on the declared inputs took longer than 20 s; declare a smaller configuration in" in why


# Runs


def test_the_code_that_wrote_the_manifest_counts_not_the_last_commit(repository: Repository) -> None:
    """As a CI job sees it: the drift is committed, and the work tree is clean."""
    repository.replace("net.py", RELU)
    repository.commit()
    repository.write("other.txt", "more")
    repository.commit()
    assert "outputs part first at blocks.0.drop" in repository.one()["message"]


def test_nothing_runs_without_drift(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelint.layout.settling.numbers.settle", None)
    assert repository.check()[0] == []


def test_what_numbers_said_is_kept(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until something changes that it hangs on: here what the code of today imports, which then computes the same."""
    repository.replace("net.py", RELU)
    first = repository.one()
    with monkeypatch.context() as patch:
        patch.setattr("modelint.layout.settling.numbers._run", None)
        assert repository.one() == first
        repository.touch("helper.py")
        assert repository.one() == first
    repository.replace("net.py", ("F.relu(", "F.gelu("), DOUBLED)
    assert repository.one()["severity"] == "information"
    repository.replace("helper.py", ("1.0 * x", "2.0 * x"))
    assert {each["severity"] for each in repository.check()[0]} == {"error"}
    repository.replace("helper.py", ("2.0 * x", "1.0 * x"))
    repository.replace("pyproject.toml", ("[5, 4]", "[5, 5]"))
    assert "does not run with the declared inputs" in repository.unsettled()


def test_code_that_reads_otherwise_is_run_once(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    assert repository.check()[0] == []
    built, runs = [], []
    real_run, real_build = numbers._run, building.build
    monkeypatch.setattr(numbers, "_run", lambda *given: runs.append(given) or real_run(*given))
    monkeypatch.setattr(building, "build", lambda *given, **more: built.append(given) or real_build(*given, **more))
    repository.replace("net.py", ("A net.", "Another net."))
    assert repository.check()[0] == []
    assert (len(built), len(runs)) == (0, 0)
    repository.replace("net.py", ("for block in self.blocks", "for each in self.blocks"), ("= block(x)", "= each(x)"))
    for _ in range(2):
        assert repository.check()[0] == []
        assert (len(built), len(runs)) == (1, 1)
    repository.replace("helper.py", ("1.0 * x", "2.0 * x"))
    for _ in range(2):
        assert repository.one()["severity"] == "error"
    assert len(runs) == 2


def test_what_failed_is_tried_again(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.replace("net.py", RELU)
    repository.replace("pyproject.toml", ("[5, 4]", "[5, 5]"))
    assert "does not run" in repository.unsettled()
    runs = []
    real = numbers._run
    monkeypatch.setattr("modelint.layout.settling.numbers._run", lambda *given: runs.append(given) or real(*given))
    assert "does not run" in repository.unsettled()
    assert len(runs) == 1


# Faults


def test_outside_a_repository(bare: Repository) -> None:
    bare.replace("net.py", RELU)
    assert bare.unsettled() == "it is in no git repository"


def test_a_manifest_that_was_never_committed(bare: Repository) -> None:
    git(bare.folder, "init", "-q")
    bare.replace("net.py", RELU)
    assert bare.unsettled() == "there is no commit yet"
    git(bare.folder, "add", "net.py")
    git(bare.folder, "commit", "-qm", "without")
    assert bare.unsettled() == "its manifest was never committed as it is now"


def test_a_shallow_clone(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.replace("net.py", RELU)
    repository.commit()
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repository.folder}", "shallow")
    monkeypatch.chdir(tmp_path / "shallow")
    repository.folder = tmp_path / "shallow"
    assert repository.unsettled().startswith("the clone is shallow, and ends at commit ")


def test_a_manifest_that_was_committed_without_its_code(repository: Repository) -> None:
    repository.replace("net.py", ("LayerNorm(width)", "LayerNorm(width, eps=1e-3)"))
    repository.lock()
    git(repository.folder, "add", "model-manifests")
    git(repository.folder, "commit", "-qm", "the manifest alone")
    repository.replace("net.py", RELU)
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
    repository.lock()
    repository.touch("model-manifests/net/layout.json")
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
    assert repository.one() == found  # both sides are as they were, and what they gave is kept
    repository.replace("lib/helper.py", ("1.5 * x", "1.6 * x"))
    why = repository.unsettled()
    assert "does not build: ModuleNotFoundError: No module named 'helper'" in why
    assert why.endswith("(its copy lacks a submodule that is not there: lib)")


def test_old_code_that_does_not_run_here(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is gone, a table that git-lfs keeps, a generated module that is ignored and on the path."""
    monkeypatch.setenv("PYTHONPATH", str(repository.folder))
    reading = "TABLE = int(open(__file__.replace('lfs.py', 'table.txt')).read())\n"
    heads = {"gone": "import a_package_of_long_ago\n", "lfs": reading, "mixed": "import generated\n"}
    repository.write(".gitignore", "generated.py\n")
    repository.write("generated.py", "FACTOR = 1.0\n")
    repository.write(
        "pyproject.toml", "".join(CONFIG.replace("net:", f"{name}:").replace("net", name) for name in heads)
    )
    for name in heads:
        repository.write(f"{name}.py", NET)
    repository.lock()
    repository.commit()
    repository.write("table.txt", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 2\n")
    for name, head in heads.items():
        repository.write(f"{name}.py", head + NET)
        repository.touch(f"model-manifests/{name}/layout.json")
    repository.commit()
    repository.write("table.txt", "1\n")
    for name in heads:
        repository.write(f"{name}.py", edited(NET, [RELU]))
    found, err = repository.check()
    assert [each["severity"] for each in found if each["model"]] == ["error"] * 4
    notes = {name: line for line in err.splitlines() for name in heads if line.startswith(f"{name}: not settled")}
    assert "does not build: ModuleNotFoundError: No module named 'a_package_of_long_ago'" in notes["gone"]
    assert "does not build: ValueError" in notes["lfs"]
    assert notes["lfs"].endswith("(its copy lacks git-lfs pointers, not their files: table.txt)")
    assert notes["mixed"].endswith(" imports generated.py of the work tree")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_nothing_behind(repository: Repository, number: signal.Signals) -> None:
    repository.replace("net.py", (FIRST, WAIT), RELU)
    before = repository._state()
    command = [*COMMAND, "check", "--only", "layout"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    end = time.monotonic() + 120
    while not list(repository.temporary.glob("modelint-numbers-*/0/initial.pt")) and time.monotonic() < end:
        time.sleep(0.05)
    (folder,) = repository.temporary.glob("modelint-numbers-*")
    running = int((folder / "0" / "new.pid").read_text())
    os.killpg(process.pid, number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + number, err
    assert "Traceback" not in err
    assert os.listdir(repository.temporary) == []
    assert repository._state() == before
    with pytest.raises(ProcessLookupError):
        os.kill(running, 0)
