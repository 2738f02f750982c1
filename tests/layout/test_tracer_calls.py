"""How modules are called, and what is taken of their results: what does not matter to the model does not count."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from test_tracer_forward import pair

LAYER = """
class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(8, 8)

    def forward(self, x{more}):
        h = self.lin(x)
        {body}
"""
NET = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = Layer()
        self.out = nn.Linear(8, 8)

    def forward(self, x{more}):
        {body}
"""


def model(layer: str, net: str, *, more: str = "", own: str = "") -> str:
    return LAYER.format(body=layer, more=more) + NET.format(body=net, more=own)


BARE = model("return h", "return self.out(self.layer(x))")


def test_a_result_that_nobody_takes_does_not_count(tmp_path) -> None:
    assert pair(BARE, model("return h, x.mean()", "return self.out(self.layer(x)[0])"), tmp_path).same
    assert pair(BARE, model("return x.mean(), h", "_, h = self.layer(x)\n        return self.out(h)"), tmp_path).same
    assert pair(BARE, model("return {'h': h, 'x': x}", "return self.out(self.layer(x)['h'])"), tmp_path).same


def test_a_result_that_is_taken_counts(tmp_path) -> None:
    both = "h, m = self.layer(x)\n        return self.out(h) * m"
    first = model("return h, x.mean()", both)
    other = pair(first, model("return h, x.sum()", both), tmp_path)
    assert [part.path for part in other.parts] == ["layer"]
    assert other.traced
    assert not pair(BARE, first, tmp_path).same
    swapped = pair(first, model("return h, h.mean()", both), tmp_path)
    assert not swapped.same
    assert not pair(BARE, model("return h * 2, x.mean()", "return self.out(self.layer(x)[0])"), tmp_path).same


def test_a_result_of_the_model_counts(tmp_path) -> None:
    one, other = "return self.out(self.layer(x)), x.mean()", "return self.out(self.layer(x)), x.sum()"
    assert not pair(model("return h", one), model("return h", other), tmp_path).same


def test_a_constant_may_as_well_be_made_by_the_caller(tmp_path) -> None:
    new = model("return h, torch.ones(1)", "h, scale = self.layer(x)\n        return self.out(h * scale)")
    assert pair(BARE, new, tmp_path).same
    assert not pair(BARE, new.replace("ones(1)", "full((1,), 2.0)"), tmp_path).same


def test_what_only_an_optional_argument_of_the_model_does_is_told_as_that(tmp_path) -> None:
    net = "return self.out(self.layer(x, mask))"
    old = model("return h if mask is None else h + mask", net, more=", mask=None", own=", mask=None")
    new = model("return h if mask is None else h * mask", net, more=", mask=None", own=", mask=None")
    meaning = pair(old, new, tmp_path)
    assert [(part.path, part.optional) for part in meaning.parts] == [("layer", True)]
    assert not meaning.traced
    both = model("return h * 2 if mask is None else h * mask", net, more=", mask=None", own=", mask=None")
    assert [(part.path, part.optional) for part in pair(old, both, tmp_path).parts] == [("layer", False)]


def test_an_optional_argument_that_the_caller_gives_is_none(tmp_path) -> None:
    net = "return self.out(self.layer(x, x))"
    old = model("return h if mask is None else h + mask", net, more=", mask=None")
    new = model("return h if mask is None else h * mask", net, more=", mask=None")
    meaning = pair(old, new, tmp_path)
    assert [(part.path, part.optional) for part in meaning.parts] == [("layer", False)]
    assert meaning.traced


def test_a_new_optional_argument_is_no_drift(tmp_path) -> None:
    new = model("return h if mask is None else h * mask", "return self.out(self.layer(x, mask))", more=", mask=None",
                own=", mask=None")  # fmt: skip
    assert pair(BARE, new, tmp_path).same


def test_weights_that_only_an_optional_argument_leads_to_are_there_to_be_used(tmp_path) -> None:
    net = "return self.out(x) if mask is None else self.layer(self.out(x) + mask)"
    old = model("return h", net, own=", mask=None")
    changed = pair(old, model("return h * 2", net, own=", mask=None"), tmp_path)
    assert [(part.path, part.optional) for part in changed.parts] == [("layer", False)]
    other = net.replace("+ mask", "* mask")
    assert [part.optional for part in pair(old, model("return h", other, own=", mask=None"), tmp_path).parts] == [False]


WRAPPER = """
class Norm(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.inner = inner

    def forward(self, x, **kwargs):
        return self.inner(self.norm(x), **kwargs)
"""


def test_a_default_that_a_wrapper_hands_on_does_not_count(tmp_path) -> None:
    layer = "return -h if turned else h"
    old, plain, turned = (
        WRAPPER
        + model(layer, f"return self.out(self.layer({arguments}))", more=", turned=False").replace(
            "self.layer = Layer()", "self.layer = Norm(Layer())"
        )
        for arguments in ("x", "x, turned=False", "x, turned=True")
    )
    assert pair(old, plain, tmp_path).same
    assert not pair(old, turned, tmp_path).same
