"""Buffers by how they were made and what they are: the same digests on the meta device and on the CPU."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from modelint.layout.tracer.constants import CpuMaking, MetaMaking  # noqa: E402


def digests(make: Callable[[], Any], mode: type = MetaMaking) -> tuple[str | None, str | None] | None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("table", make())

    making = mode()
    with making:
        model = Net()
    found = making.constants(model).get("table")
    return None if found is None else (found["made"], found["value"])


def sinusoid(rows: int = 6, base: float = 10000.0) -> Any:
    table = torch.zeros(rows, 4)
    angles = torch.arange(rows).unsqueeze(1) * torch.exp(torch.arange(0, 4, 2) * (-math.log(base) / 4))
    table[:, 0::2] = torch.sin(angles)
    table[:, 1::2] = torch.cos(angles)
    return table


def sinusoid_otherwise() -> Any:
    frequencies = (-(torch.arange(0, 4, 2) / 4.0) * math.log(10000.0)).exp()
    angles = torch.outer(torch.arange(6.0), frequencies)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


def rotary() -> Any:
    angles = torch.outer(torch.arange(64.0), 10000.0 ** (-torch.arange(0, 16, 2).float() / 16))
    return torch.cat((angles.sin(), angles.cos()), 1)


def rotary_otherwise() -> Any:
    angles = torch.arange(64.0)[:, None] * torch.exp(-math.log(10000.0) * torch.arange(0, 16, 2).float() / 16)
    return torch.cat((torch.sin(angles), torch.cos(angles)), dim=-1)


def filled() -> Any:
    table = torch.empty(2, 3)
    table.data.copy_(torch.arange(6.0).view(2, 3))
    return torch.nn.init.constant_(torch.empty(2, 3), 2.5) + table


MADE: dict[str, Callable[[], Any]] = {
    "sinusoid": sinusoid,
    "sinusoid otherwise": sinusoid_otherwise,
    "mask": lambda: torch.tril(torch.ones(4, 4, dtype=torch.bool)).view(1, 1, 4, 4),
    "mean": lambda: torch.tensor([0.485, 0.456, 0.406]).view(1, -1, 1, 1),
    "filled": filled,
    "indices": lambda: torch.stack(torch.meshgrid(torch.arange(3), torch.arange(2), indexing="ij")).flatten(1),
    "infinite": lambda: torch.full((2, 2), float("-inf")).triu(1),
    "sorted": lambda: torch.linspace(0, 1, 5).sort(descending=True).values,
    "half": lambda: torch.arange(4).half().clone(),
    "complex": lambda: torch.polar(torch.ones(3), torch.arange(3.0)),
}


@pytest.mark.parametrize("name", MADE)
def test_with_and_without_values(name):
    meta, cpu = digests(MADE[name]), digests(MADE[name], CpuMaking)
    assert meta is not None and None not in meta
    assert meta == cpu


@pytest.mark.parametrize(
    ("make", "again"),
    [
        (sinusoid, sinusoid_otherwise),
        (rotary, rotary_otherwise),
        (lambda: torch.cos(torch.arange(4.0) * (math.pi / 2)), lambda: torch.tensor([1.0, 0.0, -1.0, 0.0])),
        (lambda: torch.arange(6.0) * 0.1, lambda: torch.arange(6) / 10),
    ],
)
@pytest.mark.parametrize("mode", [MetaMaking, CpuMaking])
def test_another_spelling_of_the_same_values(make, again, mode):
    one, other = digests(make), digests(again, mode)
    assert one is not None and other is not None
    assert one[0] != other[0] and one[1] == other[1]


@pytest.mark.parametrize(
    "one, other",
    [
        (sinusoid, lambda: sinusoid(base=20000.0)),
        (lambda: torch.ones(3, 3).tril(), lambda: torch.ones(3, 3).tril(-1)),
        (lambda: torch.tensor([0.485]), lambda: torch.tensor([0.5])),
        (lambda: torch.zeros(3), lambda: torch.zeros(3).fill_(1e-5)),
        (lambda: torch.tensor(0), lambda: torch.tensor(0.0)),
    ],
)
def test_other_values(one, other):
    first, second = digests(one), digests(other)
    assert first is not None and second is not None
    assert first[0] != second[0] and first[1] != second[1]


def test_the_seventh_digit_does_not_count():
    one, other = digests(lambda: torch.tensor([1.0000001])), digests(lambda: torch.tensor([1.0]))
    assert one is not None and other is not None and one[1] == other[1]


def shared() -> Any:
    table = torch.zeros(4)
    table.view(2, 2)[0].fill_(3)
    return table


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.randn(3),
        lambda: torch.zeros(3).normal_(),
        lambda: torch.rand(3) * 2 + torch.ones(3),
        lambda: torch.nn.Linear(2, 2).weight.detach(),
        lambda: torch.empty(3),
        lambda: torch.tensor([random.random()]),
        shared,
    ],
)
@pytest.mark.parametrize("mode", [MetaMaking, CpuMaking])
def test_what_is_random_or_not_seen_has_none(make, mode):
    assert digests(make, mode) is None


def test_large_ones_are_known_by_their_making():
    found = digests(lambda: torch.ones(3000, 3000).tril())
    assert found is not None and found[0] is not None and found[1] is None


def test_those_of_torch_itself_are_left_out():
    making = MetaMaking()
    with making:
        model = torch.nn.BatchNorm1d(3)
    assert making.constants(model) == {}
