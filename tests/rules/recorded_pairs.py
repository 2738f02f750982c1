"""Files of older layouts, and what is on record of them: where it is used, and where it is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cause_pairs import Pair, below, joined, shaped

from modelint.keys.situation import Around, Recorded
from modelint.keys.table import KeyTable, TensorSpec


def table(*names: str) -> KeyTable:
    """An embedding, and a square layer of each name."""
    return KeyTable(
        {
            "embed.weight": TensorSpec("float32", (50, 8)),
            **{f"{name}.weight": TensorSpec("float32", (8, 8)) for name in names},
        }
    )


def moved(**names: str) -> dict[str, str]:
    return {f"{old}.weight": f"{new}.weight" for old, new in names.items()}


def around(renames: Mapping[str, str], old: KeyTable | None, *dropped: str) -> Around:
    return Around(recorded=(Recorded("v1 -> today", old, renames, frozenset(dropped)),))


def recorded() -> Iterator[Pair]:
    old, new, renames = table("a", "b"), table("trunk", "tail"), moved(a="tail", b="trunk")
    known = around(renames, old)
    truth = {name: key for key, name in renames.items()}
    yield Pair("recorded: names tell nothing", "860", old, new, truth=truth, around=known)
    wrapped = {name: f"module.{key}" for name, key in truth.items()}
    yield Pair("recorded: data parallel", "831 860", below("module.", old), new, truth=wrapped, around=known)
    heads = [KeyTable({"head.weight": TensorSpec("float32", (classes, 8))}) for classes in (10, 7)]
    finetuned, larger = joined(old, heads[1]), joined(new, heads[0])
    yield Pair("recorded: other classes", "860 838", finetuned, larger, around=around(renames, None))
    one, other = (
        shaped(each, lambda key, shape: (16, 8) if key[0] in "bt" else shape) for each in (old, table("c", "t"))
    )
    told = moved(a="c", b="t")
    foreign = around(told, finetuned)
    yield Pair("recorded: not of this file", "835", one, other, truth={"c.weight": "a.weight"}, around=foreign)
    crossed = around(moved(a="t", b="c"), None)
    yield Pair("recorded: does not fit", "835", one, other, truth={"c.weight": "a.weight"}, around=crossed)
    swapped = moved(a="b", b="a")
    yield Pair("recorded: the names are all there", "", old, old, around=around(swapped, None))
    more = joined(old, table("gone"))
    dropped = around(renames, more, "gone.weight")
    yield Pair("recorded: a part went", "860", more, new, around=dropped)
    parts = KeyTable({f"attn.{name}_proj.weight": TensorSpec("float32", (8, 8)) for name in "qkv"})
    whole = KeyTable({"attn.in_proj_weight": TensorSpec("float32", (24, 8))})
    fused = around(renames, joined(old, parts), *parts.specs)
    yield Pair("recorded: what went is a part", "860 855", joined(old, parts), joined(new, whole), around=fused)
    yield Pair("proved by the forwards", "860", old, new, truth=truth, around=Around(proved=renames))
    disputed = around(moved(a="trunk", b="tail"), old)._replace(proved=renames)
    yield Pair("proved, and recorded otherwise", "860", old, new, truth=truth, around=disputed)
