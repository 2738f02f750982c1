"""Which of the dicts in a file is the state dict, and what is told of the rest. Pickles are written by hand."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from modelint.checkpoint import limits, plain_pickle
from modelint.checkpoint.contents import Contents, Refused

ARRAY = "an array"


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def pickled(value: Any) -> bytes:
    """dict, list, str, int, None; a tuple of ints stands for an array of float32 of that shape; bytes for opcodes."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, dict):
        return b"}(" + b"".join(pickled(key) + pickled(item) for key, item in value.items()) + b"u"
    if isinstance(value, list):
        return b"](" + b"".join(map(pickled, value)) + b"e"
    if isinstance(value, tuple):
        size = 4
        for each in value:
            size *= each
        data = b"B" + struct.pack("<I", size) + bytes(size)
        made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
        dtype = b"cnumpy\ndtype\n" + text("f4") + b"\x89\x88\x87R"
        shape = b"(" + b"".join(map(pickled, value)) + b"t"
        return made + b"(K\x01" + shape + dtype + b"\x89" + data + b"tb"
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    return b"N" if value is None else text(value)


def read(value: Any, tmp_path: Path) -> Contents:
    path = tmp_path / "file.pkl"
    path.write_bytes(b"\x80\x03" + pickled(value) + b".")
    return plain_pickle.read(str(path))


def tensors(*names: str) -> dict[str, Any]:
    return dict.fromkeys(names, (2, 3))


def paths(contents: Contents) -> list[str]:
    return [root.path for root in contents.roots]


def test_arrays_of_numpy(tmp_path: Path) -> None:
    contents = read({"model": {"a": (2, 3), "b": ()}, "__author__": "somebody"}, tmp_path)
    (root,) = contents.roots
    assert root.path == "/model"
    assert {key: (each.spec.dtype, each.spec.shape, each.form) for key, each in root.tensors.items()} == {
        "a": ("float32", (2, 3), "numpy"),
        "b": ("float32", (), "numpy"),
    }
    assert contents.entries == {"/model": "dict of 2", "/__author__": "str 'somebody'"}
    assert contents.facts == ()


def test_the_largest_is_meant(tmp_path: Path) -> None:
    value = {"small": tensors("a"), "large": tensors("a", "b", "c"), "lr": (1,), "middle": tensors("a", "b")}
    assert paths(read(value, tmp_path)) == ["/large", "/middle", "/", "/small"]


def test_copies_come_after_the_model(tmp_path: Path) -> None:
    value = {"ema": tensors("a", "b"), "model": tensors("a", "b"), "model_teacher": tensors("a", "b")}
    assert paths(read(value, tmp_path)) == ["/model", "/ema", "/model_teacher"]


def test_one_state_dict_for_each_part(tmp_path: Path) -> None:
    value = {"parts": {"encoder": tensors("w"), "decoder": tensors("v", "w")}, "step": 3}
    assert paths(read(value, tmp_path)) == ["/parts/decoder", "/parts/encoder"]


def test_in_lists(tmp_path: Path) -> None:
    assert paths(read([tensors("a"), {"epoch": 3}, tensors("b", "c")], tmp_path)) == ["/2", "/0"]


def test_deeper_only_where_nothing_is_nearer(tmp_path: Path) -> None:
    deep = {"a": {"b": {"c": {"d": {"e": tensors("w")}}}}}
    assert paths(read(deep, tmp_path)) == ["/a/b/c/d/e"]
    assert paths(read({**deep, "near": tensors("v")}, tmp_path)) == ["/near"]


def test_optimizers_are_groups_at_the_end(tmp_path: Path) -> None:
    moments = {"exp_avg": (2, 3), "exp_avg_sq": (2, 3)}
    optimizer = {"state": dict.fromkeys(range(5), moments), "param_groups": [{"lr": 1}]}
    contents = read({"optimizers": [optimizer], "net": tensors("a")}, tmp_path)
    assert paths(contents) == ["/net", "/optimizers/0"]
    assert len(contents.roots[1].tensors) == 10
    assert "state.4.exp_avg_sq" in contents.roots[1].tensors
    # Alone, it is what the file holds.
    assert paths(read(optimizer, tmp_path)) == ["/"]


def test_no_tensors(tmp_path: Path) -> None:
    contents = read({"epoch": 3, "names": ["a", "b"], "nested": {"x": None}}, tmp_path)
    assert contents.roots == ()
    assert contents.entries == {
        "/epoch": "int 3",
        "/names": "list of 2",
        "/nested": "dict of 1",
        "/nested/x": "None",
    }


def test_extra_state(tmp_path: Path) -> None:
    (root,) = read({"a": (1,), "b._extra_state": {"x": 1}, "c": None}, tmp_path).roots
    assert dict(root.extra) == {"b._extra_state": "dict", "c": "None"}


def test_later_value_of_a_key_holds(tmp_path: Path) -> None:
    twice = b"}(" + text("a") + pickled((5,)) + text("b") + pickled((1,)) + text("a") + pickled((2, 2)) + b"u"
    (root,) = read(twice, tmp_path).roots
    assert [(key, each.spec.shape) for key, each in root.tensors.items()] == [("a", (2, 2)), ("b", (1,))]


def test_ordered_dict_of_python_2(tmp_path: Path) -> None:
    pairs = [["a", (1,)], ["b", (2,)]]
    value = b"ccollections\nOrderedDict\n" + pickled([pairs]).replace(b"](", b"(", 1)[:-1] + b"tR"
    assert list(read({"model": value}, tmp_path).roots[0].tensors) == ["a", "b"]


def test_attributes_of_objects(tmp_path: Path) -> None:
    value = b"cproject.train\nState\n)\x81" + pickled({"model": tensors("a", "b"), "step": 3}) + b"b"
    contents = read(value, tmp_path)
    assert paths(contents) == ["/model"]
    assert contents.calls[0] == "project.train.State"


def test_shared_and_endless_values(tmp_path: Path) -> None:
    # A dict that holds itself, and one that holds another twice, forty times over.
    endless = b"}q\x00" + text("self") + b"h\x00s" + text("w") + pickled((1,)) + b"s"
    assert paths(read(endless, tmp_path))[0] == "/"
    level = pickled({"w": (1,)})
    for _ in range(40):
        level += b"q\x01}(" + text("a") + b"h\x01" + text("b") + b"h\x01u"
    contents = read(level, tmp_path)
    assert len(contents.roots) <= limits.ROOTS


def modules(children: Iterable[tuple[str, bytes]], **parameters: tuple[int, ...]) -> bytes:
    held = {"_parameters": parameters, "_buffers": {}, "_modules": dict(children)}
    return b"cproject\nNet\n)\x81" + pickled(held) + b"b"


def test_modules_that_double(tmp_path: Path) -> None:
    node = modules([], w=(1,))
    for _ in range(64):
        node += b"q\x01" + modules([("a", b"h\x01"), ("b", b"h\x01")])
    with pytest.raises(Refused, match="no model is built like that"):
        read(node, tmp_path)


def test_module_that_holds_itself(tmp_path: Path) -> None:
    node = (
        b"cproject\nNet\n)\x81q\x05"
        + pickled({"_parameters": {"w": (1,)}, "_buffers": {}, "_modules": {"again": b"h\x05"}})
        + b"b"
    )
    with pytest.raises(Refused, match="nested deeper"):
        read(node, tmp_path)
