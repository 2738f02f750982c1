"""Changes in an order that works, under other names, and rehearsed on names and shapes."""

from __future__ import annotations

from modelint.keys.table import TensorSpec
from modelint.layout.migrating import rehearse
from modelint.layout.migrating.migration import (
    Added,
    Change,
    Dropped,
    Joined,
    Normed,
    Option,
    Permuted,
    Renamed,
    Reset,
    Resized,
    Split,
    Undecided,
)
from modelint.layout.migrating.renaming import merged, names, ordered, under


def specs(**shapes: tuple[int, ...]) -> dict[str, TensorSpec]:
    return {key.replace("__", "."): TensorSpec("float32", shape, "parameter") for key, shape in shapes.items()}


def done(old: dict[str, TensorSpec], own: dict[str, TensorSpec], *changes: Change) -> rehearse.State:
    state = rehearse.opened(old)
    rehearse.apply(state, changes, "", own)
    return state


def test_who_takes_a_name_comes_after_who_leaves_it() -> None:
    chain = [Renamed("1", "2"), Renamed("2", "3"), Renamed("3", "4")]
    assert list(ordered(chain)) == chain[::-1]
    old, own = specs(_1__w=(1,), _2__w=(2,), _3__w=(3,)), specs(_2__w=(1,), _3__w=(2,), _4__w=(3,))
    moves = list(ordered([Renamed("_1", "_2"), Renamed("_2", "_3"), Renamed("_3", "_4")]))
    state = done(old, own, *moves)
    assert {key: held.sources for key, held in state.items()} == {
        "_2.w": ("_1.w",),
        "_3.w": ("_2.w",),
        "_4.w": ("_3.w",),
    }
    assert done(own, own, *moves) == rehearse.opened(own)  # what is new already stays


def test_what_fills_in_comes_last() -> None:
    changes = [Added(("a",)), Dropped("b"), Undecided(("c",), "why"), Renamed("d", "e")]
    assert list(ordered(changes)) == [changes[3], changes[2], changes[1], changes[0]]


def test_joined_split_and_normed_are_rehearsed() -> None:
    qkv = specs(qkv=(6, 4))
    parts = specs(q=(2, 4), k=(2, 4), v=(2, 4))
    split = Split("qkv", ("q", "k", "v"), (2, 2, 2))
    assert {key: held.spec for key, held in done(qkv, parts, split).items()} == parts
    assert done(parts, parts, split) == rehearse.opened(parts)
    joined = done(parts, qkv, Joined(("q", "k", "v"), "qkv"))
    assert joined["qkv"] == rehearse.Held(qkv["qkv"], ("q", "k", "v"))
    assert done(parts, qkv, Joined(("k", "q", "v"), "qkv"))["qkv"] != joined["qkv"]
    plain, normed = specs(w=(2, 4)), specs(g=(2, 1), v=(2, 4))
    assert {key: held.spec for key, held in done(plain, normed, Normed("g", "v", "w", True)).items()} == normed
    assert {key: held.spec for key, held in done(normed, plain, Normed("g", "v", "w", False)).items()} == plain


def test_sizes_are_rehearsed() -> None:
    old, own = specs(rows=(2, 4), anew=(3,), turned=(2, 5)), specs(rows=(3, 4), anew=(7,), turned=(5, 2))
    state = done(old, own, Resized("rows"), Reset("anew"), Permuted("turned", (1, 0), (2, 5), (5, 2)))
    assert {key: held.spec for key, held in state.items()} == own
    assert state["anew"].sources == rehearse.BUILT and state["rows"].sources == ("rows",)


def test_choices_for_one_reason_are_one_choice_of_what_all_can_be() -> None:
    rows, anew = "keep the rows", "start anew"
    one = Undecided(("a",), "size", (Option(rows, (Resized("a"),)), Option(anew, (Reset("a"),))))
    other = Undecided(("b",), "size", (Option(anew, (Reset("b"),)),))
    third = Undecided(("c",), "else", ())
    assert merged([one, other, third, Added(("x",)), Added(("y",))]) == [
        Undecided(("a", "b"), "size", (Option(anew, (Reset("a"), Reset("b"))),)),
        third,
        Added(("x", "y")),
    ]


def test_other_names_reach_everything() -> None:
    change = Undecided(("a",), "why", (Option("way", (Joined(("a", "b"), "c"), Normed("d", "e", "f", True))),))
    assert names(under(change, lambda name: f"x.{name}")) == tuple(f"x.{name}" for name in names(change))
    assert names(change) == ("a", "a", "b", "c", "d", "e", "f")
