"""Looking into what a pickle describes: as a dict, as the state of an object, as a few words."""

from __future__ import annotations

from modelint.checkpoint import limits
from modelint.checkpoint.pickle_values import Blob, Call, DictNode, Global, ListNode, Persistent, SetNode, TupleNode

Pairs = list[tuple[object, object]]

_LONGEST = 60


def pairs_of(node: object) -> Pairs | None:
    """The pairs of a dict, or of an object that is one (an OrderedDict, a class of its own); None for anything else."""
    if isinstance(node, DictNode):
        return node.pairs
    if not isinstance(node, Call):
        return None
    if node.pairs is not None:
        return node.pairs
    args = node.args if isinstance(node.args, TupleNode) else ()
    if node.name.startswith(("collections.", "builtins.")):
        if args and isinstance(args[0], DictNode):
            return args[0].pairs
        if args and isinstance(args[0], ListNode):
            # As Python 2 wrote an OrderedDict: a list of lists of two.
            items = [items_of(item) for item in args[0].items]
            if all(item is not None and len(item) == 2 for item in items):
                return [(item[0], item[1]) for item in items if item is not None]
        return [] if node.name.endswith(("Dict", ".dict", ".defaultdict", ".Counter")) else None
    return None


def items_of(node: object) -> list[object] | tuple[object, ...] | None:
    """The items of a list or tuple, or of an object that is one; None for anything else."""
    if isinstance(node, ListNode | TupleNode):
        return node.items
    if isinstance(node, Call) and node.items is not None:
        return node.items
    return None


def set_of(node: object) -> list[object] | tuple[object, ...]:
    """The items of a set, also as protocols before 4 write it: a call with a list."""
    if isinstance(node, SetNode):
        return node.items
    if isinstance(node, Call) and node.name == "builtins.set" and isinstance(node.args, TupleNode) and node.args:
        return items_of(node.args[0]) or ()
    return ()


def state_of(node: object) -> Pairs | None:
    """What BUILD would put into the ``__dict__`` of an object; None if it has none."""
    if not isinstance(node, Call):
        return None
    state = node.state
    if isinstance(state, TupleNode) and len(state) == 2:
        # With slots beside it.
        state = state[0]
    return state.pairs if isinstance(state, DictNode) else None


def named(pairs: Pairs) -> dict[str, object]:
    """The pairs whose key is a string: of two with one key the later value, in the place of the earlier."""
    return {key: value for key, value in pairs if type(key) is str}


def sizes_of(node: object) -> tuple[int, ...] | None:
    """The sizes of a torch.Size, or of a tuple of integers; None for anything else."""
    if isinstance(node, Call) and isinstance(node.args, TupleNode) and len(node.args) == 1:
        node = node.args[0]
    if not isinstance(node, TupleNode | ListNode) or len(node.items) > limits.DIMENSIONS:
        return None
    sizes = tuple(each for each in node.items if type(each) is int)
    return sizes if len(sizes) == len(node.items) else None


def type_name(node: object) -> str:
    """The type that a load would make, without its module."""
    if isinstance(node, Call):
        return node.name.rpartition(".")[2] or "object"
    for kind, name in _NAMES:
        if isinstance(node, kind):
            return name
    return type(node).__name__


_NAMES: tuple[tuple[type, str], ...] = (
    (DictNode, "dict"),
    (ListNode, "list"),
    (TupleNode, "tuple"),
    (SetNode, "set"),
    (Blob, "bytes"),
    (Global, "type"),
    (Persistent, "storage"),
    (type(None), "None"),
)


def words(node: object) -> str:
    """What it is, in a few words: "int 12", "str 'abc'", "dict of 3"."""
    pairs, items = pairs_of(node), items_of(node)
    if pairs is not None:
        return f"{type_name(node)} of {len(pairs)}"
    if items is not None:
        return f"{type_name(node)} of {len(items)}"
    if isinstance(node, bool | int | float):
        text = str(node) if not isinstance(node, int) or abs(node) < 10**18 else "of many digits"
        return f"{type(node).__name__} {text}"
    if isinstance(node, str):
        return f"str {node[:_LONGEST]!r}" + ("..." if len(node) > _LONGEST else "")
    if isinstance(node, Global):
        return node.said
    return type_name(node)
