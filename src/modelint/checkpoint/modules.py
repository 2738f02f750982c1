"""A whole module in a pickle: the keys that its ``state_dict()`` would have."""

from __future__ import annotations

from typing import NamedTuple

from modelint.checkpoint import limits
from modelint.checkpoint.contents import Refused, Stored
from modelint.checkpoint.limits import Budget
from modelint.checkpoint.nodes import Pairs, named, pairs_of, set_of, state_of
from modelint.checkpoint.pickle_values import Call, DictNode, TupleNode
from modelint.checkpoint.tensors import Tensors
from modelint.keys.table import Kind


def attributes(node: object) -> dict[str, object] | None:
    """The attributes of a module; None for what is none."""
    pairs = _held(node)
    if pairs is None or not any(key == "_parameters" for key, _ in pairs if type(key) is str):
        return None
    found = named(pairs)
    return found if "_modules" in found and "_buffers" in found else None


def _held(node: object) -> Pairs | None:
    pairs = state_of(node)
    if pairs is None and isinstance(node, Call) and isinstance(node.args, TupleNode) and node.args:
        # torch.fx saves a module as a call with all of its attributes.
        first = node.args[0]
        return first.pairs if isinstance(first, DictNode) else None
    return pairs


class _Parts(NamedTuple):
    """What a module itself adds to a state dict: its tensors, and the modules in it, by name."""

    tensors: list[tuple[str, object, Kind]]
    children: list[tuple[str, object]]


def _parts(node: object, tensors: Tensors) -> _Parts | None:
    held = attributes(node)
    if held is None:
        return None
    skipped = {item for item in set_of(held.get("_non_persistent_buffers_set")) if type(item) is str}
    found: list[tuple[str, object, Kind]] = []
    for key, value in named(pairs_of(held["_parameters"]) or []).items():
        if tensors.is_tensor(value):
            found.append((key, value, "parameter"))
    for key, value in named(pairs_of(held["_buffers"]) or []).items():
        if tensors.is_tensor(value) and key not in skipped:
            found.append((key, value, "buffer"))
    return _Parts(found, list(named(pairs_of(held["_modules"]) or []).items())[::-1])


def keys(node: object, tensors: Tensors, budget: Budget) -> dict[str, Stored]:
    """Key -> tensor of a module, in the order of ``state_dict()``. Buffers that are not persistent are left out."""
    found: dict[str, Stored] = {}
    todo: list[tuple[str, object, int]] = [("", node, 0)]
    # A module is taken apart once, and counts wherever it is used.
    known: dict[int, _Parts | None] = {}
    seen = 0
    while todo:
        prefix, module, depth = todo.pop()
        seen += 1
        if seen > limits.MODULES:
            raise Refused(f"holds more than {limits.MODULES:,} modules: no model is built like that")
        if id(module) not in known:
            known[id(module)] = _parts(module, tensors)
        parts = known[id(module)]
        if parts is None:
            continue
        if depth > limits.DEPTH:
            raise Refused(f"holds modules nested deeper than {limits.DEPTH} levels")
        for key, value, kind in parts.tensors:
            pay(budget, prefix, key)
            found[prefix + key] = tensors.read(value, prefix + key, kind)
        for key, value in parts.children:
            pay(budget, prefix, key)
            todo.append((f"{prefix}{key}.", value, depth + 1))
    return found


def pay(budget: Budget, prefix: str, key: str) -> None:
    """For one key, or one module. Raises Refused when there are too many: shared modules can double at each level."""
    budget.containers -= 1
    budget.keep(200 + len(prefix) + len(key))
