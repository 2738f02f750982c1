"""Projections that one side keeps in one tensor and the other in several: query, key and value; gate and up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from modelint.keys.steps import Joined
from modelint.keys.table import TensorSpec

#: Names of the parts, in the order in which nn.MultiheadAttention keeps them.
PARTS: tuple[tuple[str, ...], ...] = (
    ("q", "k", "v"),
    ("q_proj", "k_proj", "v_proj"),
    ("query", "key", "value"),
    ("to_q", "to_k", "to_v"),
    ("q_lin", "k_lin", "v_lin"),
    ("wq", "wk", "wv"),
    ("Wq", "Wk", "Wv"),
    ("w_q", "w_k", "w_v"),
    ("q_linear", "k_linear", "v_linear"),
    ("query_proj", "key_proj", "value_proj"),
    ("k", "v"),
    ("k_proj", "v_proj"),
    ("to_k", "to_v"),
    ("key", "value"),
    ("gate_proj", "up_proj"),
    ("w1", "w3"),
)
LEAVES = ("weight", "bias")


class Fused(NamedTuple):
    """``order``: the order of the parts is known, by the module that keeps them."""

    joined: Joined
    order: bool


def fused(parts: Mapping[str, TensorSpec], wholes: Mapping[str, TensorSpec]) -> list[Fused]:
    """What in ``wholes`` is as large as some of ``parts`` beside it together."""
    by_parent: dict[str, list[str]] = {}
    for key in wholes:
        for parent in _parents(key):
            by_parent.setdefault(parent, []).append(key)
    found = []
    for parent, names, leaf in _groups(parts):
        shapes = [parts[f"{parent}{name}.{leaf}"].shape for name in names]
        if any(not shape for shape in shapes):
            continue
        size = sum(shape[0] for shape in shapes if shape)
        tails = {shape[1:] for shape in shapes if shape}
        fitting = [
            key
            for key in by_parent.get(parent, [])
            if len(tails) == 1 and wholes[key].shape == (size, *tails.copy().pop()) and key.endswith(leaf)
        ]
        if len(fitting) == 1:
            name = fitting[0][len(parent) :]
            joined = Joined(parent, tuple(f"{each}.{leaf}" for each in names), name)
            found.append(Fused(joined, len(names) == 3 and name in ("in_proj_weight", "in_proj_bias")))
    return found


def _parents(key: str) -> Iterable[str]:
    """Of `attn.qkv.weight` `attn.`, of `attn.in_proj_weight` too."""
    parent, _, leaf = key.rpartition(".")
    if leaf in LEAVES and parent:
        above = parent.rpartition(".")[0]
        yield f"{above}." if above else ""
    elif leaf.endswith(tuple(f"_{each}" for each in LEAVES)):
        yield f"{parent}." if parent else ""


def _groups(specs: Mapping[str, TensorSpec]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Parent, names and leaf of parts that stand side by side; three of them go before two."""
    taken: set[str] = set()
    firsts: dict[str, list[tuple[str, ...]]] = {}
    for names in PARTS:
        firsts.setdefault(names[0], []).append(names)
    for key in specs:
        module, _, leaf = key.rpartition(".")
        parent, _, first = module.rpartition(".")
        parent = f"{parent}." if parent else ""
        for names in firsts.get(first, ()):
            keys = [f"{parent}{name}.{leaf}" for name in names]
            if leaf in LEAVES and all(each in specs for each in keys) and not taken & set(keys):
                if len(names) == 2 and any(f"{parent}{q}.{leaf}" in specs for q in ("q", "q_proj", "to_q", "query")):
                    continue
                taken.update(keys)
                yield parent, names, leaf
