"""State dicts as hypothesis makes them: every dtype, views, ties, sub-classes, what is not dense, odd keys."""

from __future__ import annotations

import argparse
from collections import OrderedDict
from typing import Any

import torch
from hypothesis import strategies as st

DENSE = tuple(
    getattr(torch, name)
    for name in (
        "float32 float16 bfloat16 float64 int8 uint8 int16 int32 int64 bool complex64 complex128"
        " complex32 uint16 uint32 uint64 float8_e4m3fn float8_e5m2 float8_e4m3fnuz"
        " float8_e5m2fnuz float8_e8m0fnu"
    ).split()
)
#: Of these legacy streams and old torch know a storage class.
CLASSIC = DENSE[:12]
#: Those of both that safetensors writes too.
SHARED = tuple(each for each in CLASSIC if each is not torch.complex128)
#: What safetensors writes.
PLAIN = tuple(each for each in DENSE if each not in (torch.complex32, torch.complex128))

WORDS = (
    "weight",
    "bias",
    "layers.0.weight",
    "layers.1.weight",
    "layers.10.weight",
    "running_mean",
    "encoder.block.q",
    "fc",
)
KEYS = st.one_of(
    st.sampled_from(WORDS),
    st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=12),
    st.from_regex(r"[a-z]{1,4}(\.[0-9]{1,2}){0,2}\.(weight|bias)", fullmatch=True),
)
SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)


class Marked(torch.Tensor):
    """A sub-class of the user."""


@st.composite
def dense(draw: st.DrawFn, dtypes: tuple[torch.dtype, ...] = DENSE) -> torch.Tensor:
    return torch.zeros(draw(SHAPES), dtype=draw(st.sampled_from(dtypes)))


@st.composite
def view(draw: st.DrawFn, of: torch.Tensor) -> torch.Tensor:
    """The same storage, seen in another way."""
    how = draw(st.sampled_from(("same", "transposed", "narrow", "flat", "step", "expanded", "detached", "diagonal")))
    if how == "transposed" and of.dim() >= 2:
        return of.transpose(0, 1)
    if how == "narrow" and of.dim() and of.shape[0] > 1:
        start = draw(st.integers(0, of.shape[0] - 1))
        return of.narrow(0, start, draw(st.integers(1, of.shape[0] - start)))
    if how == "flat" and of.is_contiguous():
        return of.view(-1)
    if how == "step" and of.dim() and of.shape[0] > 1:
        return of[:: draw(st.integers(1, 3))]
    if how == "expanded":
        return of.unsqueeze(0).expand(3, *of.shape)
    if how == "diagonal" and of.dim() >= 2:
        return torch.diagonal(of, 0, 0, 1)
    return of.detach() if how == "detached" else of


@st.composite
def odd(draw: st.DrawFn, nested: bool = True) -> torch.Tensor:
    """Not a plain dense tensor."""
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    number = torch.ones(rows, columns)
    kind = draw(st.sampled_from([each for each in range(12) if nested or each != 5]))
    if kind == 0:
        return number.to_sparse()
    if kind == 1:
        return number.to_sparse_csr()
    if kind == 2:
        return number.to_sparse_csc()
    if kind == 3:
        return torch.quantize_per_tensor(
            number, 0.1, 0, draw(st.sampled_from((torch.qint8, torch.quint8, torch.qint32)))
        )
    if kind == 4:
        return torch.quantize_per_channel(
            number, torch.ones(rows), torch.zeros(rows, dtype=torch.int64), 0, torch.qint8
        )
    if kind == 5:
        return torch.nested.nested_tensor([torch.zeros(rows), torch.zeros(columns)])
    if kind == 6:
        return torch.zeros(rows, columns, device="meta", dtype=draw(st.sampled_from(CLASSIC)))
    if kind == 7:
        return number.as_subclass(Marked)
    if kind == 8:
        marked = number.as_subclass(Marked)
        marked.note = "x"  # type: ignore[attr-defined]
        return marked
    if kind == 9:
        number.note = "x"  # type: ignore[attr-defined]
        return number
    if kind == 10:
        parameter = torch.nn.Parameter(number, requires_grad=draw(st.booleans()))
        parameter.note = "x"  # type: ignore[attr-defined]
        return parameter
    return torch.zeros(rows, columns, dtype=torch.complex64).conj()


@st.composite
def state_dict(
    draw: st.DrawFn,
    dtypes: tuple[torch.dtype, ...] = DENSE,
    odds: bool = True,
    nested: bool = True,
    views: bool = True,
    largest: int = 7,
    extra: bool = True,
) -> dict[str, Any]:
    """Keys in a drawn order; a key in four is a view or a tie of an earlier one."""
    made: list[torch.Tensor] = []
    found: dict[str, Any] = OrderedDict() if draw(st.booleans()) else {}
    keys = draw(st.lists(KEYS, min_size=1, max_size=largest, unique=True))
    for key in keys:
        choice = draw(st.integers(0, 9))
        if views and made and choice < 3:
            found[key] = draw(view(draw(st.sampled_from(made))))
        elif odds and choice == 3:
            found[key] = draw(odd(nested))
        else:
            tensor = draw(dense(dtypes))
            made.append(tensor)
            wrap = choice == 4 and tensor.is_floating_point()
            found[key] = torch.nn.Parameter(tensor, requires_grad=choice == 4) if wrap else tensor
    if extra and draw(st.integers(0, 4)) == 0:
        found["_extra_state"] = draw(st.sampled_from((None, 1, "x", {"a": 1}, [1, 2])))
    if isinstance(found, OrderedDict) and draw(st.booleans()):
        found._metadata = OrderedDict({"": {"version": 1}})  # type: ignore[attr-defined]
    return found


@st.composite
def checkpoint(draw: st.DrawFn, state: dict[str, Any]) -> tuple[Any, str]:
    """What a training script saves around a state dict, and the path to it."""
    beside = {
        "epoch": draw(st.integers(0, 10)),
        "args": draw(st.sampled_from((None, {"lr": 0.1}, argparse.Namespace(lr=0.1)))),
        "rng": draw(st.sampled_from((None, "x", (1, 2, (3,)), [1.5, True, {"a": {1, 2}}], b"bytes", 2**80, -(2**40)))),
    }
    how = draw(st.integers(0, 3))
    if how == 0:
        return state, "/"
    if how == 1:
        return {**beside, "state_dict": state}, "/state_dict"
    if how == 2:
        return {"model": state, **beside}, "/model"
    return {"checkpoint": {"model_state": state, "x": 1}, **beside}, "/checkpoint/model_state"
