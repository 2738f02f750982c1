"""Arguments and results as trees of containers: their values taken out, and put back."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from typing import Any, Callable

import torch

from .calls import Several
from .values import Scalar, Sizes, TensorValue, Value


def rebuild(function: Callable[[Any], Any], tree: Any, depth: int = 0) -> Any:
    """The same containers with ``function`` applied to each value and tensor."""
    if isinstance(tree, (Value, torch.Tensor)):
        return function(tree)
    if depth > 12:
        return tree
    if isinstance(tree, Several):
        return tuple(rebuild(function, each, depth + 1) for each in tree)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(rebuild(function, each, depth + 1) for each in tree))
    if isinstance(tree, (tuple, list)):
        made = [rebuild(function, each, depth + 1) for each in tree]
        return made if isinstance(tree, list) else tuple(made)
    if isinstance(tree, dict):
        items = {key: rebuild(function, each, depth + 1) for key, each in tree.items()}
        if type(tree) is dict:
            return items
        try:
            return type(tree)(**items) if dataclasses.is_dataclass(tree) else type(tree)(items)
        except Exception:
            return items
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        made_object = copy.copy(tree)
        for field in dataclasses.fields(tree):
            object.__setattr__(made_object, field.name, rebuild(function, getattr(tree, field.name, None), depth + 1))
        return made_object
    return tree


def leaves(tree: Any) -> list[Any]:
    found: list[Any] = []

    def note(value: Any) -> Any:
        found.append(value)
        return value

    rebuild(note, tree)
    return found


def shape(tree: Any, depth: int = 0) -> Any:
    """A hashable description of the containers and constants of a tree, for telling calls apart."""
    if isinstance(tree, TensorValue):
        return "vague" if tree.vague else "tensor" if tree.count is None else f"tensors {tree.count}"
    if isinstance(tree, Sizes):
        return "sizes"
    if isinstance(tree, Scalar):
        return "number"
    if isinstance(tree, torch.Tensor):
        return "tensor"
    if tree is None or isinstance(tree, (bool, int, float, str)):
        return repr(tree)
    if depth > 12:
        return "deep"
    if isinstance(tree, (tuple, list)):
        return ("seq", *(shape(each, depth + 1) for each in tree))
    if isinstance(tree, dict):
        return ("map", *((str(key), shape(each, depth + 1)) for key, each in tree.items()))
    if isinstance(tree, (torch.dtype, torch.device, slice, range, bytes, complex, type)):
        return repr(tree)
    if dataclasses.is_dataclass(tree):
        fields = [(each.name, shape(getattr(tree, each.name, None), depth + 1)) for each in dataclasses.fields(tree)]
        return (type(tree).__name__, *fields)
    return Identity(tree)


class Identity:
    """An object that is told apart by what it is, and kept alive as long as its description is."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Identity) and self.thing is other.thing

    def __hash__(self) -> int:
        return hash(id(self.thing))

    def __repr__(self) -> str:
        return "object " + type(self.thing).__name__


def output(run: Any, tree: Any, depth: int = 0) -> Any:
    """What a forward returns, as an argument of a node: no difference between list and tuple, nothing for None that no
    other result follows.
    """
    if isinstance(tree, (Value, torch.Tensor)):
        return run.node_of(tree) if isinstance(tree, Value) else run.tensor_node(tree)
    if depth > 12:
        return "deep"
    if isinstance(tree, (tuple, list)):
        count = max((number for number, each in enumerate(tree, 1) if each is not None), default=0)
        items = [output(run, each, depth + 1) for each in tree[:count]]
        return items[0] if len(items) == 1 else tuple(items)
    if dataclasses.is_dataclass(tree) and not isinstance(tree, (type, dict)):
        tree = {each.name: getattr(tree, each.name, None) for each in dataclasses.fields(tree)}
    if isinstance(tree, dict):
        pairs = sorted(((str(key), each) for key, each in tree.items() if each is not None), key=lambda pair: pair[0])
        return ("map", *((key, output(run, each, depth + 1)) for key, each in pairs))
    if tree is None or isinstance(tree, (bool, int, float, str)):
        return tree
    return "object " + type(tree).__name__


Bound = list[tuple[str, Any]]
_signatures: dict[Any, Any] = {}


def signature(function: Any) -> Any:
    key = getattr(function, "__func__", function)
    try:
        if key not in _signatures:
            made = inspect.signature(key)
            parameters = list(made.parameters.values())
            if key is not function and parameters and parameters[0].kind in (0, 1):
                parameters = parameters[1:]
            _signatures[key] = made.replace(parameters=parameters)
        return _signatures[key]
    except (TypeError, ValueError):
        return None


def bound(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Bound:
    """The arguments in the order of the signature, those that equal their default left out: however they were
    passed."""
    known = signature(function)
    try:
        if known is None:
            raise TypeError
        given = known.bind(*args, **kwargs)
    except TypeError:
        return [("*", each) for each in args] + [(key, kwargs[key]) for key in sorted(kwargs)]
    found: Bound = []
    for index, (name, parameter) in enumerate(known.parameters.items()):
        if name not in given.arguments:
            continue
        value = given.arguments[name]
        if parameter.kind is parameter.VAR_POSITIONAL:
            found.extend(("*", each) for each in value)
        elif parameter.kind is parameter.VAR_KEYWORD:
            found.extend((key, value[key]) for key in sorted(value) if value[key] is not None)
        elif not _is_default(value, parameter.default):
            found.append((f"#{index}", value))
    return found


def passed_on(function: Any, kwargs: dict[str, Any]) -> set[str]:
    """Names of flags and numbers that the signature does not know, but takes."""
    known = signature(function)
    if not kwargs or known is None or all(each.kind != each.VAR_KEYWORD for each in known.parameters.values()):
        return set()
    simple = (bool, int, float, str)
    return {key for key, each in kwargs.items() if key not in known.parameters and isinstance(each, simple)}


def _is_default(value: Any, default: Any) -> bool:
    if value is default:
        return True
    return type(value) is type(default) and isinstance(value, (bool, int, float, str)) and bool(value == default)
