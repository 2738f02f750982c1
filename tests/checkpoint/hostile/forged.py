"""Tensors whose numbers cannot be: shapes, strides, offsets, storages, and the functions that rebuild them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hostile.archives import records, torch_zip
from hostile.archives import written as archive
from hostile.assemble import ORDERED, Raw, call, named, persistent, pickled, push, state, storage, tensor
from hostile.case import ALARM, CLEAN, Case, written

#: What no shape, stride or offset may hold.
ODD: tuple[tuple[str, Any], ...] = (
    ("negative", -1),
    ("2^31", 2**31),
    ("2^63", 2**63),
    ("2^2000", 2**2000),
    ("minus-2^63", -(2**63)),
    ("bool", True),
    ("none", None),
    ("text", "2"),
    ("bytes", b"2"),
    ("float", 2.0),
    ("list", [2]),
    ("nested", ((2,), (2,))),
    ("dict", {2: 2}),
    ("global", named("os", "system")),
    ("call", call("math", "factorial", 2)),
    ("itself", Raw(b"]\x94h\x00a")),
)


def numbers() -> Iterator[tuple[str, Raw]]:
    for name, value in ODD:
        yield f"shape-{name}", tensor(shape=(value, 2))
        yield f"whole-shape-{name}", tensor(shape=value)
        yield f"stride-{name}", tensor(stride=(value, 1))
        yield f"whole-stride-{name}", tensor(stride=value)
        yield f"offset-{name}", tensor(offset=value)
        yield f"numel-{name}", tensor(base=storage(numel=value))
        yield f"storage-key-{name}", tensor(base=storage(key=value))
    yield "stride-shorter", tensor(stride=(1,))
    yield "stride-longer", tensor(stride=(4, 2, 1))
    yield "view-outside", tensor(shape=(5,), stride=(1,))
    yield "view-outside-by-offset", tensor(offset=1)
    yield "view-outside-by-stride", tensor(stride=(100, 1))
    yield "numel-zero", tensor(base=storage(numel=0))
    yield "numel-more-than-record", tensor(base=storage(numel=1000), shape=(1000,), stride=(1,))
    yield "key-of-other-record", tensor(base=storage(key="../data.pkl"))
    yield "key-absolute", tensor(base=storage(key="/etc/passwd"))
    yield "key-escape", tensor(base=storage(key="\x1b[31m\n"))
    yield "key-missing", tensor(base=storage(key="77"))


def good() -> Iterator[tuple[str, Raw]]:
    """Strange, and right."""
    yield "expanded", tensor(shape=(1000, 1000), stride=(0, 0))
    yield "scalar", tensor(shape=(), stride=())
    yield "empty", tensor(shape=(0, 2**40), stride=(2**40, 1))
    yield "transposed", tensor(stride=(1, 2))
    yield "size-as-call", tensor(shape=call("torch", "Size", (2, 2)))
    yield "overlapping", tensor(shape=(3, 2), stride=(1, 1))
    yield "rebuild_tensor", call("torch._utils", "_rebuild_tensor", storage(), 0, (2, 2), (2, 1))
    yield "with-metadata", tensor(extra=({"a": 1},))


def storages() -> Iterator[tuple[str, Raw]]:
    yield "none", call("torch._utils", "_rebuild_tensor_v2", None, 0, (2,), (1,), False, {})
    yield "text", tensor(base=push("0"))
    yield "tensor", tensor(base=tensor())
    yield "call", tensor(base=call("torch", "FloatStorage", 4))
    yield "itself", tensor(base=Raw(b"]\x94h\x00a"))
    yield "kind-unknown", tensor(base=storage(kind="EvilStorage"))
    yield "kind-escape", tensor(base=storage(kind="\x1b[31mStorage"))
    yield "kind-empty", tensor(base=storage(kind="Storage"))
    yield "kind-of-os", tensor(base=persistent(("storage", named("os", "FloatStorage"), "0", "cpu", 4)))
    yield "kind-text", tensor(base=persistent(("storage", "FloatStorage", "0", "cpu", 4)))
    yield "kind-untyped", tensor(base=persistent(("storage", named("torch.storage", "UntypedStorage"), "0", "cpu", 16)))
    for length in range(5):
        full = ("storage", named("torch", "FloatStorage"), "0", "cpu", 4)
        yield f"id-of-{length}", tensor(base=persistent(full[:length]))
    yield "id-of-9", tensor(base=persistent((*("storage", named("torch", "FloatStorage"), "0", "cpu", 4), *range(4))))
    yield "id-text", tensor(base=persistent("storage"))
    yield "id-number", tensor(base=persistent(5))
    yield "id-none", tensor(base=persistent(None))
    yield "id-list", tensor(base=persistent(["storage", named("torch", "FloatStorage"), "0", "cpu", 4]))
    yield "id-other-word", tensor(base=persistent(("evil", named("torch", "FloatStorage"), "0", "cpu", 4)))
    yield "id-location-odd", tensor(base=persistent(("storage", named("torch", "FloatStorage"), "0", {"a": [1]}, 4)))
    yield (
        "id-view",
        tensor(base=persistent(("storage", named("torch", "FloatStorage"), "0", "cpu", 4, ("1", -5, 2**70)))),
    )
    yield "two-kinds-one-key", push([tensor(), tensor(base=storage(kind="DoubleStorage", numel=2))])


def functions() -> Iterator[tuple[str, Raw]]:
    names = """_rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_parameter _rebuild_parameter_with_state
        _rebuild_sparse_tensor _rebuild_sparse_csr_tensor _rebuild_nested_tensor _rebuild_qtensor
        _rebuild_wrapper_subclass _rebuild_meta_tensor_no_storage _rebuild_device_tensor_from_numpy
        _rebuild_xla_tensor _rebuild_of_the_future"""
    for name in names.split():
        yield f"{name}-no-arguments", call("torch._utils", name)
        yield f"{name}-one-none", call("torch._utils", name, None)
        yield f"{name}-numbers", call("torch._utils", name, *range(9))
        yield f"{name}-nested", call("torch._utils", name, [tensor(), {"a": tensor()}], *[tensor()] * 8)
    yield (
        "rebuild-from-type",
        call(
            "torch._tensor",
            "_rebuild_from_type_v2",
            named("torch._utils", "_rebuild_tensor_v2"),
            named("a", "B"),
            (),
            {},
        ),
    )
    yield (
        "rebuild-from-type-of-itself",
        call(
            "torch._tensor",
            "_rebuild_from_type_v2",
            named("torch._tensor", "_rebuild_from_type_v2"),
            None,
            (None,) * 4,
            {},
        ),
    )
    yield "arguments-not-a-tuple", Raw(named("torch._utils", "_rebuild_tensor_v2") + push([1, 2]) + b"R")
    yield (
        "arguments-from-a-call",
        Raw(named("torch._utils", "_rebuild_tensor_v2") + call("builtins", "tuple", [1]) + b"R"),
    )
    yield "keywords", Raw(named("torch._utils", "_rebuild_tensor_v2") + b")" + push({"size": (2, 2)}) + b"\x92")
    yield "state-on-a-tensor", Raw(tensor() + push({"data": 1}) + b"b")
    yield "hooks-odd", call("torch._utils", "_rebuild_tensor_v2", storage(), 0, (2, 2), (2, 1), False, [ORDERED])
    yield (
        "dtype-odd",
        call("torch._utils", "_rebuild_tensor_v3", storage(), 0, (2, 2), (2, 1), False, ORDERED, named("os", "system")),
    )
    yield (
        "dtype-text",
        call("torch._utils", "_rebuild_tensor_v3", storage(), 0, (2, 2), (2, 1), False, ORDERED, "\x1b[31m"),
    )
    yield "numpy-odd-shape", call("numpy.core.multiarray", "_reconstruct", named("numpy", "ndarray"), (0,), b"b")
    yield "numpy-state", Raw(
        call("numpy._core.multiarray", "_reconstruct", named("numpy", "ndarray"), (0,), b"b")
        + push((1, (-1, 2**80), call("numpy", "dtype", "\x1b[31m", False, True), False, b"x")) + b"b"
    )  # fmt: skip
    yield "numpy-scalar", call("numpy._core.multiarray", "scalar", call("numpy", "dtype", "f" + "8" * 5000), b"")


def dictionaries() -> Iterator[tuple[str, bytes]]:
    def ordered(argument: Any) -> bytes:
        return pickled(call("collections", "OrderedDict", argument))

    yield "pairs", ordered([("weight", tensor())])
    yield "pairs-odd", ordered([("weight",), (1, 2, 3), None, "ab"])
    yield "pairs-of-text", ordered("weight")
    yield "two-arguments", pickled(call("collections", "OrderedDict", [], []))
    yield "defaultdict", pickled(call("collections", "defaultdict", named("os", "system")))
    yield "metadata", pickled(Raw(ORDERED + push("weight") + tensor() + b"s" + push({"_metadata": [1]}) + b"b"))
    yield (
        "metadata-in-itself",
        pickled(Raw(ORDERED + b"\x94" + push("weight") + tensor() + b"s}" + push("_metadata") + b"h\x00sb")),
    )
    yield "state_dict-is-text", pickled({"state_dict": "none", "model": 5, "epoch": tensor()})
    yield "only-numbers", pickled({"epoch": 3, "loss": 0.5})
    yield "a-tensor", pickled(tensor())
    yield "a-list-of-tensors", pickled([tensor(), tensor()])
    yield "none", pickled(None)
    yield "a-number", pickled(2**1000)
    yield "a-text", pickled("\x1b[31m\n")
    yield "slashes-in-keys", pickled({"/": {"weight": tensor()}, "a/b": {"../c": tensor()}, "": {"": tensor()}})
    yield "keys-twice", pickled(Raw(b"}(" + push("w") + tensor() + push("w") + tensor(shape=(4,), stride=(1,)) + b"u"))


#: A load fails on it, or gives what no model holds: it must not pass as clean.
WRONG = ("negative", "minus-2^63", "2^63", "2^2000", "nested", "itself", "text", "none", "dict", "global")


def cases() -> Iterator[Case]:
    for name, value in numbers():
        wrong = name.startswith("view-") or (name.startswith(("shape", "whole-shape")) and name.endswith(WRONG))
        data = torch_zip(state(value))
        yield Case(f"forged/{name}", written("model.pt", data), ALARM if wrong else frozenset({0, 1, 3}))
    for name, value in good():
        yield Case(f"forged/{name}", written("model.pt", torch_zip(state(value))), CLEAN, keys=("weight",))
    for name, value in [*storages(), *functions()]:
        yield Case(f"forged/{name}", written("model.pt", torch_zip(state(value))))
    for name, data in dictionaries():
        yield Case(f"forged/dict-{name}", written("model.pt", torch_zip(data)))
    big = archive([*records()[:2], records()[2]._replace(data=bytes(4)), records()[3]])
    yield Case("forged/record-shorter-than-storage", written("model.pt", big), ALARM)
