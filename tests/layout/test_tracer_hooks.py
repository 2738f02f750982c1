"""What surrounds a forward: hooks, tensors kept beside the buffers, weights made of others, state that is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn.utils import parametrizations  # noqa: E402

from modelint.keys.table import KeyTable  # noqa: E402
from modelint.layout.layout import Definition, Layout  # noqa: E402
from modelint.layout.meaning import Meaning, compare  # noqa: E402
from modelint.layout.tracer.constants import MetaMaking  # noqa: E402
from modelint.layout.tracer.forward import describe  # noqa: E402


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(8, 8)
        self.act = nn.ReLU()

    def forward(self, x: Any) -> Any:
        return self.act(self.a(x))


def layout(make: Callable[[], Any]) -> Layout:
    making = MetaMaking()
    with making:
        model = make()
    described = describe(model, making.digest)
    definitions = {}
    for identity, each in described.definitions.items():
        values = {("cls" if key == "class" else key): value for key, value in each.items()}
        definitions[identity] = Definition(**{**values, "names": tuple(values["names"])})
    return Layout(KeyTable({}), {}, {}, described.modules, definitions)


def pair(old: Callable[[], Any], new: Callable[[], Any], renames: dict[str, str] | None = None) -> Meaning:
    return compare(layout(old), layout(new), renames)


def hooked(where: str, hook: Any, pre: bool = False, **how: Any) -> Callable[[], Any]:
    def make() -> Any:
        model = Net()
        module = model.get_submodule(where)
        (module.register_forward_pre_hook if pre else module.register_forward_hook)(hook, **how)
        return model

    return make


@pytest.mark.parametrize("where", ["", "a", "act"])
@pytest.mark.parametrize("pre", [True, False])
def test_a_hook_that_changes_something_counts(where: str, pre: bool) -> None:
    def double(module: Any, *values: Any) -> Any:
        return (2 * values[0][0],) if pre else 2 * values[-1]

    def triple(module: Any, *values: Any) -> Any:
        return (3 * values[0][0],) if pre else 3 * values[-1]

    meaning = pair(Net, hooked(where, double, pre))
    assert not meaning.same
    assert meaning.traced
    assert pair(hooked(where, double, pre), hooked(where, double, pre)).same
    assert not pair(hooked(where, double, pre), hooked(where, triple, pre)).same


def test_a_hook_takes_keywords() -> None:
    def double(module: Any, args: Any, kwargs: Any, output: Any) -> Any:
        return output * 2

    def change(module: Any, args: Any, kwargs: Any) -> Any:
        return (args[0] + 1,), kwargs

    assert not pair(Net, hooked("a", double, with_kwargs=True)).same
    assert not pair(Net, hooked("a", change, pre=True, with_kwargs=True)).same


def test_a_hook_that_watches_does_not_count() -> None:
    seen: list[Any] = []

    def watch(module: Any, args: Any, output: Any) -> None:
        seen.append(type(output))

    assert pair(Net, hooked("a", watch)).same
    assert seen


def test_a_hook_that_cannot_be_followed_is_known_by_its_source() -> None:
    def one(module: Any, args: Any, output: Any) -> Any:
        return output.numpy().nothing.at_all + int(output)

    def other(module: Any, args: Any, output: Any) -> Any:
        return output.numpy().nothing.at_all - int(output)

    assert not pair(hooked("a", one), hooked("a", other)).same
    assert pair(hooked("a", one), hooked("a", one)).same


class Keeps(Net):
    def __init__(self, make: Callable[[], Any]) -> None:
        super().__init__()
        self.mean = make()

    def forward(self, x: Any) -> Any:
        return self.a(x - self.mean[None].to(x.device))


def test_a_tensor_kept_beside_the_buffers() -> None:
    def one() -> Any:
        return Keeps(lambda: torch.arange(8) * 0.1)

    def same() -> Any:
        return Keeps(lambda: torch.arange(8) / 10)

    def other() -> Any:
        return Keeps(lambda: torch.arange(8) * 0.2)

    assert pair(one, same).same
    (part,) = pair(one, other).parts
    assert (part.path, part.what, part.attribute, part.traced) == ("", "attribute", None, True)
    assert pair(lambda: Keeps(lambda: torch.randn(8)), lambda: Keeps(lambda: torch.randn(8))).same


@pytest.mark.parametrize("options", [{"padding_idx": 3}, {"sparse": True}, {"scale_grad_by_freq": True}])
def test_gradients_of_an_embedding(options: dict[str, Any]) -> None:
    class Own(nn.Embedding):
        pass

    for cls in (nn.Embedding, Own):
        meaning = pair(lambda: nn.Sequential(cls(9, 4)), lambda: nn.Sequential(cls(9, 4, **options)))  # noqa: B023
        assert not meaning.same
        assert meaning.training_only


def test_the_padding_of_a_bag_is_left_out_of_its_sums() -> None:
    assert not pair(lambda: nn.EmbeddingBag(9, 4), lambda: nn.EmbeddingBag(9, 4, padding_idx=3)).training_only


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize(
    ("make", "name"), [(lambda: nn.Linear(4, 4), "weight"), (lambda: nn.LSTM(4, 4), "weight_hh_l0")]
)
def test_one_weight_norm(make: Callable[[], Any], name: str) -> None:
    renames = {f"{name}_g": f"parametrizations.{name}.original0", f"{name}_v": f"parametrizations.{name}.original1"}

    def old(dim: int = 0) -> Any:
        return nn.utils.weight_norm(make(), name, dim)

    def new(dim: int = 0) -> Any:
        return parametrizations.weight_norm(make(), name, dim)

    assert pair(old, new, renames).same
    assert not pair(old, lambda: new(1), renames).same
    assert not pair(lambda: make(), new).same


def test_what_a_forward_writes_to_other_modules_is_put_back() -> None:
    class Child(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(4, 4)
            self.register_buffer("calls", torch.tensor(0))
            self.cache: Any = None
            self.seen: dict[str, Any] = {}

        def forward(self, x: Any) -> Any:
            return self.a(x) if self.cache is None else self.a(self.cache)

    class Parent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.child = Child()

        def forward(self, x: Any) -> Any:
            self.child.calls += 1
            y = self.child(x)
            self.child.cache = y
            self.child.seen["y"] = y
            return y + self.child.calls

    model = Parent()
    calls = model.child.calls
    described = describe(model)
    assert model.child.calls is calls
    assert model.child.cache is None
    assert model.child.seen == {}
    assert described.modules == describe(model).modules


def test_no_module_takes_the_others_with_it() -> None:
    class Sly(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(4, 4)

        @property
        def forward(self) -> Any:
            raise OSError("not now")

    described = describe(nn.Sequential(nn.Linear(4, 4), Sly()))
    labels = {path: described.definitions[identity]["label"] for path, identity in described.modules.items()}
    assert labels["0"] == "traced"
    assert labels["1"] == "source"
