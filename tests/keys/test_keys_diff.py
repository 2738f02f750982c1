"""The difference between two key tables is what ``load_state_dict`` says."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from modelint.keys.diff import TieChange, diff
from modelint.keys.table import KeyTable, TensorSpec


def table(shapes: dict[str, tuple[int, ...] | None], dtype: str = "float32", **more: Any) -> KeyTable:
    return KeyTable({key: TensorSpec(dtype, shape, "parameter") for key, shape in shapes.items()}, **more)


def test_names_shapes_and_dtypes() -> None:
    old = KeyTable({"a": TensorSpec("float32", (2,)), "b": TensorSpec("float32", (2, 3)), "c": TensorSpec("int64", ())})
    new = KeyTable({"d": TensorSpec("float32", (2,)), "b": TensorSpec("float16", (3, 2)), "c": TensorSpec("int32", ())})
    found = diff(old, new)
    assert (found.missing, found.unexpected) == (("d",), ("a",))
    assert [change.key for change in found.reshaped] == ["b"]
    assert [(change.key, change.old.dtype, change.new.dtype) for change in found.retyped] == [
        ("b", "float32", "float16"),
        ("c", "int64", "int32"),
    ]
    assert not found.loads and not found.same


def test_equal_tables_in_another_order_are_the_same() -> None:
    found = diff(table({"a": (1,), "b": (2,)}), table({"b": (2,), "a": (1,)}))
    assert found.same and found.loads


def test_one_element_loads_into_no_axes_and_nothing_else_does() -> None:
    found = diff(table({"a": (1,), "b": (2,), "c": ()}), table({"a": (), "b": (), "c": (1,)}))
    assert [change.key for change in found.unpacked] == ["a"]
    assert [change.key for change in found.reshaped] == ["b", "c"]


def test_an_unknown_shape_fits() -> None:
    assert diff(table({"a": None, "b": (2,)}), table({"a": (3,), "b": None})).loads


def test_buffers_that_are_saved_or_not() -> None:
    spec = TensorSpec("float32", (4,), "buffer")
    found = diff(
        KeyTable({"one": spec, "gone": spec}),
        KeyTable({"two": spec}),
        old_buffers={"two": spec},
        new_buffers={"one": spec},
    )
    assert found.persistence == ("one", "two")
    assert (found.missing, found.unexpected) == (("two",), ("one", "gone"))


def test_ties_count_for_keys_of_both_sides() -> None:
    shapes: dict[str, tuple[int, ...] | None] = {"a": (1,), "b": (1,), "c": (1,)}
    untied, tied = table(shapes), table(shapes, ties=(("a", "b", "c"),))
    partly = table(shapes, ties=(("a", "b"),))
    assert diff(untied, tied).ties == (TieChange(("a", "b", "c"), True),)
    assert diff(tied, partly).ties == (TieChange(("a", "b", "c"), False),)
    assert diff(tied, tied).ties == ()
    assert diff(table({"a": (1,)}), tied).ties == ()


def test_extra_state_is_a_key() -> None:
    old, new = table({"a": (1,)}, extra={"b._extra_state": "dict"}), table({"a": (1,), "b._extra_state": (2,)})
    assert [change.key for change in diff(old, new).reshaped] == ["b._extra_state"]
    assert [change.key for change in diff(new, old).reshaped] == ["b._extra_state"]
    assert diff(table({"a": (1,)}), old).missing == ("b._extra_state",)


def test_a_key_of_very_many_dots() -> None:
    long = "a." * 300_000 + "b"
    assert diff(table({long: (1,)}), table({"x" + long: (1,)})).unexpected == (long,)


def models() -> Iterator[Any]:
    """Random trees of modules, whose names are drawn from few, so that two of them have much in common."""
    from torch import nn

    def grown(rng: random.Random, depth: int) -> Any:
        module = nn.Module()
        for name in rng.sample("abcd", rng.randint(1, 3)):
            kind = rng.random()
            if kind < 0.35 and depth < 3:
                module.add_module(name, grown(rng, depth + 1))
            elif kind < 0.5:
                module.add_module(name, nn.Linear(rng.choice((1, 2)), 2, bias=rng.random() < 0.5))
            elif kind < 0.75:
                module.register_parameter(name, nn.Parameter(_tensor(rng)))
            else:
                module.register_buffer(name, _tensor(rng), persistent=rng.random() < 0.7)
        return module

    for seed in range(120):
        yield grown(random.Random(seed), 0)


def _tensor(rng: random.Random) -> Any:
    import torch

    return torch.zeros(rng.choice(((), (1,), (2,), (2, 1))))


def _table_of(model: Any) -> KeyTable:
    return KeyTable(
        {key: TensorSpec(str(value.dtype).removeprefix("torch."), tuple(value.shape))
         for key, value in model.state_dict().items()}
    )  # fmt: skip


def test_it_says_what_torch_says() -> None:
    pytest.importorskip("torch")
    made = list(models())
    broken = 0
    for old, new in pairwise(made):
        found = diff(_table_of(old), _table_of(new))
        missing: list[str] = []
        unexpected: list[str] = []
        errors: list[str] = []

        def collect(module: Any, keys: Any, missing: list[str] = missing, unexpected: list[str] = unexpected) -> None:
            missing += keys.missing_keys
            unexpected += keys.unexpected_keys

        new.register_load_state_dict_post_hook(collect)
        try:
            new.load_state_dict(old.state_dict(), strict=True)
        except RuntimeError as error:
            errors = [line for line in str(error).splitlines() if "size mismatch" in line]
            broken += 1
        assert list(found.missing) == missing
        assert sorted(found.unexpected) == sorted(unexpected)
        assert [change.key for change in found.reshaped] == [error.split()[3].rstrip(":") for error in errors]
        assert found.loads == (not missing and not unexpected and not errors)
        if _modules_have_keys(new):
            assert list(found.unexpected) == unexpected
    assert broken > 50


def _modules_have_keys(model: Any) -> bool:
    """A module without tensors stands in no key, and only torch knows that it refuses keys by itself."""
    return all(module.state_dict() for module in model.modules())
