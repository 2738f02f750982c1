"""The demo project, and what README shows of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

#: What the tracked models were when their manifests were written: file -> (line today, line then).
BEFORE = {
    "model.py": ("self.activation = nn.SiLU()", "self.activation = nn.ReLU()"),
    "tagger.py": ("self.head", "self.classifier"),
}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)


def test_the_demo_reports_what_is_expected_and_nothing_else() -> None:
    ran = run("tools/demo.py")
    assert ran.returncode == 0, ran.stdout
    assert "MDL201" in ran.stdout and "wrapped here" in ran.stdout


def test_the_demo_fails_when_something_is_missing(tmp_path: Path) -> None:
    copy = tmp_path / "examples"
    shutil.copytree(ROOT / "examples", copy, dirs_exist_ok=True)
    (copy / "load.py").unlink()
    ran = run("tools/demo.py", str(copy))
    assert ran.returncode == 1
    assert "demo: not reported: MDL401 examples/load.py:" in ran.stdout


def test_the_generated_parts_of_readme_are_up_to_date() -> None:
    ran = run("tools/readme.py", "--check")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_manifests_of_the_demo_are_those_of_its_models_before_the_change(tmp_path: Path) -> None:
    """MODELINT_UPDATE_SNAPSHOT=1 writes them anew."""
    copy = tmp_path / "examples"
    shutil.copytree(ROOT / "examples", copy)
    for name, (today, then) in BEFORE.items():
        text = (copy / name).read_text(encoding="utf-8")
        assert today in text
        (copy / name).write_text(text.replace(today, then), encoding="utf-8")
    if os.environ.get("MODELINT_UPDATE_SNAPSHOT"):
        shutil.rmtree(copy / "model-manifests", ignore_errors=True)
    command = [sys.executable, "-m", "modelint", "lock", "--python", sys.executable]
    ran = subprocess.run(command, cwd=copy, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    if os.environ.get("MODELINT_UPDATE_SNAPSHOT"):
        shutil.rmtree(ROOT / "examples/model-manifests", ignore_errors=True)
        shutil.copytree(copy / "model-manifests", ROOT / "examples/model-manifests")
    else:
        assert ran.stdout == "classifier: unchanged\ntagger: unchanged\n"
