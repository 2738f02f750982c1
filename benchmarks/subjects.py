"""What is measured: commits made up here, and package folders named on the command line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import NamedTuple

from modelint import files
from modelint.config import Configs

#: No candidate: nothing in it has to do with weights.
PLAIN = '"""Settings."""\n\nimport os\n\n\ndef home(name: str) -> str:\n    return os.path.join(os.sep, "home", name)\n'
#: A candidate with findings.
FOUND = """import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(8, 8) for _ in range(4)]
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.head(x)


def train(loader, epochs):
    model = nn.DataParallel(Net())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(epochs):
        for x, y in loader:
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    torch.save(model.state_dict(), "model.pt")


def load():
    model = Net()
    model.load_state_dict(torch.load("model.pt"), strict=False)
    return model
"""


class Package(NamedTuple):
    """A folder of Python files, and those of them that `modelint check` looks at."""

    name: str
    folder: str
    files: tuple[str, ...]

    @property
    def size(self) -> float:
        return sum(map(os.path.getsize, self.files)) / 1e6

    @property
    def listing(self) -> str:
        return "\n".join(self.files)

    def sample(self, limit: float) -> Package:
        """Files from all over the package, up to ``limit`` MB."""
        step = max(1, round(self.size / limit))
        chosen: list[str] = []
        size = 0.0
        for path in self.files[::step]:
            if size + os.path.getsize(path) / 1e6 <= limit:
                chosen.append(path)
                size += os.path.getsize(path) / 1e6
        return self._replace(files=tuple(chosen))


def package(folder: str) -> Package:
    folder = os.path.abspath(folder)
    found = files.find([folder], folder, Configs(folder, None))
    name = os.path.basename(folder).rsplit("+", 1)[-1]
    return Package(name, folder, tuple(sorted(target.path for target in found.targets if "\n" not in target.path)))


@contextmanager
def commit() -> Iterator[str]:
    """A folder with the files of a small commit."""
    with TemporaryDirectory() as folder:
        for name, text in (("plain.py", PLAIN), ("found.py", FOUND)):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        yield folder
