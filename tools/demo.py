"""Check the project in examples/ and compare what is reported with examples/expected.txt: `make demo`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

HEADLINE = re.compile(r"^(?P<path>.+?):(?P<line>\d+):\d+: (?P<code>MDL\d{3}) ")


def check(folder: Path, output_format: str, color: str = "auto") -> subprocess.CompletedProcess[str]:
    """`modelint check` on the folder, as a user runs it; its models are built in this Python, or the one named."""
    command = [sys.executable, "-m", "modelint", "check", folder.name, "--format", output_format, "--color", color]
    environment = {"MODELINT_PYTHON": sys.executable, **os.environ}
    return subprocess.run(
        command, cwd=folder.parent, env=environment, stdout=subprocess.PIPE, encoding="utf-8", check=False
    )


def reported(text: str) -> list[str]:
    """`CODE path:line` of each diagnostic, in the order of the report."""
    lines = re.sub(r"\x1b\[[\d;]*m", "", text).splitlines()
    return [f"{found['code']} {found['path']}:{found['line']}" for line in lines if (found := HEADLINE.match(line))]


def main() -> int:
    """Exit 0 when the report is the expected one."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent / "examples").resolve()
    expected = (folder / "expected.txt").read_text(encoding="utf-8").split("\n")
    expected = [line for line in expected if line and not line.startswith("#")]
    color = "always" if sys.stdout.isatty() else "never"
    report = check(folder, "full", color).stdout
    print(report, flush=True)
    found = reported(report)
    if found == expected:
        print(f"demo: all {len(found)} diagnostics stand where {folder.name}/expected.txt has them, and no other")
        return 0
    for line in sorted(set(expected) - set(found)):
        print(f"demo: not reported: {line}")
    for line in sorted(set(found) - set(expected)):
        print(f"demo: not expected: {line}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
