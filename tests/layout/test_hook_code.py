"""Files of old layouts load into a class that was given its migration: strictly, with the right values."""

from __future__ import annotations

import ast
import copy
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from modelint.layout.hooks.code import LOCALS
from modelint.layout.migrating.migration import (
    Added,
    Change,
    Copied,
    Dropped,
    Joined,
    Normed,
    Permuted,
    Renamed,
    Reset,
    Reshaped,
    Resized,
    Split,
)

torch = pytest.importorskip("torch")
nn = torch.nn

from hooked import HEAD, edited, filled, net, placed, run, same, values  # noqa: E402


class Case:
    """A class, what it was, and what a file of the old form holds when loaded."""

    def __init__(
        self,
        old: tuple[str, ...],
        new: tuple[str, ...],
        changes: tuple[Change, ...],
        truth: Callable[[Mapping[str, Any], Mapping[str, Any]], Mapping[str, Any]],
    ) -> None:
        #: truth: (old file, values as built) -> values after the load.
        self.old, self.new, self.changes, self.truth = old, new, changes, truth


def _renamed(old: Mapping[str, Any], before: str, after: str) -> dict[str, Any]:
    return {key.replace(before, after): value for key, value in old.items()}


LINEAR = "fc1 = nn.Linear(2, 3)"
TEN = "fc10 = nn.Linear(2, 3)"

CASES = {
    "renamed": Case(
        (LINEAR, TEN),
        ("hidden = nn.Linear(2, 3)", TEN),
        (Renamed("fc1", "hidden"),),
        lambda old, built: _renamed(old, "fc1.", "hidden."),
    ),
    "renamed-key": Case(
        ("g = nn.Parameter(torch.ones(3))",),
        ("gain = nn.Parameter(torch.ones(3))",),
        (Renamed("g", "gain"),),
        lambda old, built: {"gain": old["g"]},
    ),
    "renamed-inside": Case(
        ("up = nn.Linear(2, 2)",),
        ("up = nn.Sequential(nn.Linear(2, 2), nn.ReLU())",),
        (Renamed("up.weight", "up.0.weight"), Renamed("up.bias", "up.0.bias")),
        lambda old, built: _renamed(old, "up.", "up.0."),
    ),
    "renamed-one-after-the-other": Case(
        ("attn = nn.ModuleDict({'q': nn.Linear(2, 2)})",),
        ("attention = nn.ModuleDict({'query': nn.Linear(2, 2)})",),
        (Renamed("attn", "attention"), Renamed("attention.q", "attention.query")),
        lambda old, built: _renamed(old, "attn.q", "attention.query"),
    ),
    "shifted": Case(
        ("net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))",),
        ("net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))",),
        (Renamed("net.2", "net.3"), Renamed("net.1", "net.2"), Added(("net.1",))),
        lambda old, built: {
            **{
                f"net.{new}.{kind}": old[f"net.{was}.{kind}"] for was, new in ((0, 0), (1, 2), (2, 3)) for kind in KINDS
            },
            **{f"net.1.{kind}": built[f"net.1.{kind}"] for kind in KINDS},
        },
    ),
    "shifted-back": Case(
        ("net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))",),
        ("net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))",),
        (Dropped("net.0"), Renamed("net.1", "net.0"), Renamed("net.2", "net.1")),
        lambda old, built: {
            f"net.{new}.{kind}": old[f"net.{was}.{kind}"] for was, new in ((1, 0), (2, 1)) for kind in KINDS
        },
    ),
    "swapped": Case(
        ("a = nn.Linear(2, 2)", "b = nn.Linear(2, 2)"),
        ("b = nn.Linear(2, 2)", "a = nn.Linear(2, 2)"),
        (Renamed("a", "c"), Renamed("b", "a"), Renamed("c", "b")),
        lambda old, built: {
            f"{new}.{kind}": old[f"{was}.{kind}"] for was, new in (("a", "b"), ("b", "a")) for kind in KINDS
        },
    ),
    "dropped": Case(
        (LINEAR, TEN),
        (TEN,),
        (Dropped("fc1"),),
        lambda old, built: {key: value for key, value in old.items() if "fc10" in key},
    ),
    "added": Case(
        (LINEAR,),
        (LINEAR, "scale = nn.Parameter(torch.full((3,), 7.0))", "register_buffer('b', torch.tensor(3))"),
        (Added(("scale", "b")),),
        lambda old, built: {**old, "scale": built["scale"], "b": built["b"]},
    ),
    "added-alone": Case(
        (),
        ("scale = nn.Parameter(torch.full((3,), 7.0))",),
        (Added(("scale",)),),
        lambda old, built: built,
    ),
    "renamed-and-added": Case(
        (LINEAR,),
        ("hidden = nn.Linear(2, 3)", "norm = nn.LayerNorm(3)"),
        (Renamed("fc1", "hidden"), Added(("norm",))),
        lambda old, built: {
            **_renamed(old, "fc1.", "hidden."),
            **{key: value for key, value in built.items() if key.startswith("norm.")},
        },
    ),
    "joined": Case(
        tuple(f"{name} = nn.Linear(2, {size})" for name, size in zip("qkv", (2, 2, 2), strict=True)),
        ("qkv = nn.Linear(2, 6)",),
        (
            Joined(("q.weight", "k.weight", "v.weight"), "qkv.weight"),
            Joined(("q.bias", "k.bias", "v.bias"), "qkv.bias"),
        ),
        lambda old, built: {f"qkv.{kind}": torch.cat([old[f"{name}.{kind}"] for name in "qkv"]) for kind in KINDS},
    ),
    "joined-axis": Case(
        ("a = nn.Linear(2, 3, bias=False)", "b = nn.Linear(1, 3, bias=False)"),
        ("a = nn.Linear(3, 3, bias=False)",),
        (Joined(("a.weight", "b.weight"), "a.weight", 1),),
        lambda old, built: {"a.weight": torch.cat([old["a.weight"], old["b.weight"]], 1)},
    ),
    "split": Case(
        ("qkv = nn.Linear(2, 6)",),
        ("q = nn.Linear(2, 2)", "k = nn.Linear(2, 1)", "v = nn.Linear(2, 3)"),
        (
            Split("qkv.weight", ("q.weight", "k.weight", "v.weight"), (2, 1, 3)),
            Split("qkv.bias", ("q.bias", "k.bias", "v.bias"), (2, 1, 3)),
        ),
        lambda old, built: {
            f"{name}.{kind}": part
            for kind in KINDS
            for name, part in zip("qkv", old[f"qkv.{kind}"].split((2, 1, 3)), strict=True)
        },
    ),
    "split-axis": Case(
        ("a = nn.Linear(3, 3, bias=False)",),
        ("a = nn.Linear(2, 3, bias=False)", "b = nn.Linear(1, 3, bias=False)"),
        (Split("a.weight", ("a.weight", "b.weight"), (2, 1), 1),),
        lambda old, built: dict(zip(("a.weight", "b.weight"), old["a.weight"].split((2, 1), 1), strict=True)),
    ),
    "permuted": Case(
        ("w = nn.Parameter(torch.randn(2, 3))", "s = nn.Parameter(torch.randn(3, 3))"),
        ("w = nn.Parameter(torch.randn(3, 2))", "s = nn.Parameter(torch.randn(3, 3))"),
        (Permuted("w", (1, 0), (2, 3), (3, 2)), Permuted("s", (1, 0), (3, 3), (3, 3))),
        lambda old, built: {key: value.t() for key, value in old.items()},
    ),
    "permuted-square": Case(
        ("s = nn.Parameter(torch.randn(3, 3))",),
        ("s = nn.Parameter(torch.randn(3, 3))",),
        (Permuted("s", (1, 0), (3, 3), (3, 3)),),
        lambda old, built: {"s": old["s"].t()},
    ),
    "permuted-three": Case(
        ("w = nn.Parameter(torch.randn(2, 3, 4))",),
        ("w = nn.Parameter(torch.randn(3, 4, 2))",),
        (Permuted("w", (1, 2, 0), (2, 3, 4), (3, 4, 2)),),
        lambda old, built: {"w": old["w"].permute(1, 2, 0)},
    ),
    "permuted-and-reshaped": Case(
        ("w = nn.Parameter(torch.randn(2, 3, 1, 1))",),
        ("w = nn.Parameter(torch.randn(3, 2))",),
        (Permuted("w", (1, 0, 2, 3), (2, 3, 1, 1), (3, 2, 1, 1)), Reshaped("w", (3, 2, 1, 1), (3, 2))),
        lambda old, built: {"w": old["w"][:, :, 0, 0].t()},
    ),
    "reshaped": Case(
        ("fc = nn.Conv2d(2, 3, 1)",),
        ("fc = nn.Linear(2, 3)",),
        (Reshaped("fc.weight", (3, 2, 1, 1), (3, 2)),),
        lambda old, built: {**old, "fc.weight": old["fc.weight"].reshape(3, 2)},
    ),
    "grown": Case(
        ("head = nn.Linear(2, 3)",),
        ("head = nn.Linear(2, 5)",),
        (Resized("head.weight"), Resized("head.bias")),
        lambda old, built: {key: torch.cat([old[key], built[key][3:]]) for key in old},
    ),
    "shrunk": Case(
        ("head = nn.Linear(2, 5)",),
        ("head = nn.Linear(2, 3)",),
        (Resized("head.weight"), Resized("head.bias")),
        lambda old, built: {key: old[key][:3] for key in old},
    ),
    "reset": Case(
        (LINEAR, "head = nn.Linear(2, 5)"),
        (LINEAR, "head = nn.Linear(3, 5)"),
        (Reset("head.weight"),),
        lambda old, built: {**old, "head.weight": built["head.weight"]},
    ),
    "copied": Case(
        ("emb = nn.Embedding(4, 3)",),
        ("emb = nn.Embedding(4, 3)", "head = nn.Linear(3, 4, bias=False)", "head.weight = self.emb.weight"),
        (Copied("emb.weight", "head.weight"),),
        lambda old, built: {"emb.weight": old["emb.weight"], "head.weight": old["emb.weight"]},
    ),
    "divided": Case(
        ("conv = nn.Conv1d(2, 3, 2)",),
        ("conv = torch.nn.utils.weight_norm(nn.Conv1d(2, 3, 2))",),
        (Normed("conv.weight_g", "conv.weight_v", "conv.weight", True),),
        lambda old, built: {
            "conv.bias": old["conv.bias"],
            "conv.weight_v": old["conv.weight"],
            "conv.weight_g": torch.norm_except_dim(old["conv.weight"], 2, 0),
        },
    ),
    "multiplied": Case(
        ("conv = torch.nn.utils.weight_norm(nn.Conv1d(2, 3, 2), dim=1)",),
        ("conv = nn.Conv1d(2, 3, 2)",),
        (Normed("conv.weight_g", "conv.weight_v", "conv.weight", False),),
        lambda old, built: {
            "conv.bias": old["conv.bias"],
            "conv.weight": torch._weight_norm(old["conv.weight_v"], old["conv.weight_g"], 1),
        },
    ),
    "divided-whole": Case(
        ("fc = nn.Linear(2, 3)",),
        ("fc = torch.nn.utils.weight_norm(nn.Linear(2, 3), dim=None)",),
        (Normed("fc.weight_g", "fc.weight_v", "fc.weight", True),),
        lambda old, built: {
            "fc.bias": old["fc.bias"],
            "fc.weight_v": old["fc.weight"],
            "fc.weight_g": old["fc.weight"].norm(),
        },
    ),
    "parametrized": Case(
        ("fc = nn.Linear(2, 3)",),
        ("fc = torch.nn.utils.parametrizations.weight_norm(nn.Linear(2, 3))",),
        (Normed("fc.parametrizations.weight.original0", "fc.parametrizations.weight.original1", "fc.weight", True),),
        lambda old, built: {
            "fc.bias": old["fc.bias"],
            "fc.parametrizations.weight.original1": old["fc.weight"],
            "fc.parametrizations.weight.original0": torch.norm_except_dim(old["fc.weight"], 2, 0),
        },
    ),
}
KINDS = ("weight", "bias")
#: Nothing but the version of the class tells an old file from a new one.
BY_VERSION = {"swapped", "permuted-square"}
#: What torch itself cannot copy or pickle.
NOT_COPIED = {"divided", "divided-whole", "parametrized"}


class Pair:
    """The old class, and the new one with its migration."""

    def __init__(self, case: Case) -> None:
        self.old = run(HEAD + net(*case.old))
        self.new = run(edited(HEAD + net(*case.new), case.changes))
        self.case = case

    def file(self) -> Any:
        return filled(self.old().state_dict())

    def check(self, model: Any, built: Mapping[str, Any], file: Mapping[str, Any], at: str = "") -> None:
        same(model, {at + key: value for key, value in self.case.truth(file, built).items()})


@pytest.fixture(params=CASES)
def pair(request: pytest.FixtureRequest) -> Pair:
    return Pair(CASES[request.param])


def test_a_file_of_the_old_form_loads(pair: Pair) -> None:
    file, model = pair.file(), pair.new()
    before, built = dict(file), values(model)
    model.load_state_dict(file, strict=True)
    pair.check(model, built, file)
    assert file.keys() == before.keys() and all(file[key] is value for key, value in before.items())


def test_a_file_of_the_new_form_is_left_alone(pair: Pair) -> None:
    one, other = pair.new(), pair.new()
    other.load_state_dict(one.state_dict(), strict=True)
    for key, value in one.state_dict().items():
        torch.testing.assert_close(other.state_dict()[key], value)


def test_twice_is_as_once(pair: Pair) -> None:
    file, model = pair.file(), pair.new()
    built = values(model)
    model.load_state_dict(file, strict=True)
    saved = model.state_dict()
    again = pair.new()
    again.load_state_dict(saved, strict=True)
    pair.check(again, built, file)


COPIES = {
    "same": lambda model: model,
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
}


@pytest.mark.parametrize("copied", COPIES)
def test_nested_copied_and_wrapped(pair: Pair, copied: str, request: pytest.FixtureRequest) -> None:
    file, model = pair.file(), pair.new()
    built = values(model)
    outer = nn.DataParallel(nn.ModuleDict({"fc1": nn.ModuleList([nn.Identity(), model])}))
    if copied != "same" and request.node.callspec.params["pair"] in NOT_COPIED:
        pytest.skip("torch itself does not copy what is normed")
    outer = COPIES[copied](outer)
    outer.load_state_dict(placed(file, "module.fc1.1."), strict=True)
    pair.check(outer, built, file, "module.fc1.1.")
    if copied != "same":
        assert all(torch.equal(value, built[key]) for key, value in model.state_dict().items())


def test_a_subclass_inherits_it(pair: Pair) -> None:
    file = pair.file()

    class Sub(pair.new):  # type: ignore[name-defined,misc]
        pass

    model = Sub()
    built = values(model)
    model.load_state_dict(file, strict=True)
    pair.check(model, built, file)


def test_assigned_tensors_are_dense_and_share_nothing(pair: Pair) -> None:
    file, model = pair.file(), pair.new()
    built = values(model)
    model.load_state_dict(file, strict=True, assign=True)
    pair.check(model, built, file)
    state = model.state_dict()
    assert all(value.is_contiguous() for value in state.values())
    if not any(isinstance(each, Copied) for each in pair.case.changes):
        assert len({value.untyped_storage().data_ptr() for value in state.values()}) == len(state)
    assert all(value.untyped_storage().nbytes() == value.numel() * value.itemsize for value in state.values())


def test_on_the_meta_device(pair: Pair) -> None:
    with torch.device("meta"):
        file, model = pair.old().state_dict(), pair.new()
    model.load_state_dict(file, strict=True)
    assert all(value.is_meta for value in model.state_dict().values())


def test_a_model_on_the_meta_device_is_filled_or_the_load_says_what_is_missing(pair: Pair) -> None:
    file = pair.file()
    with torch.device("meta"):
        model = pair.new()
    try:
        model.load_state_dict(file, strict=True, assign=True)
    except (RuntimeError, NotImplementedError) as error:
        assert any(isinstance(each, Added | Reset | Resized) for each in pair.case.changes), error
    else:
        assert not any(value.is_meta for value in model.state_dict().values())


def test_half_precision(pair: Pair) -> None:
    file, model = pair.file(), pair.new()
    for key, value in file.items():
        file[key] = value.half() if value.is_floating_point() else value
    built = values(model)
    model.load_state_dict(file, strict=True)
    full = {key: value.float() if value.is_floating_point() else value for key, value in file.items()}
    for key, value in pair.case.truth(full, built).items():
        torch.testing.assert_close(model.state_dict()[key], value, rtol=2e-3, atol=2e-3)


def test_values_that_require_grad_leave_no_graph(pair: Pair) -> None:
    file = OrderedDict((key, value) for key, value in pair.old().state_dict(keep_vars=True).items())
    file._metadata = pair.file()._metadata  # type: ignore[attr-defined]
    model = pair.new()
    model.load_state_dict(file, strict=True, assign=True)
    assert all(each.is_leaf for each in model.parameters())


def test_files_without_metadata(pair: Pair, request: pytest.FixtureRequest) -> None:
    """They load, too; where nothing else tells what they are, that is said."""
    file, model = dict(pair.file()), pair.new()
    built = values(model)
    if request.node.callspec.params["pair"] in BY_VERSION:
        with pytest.raises(RuntimeError, match="does not say what version"):
            model.load_state_dict(file, strict=True)
        return
    model.load_state_dict(file, strict=True)
    pair.check(model, built, file)


def test_the_names_that_statements_use_are_known() -> None:
    """An override of the user may have some of them: then others are taken."""
    for case in CASES.values():
        tree = ast.parse(edited(HEAD + net(*case.new), case.changes))
        method = next(each for each in ast.walk(tree) if getattr(each, "name", "") == "_load_from_state_dict")
        stored = {
            each.id for each in ast.walk(method) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
        }
        assert stored <= {*LOCALS, "local_metadata"}


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("living", [True, False])
def test_a_file_that_was_completed_from_the_model_stops(living: bool, told: bool) -> None:
    """As FSDP2 does it with full_state_dict: all names are there, and those that old files lack are the model's."""
    case = CASES["shifted"]
    old = filled(run(HEAD + net(*case.old))().state_dict())
    model = run(edited(HEAD + net(*case.new), case.changes))()
    own = model.state_dict(keep_vars=living)
    file = OrderedDict({**own, **old})
    if told:
        file._metadata = old._metadata
    with pytest.raises(RuntimeError, match=r"net\.3 comes from the model itself"):
        model.load_state_dict(file)
    model.load_state_dict(OrderedDict(own))  # nothing but the model's own, in whatever dict
    run(edited(HEAD + net(*case.new), case.changes))().load_state_dict(OrderedDict(own))


def test_a_file_that_was_completed_is_no_matter_for_what_only_came_beside() -> None:
    case = CASES["added"]
    old = filled(run(HEAD + net(*case.old))().state_dict())
    model = run(edited(HEAD + net(*case.new), case.changes))()
    model.load_state_dict(OrderedDict({**model.state_dict(), **old}))


def test_what_was_shifted_beside_what_is_dropped_stops_too() -> None:
    was = ("gone = nn.Linear(2, 2)", "net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))")
    now = ("net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))",)
    changes = (Dropped("gone"), Renamed("net.1", "net.2"), Renamed("net.0", "net.1"), Added(("net.0",)))
    old = filled(run(HEAD + net(*was))().state_dict())
    model = run(edited(HEAD + net(*now), changes))()
    with pytest.raises(RuntimeError, match=r"net\.2 comes from the model itself"):
        model.load_state_dict(OrderedDict({**model.state_dict(), **old}))
    model.load_state_dict(old)
    assert torch.equal(model.net[2].weight, old["net.1.weight"])
