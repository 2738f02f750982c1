"""Pairs of models between which keys got other names: real renames, and what is tempting to take for one.

``CASES`` says of each what is right: the new names that are proved, and whether the forward differs under the names
that are proposed. Where numbers can tell, the test asks them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F


class Case(NamedTuple):
    old: Callable[[], nn.Module]
    new: Callable[[], nn.Module]
    #: Old module or tensor -> its proved new name; all that has another name and is not below these is not proved.
    proved: Mapping[str, str] = {}
    #: Old keys that nothing decides.
    ambiguous: frozenset[str] = frozenset()
    #: Under the names that are proposed it computes something else.
    different: bool = False
    shape: tuple[int, ...] = (2, 5, 8)


class Net(nn.Module):
    """Its classes are of one name: a model keeps its own when its parts get others."""

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        cls.__qualname__ = cls.__name__ = "Net"


class Parts(Net):
    """Linear layers by name, and a forward over them."""

    def __init__(self, **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)


def linear() -> nn.Linear:
    return nn.Linear(8, 8)


def made(cls: type[Parts], *names: str, **parts: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    return lambda: cls(**{name: linear() for name in names}, **{name: part() for name, part in parts.items()})


class InSeries(Parts):
    def forward(self, x: Any) -> Any:
        return self.b(torch.relu(self.a(x)))


class InSeriesElsewhere(Parts):
    def forward(self, x: Any) -> Any:
        return self.tail(torch.relu(self.stem(x)))


class Crossed(Parts):
    """Names that mislead: what was ``first_layer`` is ``last_stage``."""

    def forward(self, x: Any) -> Any:
        return self.last_layer(torch.relu(self.first_layer(x)))


class CrossedNow(Parts):
    def forward(self, x: Any) -> Any:
        return self.first_stage(torch.relu(self.last_stage(x)))


class Shifted(Parts):
    def forward(self, x: Any) -> Any:
        return self.c(torch.relu(self.b(x)))


class NormFinal(Parts):
    def forward(self, x: Any) -> Any:
        return self.final(torch.relu(self.norm(x)))


class FirstNorm(Parts):
    def forward(self, x: Any) -> Any:
        return self.norm(torch.relu(self.first(x)))


class Step(Net):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(8)

    def forward(self, x: Any, layer: Any) -> Any:
        return x + layer(self.norm(x))


class Residual(Parts):
    def forward(self, x: Any) -> Any:
        return self.step(x, self.layer)


class ResidualNow(Parts):
    def forward(self, x: Any) -> Any:
        return self.step(x, self.part)


class Sum(Parts):
    def forward(self, x: Any) -> Any:
        return self.left(x) + self.right(x)


class SumOfUnlike(Parts):
    def forward(self, x: Any) -> Any:
        return self.foo(x) + self.bar(x)


class SumOfLike(Parts):
    """In another order of the alphabet."""

    def forward(self, x: Any) -> Any:
        return self.z_left(x) + self.b_right(x)


class SumOfMany(Parts):
    def forward(self, x: Any) -> Any:
        return sum(part(x) for part in self.children())


class SumOfKinds(Parts):
    def forward(self, x: Any) -> Any:
        return self.a(x) + self.b(x)


class SumOfKindsNow(Parts):
    def forward(self, x: Any) -> Any:
        return self.foo(x) + self.bar(x)


class SumOfPairs(Parts):
    """The branches trade places only as a whole."""

    def forward(self, x: Any) -> Any:
        return self.b(torch.relu(self.a(x))) + self.d(torch.relu(self.c(x)))


class SumOfPairsNow(Parts):
    def forward(self, x: Any) -> Any:
        return self.tau(torch.relu(self.rho(x))) + self.psi(torch.relu(self.phi(x)))


class Tanh(Parts):
    def forward(self, x: Any) -> Any:
        return self.tail(F.gelu(self.stem(x), approximate="tanh"))


class Gelu(Parts):
    def forward(self, x: Any) -> Any:
        return self.tail(F.gelu(self.trunk(x)))


class Attention(Parts):
    def forward(self, x: Any) -> Any:
        q, k, v = self.q(x), self.k(x), self.v(x)
        return torch.softmax(q @ k.transpose(-2, -1) / 8, -1) @ v


class Permuted(Parts):
    """Keys first."""

    def forward(self, x: Any) -> Any:
        one, two, three = self.one(x), self.two(x), self.three(x)
        return torch.softmax(two @ one.transpose(-2, -1) / 8, -1) @ three


class Symmetric(Parts):
    def forward(self, x: Any) -> Any:
        return torch.softmax((self.q(x) * self.k(x)).sum(-1, keepdim=True), -2) * torch.relu(self.v(x))


class SymmetricNow(Parts):
    def forward(self, x: Any) -> Any:
        return torch.softmax((self.one(x) * self.two(x)).sum(-1, keepdim=True), -2) * torch.relu(self.three(x))


class Fused(Parts):
    def forward(self, x: Any) -> Any:
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        return torch.softmax(q @ k.transpose(-2, -1) / 8, -1) @ v


class Student(Parts):
    def forward(self, x: Any) -> Any:
        return self.student(x)


class Online(Parts):
    def forward(self, x: Any) -> Any:
        return self.online(x)


class Distilled(Parts):
    def forward(self, x: Any) -> Any:
        return self.student(x), self.teacher(x).detach()


class DistilledNow(Parts):
    def forward(self, x: Any) -> Any:
        return self.online(x), self.target(x).detach()


class Weight(Net):
    """As GPT-2 keeps it: (in, out)."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.randn(8, 8))

    def forward(self, x: Any) -> Any:
        return x @ self.matrix


class Turned(Net):
    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(8, 8))

    def forward(self, x: Any) -> Any:
        return F.linear(x, self.kernel)


class Scale(Net):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(8))

    def forward(self, x: Any) -> Any:
        return F.normalize(x, dim=-1) * self.scale


class Gain(Net):
    def __init__(self) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.ones(8))

    def forward(self, x: Any) -> Any:
        return F.normalize(x, dim=-1) * self.g * 8**0.5


class Pooled(Parts):
    def forward(self, x: Any) -> Any:
        return self.norm(x.mean(1))


class PooledLater(Parts):
    def forward(self, x: Any) -> Any:
        return self.fc_norm(x).mean(1)


class Normed(Parts):
    def forward(self, x: Any) -> Any:
        return self.norm(x)


class NormedNow(Parts):
    def forward(self, x: Any) -> Any:
        return self.ln(x)


class Counted(Parts):
    """No whole trace: how often it turns only a real input tells."""

    def forward(self, x: Any) -> Any:
        while x.norm() > 1:
            x = self.a(x) / 100
        return x


class CountedNow(Parts):
    def forward(self, x: Any) -> Any:
        while x.norm() > 1:
            x = self.stem(x) / 100
        return x


class Dropped(Parts):
    def forward(self, x: Any) -> Any:
        return F.dropout(self.stem(x), 0.1, self.training)


class Single(Parts):
    def forward(self, x: Any) -> Any:
        return self.trunk(x)


class Block(Parts):
    def forward(self, x: Any) -> Any:
        return x + self.fc(torch.tanh(x))


class BlockNow(Parts):
    def forward(self, x: Any) -> Any:
        return x + self.proj(torch.tanh(x))


class Stack(Net):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(fc=linear()) for _ in range(3))

    def forward(self, x: Any) -> Any:
        for block in self.blocks:
            x = block(x)
        return x


class StackNow(Net):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(BlockNow(proj=linear()) for _ in range(3))

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x


class Reversed(StackNow):
    def forward(self, x: Any) -> Any:
        for layer in reversed(self.layers):
            x = layer(x)
        return x


class Sequence(Net):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8))

    def forward(self, x: Any) -> Any:
        return self.net(x)


class SequenceNow(Net):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 8))

    def forward(self, x: Any) -> Any:
        return self.body(x)


class Constant(Net):
    """A table that no file holds."""

    def __init__(self, name: str, base: float) -> None:
        super().__init__()
        self.name = name
        self.add_module(name, linear())
        self.register_buffer("table", base ** torch.arange(8.0), persistent=False)

    def forward(self, x: Any) -> Any:
        return getattr(self, self.name)(x * self.table)


class Tied(Net):
    def __init__(self, inner: str, outer: str) -> None:
        super().__init__()
        self.names = inner, outer
        self.add_module(inner, nn.Linear(8, 8, bias=False))
        self.add_module(outer, nn.Linear(8, 8, bias=False))
        getattr(self, outer).weight = getattr(self, inner).weight

    def forward(self, x: Any) -> Any:
        inner, outer = self.names
        return getattr(self, outer)(torch.relu(getattr(self, inner)(x)))


def bare_norm() -> nn.Module:
    return nn.LayerNorm(8)


def bare() -> nn.Module:
    return nn.Linear(8, 24)


def keys(*modules: str) -> frozenset[str]:
    return frozenset(f"{module}.{leaf}" for module in modules for leaf in ("weight", "bias"))


WORDS = ("red", "green", "blue", "white", "black", "grey")

CASES: dict[str, Case] = {
    "siblings that no name tells apart": Case(
        made(InSeries, "a", "b"), made(InSeriesElsewhere, "stem", "tail"), {"a": "stem", "b": "tail"}
    ),
    "siblings under names that mislead": Case(
        made(Crossed, "first_layer", "last_layer"),
        made(CrossedNow, "first_stage", "last_stage"),
        {"first_layer": "last_stage", "last_layer": "first_stage"},
    ),
    "siblings that moved up by one name": Case(made(InSeries, "a", "b"), made(Shifted, "b", "c"), {"a": "b", "b": "c"}),
    "a sibling that took the name of another": Case(
        made(NormFinal, norm=bare_norm, final=bare_norm),
        made(FirstNorm, first=bare_norm, norm=bare_norm),
        {"norm": "first", "final": "norm"},
    ),
    "a layer that is handed to another module": Case(
        made(Residual, "layer", step=Step),
        made(ResidualNow, "part", step=Step),
        {"layer": "part"},
    ),
    "branches of a sum, by names that tell": Case(
        made(Sum, "left", "right"), made(SumOfLike, "z_left", "b_right"), {"left": "z_left", "right": "b_right"}
    ),
    "branches of a sum, by names that do not": Case(
        made(Sum, "left", "right"), made(SumOfUnlike, "foo", "bar"), ambiguous=keys("left", "right")
    ),
    "many branches, by names that tell": Case(
        made(SumOfMany, *WORDS),
        made(SumOfMany, *(f"{'zyxwvu'[at]}x_{word}" for at, word in enumerate(WORDS))),
        {word: f"{'zyxwvu'[at]}x_{word}" for at, word in enumerate(WORDS)},
    ),
    "branches of two kinds": Case(
        made(SumOfKinds, a=linear, b=lambda: Block(fc=linear())),
        made(SumOfKindsNow, foo=linear, bar=lambda: Block(fc=linear())),
        {"a": "foo", "b": "bar"},
    ),
    "branches of two layers": Case(
        made(SumOfPairs, "a", "b", "c", "d"),
        made(SumOfPairsNow, "rho", "tau", "phi", "psi"),
        ambiguous=keys("a", "b", "c", "d"),
    ),
    "a rename and another gelu": Case(made(Gelu, "trunk", "tail"), made(Tanh, "stem", "tail"), different=True),
    "query, key and value in another order": Case(
        made(Attention, "q", "k", "v"), made(Permuted, "one", "two", "three"), {"q": "two", "k": "one", "v": "three"}
    ),
    "query and key that may trade places": Case(
        made(Symmetric, "q", "k", "v"),
        made(SymmetricNow, "one", "two", "three"),
        {"v": "three"},
        ambiguous=keys("q", "k"),
    ),
    "projections that are fused": Case(made(Attention, "q", "k", "v"), made(Fused, qkv=bare)),
    "a teacher that nothing calls": Case(
        made(Student, "student", "teacher"),
        made(Online, "online", "target"),
        {"student": "online"},
        ambiguous=keys("teacher"),
    ),
    "a student and its teacher": Case(
        made(Distilled, "student", "teacher"),
        made(DistilledNow, "target", "online"),
        {"student": "online", "teacher": "target"},
    ),
    "a square weight that is transposed": Case(Weight, Turned, different=True),
    "a gain that was a scale": Case(Scale, Gain, different=True),
    "a norm on the other side of the pooling": Case(
        made(Pooled, norm=lambda: nn.LayerNorm(8)), made(PooledLater, fc_norm=lambda: nn.LayerNorm(8)), different=True
    ),
    "a norm of another kind": Case(
        made(Normed, norm=lambda: nn.LayerNorm(8)),
        made(NormedNow, ln=lambda: nn.GroupNorm(4, 8)),
        different=True,
        shape=(5, 8),
    ),
    "a norm of the same kind": Case(
        made(Normed, norm=lambda: nn.LayerNorm(8)), made(NormedNow, ln=lambda: nn.LayerNorm(8)), {"norm": "ln"}
    ),
    "a forward that has no whole trace": Case(made(Counted, "a"), made(CountedNow, "stem")),
    "a rename and a dropout": Case(made(Single, "trunk"), made(Dropped, "stem")),
    "a list and what is in it": Case(Stack, StackNow, {f"blocks.{n}.fc": f"layers.{n}.proj" for n in range(3)}),
    "a list that is gone through backwards": Case(
        Stack, Reversed, {f"blocks.{n}.fc": f"layers.{2 - n}.proj" for n in range(3)}
    ),
    "a sequence in another order": Case(Sequence, SequenceNow, different=True),
    "a table that stays": Case(lambda: Constant("a", 0.5), lambda: Constant("stem", 0.5), {"a": "stem"}),
    "a table that changes": Case(lambda: Constant("a", 0.5), lambda: Constant("stem", 0.25)),
    "tied weights": Case(lambda: Tied("emb", "head"), lambda: Tied("wte", "out"), {"emb": "wte", "head": "out"}),
}


def built(name: str, side: str) -> nn.Module:
    """What the tracer calls."""
    return getattr(CASES[name], side)()
