"""Forwards that are hard to follow: all of them traced whole, and in bounded time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import partial
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

from modelint.layout.tracer import forward as tracer  # noqa: E402


class Base(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(8, 8)
        self.b = nn.Linear(8, 8)
        self.heads = 2


class Star(Base):
    def forward(self, x: Any) -> Any:
        b, n, d, h = *x.shape, self.heads
        q, k, v = (t.reshape(b, n, h, d // h) for t in self.a(x).chunk(3, dim=-1))
        *rest, last = q.shape
        return (q * k + v).view(*rest, last)


class SizesOfUnknownLength(Base):
    def forward(self, x: Any) -> Any:
        return self.a(x).view(*x.shape[:-1], -1, 4).transpose(1, 2).reshape((*x.shape[:-1], x.size(-1)))


class Counts(Base):
    def forward(self, x: Any) -> Any:
        for i in range(x.shape[1]):
            x = x + self.a(x)[:, i : i + 1]
        if len(x.shape) == 3 and isinstance(x.shape[0], int):
            x = x.view(int(x.shape[0] / 2), -1)
        return x / max(len(x), 1)


class Keywords(Base):
    def forward(self, x: Any, **kwargs: Any) -> Any:
        return {"out": self.step(x, **kwargs), "none": None}

    def step(self, x: Any, scale: Any = None, mask: Any = None) -> Any:
        y = self.a(x) if mask is None else self.a(x).masked_fill(mask, 0)
        return y if scale is None else y * scale


class Caches(Base):
    def __init__(self) -> None:
        super().__init__()
        self.cache: Any = None

    def forward(self, x: Any) -> Any:
        if self.cache is None:
            self.cache = self.a(x)
        return self.cache + self.b(x)


class Contexts(Base):
    def forward(self, x: Any) -> Any:
        with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
            x = self.a(x)
        return checkpoint(partial(self.inner, scale=2), x, use_reentrant=False)

    def inner(self, x: Any, scale: int) -> Any:
        return self.b(x) * scale


class Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        return grad


class Custom(Base):
    def forward(self, x: Any) -> Any:
        return self.b(Swish.apply(self.a(x)))


class Recurrent(Base):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(8, 8, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 2)

    def forward(self, x: Any) -> Any:
        out, (h, c) = self.rnn(x)
        out, weights = self.attention(out, out, out)
        return out + h[-1] + c[-1], weights


class Chosen(Base):
    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList([nn.Linear(8, 8) for _ in range(3)])

    def forward(self, x: Any) -> Any:
        weights, chosen = self.a(x).softmax(-1).topk(2)
        out = torch.zeros_like(x)
        for index, expert in enumerate(self.experts):
            rows, which = torch.where(chosen == index)
            out.index_add_(0, rows, expert(x[rows]) * weights[rows, which, None])
        return out


class Pads(Base):
    def forward(self, x: Any) -> Any:
        rest = x.shape[1] % 4
        if rest > 0:
            x = F.pad(x, (0, 0, 0, 4 - rest))
        return self.a(x)


class Mask(Base):
    def forward(self, x: Any) -> Any:
        n = x.size(1)
        mask = torch.full((n, n), float("-inf"), device=x.device, dtype=x.dtype).triu(1)
        return F.scaled_dot_product_attention(self.a(x), self.b(x), x, attn_mask=mask + torch.finfo(x.dtype).min)


HARD = [Star, SizesOfUnknownLength, Counts, Keywords, Caches, Contexts, Custom, Recurrent, Chosen, Pads, Mask]


def root(model: nn.Module) -> dict[str, Any]:
    described = tracer.describe(model)
    return described.definitions[described.modules[""]]


@pytest.mark.parametrize("cls", HARD, ids=lambda cls: cls.__name__)
def test_traced_whole(cls: type[nn.Module]) -> None:
    with torch.device("meta"):
        one, other = cls(), cls()
    found = root(one)
    assert found["label"] == "traced"
    assert found["trace"] is not None
    assert found["train"] != tracer.UNKNOWN
    assert found == root(other)


def test_every_expert_is_a_slot() -> None:
    assert {f"experts.{index}" for index in range(3)} <= set(root(Chosen())["names"])


def test_layers_that_differ_by_number_alone_are_traced_once() -> None:
    class Layer(Base):
        def __init__(self, index: int) -> None:
            super().__init__()
            self.layer_idx = index

        def forward(self, x: Any) -> Any:
            return self.a(x)

    class Parity(Layer):
        def forward(self, x: Any) -> Any:
            return self.a(x) if self.layer_idx % 2 else self.b(x)

    for cls, kinds in ((Layer, 1), (Parity, 2)):
        described = tracer.describe(nn.Sequential(*(cls(index) for index in range(6))))
        assert len({described.modules[str(index)] for index in range(6)}) == kinds


def test_other_kinds_of_modules() -> None:
    class Fails(Base):
        def forward(self, x: Any) -> Any:
            return self.a(x).numpy().tolist().foo

    class Outer(Base):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Fails()

        def forward(self, x: Any) -> Any:
            return self.b(self.inner(x))

    class NoForward(Base):
        pass

    assert root(NoForward())["label"] == "none"
    assert set(root(NoForward())["names"]) == {"a", "b"}
    described = tracer.describe(Outer())
    labels = {path: described.definitions[described.modules[path]]["label"] for path in ("", "inner", "a")}
    assert labels["a"] == "traced"
    assert labels[""] in ("traced", "partial")
    shared = nn.Linear(2, 2)
    assert set(tracer.describe(nn.Sequential(shared, nn.ReLU(), shared)).modules) == {"", "0", "1", "2"}


def test_a_loop_without_end_is_left() -> None:
    class Endless(Base):
        def forward(self, x: Any) -> Any:
            while True:
                x = x + self.a(x)

    began = time.monotonic()
    assert root(Endless())["label"] == "source"
    assert time.monotonic() - began < 20


SCRIPT = """
import json, sys
import torch
from modelint.layout.tracer.forward import describe
print(json.dumps(describe(torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.GELU(), torch.nn.LSTM(4, 4)))))
"""


@pytest.mark.slow
def test_hash_seeds() -> None:
    runs = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    assert runs[0]
