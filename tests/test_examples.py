"""The demo project, and what README shows of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)


def test_the_demo_reports_what_is_expected_and_nothing_else() -> None:
    ran = run("tools/demo.py")
    assert ran.returncode == 0, ran.stdout
    assert "MDL201" in ran.stdout and "wrapped here" in ran.stdout


def test_the_demo_fails_when_something_is_missing(tmp_path: Path) -> None:
    copy = tmp_path / "examples"
    copy.mkdir()
    for path in (ROOT / "examples").iterdir():
        if path.is_file() and path.name != "load.py":
            (copy / path.name).write_bytes(path.read_bytes())
    ran = run("tools/demo.py", str(copy))
    assert ran.returncode == 1
    assert "demo: not reported: MDL401 examples/load.py:" in ran.stdout


def test_the_generated_parts_of_readme_are_up_to_date() -> None:
    ran = run("tools/readme.py", "--check")
    assert ran.returncode == 0, ran.stdout + ran.stderr
