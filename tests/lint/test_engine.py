"""The engine as a whole: however the work is shared out or remembered, the same is found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from modelint.cache import Cache
from modelint.lint.engine import LintRun, lint_files

BASE = """import torch


class BaseTrainer:
    def __init__(self, model):
        self.model = model

    def save(self, path):
        torch.save(self.model.state_dict(), path)
"""
TRAINER = """from torch import nn

from base import BaseTrainer


class Trainer(BaseTrainer):
    def __init__(self, model):
        super().__init__(nn.DataParallel(model))


def load(model, state):
    model.load_state_dict(state, strict=False)
"""
PLAIN = '"""Nothing here."""\n\nimport torch\n\nSIZE = torch.Size([1])\n'
BROKEN = "import torch\n\ndef broken(:\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MODELINT_CACHE_DIR", str(tmp_path / "cache"))
    root = tmp_path / "project"
    root.mkdir()
    for name, text in (("base", BASE), ("trainer", TRAINER), ("plain", PLAIN), ("broken", BROKEN)):
        (root / f"{name}.py").write_text(text)
    for number in range(12):  # enough of them to be worth a second process
        (root / f"more{number}.py").write_text(
            f"# {'x' * 20_000}\n{TRAINER.replace('Trainer(Base', f'T{number}(Base')}"
        )
    return root


def lint(root: Path, *names: str, jobs: int = 1, cached: bool = False) -> LintRun:
    files = [str(root / f"{name}.py") for name in names] or sorted(map(str, root.glob("*.py")))
    cache = Cache.open(str(root), "1") if cached else None
    run = lint_files(files, root=str(root), jobs=jobs, cache=cache)
    if cache is not None:
        cache.save()
    return run


def codes(run: LintRun) -> set[tuple[str, str, int]]:
    return {(each.code, Path(each.path).stem, each.span.line) for each in run.diagnostics}


def test_workers_find_what_one_process_finds(project: Path) -> None:
    one, two = lint(project), lint(project, jobs=2)
    assert one == two
    assert ("MDL201", "base", 9) in codes(one)
    assert ("MDL401", "trainer", 12) in codes(one)
    assert [Path(each.path).name for each in one.not_analysed] == ["broken.py"]


def test_one_defect_is_one_diagnostic(project: Path) -> None:
    places = [(each.code, each.path, each.span) for each in lint(project).diagnostics]
    assert len(places) == len(set(places))


@pytest.mark.parametrize("jobs", [1, 2])
def test_warm_is_as_cold(project: Path, jobs: int) -> None:
    bare = lint(project)
    cold = lint(project, jobs=jobs, cached=True)
    assert lint(project, jobs=jobs, cached=True) == cold == bare


def test_what_was_asked_is_applied_to_what_is_remembered(project: Path) -> None:
    everything = lint(project, cached=True)
    assert any(each.path.endswith("base.py") for each in everything.diagnostics)
    warm = lint(project, "trainer", cached=True)
    assert warm == lint(project, "trainer")
    assert {Path(each.path).name for each in warm.diagnostics} == {"trainer.py"}
    moved = next(each for each in warm.diagnostics if each.code == "MDL201")
    assert moved.related[0].path.endswith("base.py")


def test_a_changed_import_counts(project: Path) -> None:
    assert ("MDL201", "base", 9) in codes(lint(project, "base", "trainer", cached=True))
    (project / "base.py").write_text(BASE.replace("self.model.state_dict()", "self.model.module.state_dict()"))
    assert not any(code == "MDL201" for code, _, _ in codes(lint(project, "trainer", cached=True)))


def test_an_import_that_appears_counts(project: Path) -> None:
    (project / "base.py").unlink()
    assert not any(code == "MDL201" for code, _, _ in codes(lint(project, "trainer", cached=True)))
    (project / "base.py").write_text(BASE)
    assert any(code == "MDL201" for code, _, _ in codes(lint(project, "trainer", cached=True)))


def test_a_warm_run_does_not_import_libcst(project: Path) -> None:
    lint(project, cached=True)
    files = sorted(map(str, project.glob("*.py")))
    program = (
        "import sys\nfrom modelint.cache import Cache\nfrom modelint.lint.engine import lint_files\n"
        f"run = lint_files({files!r}, root={str(project)!r}, cache=Cache.open({str(project)!r}, '1'))\n"
        "assert run.diagnostics\nassert 'libcst' not in sys.modules and 'ast' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_many_files_do_not_add_up_in_memory(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = lint(project)
    monkeypatch.setattr("modelint.lint.index.MOST_KEPT", 0)
    assert lint(project) == bare
