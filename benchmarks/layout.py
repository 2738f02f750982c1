"""What tracked models cost: recording them one by one, and a check in which none or one of them is affected."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from benchmarks.measure import Failed, interleaved
from benchmarks.text import seconds, table
from modelint.layout.client import trace
from modelint.layout.traced import Failure, Request, Result

HERE = os.path.dirname(os.path.abspath(__file__))
#: Names of models of a package, one a line of JSON: one for each file of timm, all of transformers.
LISTS = {
    "timm": "from timm.models._registry import _module_to_models as found\n"
    "print(json.dumps([min(each) for _, each in sorted(found.items())]))",
    "transformers": "from transformers import CONFIG_MAPPING\n"
    "from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES as found\n"
    "print(json.dumps([each for each in sorted(found) if each in CONFIG_MAPPING]))",
}


def sections(python: str, runs: int, zoo: int) -> str:
    return "\n\n".join((large(python, runs), zoos(python, zoo), checks(python, 4 * runs)))


def _request(factory: str, *args: str) -> Request:
    name = "/".join((factory, *args))
    return Request(name, f"factories:{factory}", args, {}, HERE, (HERE,))


def _recorded(python: str, requests: Sequence[Request]) -> Iterator[Result | Failure]:
    return trace(python, requests, timeout=120, memory=None, jobs=1)


def large(python: str, runs: int) -> str:
    """Seconds of work once torch is imported, and memory."""
    names = ("imported", "resnet50", "llama", "experts")
    found: dict[str, list[Result]] = {name: [] for name in names}
    for _ in range(runs):
        for each in _recorded(python, [_request(name) for name in names]):
            if isinstance(each, Failure):
                raise Failed(f"{each.id}: {each.message}")
            found[each.id].append(each)
    rows = []
    for name, what, beyond, aim in (
        ("resnet50", "ResNet-50", None, "-"),
        ("llama", "Llama 70B of transformers", "imported", "+2 s, +60 MB"),
        ("experts", "mixture of 48 x 128 experts", None, "15 s"),
    ):
        work, peak = (min(getattr(each, field) for each in found[name]) for field in ("seconds", "peak"))
        base = found[beyond] if beyond else []
        row = (seconds(work), f"{peak / 1e6:.0f} MB")
        if base:
            # Two figures, no difference of them: on a busy machine one import differs from the next by more.
            alone = min(each.seconds for each in base), min(each.peak for each in base)
            row = (f"{row[0]}; its imports alone {seconds(alone[0])}", f"{row[1]}; {alone[1] / 1e6:.0f} MB")
        rows.append((what, f"{len(found[name][0].layout.keys.specs):,}", *row, aim))
    return table(("Recorded model", "Keys", "Work", "Peak", "At most"), rows)


def zoos(python: str, zoo: int) -> str:
    rows = []
    for package, program in LISTS.items():
        text = subprocess.run(
            [python, "-W", "ignore", "-c", f"import json\n{program}"], capture_output=True, text=True, check=True
        ).stdout
        names = json.loads(text.strip().splitlines()[-1])
        names = names[:: max(1, len(names) // zoo)][:zoo]
        results = list(_recorded(python, [_request(f"{package}_model", name) for name in names]))
        built = [each for each in results if isinstance(each, Result)]
        costs = sorted(each.seconds for each in built)
        labels = [each.label for one in built for each in one.layout.definitions.values() if each.label != "none"]
        share = labels.count("traced") / max(1, len(labels))
        rows.append(
            (
                package,
                f"{len(built)} of {len(results)}",
                seconds(statistics.median(costs)),
                seconds(costs[int(0.9 * (len(costs) - 1))]),
                seconds(sum(costs)),
                f"{share:.1%} of {len(labels)}",
            )
        )
        print(rows[-1], file=sys.stderr, flush=True)
    head = ("Package", "Built", "Median, its import included", "90 %", "Total", "Forwards traced")
    return table(head, rows)


@contextmanager
def _project(python: str) -> Iterator[str]:
    """A repository with one tracked model, its manifest committed to the folder."""
    with TemporaryDirectory() as folder:
        shutil.copy(os.path.join(HERE, "factories.py"), os.path.join(folder, "net.py"))
        with open(os.path.join(folder, "pyproject.toml"), "w", encoding="utf-8") as file:
            file.write(
                f'[tool.modelint]\npython = "{python}"\n\n[tool.modelint.models.net]\nfactory = "net:resnet50"\n'
            )
        subprocess.run(["git", "init", "--quiet", folder], check=True)
        yield folder


def checks(python: str, runs: int) -> str:
    command = [sys.executable, "-m", "modelint"]
    check = [*command, "check", "--only", "layout"]
    with _project(python) as folder, TemporaryDirectory() as cache:
        env = {"MODELINT_CACHE_DIR": cache}
        interleaved({"lock": [*command, "lock", "net"], "check": check}, 1, folder, env=env)
        quick = interleaved({"unaffected": check, "pass": [sys.executable, "-I", "-c", "pass"]}, runs, folder, env=env)
        whole = interleaved(
            {"affected": [*check, "--no-cache"], "import": [python, "-c", "import torch, net"]},
            max(3, runs // 2),
            folder,
            env={**env, "CUDA_VISIBLE_DEVICES": ""},
        )
    unaffected, affected, imports = quick["unaffected"], whole["affected"], whole["import"]
    against = f"{affected.cpu / imports.cpu:.2f}x `import torch` and the model's own"
    rows = [
        (
            "no model affected",
            seconds(unaffected.wall),
            seconds(unaffected.cpu),
            f"{unaffected.cpu / quick['pass'].cpu:.1f}x `python -I -c pass`",
            "150 ms",
        ),
        (
            "one affected, of the size of ResNet-50",
            seconds(affected.wall),
            seconds(affected.cpu),
            f"{against} (wall {affected.wall / imports.wall:.2f}x)",
            "1.3x",
        ),
    ]
    return table(("Check", "Wall", "CPU", "Against, by CPU", "At most"), rows)
