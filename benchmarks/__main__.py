"""Measures, and writes benchmarks/RESULTS.md. Every figure is a ratio of two runs side by side on the same machine."""

from __future__ import annotations

import argparse
import compileall
import importlib.util
import os
import sys
from collections.abc import Callable
from glob import glob
from importlib.metadata import version
from math import prod
from tempfile import TemporaryDirectory

from benchmarks.measure import Failed, interleaved
from benchmarks.subjects import Package, commit, package
from benchmarks.text import Row, replaced, seconds, table

PYTHON = sys.executable
CHECK = [PYTHON, "-m", "modelint", "check", "--only", "lint", "--exit-zero", "--format", "concise"]
#: What a commit without a candidate must not import.
HEAVY = ("libcst", "torch", "rich")
#: MB of a package of which one round is enough: noise weighs less in a minute than in a second.
LARGE = 20
HERE = os.path.dirname(os.path.abspath(__file__))


def compile_modelint() -> None:
    """An installed package has its bytecode; an editable one has it only if someone could write it."""
    for name in ("modelint", "modelint.rules.lint"):
        spec = importlib.util.find_spec(name)
        for place in (spec and spec.submodule_search_locations) or ():
            compileall.compile_dir(place, quiet=2)


def startup(runs: int) -> str:
    """A commit without a candidate, and one file with findings."""
    imports = "import sys\nfrom modelint.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    imports += f"assert not set(sys.modules).intersection({HEAVY!r})"
    with commit() as folder:
        commands = {
            "pass": [PYTHON, "-I", "-c", "pass"],
            "plain": [*CHECK, "plain.py"],
            "import": [PYTHON, "-I", "-c", "import libcst"],
            "found": [*CHECK, "--no-cache", "found.py"],
        }
        costs = interleaved(commands, runs, folder)
        interleaved({"modules": [PYTHON, "-c", imports, "check", "--only", "lint", "plain.py"]}, 1, folder)
    plain, found = costs["plain"], costs["found"]
    base, libcst = costs["pass"], costs["import"]
    rows = [
        (
            "a commit without a candidate",
            seconds(plain.cpu),
            f"{plain.cpu / base.cpu:.1f}x `python -I -c pass`",
            "<= 4x",
        ),
        (
            "one file with findings",
            seconds(found.cpu),
            f"`import libcst` + {(found.cpu - libcst.cpu) * 1000:.0f} ms ({found.cpu / libcst.cpu:.2f}x)",
            "+ 80 ms",
        ),
    ]
    text = table(("What", "CPU", "Against", "Aim"), rows)
    return f"{text}\n\nWithout a candidate, none of {', '.join(HEAVY)} is in `sys.modules` (checked)."


def whole(packages: list[Package], runs: int) -> str:
    """Whole packages, one process, no cache, against a bare parse of the same files."""
    rows: list[Row] = []
    ratios: list[float] = []
    for each in packages:
        commands = {
            "check": [*CHECK, "--no-cache", "--jobs", "1", "."],
            "parse": [PYTHON, os.path.join(HERE, "parse_all.py")],
        }
        rounds = runs if each.size > LARGE else 3 * runs
        costs = interleaved(commands, rounds, each.folder, each.listing)
        check, parse = costs["check"], costs["parse"]
        ratios.append(check.cpu / parse.cpu)
        size = (str(len(each.files)), f"{each.size:.1f}")
        noise = f"{check.median / parse.median:.2f}"
        rows.append(
            (each.name, *size, seconds(check.cpu), seconds(parse.cpu), f"{ratios[-1]:.2f}", noise, f"{check.peak:.0f}")
        )
        print(rows[-1], file=sys.stderr, flush=True)
    mean = prod(ratios) ** (1 / len(ratios))
    head = ("Package", "Files", "MB", "modelint", "bare libcst parse", "Ratio", "of medians", "Peak MB")
    return f"{table(head, rows)}\n\nGeometric mean {mean:.2f}; the aim is <= 1.0 for each."


def torchfix(packages: list[Package], program: str, limit: float) -> str:
    rows: list[Row] = []
    for each in (whole_package.sample(limit) for whole_package in packages):
        commands = {
            "check": [*CHECK, "--no-cache", "--jobs", "1", "--", *each.files],
            "torchfix": [program, "--select=ALL", *each.files],
        }
        costs = interleaved(commands, 1, each.folder)
        ratio = costs["torchfix"].cpu / costs["check"].cpu
        size = (str(len(each.files)), f"{each.size:.2f}")
        rows.append((each.name, *size, seconds(costs["check"].cpu), seconds(costs["torchfix"].cpu), f"{ratio:.0f}x"))
        print(rows[-1], file=sys.stderr, flush=True)
    text = table(("Sample of", "Files", "MB", "modelint", "torchfix", "Ratio"), rows)
    return f"{text}\n\ntorchfix `--select=ALL`, one process each, start-up included; the aim is >= 15x."


def workers(subject: Package, runs: int) -> str:
    commands = {f"{jobs}": [*CHECK, "--no-cache", "--jobs", f"{jobs}", "."] for jobs in (1, 2)}
    costs = interleaved(commands, runs, subject.folder)
    one, two = costs["1"], costs["2"]
    row = (
        subject.name,
        seconds(one.wall),
        seconds(two.wall),
        f"{one.wall / two.wall:.2f}x",
        f"{two.cpu / one.cpu:.2f}x",
    )
    text = table(("Package", "--jobs 1, wall", "--jobs 2, wall", "Faster", "CPU"), [row])
    return f"{text}\n\nThe aim is >= 1.5x."


def cache(packages: list[Package], runs: int) -> str:
    rows: list[Row] = []
    for each in packages:
        with TemporaryDirectory() as place:
            env = {"MODELINT_CACHE_DIR": place}
            command = {"check": [*CHECK, "--jobs", "1", "."]}
            cold = interleaved(command, 1, each.folder, env=env)["check"]
            warm = interleaved(command, runs, each.folder, env=env)["check"]
            size = (
                sum(os.path.getsize(path) for path in glob(os.path.join(place, "**", "*.json"), recursive=True)) / 1e6
            )
        rows.append((each.name, seconds(cold.cpu), seconds(warm.cpu), f"{warm.cpu / cold.cpu:.3f}", f"{size:.1f}"))
        print(rows[-1], file=sys.stderr, flush=True)
    return table(("Package", "Cold", "Warm", "Ratio", "Cache MB"), rows)


def only(title: str, section: Callable[[], str], output: str) -> None:
    """Renews one section of the results."""
    try:
        body = section()
    except Failed as error:
        sys.exit(f"benchmarks: {error}")
    print(body)
    before = "# What modelint costs\n"
    if os.path.exists(output):
        with open(output, encoding="utf-8") as file:
            before = file.read()
    with open(output, "w", encoding="utf-8") as file:
        file.write(replaced(before, title, body))


def layout(python: str, runs: int, zoo: int) -> str:
    from benchmarks.layout import sections

    return f"{sections(python, runs, zoo)}\n\nThe minimum of the runs; wall time."


def checkpoint(python: str, runs: int) -> str:
    from benchmarks.checkpoint import section

    return f"{section(python, runs)}\n\nThe minimum of the runs; memory, the maximum."


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("packages", nargs="*", metavar="FOLDER", help="checkouts or installed packages to lint whole")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--torchfix", metavar="PROGRAM", help="compare with this torchfix, on samples")
    parser.add_argument("--sample", type=float, default=0.5, metavar="MB", help="how much torchfix is given")
    parser.add_argument(
        "--layout", metavar="PYTHON", help="only tracked models, in this interpreter with torch, timm and transformers"
    )
    parser.add_argument(
        "--checkpoint", metavar="PYTHON", help="only checkpoint files, beside what this interpreter with torch reads"
    )
    parser.add_argument("--zoo", type=int, default=40, help="how many models of each package --layout records")
    parser.add_argument("--output", default=os.path.join(HERE, "RESULTS.md"), metavar="FILE")
    options = parser.parse_args()
    compile_modelint()
    if options.layout:
        only("Tracked models", lambda: layout(options.layout, options.runs, options.zoo), options.output)
        return
    if options.checkpoint:
        only("Checkpoint files", lambda: checkpoint(options.checkpoint, options.runs), options.output)
        return
    packages = [package(folder) for folder in options.packages]
    sections: dict[str, Callable[[], str]] = {"Start-up": lambda: startup(4 * options.runs)}
    if packages:
        largest = max(packages, key=lambda each: each.size)
        sections["Whole packages"] = lambda: whole(packages, options.runs)
        sections["Two workers"] = lambda: workers(largest, options.runs)
        sections["Warm cache"] = lambda: cache(packages, options.runs)
        if options.torchfix:
            sections["torchfix"] = lambda: torchfix(packages, options.torchfix, options.sample)
    else:
        print("no package folder given: only the start-up is measured", file=sys.stderr)
    versions = f"Python {sys.version.split()[0]}, libcst {version('libcst')}, modelint {version('modelint')}"
    text = f"# What modelint costs\n\n{versions}; CPU time with start-up, the minimum of the runs.\n"
    for title, section in sections.items():
        print(f"{title} ...", file=sys.stderr, flush=True)
        try:
            text += f"\n## {title}\n\n{section()}\n"
        except Failed as error:
            sys.exit(f"benchmarks: {error}")
    print(text)
    if packages:
        # What --layout and --checkpoint measured is kept.
        if os.path.exists(options.output):
            with open(options.output, encoding="utf-8") as file:
                _, found, kept = file.read().partition("\n## Tracked models\n")
            text += found + kept
        with open(options.output, "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main()
