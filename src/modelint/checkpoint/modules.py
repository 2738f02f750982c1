"""A whole module in a pickle: the keys that its ``state_dict()`` would have."""

from __future__ import annotations

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


def keys(node: object, tensors: Tensors, budget: Budget) -> dict[str, Stored]:
    """Key -> tensor of a module, in the order of ``state_dict()``. Buffers that are not persistent are left out."""
    found: dict[str, Stored] = {}
    todo: list[tuple[str, object, int]] = [("", node, 0)]
    seen = 0
    while todo:
        prefix, module, depth = todo.pop()
        seen += 1
        if seen > limits.MODULES:
            raise Refused(f"holds more than {limits.MODULES:,} modules: no model is built like that")
        held = attributes(module)
        if held is None:
            continue
        if depth > limits.DEPTH:
            raise Refused(f"holds modules nested deeper than {limits.DEPTH} levels")
        skipped = {item for item in set_of(held.get("_non_persistent_buffers_set")) if type(item) is str}
        kinds: tuple[tuple[str, Kind], ...] = (("_parameters", "parameter"), ("_buffers", "buffer"))
        for name, kind in kinds:
            for key, value in named(pairs_of(held[name]) or []).items():
                if tensors.is_tensor(value) and not (kind == "buffer" and key in skipped):
                    pay(budget, prefix, key)
                    found[prefix + key] = tensors.read(value, prefix + key, kind)
        children = []
        for key, value in named(pairs_of(held["_modules"]) or []).items():
            pay(budget, prefix, key)
            children.append((f"{prefix}{key}.", value, depth + 1))
        todo.extend(reversed(children))
    return found


def pay(budget: Budget, prefix: str, key: str) -> None:
    """For one key, or one module. Raises Refused when there are too many: shared modules can double at each level."""
    budget.containers -= 1
    budget.keep(200 + len(prefix) + len(key))
