"""Classes with migrations in them, for the tests of these."""

from __future__ import annotations

import itertools
import sys
import types
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import pytest

from modelint.layout.hooks.edit import edit
from modelint.layout.migrating.migration import Change, ClassMigration

torch = pytest.importorskip("torch")

HEAD = "import torch\nfrom torch import nn\n\n\n"
_count = itertools.count()


def net(*assigned: str, name: str = "Net") -> str:
    """A class with these attributes."""
    lines = [f"class {name}(nn.Module):", "    def __init__(self):", "        super().__init__()"]
    return "\n".join([*lines, *(f"        self.{each}" for each in assigned), ""])


def edited(source: str, changes: tuple[Change, ...], qualname: str = "Net", version: int = 1) -> str:
    """With the migration put in; once more, it is the same."""
    migration = ClassMigration(qualname, "net.py", 1, changes, version)
    result = edit(source.encode(), migration)
    assert edit(result, migration) == result
    return result.decode()


def run(source: str, name: str = "Net") -> Any:
    """The class, in a module of its own: it can be pickled."""
    module = types.ModuleType(f"hooked_{next(_count)}")
    sys.modules[module.__name__] = module
    exec(compile(source, "net.py", "exec"), vars(module))
    return getattr(module, name)


def filled(state: Any) -> Any:
    """The state dict with values that no initialisation makes."""
    for number, value in enumerate(state.values()):
        value.copy_(torch.arange(value.numel(), dtype=value.dtype).reshape(value.shape) + 100 * number + 1)
    return state


def values(model: Any) -> dict[str, Any]:
    return {key: value.clone() for key, value in model.state_dict().items()}


def placed(state: Any, at: str) -> OrderedDict[str, Any]:
    """As a file of a model that has this one below ``at``."""
    found = OrderedDict((at + key, value) for key, value in state.items())
    found._metadata = OrderedDict(  # type: ignore[attr-defined]
        (f"{at}{key}".strip("."), value) for key, value in state._metadata.items()
    )
    return found


def without(state: Any, *keys: str) -> OrderedDict[str, Any]:
    """Without some keys; with the metadata."""
    found = OrderedDict((key, value) for key, value in state.items() if key not in keys)
    found._metadata = state._metadata  # type: ignore[attr-defined]
    return found


def same(model: Any, truth: Mapping[str, Any]) -> None:
    state = model.state_dict()
    assert state.keys() == truth.keys()
    for key, value in truth.items():
        torch.testing.assert_close(state[key], value, msg=lambda text, key=key: f"{key}: {text}")
