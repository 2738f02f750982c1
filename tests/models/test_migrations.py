"""`modelint migrate` on every breaking pair of this folder; ``migrations.txt`` keeps what came of each.

All pairs are models of one project: the old code is locked and committed, the new code put in its place, and each model
migrated. Whether the weights of the old code compute the same in the migrated model is judged by torch alone.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import pytest
from pairs import PAIRS, Pair
from torch import nn
from truth import Verdict, judge, record

pytestmark = pytest.mark.slow
BREAKING = [pair for pair in PAIRS if pair.drift == "breaking"]
#: Those that are compared by numbers: an equal one, one that only numbers decide, and one that only they refuse.
NUMBERS = frozenset(("keys/attribute_renamed", "keys/projection_split", "keys/parametrized"))
#: The one that they refuse: its function is printed, and not written.
REFUSED = "keys/parametrized"
#: What is said where a migration loses values, or makes some up.
LOSES = ("is left out", "as the model was built")
#: Run a second time: one of each kind.
AGAIN = [pair for pair in BREAKING if pair.name in ("bias_added", "list_renamed", "width_changed", "dropout_inserted")]
SNAPSHOT = Path(__file__).with_name("migrations.txt")
HEAD = """# pair: what `modelint migrate` says => what the old weights compute in the migrated model, by torch alone
# Renew: MODELINT_UPDATE_SNAPSHOT=1 pytest tests/models/test_migrations.py
"""


class Ran(NamedTuple):
    code: int
    out: str


class Project(NamedTuple):
    folder: Path

    def file(self, pair: Pair) -> Path:
        return self.folder / f"{pair.name}.py"

    def run(self, *arguments: str) -> Ran:
        environment = {**os.environ, "MODELINT_PYTHON": sys.executable, "MODELINT_CACHE_DIR": str(self.folder / ".c")}
        command = [sys.executable, "-m", "modelint", *arguments]
        ran = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
        assert "Traceback" not in ran.stderr and ran.returncode in (0, 1), ran.stderr
        return Ran(ran.returncode, ran.stdout)

    def load(self, pair: Pair) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"migrated_{pair.name}", self.file(pair))
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("pairs")
    made = Project(folder)
    lines = []
    for pair in BREAKING:
        made.file(pair).write_bytes((pair.folder / "old.py").read_bytes())
        lines += [f"[tool.modelint.models.{pair.name}]", f"factory = '{pair.name}:model'"]
        if str(pair) in NUMBERS:
            lines += [f"inputs = '{pair.name}:inputs'"]
    (folder / "pyproject.toml").write_text("\n".join(lines) + "\n")
    assert made.run("lock").code == 0
    for arguments in (["init", "-q"], ["add", "*.py", "*.toml", "model-manifests"], ["commit", "-qm", "old"]):
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)
    for pair in BREAKING:
        made.file(pair).write_bytes((pair.folder / "new.py").read_bytes())
    yield made


@pytest.fixture(scope="module")
def loaders(project: Project) -> dict[Pair, str]:
    """The code of the function that `--loader` would write."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        options = ("--loader", "old_files.py", "--dry-run")
        ran = pool.map(lambda pair: project.run("migrate", pair.name, *options), BREAKING)
        return {pair: each.out for pair, each in zip(BREAKING, ran, strict=True)}


@pytest.fixture(scope="module")
def refused(project: Project) -> Ran:
    """Of the pair whose names fit, and which computes something else with them."""
    return project.run("migrate", REFUSED.rpartition("/")[2], "--loader", "old_files.py")


@pytest.fixture(scope="module")
def migrated(project: Project, loaders: dict[Pair, str], refused: Ran) -> dict[Pair, Ran]:
    """After the loaders: they are for the models without hooks."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(BREAKING, pool.map(lambda pair: project.run("migrate", pair.name), BREAKING), strict=True))


def told(ran: Ran) -> str:
    """The line of the outcome, what is done to keys, and what numbers say."""
    first, *lines = ran.out.splitlines()
    more = [line.strip() for line in lines if line.startswith(("    ", "  numbers: ")) and "no inputs" not in line]
    return "; ".join((first.partition(": ")[2], *more))


@pytest.fixture(scope="module")
def verdicts(project: Project, migrated: dict[Pair, Ran]) -> dict[Pair, Verdict]:
    """What the weights of the old code do in the migrated model."""
    found = {}
    for pair in migrated:
        old, new = pair.load("old"), project.load(pair)
        found[pair] = judge(record(old.model, old.inputs), new.model, new.inputs)
    return found


def test_table(migrated: dict[Pair, Ran], verdicts: dict[Pair, Verdict]) -> None:
    lines = (f"{pair}: {told(ran)} => {verdicts[pair].cls} {verdicts[pair].where}" for pair, ran in migrated.items())
    text = HEAD + "".join(f"{line.rstrip()}\n" for line in lines)
    if os.environ.get("MODELINT_UPDATE_SNAPSHOT"):
        SNAPSHOT.write_text(text, encoding="utf-8")
    assert text == SNAPSHOT.read_text(encoding="utf-8")


def test_what_is_migrated_loads_and_what_loses_nothing_is_equal(
    migrated: dict[Pair, Ran], verdicts: dict[Pair, Verdict]
) -> None:
    for pair, ran in migrated.items():
        assert (verdicts[pair].cls == "breaking") == (ran.code != 0), pair
        loses = [each for each in LOSES if each in ran.out]
        if ran.code == 0 and not loses:
            assert verdicts[pair].cls == "same" or verdicts[pair].where.startswith("gradients"), pair


def test_a_check_has_nothing_to_say_and_running_it_again_changes_nothing(
    project: Project, migrated: dict[Pair, Ran]
) -> None:
    ran = project.run("check", "--only", "layout", "--format", "json")
    said = {each["model"] for each in json.loads(ran.out)["diagnostics"] if each["severity"] != "information"}
    assert said == {pair.name for pair, ran in migrated.items() if ran.code != 0}
    files = {pair: project.file(pair).read_bytes() for pair in BREAKING}
    for pair in AGAIN:
        project.run("migrate", pair.name)
    assert {pair: project.file(pair).read_bytes() for pair in BREAKING} == files


def through(code: str, make: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    """The model, whose files go through the function."""
    names: dict[str, Any] = {}
    exec(code, names)

    def made() -> nn.Module:
        model = make()
        plain = SimpleNamespace(load_state_dict=model.load_state_dict, state_dict=model.state_dict)
        model.load_state_dict = lambda state, strict=True: names["load_old"](plain, state)  # type: ignore[method-assign]
        return model

    return made


@pytest.mark.parametrize("pair", BREAKING, ids=str)
def test_a_loader_stops_or_the_old_weights_compute_the_same(loaders: dict[Pair, str], pair: Pair) -> None:
    code = loaders[pair]
    old, new = pair.load("old"), pair.load("new")
    found = judge(record(old.model, old.inputs), through(code, new.model), new.inputs)
    stops = [each for each in ("# The load below stops", "# LEFT OUT") if each in code]
    assert (found.cls == "breaking") == bool(stops), found
    loses = [each for each in ("own[", "del state") if each in code]
    if not stops and not loses and str(pair) != REFUSED:
        assert found.cls in ("same", "training"), found  # in training a new dropout is meant


def test_a_loader_of_what_computes_something_else_is_refused(project: Project, refused: Ran) -> None:
    assert refused.code == 1 and "not written: old files would load, and compute something else" in refused.out
    assert not (project.folder / "old_files.py").exists()
