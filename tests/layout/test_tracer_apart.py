"""Modules that are loaded one by one say what torch's own load says."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
nn = torch.nn

from modelint.layout.tracer import apart  # noqa: E402


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 4)
        self.norm = nn.BatchNorm1d(4)
        self.scale = nn.Parameter(torch.ones(()))
        self.register_buffer("seen", torch.zeros(2))
        self.register_buffer("cache", torch.zeros(2), persistent=False)
        self.register_parameter("nothing", None)


class _Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block() for _ in range(2))
        self.blocks.append(self.blocks[0])
        self.head = nn.Linear(4, 2)


def _changed(key: str, *, old: str | None = None, shape: tuple[int, ...] | None = None) -> Any:
    """Key of a file -> the key that it has in the model, and its shape there."""

    def change(keys: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
        found = {(old or each if each == key else each): value for each, value in keys.items()}
        if shape is not None:
            found[key] = shape
        return found

    return change


def _without(*keys: str) -> Any:
    return lambda found: {key: shape for key, shape in found.items() if key not in keys}


CHANGES = {
    "the same": lambda keys: keys,
    "nothing": lambda keys: {},
    "all under another name": lambda keys: {f"module.{key}": shape for key, shape in keys.items()},
    "all of another shape": lambda keys: {key: (*shape, 7) for key, shape in keys.items()},
    "one is missing": _without("blocks.1.fc.bias"),
    "one layer is missing": _without("head.weight", "head.bias"),
    "the counter alone": _without("blocks.0.norm.num_batches_tracked", "blocks.2.norm.num_batches_tracked"),
    "statistics": _without("blocks.1.norm.running_mean"),
    "renamed": _changed("blocks.1.fc.weight", old="blocks.1.linear.weight"),
    "below a tensor": _changed("blocks.1.seen", old="blocks.1.seen.deep.er"),
    "unsaved": _changed("head.bias", old="blocks.0.cache"),
    "none": _changed("head.bias", old="blocks.0.nothing"),
    "at the root": _changed("head.bias", old="bias"),
    "an empty name": _changed("head.bias", old=""),
    "a module's name": _changed("head.bias", old="head"),
    "extra state": _changed("head.bias", old="head._extra_state"),
    "reshaped": _changed("blocks.1.fc.weight", shape=(4, 5)),
    "of 0.3": _changed("blocks.1.scale", shape=(1,)),
    "two at once": lambda keys: _without("head.bias")(_changed("blocks.0.seen", shape=(3,))(keys)),
}


@pytest.mark.parametrize("versions", [True, False])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_same_as_whole(change, versions):
    with torch.device("meta"):
        model = _Net()
    state = model.state_dict()
    shapes = change({key: tuple(each.shape) for key, each in state.items()})
    file = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    told = {path: each["version"] for path, each in state._metadata.items() if "version" in each}
    whole = type(state)(file)
    if versions:
        whole._metadata = state._metadata
    try:
        model.load_state_dict(whole, strict=True)
        expected = None
    except RuntimeError as error:
        expected = str(error)

    old = {
        "keys": {key: {"shape": list(shape)} for key, shape in shapes.items()},
        "versions": told if versions else {},
    }
    found = apart.refusal(model, old, lambda keys: {key: file[key] for key in keys})

    assert (found and str(found)) == expected
