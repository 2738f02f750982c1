"""The parts of a comparison by numbers: inputs, weights, seeds, distances, where two runs part."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from modelint.layout.tracer import inputs, parting, pinned, results, weights  # noqa: E402


def test_inputs_are_the_same_at_every_call() -> None:
    make = inputs.maker(["float32[2, 3]", "int64[50] < 7", "bool[4, 5]", "bfloat16[]", "complex64[2]", "uint8[3,]"])
    (args, kwargs), (again, _) = make(), make()
    assert kwargs == {}
    assert all(torch.equal(one, other) for one, other in zip(args, again, strict=True))
    floats, indices, mask, scalar, waves, bits = args
    assert (floats.shape, floats.dtype) == ((2, 3), torch.float64)
    assert (indices.dtype, int(indices.min()), int(indices.max())) == (torch.int64, 0, 6)
    assert mask.dtype == torch.bool
    assert bool(mask[:, 0].all())
    assert (scalar.shape, waves.dtype, bits.dtype) == ((), torch.complex128, torch.uint8)


def test_plain_values_alone_are_handed_on() -> None:
    given = {"a": [torch.ones(2), (1, None, "x")], "b": 2.0}
    copy = inputs.plain(given)
    assert copy["a"][0] is not given["a"][0]  # type: ignore[index]
    assert copy["a"][1] == (1, None, "x")
    with pytest.raises(TypeError, match="object"):
        inputs.plain([object()])
    with pytest.raises(TypeError, match="tuple"):
        inputs.plain({(1, 2): 3})


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.second = nn.Linear(6, 6)
        self.second.weight = self.first.weight
        self.norm = nn.BatchNorm1d(6)
        self.zero = nn.Parameter(torch.zeros(6, 6))
        self.register_buffer("table", torch.arange(4))
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Any) -> Any:
        return self.drop(self.second(self.norm(self.first(x)))) + x @ self.zero


def test_weights_keep_ties_and_bring_zeros_to_life() -> None:
    with pinned.pinned():
        model = Net().double()
    start = weights.initial(model)
    assert start["versions"]["norm"] == 2
    for regime in weights.REGIMES:
        given = weights.weights(start, regime)
        assert given["first.weight"] is given["second.weight"]
        assert float(given["zero"].abs().min()) > 0
        assert float(given["norm.running_var"].min()) >= 0.5
        assert torch.equal(given["table"], torch.arange(4))
        again = weights.weights(start, regime)
        assert all(torch.equal(given[key], again[key]) for key in given)
    before = {key: value.clone() for key, value in start["values"].items()}
    model.load_state_dict(weights.weights(start, "scaled"))
    assert all(torch.equal(before[key], value) for key, value in start["values"].items())


def test_large_weights_do_not_repeat_from_row_to_row() -> None:
    given = weights.weights({"values": {"w": torch.zeros(1000, 1000)}, "parameters": ["w"]}, "scaled")["w"]
    assert len({float(each) for each in given[:, 0]}) == 1000
    assert abs(float(given.std()) * math.sqrt(1000) - 1) < 0.02


def test_casts_are_lifted_and_dropout_hangs_on_the_shape() -> None:
    with pinned.pinned():
        x = torch.ones(3, 4)
        half = (
            x.half(),
            x.to(torch.bfloat16),
            x.float(),
            torch.zeros(2, dtype=torch.float16),
            x.softmax(-1, torch.float),
        )
        assert {each.dtype for each in half} == {torch.float64}
        one = F.dropout(x, 0.5)
        torch.rand(7)
        assert torch.equal(one, F.dropout(x, 0.5))
        assert torch.equal(torch.randn(5), torch.randn(5))
        attended = F.scaled_dot_product_attention(x[None], x[None], x[None] * 2, is_causal=True)
    assert torch.allclose(attended, torch.full((1, 3, 4), 2.0, dtype=torch.float64))
    assert torch.get_default_dtype() == torch.float32
    assert torch.ones(2).half().dtype == torch.float16
    assert not torch.equal(torch.randn(5), torch.randn(5))


class OnGpu(nn.Module):
    """As much code has it: the device is written down."""

    def __init__(self) -> None:
        super().__init__()
        self.device = "cuda"
        self.first = nn.Linear(6, 6).to(torch.device("cuda", 0))
        self.cuda()

    def forward(self, x: Any) -> Any:
        steps = torch.arange(0, 6, 2, device=self.device).float() + torch.zeros(3, device=torch.device("cuda:0"))
        return (
            self.first(x.cuda(non_blocking=True)).to("cuda", non_blocking=True)
            + steps.to(self.device, dtype=x.dtype).sum()
        )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU to go to")
def test_what_is_sent_to_a_gpu_stays() -> None:
    with pinned.pinned():
        model = OnGpu().double()
        found = model(torch.ones(2, 6))
    assert (found.device.type, found.dtype) == ("cpu", torch.float64)
    with pytest.raises((AssertionError, RuntimeError)):
        model(torch.ones(2, 6))


@dataclass
class Output:
    logits: Any
    loss: Any = None


def test_results_are_flat() -> None:
    found = results.flat({"a": [torch.ones(2), 3], "b": Output(torch.zeros(1)), "c": []})
    assert list(found) == ["a.0", "a.1", "b.logits", "b.loss", "c()"]


def test_distances() -> None:
    def away(one: Any, other: Any) -> float:
        return results.distance(results.kept(torch.tensor(one)), results.kept(torch.tensor(other)))

    nan, inf = math.nan, math.inf
    assert away([1.0, nan, inf], [1.0, nan, inf]) == 0
    assert away([1.0, nan], [nan, 1.0]) == inf
    assert away([1.0, inf], [1.0, -inf]) == inf
    assert away([1.0, 2.0], [[1.0, 2.0]]) == inf
    assert away([1, 2], [1, 3]) == inf
    assert away([1, 2], [1.0, 2.0]) == inf
    assert away([0.0, 4.0], [0.0, 4.004]) == pytest.approx(1e-3, rel=1e-2)
    assert results.distance(1.0, 1.0) == 0
    assert results.distance(None, 0) == inf


@pytest.mark.parametrize("change", ["one", "swap", "scale"])
def test_what_is_kept_of_a_large_tensor_sees_a_change(change: str) -> None:
    one = torch.randn(300_000, dtype=torch.float64)
    other = one.clone()
    if change == "one":
        other[123_457] += 1
    elif change == "swap":
        other[[100, 299_000]] = other[[299_000, 100]]
    else:
        other *= 1 + 1e-5
    kept = [results.kept(each) for each in (one, other)]
    assert kept[0]["values"].numel() < 20_000
    assert results.distance(*kept) > results.DIFFERENT
    assert results.distance(kept[0], results.kept(one.clone())) == 0


def test_structure_comes_before_values() -> None:
    one = {"a": results.kept(torch.ones(2)), "b": results.kept(torch.ones(2))}
    assert results.parted(one, {"b": one["b"], "a": one["a"]}, common=False) == (math.inf, "")
    assert results.parted(one, {"b": one["b"]}, common=True) == (0.0, "")


def test_the_first_module_that_gives_something_else() -> None:
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.ReLU(), nn.Linear(3, 3)), nn.Tanh()), torch.randn(2, 3)
    with parting.noting(model) as before:
        model(x)
    model[1][1].weight.data *= 1.01
    with parting.noting(model) as after:
        model(x)
    assert [path for path, _, _ in before] == ["0", "1.0", "1.1", "1", "2", ""]
    found = parting.first(before, after, {})
    assert found is not None
    assert found["module"] == "1.1"
    assert 1e-4 < found["distance"] < 2e-2
    assert parting.first(before, before, {}) is None
    moved = [("new" + path[1:] if path.startswith("1") else path, *rest) for path, *rest in after]
    assert parting.first(before, moved, {"1.1": "new.1"})["module"] == "new.1"  # type: ignore[index, arg-type]
