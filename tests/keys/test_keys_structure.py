"""Two models that are built alike are told part by part; two that share shapes are not alike."""

from __future__ import annotations

import random

from modelint.keys.diff import diff
from modelint.keys.rename import detect
from modelint.keys.structure import aligned
from modelint.keys.table import KeyTable, TensorSpec

Shapes = dict[str, tuple[int, ...]]


def table(shapes: Shapes) -> KeyTable:
    return KeyTable({key: TensorSpec("float32", shape, "parameter") for key, shape in shapes.items()})


def renames(old: Shapes, new: Shapes) -> dict[str, str]:
    order = list(old)
    random.Random(3).shuffle(order)
    one, other = table({key: old[key] for key in order}), table(new)
    return dict(detect(one, other, diff(one, other)).renames)


def conv(path: str, out: int, into: int, size: int = 3) -> Shapes:
    return {f"{path}.weight": (out, into, size, size)}


def norm(path: str, width: int) -> Shapes:
    return {f"{path}.{leaf}": (width,) for leaf in ("weight", "bias", "running_mean", "running_var")}


def pairs(old: Shapes, new: Shapes) -> dict[str, str]:
    return dict(zip(old, new, strict=True))


def test_blocks_of_one_kind_keep_their_order_where_their_stage_is_known() -> None:
    old, new = conv("conv1.0", 8, 3), conv("stem.conv", 8, 3)
    for stage, width in enumerate((8, 16)):
        for block in range(3):
            for at in range(2):
                inner = width if block or at else 8
                old |= conv(f"conv{stage + 2}_x.{block}.f.{3 * at}", width, inner)
                old |= norm(f"conv{stage + 2}_x.{block}.f.{3 * at + 1}", width)
                new |= conv(f"layer{stage}.{block}.conv{at + 1}", width, inner)
                new |= norm(f"layer{stage}.{block}.bn{at + 1}", width)
    assert renames(old, new) == pairs(old, new)


def stages(name: str, widths: dict[int, int]) -> Shapes:
    return {f"{name}.{at}.{key}": shape for at, width in widths.items() for key, shape in conv("c", width, 8).items()}


def test_an_order_that_others_turn_is_turned() -> None:
    """Two stages of one kind go with the two that are told by their shapes."""
    old = stages("up", {3: 8, 2: 8, 1: 4, 0: 2}) | {"first.weight": (5, 8)}
    new = stages("up_blocks", {0: 8, 1: 8, 2: 4, 3: 2}) | {"start.weight": (5, 8)}
    assert renames(old, new) == pairs(old, new)


def test_an_order_that_others_contradict_tells_nothing() -> None:
    old = stages("a", {0: 2, 1: 8, 2: 4, 3: 8}) | {"first.weight": (5, 8)}
    new = stages("b", {0: 4, 1: 8, 2: 8, 3: 2}) | {"start.weight": (5, 8)}
    assert not {"a.1.c.weight", "a.3.c.weight"} & renames(old, new).keys()


def test_models_that_share_shapes_are_not_alike() -> None:
    """A third of one model has no place in the other: it is another one, whatever else fits."""
    old = {f"a.{2 * n}.weight": (8, 8) for n in range(6)} | {"first.weight": (5, 8)}
    new = {f"b.{n}.proj.weight": (8, 8) for n in range(6)} | {"start.weight": (5, 8)}
    assert renames(old, new) == pairs(old, new)
    larger = new | {f"extra.{n}.weight": (3, n) for n in range(3)}
    assert not [key for key in renames(old, larger) if key.startswith("a.")]


def test_numbers_alone_tell_nothing() -> None:
    old = {f"a.{2 * n}.weight": (8, 8) for n in range(6)}
    assert renames(old, {f"b.{n}.proj.weight": (8, 8) for n in range(6)}) == {}


def test_one_of_each_in_an_attention_and_what_is_left() -> None:
    old = {f"blocks.{n}.{name}.weight": (8, 8) for n in range(2) for name in ("query", "key", "value", "proj_attn")}
    new = {f"blocks.{n}.{name}.weight": (8, 8) for n in range(2) for name in ("to_q", "to_k", "to_v", "to_out.0")}
    assert renames(old, new) == pairs(old, new)


def test_two_of_each_in_an_attention_are_left_open() -> None:
    names = {"k": "to_k", "k_img": "add_k_proj", "v": "to_v", "v_img": "add_v_proj"}
    old = {f"blocks.{n}.{name}.weight": (8, 8) for n in range(2) for name in names}
    assert renames(old, {f"blocks.{n}.{name}.weight": (8, 8) for n in range(2) for name in names.values()}) == {}


def test_queries_are_no_keys_by_their_numbers() -> None:
    """Which of four numbered layers is the query, only an order would tell."""
    old = {f"blocks.{n}.linears.{at}.weight": (8, 8) for n in range(2) for at in range(4)}
    new = {f"blocks.{n}.{name}.weight": (8, 8) for n in range(2) for name in ("q", "k", "v", "out")}
    assert renames(old, new) == {}


def test_kernels_are_not_taken_for_weights() -> None:
    """They are transposed, and a square one does not show it."""
    old = {f"a.{n}.{leaf}": (n + 4,) * axes for n in range(4) for leaf, axes in (("kernel", 2), ("bias", 1))}
    new = {key.replace("a.", "layers.").replace("kernel", "weight"): shape for key, shape in old.items()}
    assert aligned(table(old), table(new), old, new, {}) == {
        key: name for key, name in pairs(old, new).items() if key.endswith("bias")
    }
