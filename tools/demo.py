"""Check the project in examples/, and diff an old checkpoint of it: `make demo`.

What is reported is compared with examples/expected.txt; the code that `modelint diff` prints is run.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

OLD = "old_classifier.pt"
#: Makes the old checkpoint: trained on several GPUs, on a data set of 37 classes.
MAKE = "import torch, model; torch.save(torch.nn.DataParallel(model.Classifier(37)).state_dict(), {path!a})"
#: Runs the printed code.
LOAD = "import torch, model, fit; print(fit.load_old(model.Classifier(10), torch.load({path!a}, weights_only=True)))"
CAUSE = re.compile(r"^  (?P<code>MDL\d{3}) [\w-]+: ", re.MULTILINE)
#: The Python that has torch.
PROJECT = os.environ.get("MODELINT_PYTHON", sys.executable)
HEADLINE = re.compile(r"^(?P<path>.+?):(?P<line>\d+):\d+: (?P<code>MDL\d{3}) ")


def check(folder: Path, output_format: str, color: str = "auto") -> subprocess.CompletedProcess[str]:
    """`modelint check` on the folder, as a user runs it; its models are built in this Python, or the one named."""
    command = [sys.executable, "-m", "modelint", "check", folder.name, "--format", output_format, "--color", color]
    environment = {**os.environ, "MODELINT_PYTHON": PROJECT}
    return subprocess.run(
        command, cwd=folder.parent, env=environment, stdout=subprocess.PIPE, encoding="utf-8", check=False
    )


def reported(text: str) -> list[str]:
    """`CODE path:line` of each diagnostic, in the order of the report."""
    lines = re.sub(r"\x1b\[[\d;]*m", "", text).splitlines()
    return [f"{found['code']} {found['path']}:{found['line']}" for line in lines if (found := HEADLINE.match(line))]


def diff(folder: Path) -> list[str]:
    """`modelint diff` of an old checkpoint against the manifest of today: what it names, and how the code fares."""
    with tempfile.TemporaryDirectory() as scratch:
        path, code = str(Path(scratch, OLD)), str(Path(scratch, "fit.py"))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), scratch)), "PYTHONWARNINGS": "ignore"}

        def run(python: str, *arguments: str) -> str:
            ran = subprocess.run(
                [python, *arguments], cwd=folder, env=environment, stdout=subprocess.PIPE, encoding="utf-8"
            )
            return ran.stdout

        run(PROJECT, "-c", MAKE.format(path=path))
        text = run(sys.executable, "-m", "modelint", "diff", path, "manifest:classifier", "--emit-code", code).replace(
            path, OLD
        )
        print(text, flush=True)
        loaded = run(PROJECT, "-c", LOAD.format(path=path)).strip()
        print(f"the printed code, run: {loaded}\n", flush=True)
    found = [f"{code} {OLD}" for code in CAUSE.findall(text)]
    return [*found, f"loads {OLD}"] if loaded == "<All keys matched successfully>" else found


def main() -> int:
    """Exit 0 when what is reported is what is expected."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent / "examples").resolve()
    expected = (folder / "expected.txt").read_text(encoding="utf-8").split("\n")
    expected = [line for line in expected if line and not line.startswith("#")]
    color = "always" if sys.stdout.isatty() else "never"
    report = check(folder, "full", color).stdout
    print(report, flush=True)
    found = reported(report)
    found += diff(folder)
    if found == expected:
        print(f"demo: all {len(found)} lines of {folder.name}/expected.txt, and nothing else")
        return 0
    for line in sorted(set(expected) - set(found)):
        print(f"demo: not reported: {line}")
    for line in sorted(set(found) - set(expected)):
        print(f"demo: not expected: {line}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
