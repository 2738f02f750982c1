"""Folded lines stand for exactly the keys that they were made of."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from modelint.keys.fold import first, fold, folded


def unfolded(text: str) -> Iterator[str]:
    """The keys that a line stands for, by the grammar that its reader knows."""
    pieces: list[list[str]] = []
    for piece in re.findall(r"\\.|\{(?:\\.|[^}\\])*\}|[^{\\]+", text, re.DOTALL):
        if piece.startswith("{"):
            items = re.sub(r"(\\.)|,", lambda found: found[1] or "\0", piece[1:-1], flags=re.DOTALL).split("\0")
            pieces.append([each for item in items for each in ranged(item)])
        else:
            pieces.append([plain(piece)])
    for chosen in itertools.product(*pieces):
        yield "".join(chosen)


def ranged(item: str) -> list[str]:
    found = re.fullmatch(r"(\d+)\.\.(\d+)(?:\.\.(\d+))?", item)
    if found is None:
        return [plain(item)]
    return [str(number) for number in range(int(found[1]), int(found[2]) + 1, int(found[3] or 1))]


def plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def test_layers_and_names() -> None:
    keys = [f"layers.{n}.attn.{p}.{leaf}" for n in range(80) for p in "qkv" for leaf in ("weight", "bias")]
    assert folded(keys) == ("layers.{0..79}.attn.{q,k,v}.{weight,bias}",)
    assert fold(keys)[0].keys == tuple(keys)


def test_what_is_not_a_product_stays_in_lines_of_its_own() -> None:
    keys = ["conv.weight", "bn.weight", "bn.bias", "fc.weight", "fc.bias"]
    assert folded(keys) == ("conv.weight", "{bn,fc}.{weight,bias}")


def test_numbers() -> None:
    assert folded(f"a.{n}" for n in (0, 2, 4, 6)) == ("a.{0..6..2}",)
    assert folded(f"a.{n}" for n in (0, 1, 2, 7)) == ("a.{0..2,7}",)
    assert folded(f"a.{n}" for n in (3, 4)) == ("a.{3,4}",)
    assert folded(f"a.{n}" for n in ("01", "02", "²", "٣")) == ("a.{01,02,²,٣}",)
    assert folded(f"block{n}.w" for n in range(1, 33)) == ("block{1..32}.w",)


def test_marks_keep_apart() -> None:
    assert [line.text for line in fold(["a.0", "a.1", "a.2"], {"a.0": (1,), "a.1": (1,), "a.2": (2,)})] == [
        "a.{0,1}",
        "a.2",
    ]


def test_braces_of_keys_are_escaped() -> None:
    assert folded(["a{0}.w", "a,b.w"]) == ("{a\\{0\\},a\\,b}.w",)


def test_very_long_keys() -> None:
    long = "1." * 300_000 + "w"
    assert [line.keys for line in fold([long, "x" + long])] == [(long,), ("x" + long,)]


names = st.one_of(
    st.sampled_from(["a", "b", "weight", "bias", "layer1", "layer2", "layer3", "", "0{", "}", "\\", ",", "x,y", "01"]),
    st.integers(0, 12).map(str),
)


@given(st.lists(st.lists(names, min_size=1, max_size=4).map(".".join), max_size=40))
def test_nothing_is_lost_and_nothing_is_added(keys: list[str]) -> None:
    lines = fold(keys)
    assert sorted(key for line in lines for key in line.keys) == sorted(set(keys))
    for line in lines:
        assert sorted(unfolded(line.text)) == sorted(line.keys)
    assert [line.keys[0] for line in lines] == sorted((line.keys[0] for line in lines), key=keys.index)


def test_the_first_lines_of_few_and_of_very_many() -> None:
    few = [f"layers.{n}.{name}.weight" for n in range(3) for name in ("a", "b")] + ["c.bias", "d.x.y"]
    lines, more = first(few, 2)
    assert ([line.text for line in lines], more) == (list(folded(few))[:2], len(folded(few)) - 2)
    many = [f"{n}a.{n}b" for n in range(60_000)]
    lines, more = first(iter(many), 3)
    assert [line.keys for line in lines] == [(key,) for key in many[:3]] and more == len(many) - 3
