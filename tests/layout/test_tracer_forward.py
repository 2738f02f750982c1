"""Pairs of one module written twice: what computes the same gets the same digests, what does not gets others."""

from __future__ import annotations

import textwrap

import pytest

torch = pytest.importorskip("torch")

from modelint.keys.table import KeyTable  # noqa: E402
from modelint.layout.layout import Definition, Layout  # noqa: E402
from modelint.layout.meaning import Meaning, compare  # noqa: E402
from modelint.layout.tracer.forward import describe  # noqa: E402
from modelint.layout.tracer.graph import Node  # noqa: E402
from modelint.layout.tracer.normal import operation  # noqa: E402

PRELUDE = """
import math
import torch
import torch.nn as nn
import torch.nn.functional as F
"""


def build(source: str, tmp_path, name: str) -> Layout:
    """The layout of ``Net()``; the source must be a file, for its digest."""
    path = tmp_path / f"{name}.py"
    path.write_text(PRELUDE + textwrap.dedent(source))
    scope: dict[str, object] = {"__name__": name}
    exec(compile(path.read_text(), str(path), "exec"), scope)
    with torch.device("meta"):
        model = scope["Net"]()  # type: ignore[operator]
    return layout(model)


def layout(model: torch.nn.Module) -> Layout:
    described = describe(model)
    definitions = {}
    for identity, each in described.definitions.items():
        values = {("cls" if key == "class" else key): value for key, value in each.items()}
        values["names"] = tuple(values["names"])
        definitions[identity] = Definition(**values)
    return Layout(KeyTable({}), {}, {}, described.modules, definitions)


def pair(old: str, new: str, tmp_path) -> Meaning:
    return compare(build(old, tmp_path, "old_side"), build(new, tmp_path, "new_side"))


HEAD = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(8, 8)
        self.b = nn.Linear(8, 8)
        self.act = nn.{act}
        self.heads = {heads}
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        self.register_buffer("mask", torch.ones(8, 8))

    def forward(self, x{args}):
"""


def net(body: str, act: str = "GELU()", heads: str = "2", args: str = "") -> str:
    return HEAD.format(act=act, heads=heads, args=args) + textwrap.indent(textwrap.dedent(body).strip(), " " * 8) + "\n"


SAME = {
    "operator": ("return self.b(self.act(self.a(x)) @ x)", "return self.b(torch.matmul(self.act(self.a(x)), x))"),
    "order of a sum": ("return self.a(x) + self.b(x) + x", "return x + (self.b(x) + self.a(x))"),
    "method or function": ("return F.softmax(self.a(x), dim=-1)", "return self.a(x).softmax(-1)"),
    "local names": ("h = self.a(x)\nreturn self.b(h)", "hidden = self.a(x)\nout = self.b(hidden)\nreturn out"),
    "dead code": ("return self.b(self.a(x))", "y = x * 3\nreturn self.b(self.a(x))"),
    "activation module": ("return self.b(self.act(self.a(x)))", "return self.b(F.gelu(self.a(x)))"),
    "shape": (
        "b, n, d = x.shape\nreturn self.a(x).view(b, n * d)",
        "b, n, d = x.size()\nreturn self.a(x).reshape(b, n * d)",
    ),
    "keyword": ("return self.a(x).transpose(1, 2)", "return torch.transpose(self.a(x), dim0=1, dim1=2)"),
    "scaling": ("return self.a(x) / math.sqrt(64)", "return self.a(x) * 64 ** -0.5"),
    "device": (
        "return self.a(x) + torch.arange(8, device=x.device)",
        "return self.a(x) + torch.arange(8).to(x.device)",
    ),
    "einsum letters": (
        "return torch.einsum('b i d, b j d -> b i j', self.a(x), self.b(x))",
        "return torch.einsum('nqc,nkc->nqk', self.a(x), self.b(x))",
    ),
    "einsum or matmul": (
        "return torch.einsum('bid,bjd->bij', self.a(x), self.b(x))",
        "return self.a(x) @ self.b(x).transpose(-2, -1)",
    ),
    "in place": ("return self.b(F.relu(self.a(x)))", "return self.b(self.a(x).relu_())"),
    "branches that agree": (
        "return self.a(x)",
        "if x.shape[0] > 3:\n    return self.a(x)\nelse:\n    return self.a(x)",
    ),
    "a check": (
        "return self.a(x)",
        "if x.shape[-1] != 8:\n    raise ValueError(x.shape)\nassert x.dim() == 3\nreturn self.a(x)",
    ),
    "unpacking": (
        "q, k = self.a(x).chunk(2, dim=-1)\nreturn q * k",
        "q, k = map(lambda t: t, self.a(x).chunk(2, dim=-1))\nreturn k * q",
    ),
    "new axis": ("return self.a(x)[:, None]", "return self.a(x).unsqueeze(1)"),
    "tuple or list": ("return torch.cat([self.a(x), x], -1)", "return torch.cat((self.a(x), x), dim=-1)"),
    "comparison": (
        "return self.a(x).masked_fill(self.mask > x, 0)",
        "return self.a(x).masked_fill(x < self.mask, 0.0)",
    ),
    "length before or after a layer": (
        "h = self.a(x)\nreturn h.reshape(h.shape[0], -1)",
        "h = self.a(x)\nreturn h.reshape(x.shape[0], -1)",
    ),
    "last length": (
        "b, n, d = x.shape\nreturn self.a(x).reshape(b, n * d)",
        "return self.a(x).reshape(x.size(0), x.shape[1] * x.size(-1))",
    ),
    "factor": (
        "return (self.a(x) @ self.b(x).transpose(1, 2)) * 0.5",
        "return (self.a(x) * 0.5) @ self.b(x).transpose(1, 2)",
    ),
    "ellipsis": ("return self.a(x).view(2, 3, 4)[..., :, None]", "return self.a(x).view(2, 3, 4)[:, :, :, None]"),
    "transposed weight": ("return x @ self.a.weight.T", "return x @ self.a.weight.transpose(0, 1)"),
    "one": ("return self.a(x)", "return self.a(x) * torch.ones(1)"),
    "softmax of old": ("return F.softmax(self.a(x).view(-1, 8))", "return F.softmax(self.a(x).view(-1, 8), dim=-1)"),
    "flattened": (
        "return self.b(self.a(x).view(x.size(0), -1))",
        "return self.b(torch.flatten(self.a(x), 1))",
    ),
    "type of another": ("return self.a(x) + x", "return self.a(x).type(x.type()) + x.type_as(self.a(x))"),
    "powers": (
        "return self.a(x) * torch.logspace(0.0, math.log(5) / math.log(2), 8, base=2)",
        "return self.a(x) * torch.logspace(0.0, math.log(5) / math.log(10), 8)",
    ),
    "callable": (
        "return self.a(x) if x.dim() > 2 else x",
        "deep = x.dim() > 2\ndeep = deep() if callable(deep) else deep\nreturn self.a(x) if deep else x",
    ),
    "dropped default": ("return self.a(x).sum(1)", "return self.a(x).sum(dim=1, keepdim=False)"),
}

CHANGED = {
    "order of calls": ("return self.b(self.a(x))", "return self.a(self.b(x))"),
    "activation": ("return self.b(F.gelu(self.a(x)))", "return self.b(F.relu(self.a(x)))"),
    "approximation": ("return F.gelu(self.a(x))", "return F.gelu(self.a(x), approximate='tanh')"),
    "residual dropped": ("return x + self.b(self.a(x))", "return self.b(self.a(x))"),
    "mask comparison": (
        "return self.a(x).masked_fill(self.mask <= 0, 0)",
        "return self.a(x).masked_fill(self.mask < 0, 0)",
    ),
    "axis": ("return F.softmax(self.a(x), dim=-1)", "return F.softmax(self.a(x), dim=1)"),
    "flattened": (
        "return self.b(self.a(x).view(x.size(0), -1))",
        "return self.b(torch.flatten(self.a(x), 0))",
    ),
    "factor inside": ("return F.softmax(self.a(x) * 0.5, dim=-1)", "return F.softmax(self.a(x), dim=-1) * 0.5"),
    "other length": ("return self.a(x).sum(1) / x.shape[1]", "return self.a(x).sum(1) / x.shape[0]"),
    "length of another layer": (
        "h = self.a(x)\nreturn h.reshape(h.shape[1], -1)",
        "h = self.a(x).transpose(0, 1)\nreturn h.reshape(h.shape[1], -1)",
    ),
    "softmax of old": ("return F.softmax(self.a(x).view(-1, 8))", "return F.softmax(self.a(x).view(-1, 8), dim=0)"),
    "powers": (
        "return self.a(x) * torch.logspace(0.0, 2.0, 8, base=2)",
        "return self.a(x) * torch.logspace(0.0, 2.0, 8)",
    ),
    "ones": ("return self.a(x)", "return self.a(x) * torch.ones(8, 1, 8)"),
    "constant": ("return self.a(x) * 0.5", "return self.a(x) * 0.25"),
    "difference": ("return self.a(x) - self.b(x)", "return self.b(x) - self.a(x)"),
    "output dropped": ("return self.a(x), self.b(x)", "return self.a(x)"),
    "detached layer": ("return self.b(self.a(x))", "return self.b(x)"),
    "dtype": ("return self.a(x).float()", "return self.a(x).half()"),
    "einsum": (
        "return torch.einsum('bid,bjd->bij', self.a(x), self.b(x))",
        "return torch.einsum('bid,bjd->bji', self.a(x), self.b(x))",
    ),
    "branch": (
        "return self.a(x) if x.shape[0] > 3 else self.b(x)",
        "return self.b(x) if x.shape[0] > 3 else self.a(x)",
    ),
    "eps inside": ("return x / (self.a(x).sqrt() + 1e-5)", "return x / (self.a(x) + 1e-5).sqrt()"),
    "write": ("y = self.a(x)\ny[:, 0] = 0\nreturn self.b(y)", "y = self.a(x)\ny[:, 1] = 0\nreturn self.b(y)"),
    "write through a view": (
        "y = self.a(x)\ny[:, 0].mul_(2)\nreturn self.b(y)",
        "y = self.a(x)\ny[:, 0].mul(2)\nreturn self.b(y)",
    ),
}

SAME |= {
    "full precision": ("return self.b(self.a(x))", "return self.b(self.a(x).float()).type_as(x)"),
    "dtype of a factory": ("return x + torch.zeros(3)", "return x + torch.zeros(3, dtype=x.dtype)"),
    "pooling": ("return F.avg_pool1d(self.a(x), 2)", "return F.avg_pool1d(self.a(x), (2,), 2, 0, False)"),
    "meshgrid": (
        "i, j = torch.meshgrid(x[0], x[1])\nreturn i + self.a(j)",
        "i, j = torch.meshgrid(x[0], x[1], indexing='ij')\nreturn i + self.a(j)",
    ),
    "permute": (
        "h = self.a(x).view(2, 3, 4, 5)\nreturn h.transpose(1, 2) @ h.transpose(-1, -2)",
        "h = self.a(x).view(2, 3, 4, 5)\nreturn h.permute(0, 2, 1, 3) @ h.permute(0, 1, 3, 2)",
    ),
    "axes from the end": (
        "h = self.a(x).view(2, 3, 4)\nreturn h.shape[-1] * h.transpose(0, 1)",
        "h = self.a(x).view(2, 3, 4)\nreturn h.shape[2] * h.transpose(-3, -2)",
    ),
    "expand": (
        "return torch.cat((self.token.expand(x.shape[0], -1, -1), self.a(x)), 1)",
        "return torch.cat((self.token.repeat(x.shape[0], 1, 1), self.a(x)), dim=1)",
    ),
    "cut to the length of the other": (
        "x = self.a(x)\nreturn x + self.token",
        "x = self.a(x)\nreturn x + self.token[:, :x.shape[1]]",
    ),
    "one result, and none": ("return self.a(x), None", "return self.a(x)"),
    "layer as a function": (
        "return self.b(self.a(x))",
        "return F.linear(F.linear(x, self.a.weight, self.a.bias), weight=self.b.weight, bias=self.b.bias)",
    ),
}
CHANGED |= {
    "layer without its bias": ("return self.a(x)", "return F.linear(x, self.a.weight)"),
    "bias of another layer": (
        "return self.a(x) + self.b(x)",
        "return F.linear(x, self.a.weight, self.b.bias) + self.b(x)",
    ),
    "layer with another weight": ("return self.a(x)", "return F.linear(x, self.a.weight * 2, self.a.bias)"),
    "repeated along another axis": (
        "return self.a(x) + self.token.repeat(x.shape[0], 1, 1).sum(0)",
        "return self.a(x) + self.token.repeat(1, x.shape[0], 1).sum(0)",
    ),
    "cut from elsewhere": (
        "return self.a(x) + self.token[:, :x.shape[1]]",
        "return self.a(x) + self.token[:, 1:x.shape[1]]",
    ),
    "half precision": ("return self.a(x)", "return self.a(x).half()"),
    "cast to whole numbers": ("return self.a(x)", "return self.a(x).long()"),
    "meshgrid": (
        "i, j = torch.meshgrid(x[0], x[1])\nreturn i + self.a(j)",
        "i, j = torch.meshgrid(x[0], x[1], indexing='xy')\nreturn i + self.a(j)",
    ),
    "permute": ("return self.a(x).permute(0, 2, 1)", "return self.a(x).permute(2, 1, 0)"),
    "results in another order": ("return self.a(x), None", "return None, self.a(x)"),
    "an axis twice": (
        "return self.a(x).view(2, 3, 4, 5).permute(0, 2, 1, 3)",
        "return self.a(x).view(2, 3, 4, 5).permute(0, 3, 1, 3)",
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_however_it_is_written(name: str, tmp_path) -> None:
    old, new = SAME[name]
    meaning = pair(net(old), net(new), tmp_path)
    assert meaning.same, meaning


@pytest.mark.parametrize("name", CHANGED)
def test_what_computes_something_else_is_told(name: str, tmp_path) -> None:
    old, new = CHANGED[name]
    meaning = pair(net(old), net(new), tmp_path)
    assert not meaning.same
    assert meaning.traced
    assert not meaning.training_only


def test_an_activation_is_named(tmp_path) -> None:
    body = "return self.b(self.act(self.a(x)))"
    (part,) = pair(net(body), net(body, act="ReLU()"), tmp_path).parts
    assert (part.path, part.what, part.old, part.new) == ("act", "type", "torch.nn.GELU", "torch.nn.ReLU")
    (part,) = pair(net(body, act="LeakyReLU(0.1)"), net(body, act="LeakyReLU(0.2)"), tmp_path).parts
    assert (part.path, part.what, part.attribute, part.old, part.new) == (
        "act",
        "attribute",
        "negative_slope",
        "0.1",
        "0.2",
    )


def test_dropout_is_training_only(tmp_path) -> None:
    body = "return self.b(self.act(self.a(x)))"
    meaning = pair(net(body, act="Dropout(0.1)"), net(body, act="Dropout(0.2)"), tmp_path)
    assert meaning.training_only
    assert not meaning.same
    (part,) = meaning.parts
    assert (part.path, part.attribute, part.training_only) == ("act", "p", True)


def test_a_number_kept_by_a_user_class(tmp_path) -> None:
    body = "b, n, d = x.shape\nreturn self.a(x).view(b, n, self.heads, d // self.heads)"
    (part,) = pair(net(body), net(body, heads="4"), tmp_path).parts
    assert (part.path, part.what, part.attribute, part.traced) == ("", "attribute", None, True)


def test_a_rename_is_followed(tmp_path) -> None:
    old = build(net("return self.b(self.a(x)) + self.a(x)"), tmp_path, "old_side")
    new = build(net("return self.b(self.a(x)) + self.a(x)").replace("self.a", "self.z"), tmp_path, "new_side")
    assert not compare(old, new).same
    assert compare(old, new, {"a.weight": "z.weight", "a.bias": "z.bias"}).same


def test_a_module_that_is_not_called_does_not_count(tmp_path) -> None:
    assert pair(
        net("return self.a(x)", act="BatchNorm1d(8)"), net("return self.a(x)", act="LayerNorm(8)"), tmp_path
    ).same


def test_the_model_is_left_as_it_was() -> None:
    class Caches(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lin = torch.nn.Linear(4, 4)
            self.cache = None
            self.seen: list[object] = []

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.cache = self.lin(x)
            self.seen.append(x)
            return self.cache

    model = Caches()
    state, call, attribute = torch.get_rng_state(), torch.nn.Module.__call__, torch.nn.Module.__getattr__
    before = dict(model.__dict__)
    describe(model)
    assert model.cache is None
    assert model.seen == []
    assert before.keys() == model.__dict__.keys()
    assert torch.equal(state, torch.get_rng_state())
    assert torch.nn.Module.__call__ is call
    assert torch.nn.Module.__getattr__ is attribute
    assert "training" not in vars(torch.nn.Module)
    assert model(torch.ones(1, 4)).shape == (1, 4)
    assert torch.arange(3).tolist() == [0, 1, 2]


def test_a_block_mask_is_traced(tmp_path) -> None:
    head = "from torch.nn.attention.flex_attention import BlockMask, flex_attention\n"
    body = "m = BlockMask.from_kv_blocks(self.a(x), self.b(x))\nreturn flex_attention(x, x, x, block_mask=m)"
    old, other = head + net(body), head + net(body.replace("self.b(x))", "-self.b(x))"))
    assert pair(old, old, tmp_path).same
    meaning = pair(old, other, tmp_path)
    assert (meaning.same, meaning.traced) == (False, True)


def test_axes_moved_by_einops() -> None:
    x = Node("input", (0,))
    turned = operation("rearrange", (x, "b h n d -> b n h d"), {})
    assert turned.anon == operation("transpose", (x, 1, 2), {}).anon
    inner = operation("rearrange", (x, "d -> () () 1 d"), {})
    assert inner.anon == operation("getitem", (x, (None, None, None, ("slice", None, None, None))), {}).anon
    assert operation("rearrange", (x, "b n (h d) -> b h n d"), {"h": 2}).op == "rearrange"
    assert operation("rearrange", (x, "... d e -> ... e d"), {}).op == "rearrange"
    last = operation("rearrange", (x, "b ... -> b ... 1"), {})
    assert last.anon == operation("unsqueeze", (x, -1), {}).anon
    second = operation("rearrange", (x, "b ... -> b 1 ..."), {})
    assert second.anon == operation("unsqueeze", (x, 1), {}).anon


CACHED = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(8, 8)
        {made}

    def mask_of(self, n):
        if self.mask is not None and self.mask.shape[-1] >= n:
            return self.mask[:n, :n]
        mask = torch.ones((n, n), dtype=torch.bool).triu({above})
        {kept}
        return mask

    def forward(self, x):
        return self.a(x).masked_fill(self.mask_of(x.shape[1]), -1.0)
"""
NO_BUFFER, BUFFER = "self.mask = None", 'self.register_buffer("mask", None, persistent=False)'
ANEW = 'self.register_buffer("mask", mask, persistent=False)'


@pytest.mark.parametrize(
    ("old", "new"),
    [((BUFFER, ANEW), (NO_BUFFER, "self.mask = mask")), ((BUFFER, "self.mask = mask"), (BUFFER, ANEW))],
)
def test_a_cache_is_no_state_whether_it_is_a_buffer_or_not(
    old: tuple[str, str], new: tuple[str, str], tmp_path
) -> None:
    before, after, other = (
        CACHED.format(made=made, kept=kept, above=above) for (made, kept), above in ((old, 1), (new, 1), (new, 2))
    )
    assert pair(before, after, tmp_path).same
    changed = pair(before, other, tmp_path)
    assert not changed.same
    assert changed.traced


def test_a_cache_is_left_as_it_was() -> None:
    scope: dict[str, object] = {"torch": torch, "nn": torch.nn}
    exec(CACHED.format(made=BUFFER, kept=ANEW, above=1), scope)
    model = scope["Net"]()  # type: ignore[operator]
    describe(model)
    assert model._buffers == {"mask": None}
