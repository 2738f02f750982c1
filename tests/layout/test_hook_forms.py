"""Files that are neither quite old nor quite new, several migrations in one class, and what nothing decides."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from modelint.layout.hooks.edit import EditError, edit
from modelint.layout.migrating.migration import (
    Added,
    Change,
    ClassMigration,
    Copied,
    Dropped,
    Joined,
    Option,
    Permuted,
    Renamed,
    Reset,
    Reshaped,
    Resized,
    Split,
    Undecided,
)

torch = pytest.importorskip("torch")
nn = torch.nn

from hooked import HEAD, edited, filled, net, placed, run, same, values, without  # noqa: E402

FC1, HIDDEN, SCALE = "fc1 = nn.Linear(2, 3)", "hidden = nn.Linear(2, 3)", "scale = nn.Parameter(torch.full((3,), 7.0))"


def new(*assigned: str, changes: tuple[Change, ...]) -> Any:
    return run(edited(HEAD + net(*assigned), changes))()


def file(*assigned: str) -> Any:
    return filled(run(HEAD + net(*assigned))().state_dict())


# --- neither old nor new


def test_old_and_new_keys_in_one_file() -> None:
    model = new(HIDDEN, changes=(Renamed("fc1", "hidden"),))
    model.load_state_dict({"fc1.weight": torch.ones(3, 2), "hidden.bias": torch.ones(3)}, strict=True)
    assert all(bool((value == 1).all()) for value in model.state_dict().values())


def test_a_key_in_both_forms_stays_twice() -> None:
    """The load names the old one, and takes the new one."""
    model = new(HIDDEN, changes=(Renamed("fc1", "hidden"),))
    both = {**file(FC1), **{f"hidden.{key}": torch.zeros(shape) for key, shape in (("weight", (3, 2)), ("bias", 3))}}
    with pytest.raises(RuntimeError, match=r'Unexpected key\(s\) in state_dict: "fc1.weight", "fc1.bias"'):
        model.load_state_dict(both, strict=True)
    told = model.load_state_dict(both, strict=False)
    assert told.unexpected_keys == ["fc1.weight", "fc1.bias"] and not told.missing_keys
    assert not any(value.any() for value in model.state_dict().values())


@pytest.mark.parametrize(
    "changes",
    [
        (Joined(("q.weight", "k.weight"), "qk.weight"),),
        (Split("qk.weight", ("q.weight", "k.weight"), (1, 1)),),
    ],
)
def test_parts_and_whole_in_one_file(changes: tuple[Change, ...]) -> None:
    parts, whole = (
        ("q = nn.Linear(2, 1, bias=False)", "k = nn.Linear(2, 1, bias=False)"),
        "qk = nn.Linear(2, 2, bias=False)",
    )
    joins = isinstance(changes[0], Joined)
    model = new(*([whole] if joins else parts), changes=changes)
    before = {**file(*parts), **file(whole)}
    told = model.load_state_dict(before, strict=False)
    assert set(told.unexpected_keys) == ({"q.weight", "k.weight"} if joins else {"qk.weight"})
    assert not told.missing_keys
    same(model, {key: value for key, value in before.items() if key in model.state_dict()})


def test_a_part_that_is_missing_is_told() -> None:
    model = new("qk = nn.Linear(2, 2, bias=False)", changes=(Joined(("q.weight", "k.weight"), "qk.weight"),))
    told = model.load_state_dict({"q.weight": torch.ones(1, 2)}, strict=False)
    assert told.missing_keys == ["qk.weight"] and told.unexpected_keys == ["q.weight"]


def test_other_keys_of_such_names_are_left_alone() -> None:
    changes = (Renamed("fc1", "hidden"), Dropped("aux"), Added(("scale",)))
    model = new(HIDDEN, SCALE, changes=changes)
    state = {
        "fc10.weight": torch.ones(1),
        "xfc1.weight": torch.ones(1),
        "auxes": torch.ones(1),
        "b.fc1.w": torch.ones(1),
    }
    told = model.load_state_dict(dict(state), strict=False)
    assert set(told.unexpected_keys) == set(state)
    assert set(told.missing_keys) == set(model.state_dict())


def test_a_part_of_an_old_file() -> None:
    model = new(HIDDEN, SCALE, changes=(Renamed("fc1", "hidden"), Added(("scale",))))
    told = model.load_state_dict({"fc1.weight": torch.ones(3, 2)}, strict=False)
    assert told.missing_keys == ["hidden.bias"] and not told.unexpected_keys
    told = model.load_state_dict({}, strict=False)
    assert set(told.missing_keys) == set(model.state_dict())


DAMAGED = {
    "told by a name": ((HIDDEN, SCALE), (Renamed("fc1", "hidden"), Added(("scale",)))),
    "told by the version": ((HIDDEN, SCALE), (Added(("scale",)),)),
    "told by a shape": ((HIDDEN, SCALE), (Reset("hidden.weight"), Added(("scale",)))),
}


@pytest.mark.parametrize("assigned,changes", DAMAGED.values(), ids=DAMAGED)
def test_a_new_file_that_lacks_what_was_added(assigned: tuple[str, ...], changes: tuple[Change, ...]) -> None:
    model = new(*assigned, changes=changes)
    damaged = without(model.state_dict(), "scale")
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "scale"'):
        model.load_state_dict(damaged, strict=True)
    outer = nn.Sequential(nn.Identity(), model)
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "1.scale"'):
        outer.load_state_dict(placed(damaged, "1."), strict=True)


def test_a_file_that_has_some_of_what_was_added_is_no_old_one() -> None:
    model = new(HIDDEN, SCALE, "b = nn.Parameter(torch.ones(1))", changes=(Added(("scale", "b")),))
    state = dict(without(model.state_dict(), "b"))
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "b"'):
        model.load_state_dict(state, strict=True)


def test_shifts_leave_new_files_alone_however_they_are_told() -> None:
    net_of = "net = nn.Sequential({})"
    changes = (Renamed("net.1", "net.2"), Added(("net.1",)))
    model = new(net_of.format("nn.Linear(2, 2), nn.LayerNorm(2), nn.Linear(2, 2)"), changes=changes)
    state = filled(model.state_dict())
    for each in (state, dict(state)):
        other = copy.deepcopy(model)
        other.load_state_dict(each, strict=True)
        same(other, state)
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "net.2.weight", "net.2.bias"'):
        model.load_state_dict(without(state, "net.2.weight", "net.2.bias"), strict=True)


def test_models_of_other_sizes() -> None:
    """Shapes are asked of the model, not taken from the migration."""
    source = HEAD + (
        "class Net(nn.Module):\n    def __init__(self, size=2, bias=True):\n        super().__init__()\n"
        "        self.q, self.k = nn.Linear(2, size, bias), nn.Linear(2, 2 * size, bias)\n"
        "        self.out = nn.Linear(2, size, bias)\n"
        "        self.scale = nn.Parameter(torch.ones(size)) if bias else None\n"
    )
    changes = (
        Split("qk.weight", ("q.weight", "k.weight"), (2, 4)),
        Split("qk.bias", ("q.bias", "k.bias"), (2, 4)),
        Permuted("out.weight", (1, 0), (2, 3), (3, 2)),
        Added(("scale",)),
    )
    made = run(edited(source, changes))
    state = {"qk.weight": torch.randn(15, 2), "qk.bias": torch.randn(15), "out.weight": torch.randn(2, 5)}
    model = made(5)
    model.load_state_dict({**state, "out.bias": torch.randn(5)}, strict=True)
    assert torch.equal(model.k.weight, state["qk.weight"][5:]) and torch.equal(
        model.out.weight, state["out.weight"].t()
    )
    model = made(5, bias=False)
    model.load_state_dict({key: value for key, value in state.items() if "bias" not in key}, strict=True)
    told = made(5, bias=False).load_state_dict(state, strict=False)
    assert told.unexpected_keys == ["qk.bias"]


def test_tensors_that_do_not_fit_are_told_as_torch_tells_them() -> None:
    model = new("a = nn.Parameter(torch.ones(2, 3))", changes=(Permuted("a", (1, 0), (3, 2), (2, 3)),))
    for shape in ((4,), (1, 2, 3), (2, 2)):
        with pytest.raises(RuntimeError, match="size mismatch for a"):
            model.load_state_dict({"a": torch.ones(shape)}, strict=True)
    model = new("a = nn.Parameter(torch.ones(2, 3))", changes=(Reshaped("a", (6,), (2, 3)), Resized("a")))
    for shape in ((5,), (), (3, 2, 2)):
        with pytest.raises(RuntimeError, match="size mismatch for a"):
            model.load_state_dict({"a": torch.ones(shape)}, strict=True)


# --- versions


def test_a_version_that_the_class_has_counts_on() -> None:
    source = HEAD + net("a = nn.Linear(2, 2)", "b = nn.Linear(2, 2)").replace(
        ":\n    def", ":\n    _version = 4\n\n    def"
    )
    swap = (Renamed("a", "t"), Renamed("b", "a"), Renamed("t", "b"))
    old, model = run(source)(), run(edited(source, swap, version=4))()
    before = filled(old.state_dict())
    model.load_state_dict(before, strict=True)
    assert torch.equal(model.a.weight, before["b.weight"]) and torch.equal(model.b.bias, before["a.bias"])
    again = copy.deepcopy(model)
    again.load_state_dict(model.state_dict(), strict=True)
    same(again, model.state_dict())


def test_a_part_of_a_swapped_file_without_versions_is_no_error_where_it_has_none_of_these() -> None:
    swap = (Renamed("a", "t"), Renamed("b", "a"), Renamed("t", "b"))
    model = new("a = nn.Linear(2, 2)", "b = nn.Linear(2, 2)", "c = nn.Linear(2, 2)", changes=swap)
    told = model.load_state_dict({"c.weight": torch.ones(2, 2)}, strict=False)
    assert len(told.missing_keys) == 5
    with pytest.raises(RuntimeError, match=r"^a, b: .* before version 2 of Net, .*_metadata"):
        model.load_state_dict({"a.weight": torch.ones(2, 2)}, strict=False)
    with pytest.raises(RuntimeError, match=r"^1.a, 1.b: "):
        nn.Sequential(nn.Identity(), model).load_state_dict({"1.a.weight": torch.ones(2, 2)}, strict=False)


# --- several migrations


def test_files_of_every_older_form_load() -> None:
    forms = [
        (FC1,),
        (HIDDEN, SCALE, "aux = nn.Linear(1, 1)"),
        ("out = nn.Linear(2, 3)", "gain = nn.Parameter(torch.full((3,), 7.0))"),
        ("out = nn.Linear(2, 3)", "g = nn.Parameter(torch.full((3,), 7.0))", "norm = nn.LayerNorm(3)"),
    ]
    steps: list[tuple[Change, ...]] = [
        (Renamed("fc1", "hidden"), Added(("scale", "aux"))),
        (Renamed("hidden", "out"), Renamed("scale", "gain"), Dropped("aux")),
        (Renamed("gain", "g"), Added(("norm",))),
    ]
    source = HEAD + net(*forms[-1])
    for count, step in enumerate(steps, 1):
        before = source
        source = edited(source, step)
        # All of them at once is the same.
        whole = tuple(change for each in steps[:count] for change in each)
        assert edit(before.encode(), ClassMigration("Net", "net.py", 1, whole)) == source.encode()
        assert edit(source.encode(), ClassMigration("Net", "net.py", 1, whole)) == source.encode()
    made = run(source)
    for form in forms:
        old, model = file(*form), made()
        built = values(model)
        for each in (old, dict(old)):
            model = made()
            model.load_state_dict(each, strict=True)
            weight = next(value for key, value in old.items() if key.endswith(".weight") and value.shape == (3, 2))
            assert torch.equal(model.out.weight, weight)
            gain = next((value for key, value in old.items() if key in ("scale", "gain", "g")), built["g"])
            assert torch.equal(model.g, gain)
            assert torch.equal(model.norm.weight, old.get("norm.weight", built["norm.weight"]))


def test_one_that_renames_back() -> None:
    source = edited(edited(HEAD + net(FC1), (Renamed("fc1", "hidden"),)), (Renamed("hidden", "fc1"),))
    source = edited(source.replace("self.fc1", "self.hidden"), (Renamed("fc1", "hidden"),))
    assert source.count("# modelint migration") == 3
    for form in (FC1, HIDDEN):
        model = run(source)()
        model.load_state_dict(file(form), strict=True)
        same(model, file(HIDDEN))


def test_shapes_and_sizes_under_names_that_changed_since() -> None:
    first = (Split("qk", ("q", "k"), (2, 1)), Permuted("w", (1, 0), (2, 3), (3, 2)), Resized("e"), Reset("r"))
    second = (Renamed("q", "query"), Renamed("k", "key"), Renamed("w", "v"), Renamed("e", "f"), Renamed("r", "s"))

    def parameters(**shapes: tuple[int, ...]) -> tuple[str, ...]:
        return tuple(f"{name} = nn.Parameter(torch.randn({shape}))" for name, shape in shapes.items())

    assigned = parameters(query=(2, 2), key=(1, 2), v=(3, 2), f=(4, 1), s=(2,))
    source = edited(edited(HEAD + net(*assigned), first), second)
    old = file(*parameters(qk=(3, 2), w=(2, 3), e=(2, 1), r=(5,)))
    model = run(source)()
    built = values(model)
    model.load_state_dict(old, strict=True)
    rows = torch.cat([old["e"], built["f"][2:]])
    same(model, {"query": old["qk"][:2], "key": old["qk"][2:], "v": old["w"].t(), "f": rows, "s": built["s"]})
    between = file(*parameters(q=(2, 2), k=(1, 2), w=(3, 2), e=(4, 1), r=(2,)))
    model.load_state_dict(between, strict=True)
    same(model, dict(zip(model.state_dict(), between.values(), strict=True)))
    new_one = filled(run(source)().state_dict())
    for each in (new_one, dict(new_one)):
        model.load_state_dict(each, strict=True)
        same(model, new_one)


NOT_AFTER: dict[str, tuple[tuple[Change, ...], tuple[Change, ...]]] = {
    "an old name is a new one": ((Renamed("fc1", "hidden"),), (Added(("fc1",)),)),
    "what was dropped comes again": ((Dropped("aux"),), (Renamed("x", "aux.y"),)),
    "parts that were split become one": ((Split("qk", ("q", "k"), (1, 1)),), (Joined(("q", "k"), "both"),)),
    "axes once more": ((Permuted("w", (1, 0), (2, 3), (3, 2)),), (Reshaped("w", (3, 2), (6,)),)),
}


@pytest.mark.parametrize("first,second", NOT_AFTER.values(), ids=NOT_AFTER)
def test_what_cannot_come_after_an_earlier_one(first: tuple[Change, ...], second: tuple[Change, ...]) -> None:
    source = edited(HEAD + net(), first)
    with pytest.raises(EditError, match=r"^net.py:1: Net: the migration before this one works on .* by hand"):
        edited(source, second)
    with pytest.raises(EditError, match=r"the line `# end of migration \w{8}` of the .* is gone"):
        edited(source.replace("# end of", "#"), (Renamed("other", "one"),))


def test_what_somebody_changed_in_one_stays() -> None:
    source = edited(HEAD + net(HIDDEN), (Renamed("fc1", "hidden"),)).replace('{"fc1": ', '{"linear": "hidden", "fc1": ')
    assert edited(source, (Renamed("fc1", "hidden"),)) == source


# --- what nothing decides

A_TO_C = Option("a is c, b is d", (Renamed("a", "c"), Renamed("b", "d")))
A_TO_D = Option("a is d, b is c", (Renamed("a", "d"), Renamed("b", "c")))
TWO = ("c = nn.Linear(2, 2)", "d = nn.Linear(2, 2)")
NAMES = tuple(f"{name}.{kind}" for name in "ab" for kind in ("weight", "bias"))


def test_undecided_old_files_stop_the_load() -> None:
    model = new(*TWO, changes=(Undecided(NAMES, "a and b have one shape", (A_TO_C, A_TO_D)),))
    old = file("a = nn.Linear(2, 2)", "b = nn.Linear(2, 2)")
    with pytest.raises(RuntimeError, match=r"^a.weight: a and b have one shape: choose in Net._load_from"):
        model.load_state_dict(old, strict=False)
    with pytest.raises(RuntimeError, match=r"^0.a.weight: "):
        nn.Sequential(model).load_state_dict(placed(old, "0."), strict=True)
    new_one = filled(model.state_dict())
    model.load_state_dict(new_one, strict=True)
    same(model, new_one)


@pytest.mark.parametrize("number,mapping", [(1, {"a": "c", "b": "d"}), (2, {"a": "d", "b": "c"})])
def test_a_choice(number: int, mapping: dict[str, str]) -> None:
    """One option taken out of its comment, and the rest deleted, as the comment says."""
    changes = (Undecided(NAMES, "a and b have one shape", (A_TO_C, A_TO_D)), Added(("scale",)))
    lines = edited(HEAD + net(*TWO, SCALE), changes).split("\n")
    start = next(at for at, line in enumerate(lines) if line.strip().startswith(f"# {number}. "))
    stop = next((at for at, line in enumerate(lines) if line.strip().startswith("# 2. ") and at > start), None)
    raising = next(
        at
        for at, line in enumerate(lines)
        if line == "        for name in [" or line.strip().startswith("for name in [")
    )
    end = next(at for at, line in enumerate(lines) if at > raising and line == "                )")
    for at in range(start + 1, stop or raising):
        lines[at] = lines[at].replace("        # ", "        ", 1)
    del lines[raising : end + 1]
    source = "\n".join(lines)
    model = run(source)()
    built = values(model)
    old = file("a = nn.Linear(2, 2)", "b = nn.Linear(2, 2)")
    model.load_state_dict(old, strict=True)
    moved = {f"{mapping[key[0]]}{key[1:]}": value for key, value in old.items()}
    same(model, {**moved, "scale": built["scale"]})
    assert edited(source, changes) == source


def test_an_undecided_size() -> None:
    change = Undecided(("head.weight",), "10 rows became 4", (Option("rows", (Resized("head.weight"),)),))
    model = new("head = nn.Linear(2, 4, bias=False)", changes=(change,))
    with pytest.raises(RuntimeError, match=r"^head.weight: 10 rows became 4: choose"):
        model.load_state_dict({"head.weight": torch.ones(10, 2)}, strict=True)
    model.load_state_dict({"head.weight": torch.ones(4, 2)}, strict=True)


# --- surroundings


def test_extra_state_that_is_new() -> None:
    extra = (
        "    def get_extra_state(self):\n        return {'a': 1}\n\n"
        "    def set_extra_state(self, state):\n        self.told = state\n"
    )
    source = HEAD + net(SCALE, name="Inner") + "\n" + extra + "\n\n" + net(HIDDEN, "inner = Inner()") + "\n" + extra
    model = run(edited(source, (Added(("_extra_state", "inner._extra_state", "inner.scale")),)))()
    old = file(HIDDEN)
    model.load_state_dict(old, strict=True)
    assert model.told == model.inner.told == {"a": 1}
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "inner._extra_state"'):
        model.load_state_dict(without(model.state_dict(), "inner._extra_state"), strict=True)


def test_compiled_modules_and_classes_with_a_version_of_their_own() -> None:
    source = HEAD + net(HIDDEN) + "\n    def forward(self, x):\n        return self.hidden(x)\n"
    made = run(edited(source, (Renamed("fc1", "hidden"),)))
    old = file(FC1)
    compiled = torch.compile(made())
    compiled.load_state_dict({f"_orig_mod.{key}": value for key, value in old.items()}, strict=True)
    assert torch.equal(compiled.hidden.weight, old["fc1.weight"])
    inherited = type("Sub", (made,), {"_version": 7})()
    inherited.load_state_dict(old, strict=True)
    same(inherited, file(HIDDEN))


def test_a_tie_that_is_new_leaves_a_second_value_alone() -> None:
    model = new(
        "emb = nn.Embedding(2, 2)", "head = nn.Linear(2, 2, bias=False)", changes=(Copied("emb.weight", "head.weight"),)
    )
    both = {"emb.weight": torch.ones(2, 2), "head.weight": torch.zeros(2, 2)}
    model.load_state_dict(both, strict=True)
    same(model, both)
