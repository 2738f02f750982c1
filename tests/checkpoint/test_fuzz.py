"""A few thousand spoiled checkpoints of every format: modelint refuses or reads each, in one piece.

MODELINT_FUZZ=100000 spoils so many.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("numpy")
pytest.importorskip("safetensors")

from fuzz import one
from oracle.samples import SAMPLES, make

RUNS = int(os.environ.get("MODELINT_FUZZ", "3000"))


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        make(str(folder))
    return folder


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_is_read(name: str, samples: Path) -> None:
    """Spoiling what is not read to begin with would show nothing."""
    from modelint.checkpoint import open as entrance

    assert entrance.read(str(samples / name)).roots[0].tensors
    assert not one(str(samples / name))


def test_spoiled(samples: Path, tmp_path: Path) -> None:
    program = Path(__file__).with_name("fuzz.py")
    command = [sys.executable, str(program), str(samples), str(RUNS), "suite", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode in (0, 1), f"exit {done.returncode}: {done.stderr[-2000:]}"
    summary = json.loads(done.stdout)
    assert summary["runs"] == RUNS
    assert not summary["faults"], json.dumps(summary["faults"], indent=1)
