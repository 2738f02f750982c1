"""What `modelint show` costs on large checkpoints, whole processes, beside those who read the same files."""

from __future__ import annotations

import os
import subprocess
import sys
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.measure import Costs, Failed, interleaved
from benchmarks.text import Row, seconds, table

HERE = os.path.dirname(os.path.abspath(__file__))
SHOW = [sys.executable, "-m", "modelint", "show"]
#: Programs for the interpreter with torch; each goes through every key.
TORCH = """import sys, torch
state = torch.load(sys.argv[1], mmap=True, map_location="meta", weights_only=True)
print([(key, each.shape, each.dtype) for key, each in state.items()])"""
SAFETENSORS = """import sys
from safetensors import safe_open
with safe_open(sys.argv[1], "np") as file:
    slices = [(key, file.get_slice(key)) for key in file.keys()]
    print([(key, each.get_shape(), each.get_dtype()) for key, each in slices])"""
HUB = """import sys
from huggingface_hub import parse_local_safetensors_file_metadata
file = parse_local_safetensors_file_metadata(sys.argv[1])
print([(key, each.shape, each.dtype) for key, each in file.tensors.items()])"""
#: What a reader of checkpoints must not import.
HEAVY = ("torch", "safetensors", "numpy", "libcst")


class Subject(NamedTuple):
    """A file to be made; ``seconds`` and ``peak`` (MB) are the aim, None where none is set."""

    title: str
    kind: str
    keys: int
    suffix: str
    seconds: float | None = None
    peak: int | None = None


SUBJECTS = (
    Subject(".pt, 300 keys", "dense", 300, ".pt", 0.3, 40),
    Subject(".pt, 20,000 keys", "experts", 20_000, ".pt", 1.5, 100),
    Subject(".pt, 90,000 keys", "experts", 90_000, ".pt"),
    Subject(".safetensors, 300 keys", "dense", 300, ".safetensors"),
    Subject(".safetensors, 269 keys", "terabyte", 269, ".safetensors"),
    Subject(".safetensors, 90,000 keys", "experts", 90_000, ".safetensors"),
)


def section(python: str, runs: int) -> str:
    """``python`` has torch and safetensors, and huggingface_hub if that is to be measured."""
    hub = not subprocess.run([python, "-c", "import huggingface_hub"], capture_output=True).returncode
    rows: list[Row] = []
    with TemporaryDirectory() as folder:
        for each in SUBJECTS:
            rows.append(measured(python, each, folder, runs, hub))
            print(rows[-1], file=sys.stderr, flush=True)
        modules(os.path.join(folder, f"0{SUBJECTS[0].suffix}"))
    head = (
        "File",
        "On disk it would be",
        "`modelint show`",
        "Wall",
        "At most",
        "torch.load",
        "safetensors",
        "huggingface_hub",
    )
    notes = (
        "CPU time of the whole process and its peak memory; the aim is of wall time."
        ' torch.load: `mmap=True, map_location="meta",'
        " weights_only=True`; the others go through every key. The files have real headers, and holes instead of data."
        f" None of {', '.join(HEAVY)} is in `sys.modules` of `modelint show` (checked)."
    )
    return f"{table(head, rows)}\n\n{notes}"


def measured(python: str, subject: Subject, folder: str, runs: int, hub: bool) -> Row:
    path = os.path.join(folder, f"{SUBJECTS.index(subject)}{subject.suffix}")
    maker = os.path.join(HERE, "checkpoint_files.py")
    subprocess.run([python, "-W", "ignore", maker, subject.kind, str(subject.keys), path], check=True)
    rivals = (
        {"torch": TORCH} if subject.suffix == ".pt" else {"safetensors": SAFETENSORS} | ({"hub": HUB} if hub else {})
    )
    commands = {"show": [*SHOW, path]}
    commands |= {name: [python, "-W", "ignore", "-c", program, path] for name, program in rivals.items()}
    costs = interleaved(commands, runs, folder)
    size = os.path.getsize(path)
    aim = "-" if subject.seconds is None else f"{subject.seconds} s, {subject.peak} MB"
    unit = f"{size / 2**40:.1f} TiB" if size > 2**39 else f"{size / 1e9:.1f} GB"
    shown = costs["show"]
    return (
        subject.title,
        unit,
        said(shown),
        seconds(shown.wall),
        aim,
        *(beside(costs.get(each), shown) for each in ("torch", "safetensors", "hub")),
    )


def said(costs: Costs) -> str:
    return f"{seconds(costs.cpu)}, {costs.peak:.0f} MB"


def beside(costs: Costs | None, shown: Costs) -> str:
    return "-" if costs is None else f"{said(costs)} ({costs.cpu / shown.cpu:.1f}x)"


def modules(path: str) -> None:
    """Raises Failed if showing the file imports one of the heavy ones."""
    program = "import sys\nfrom modelint.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    program += f"found = set(sys.modules).intersection({HEAVY!r})\nassert not found, found"
    done = subprocess.run([sys.executable, "-c", program, "show", path], capture_output=True, text=True)
    if done.returncode:
        raise Failed(done.stderr[-500:])
