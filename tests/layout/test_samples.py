"""`modelint lock --propose-inputs`: shown, tried, and never written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from modelint.layout.settling import samples

TEXT = '''
"""Example::

    x = torch.randn(2, 3, 32, 32)
"""
tokens = torch.randint(0, 50257, (2, 16))
mask = torch.ones((2, 16,))



other = torch.randint(7, size=[4])
unknown = torch.randn(batch, 3)
'''

MODELS = '''
import torch
from torch import nn


class Image(nn.Module):
    """Of images."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.conv(x)


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(11, 4)
        self.linear = nn.Linear(4, 4)

    def forward(self, tokens, noise):
        return self.linear(self.embed(tokens)) + noise


class Picky(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, batch):
        return self.linear(batch["x"])
'''
TEST = """
import torch
from models import Two


def test_two():
    tokens = torch.randint(0, 11, (2, 5))
    noise = torch.randn(2, 5, 4)
    assert Two()(tokens, noise).shape == (2, 5, 4)
"""


def test_what_the_text_shows() -> None:
    found = {each.inputs: each.where for each in samples._in_text(TEXT, "a.py")}
    assert found[("float32[2, 3, 32, 32]",)] == "a.py:4"
    assert found[("int64[2, 16] < 50257", "float32[2, 16]")] == "a.py:6"
    assert found[("int64[2, 16] < 50257",)] == "a.py:6"
    assert found[("int64[4] < 7",)] == "a.py:11"
    assert not any("batch" in each for inputs in found for each in inputs)


@pytest.mark.slow
def test_proposed_and_not_written(tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text(MODELS)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_models.py").write_text(TEST)
    tables = {"image": "models:Image", "two": "models:Two", "picky": "models:Picky", "gone": "models:Gone"}
    config = "".join(f'[tool.modelint.models.{name}]\nfactory = "{each}"\n' for name, each in tables.items())
    (tmp_path / "pyproject.toml").write_text(config)
    environment = {**os.environ, "MODELINT_CACHE_DIR": str(tmp_path / "cache"), "MODELINT_PYTHON": sys.executable}
    command = [sys.executable, "-m", "modelint", "lock", "--propose-inputs"]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert 'models.image]\ninputs = ["float32[2, 3, 224, 224]"]  # likely for its first layers\n' in ran.stdout
    proposed = 'models.two]\ninputs = ["int64[2, 5] < 11", "float32[2, 5, 4]"]  # tests/test_models.py:7\n'
    assert proposed in ran.stdout
    assert "picky: no inputs: none of " in ran.stdout
    assert "gone: no inputs: 'models' has no 'Gone'" in ran.stdout
    assert (ran.returncode, ran.stderr) == (3, "4 models without inputs; nothing is written\n")
    assert (tmp_path / "pyproject.toml").read_text() == config
    assert not (tmp_path / "model-manifests").exists()
