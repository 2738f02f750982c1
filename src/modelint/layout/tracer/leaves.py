"""Modules of torch itself: told by their class and numbers. Their forward differs from version to version."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.utils.weight_norm import WeightNorm

from .graph import Node, digest, encode
from .rank import rank

CONTAINERS = (
    torch.nn.Sequential,
    torch.nn.ModuleList,
    torch.nn.ModuleDict,
    torch.nn.ParameterList,
    torch.nn.ParameterDict,
)
#: What the shapes of the keys say already.
SHAPES = frozenset(
    "in_features out_features in1_features in2_features in_channels out_channels num_embeddings embedding_dim "
    "num_features num_channels input_size hidden_size embed_dim kdim vdim head_dim d_model normalized_shape".split()
)
#: What counts in training only; the padding of an EmbeddingBag is left out of its sums, that of an Embedding is read
#: like any other row.
TRAINING = frozenset("momentum dropout scale_grad_by_freq sparse p inplace num_batches_tracked".split())
#: Not of the computation, or not in every version.
IGNORED = frozenset(
    "training enable_nested_tensor use_nested_tensor mask_check call_super_init dump_patches inplace device "
    "swap_tensors_params deterministic".split()
)


def public_class(cls: type) -> str:
    """``torch.nn.Conv2d`` for what torch keeps in torch.nn.modules.conv; classes of the user as they are."""
    name, where = cls.__qualname__, cls.__module__ or ""
    if where.startswith("torch.nn.modules.") and getattr(torch.nn, name, None) is cls:
        return "torch.nn." + name
    return where + "." + name


def of_torch(module: Any) -> bool:
    where = type(module).__module__ or ""
    return where.startswith(("torch.nn.", "torch.ao.", "torchao.")) or where == "einops.layers.torch"


def is_leaf(module: Any) -> bool:
    """With weights, and known by its attributes alone."""
    return of_torch(module) and not isinstance(module, CONTAINERS) and "forward" not in module.__dict__


def is_chain(module: Any) -> bool:
    """A Sequential that only calls its entries in order: so may its caller, by loop or by index."""
    own = type(module).forward is torch.nn.Sequential.forward and "forward" not in module.__dict__
    return own and not module._forward_hooks and not module._forward_pre_hooks


def value_of(value: Any) -> Any:
    """A scalar attribute as JSON has it; NotImplemented: it is none."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else repr(value)
    if isinstance(value, (tuple, list)) and len(value) <= 32:
        items = [value_of(each) for each in value]
        if all(not isinstance(each, list) and each is not NotImplemented for each in items):
            return items
    return NotImplemented


def attributes(module: Any) -> dict[str, Any]:
    """Numbers, flags and names that a torch module was made with."""
    found = {}
    for name, value in module.__dict__.items():
        if name.startswith("_") or name in IGNORED:
            continue
        if callable(value) and hasattr(value, "__name__") and name != "forward":
            value = "function " + value.__name__
        value = value_of(value)
        if value is not NotImplemented and value is not None:
            found[name] = value
    return dict(sorted(found.items()))


def hooks(module: Any) -> list[str]:
    """Old-style weight_norm and spectral_norm make the weight in a hook, those of today in a parametrization."""
    found = [f"WeightNorm {name!r} {dim!r}" for name, dim in _weight_norms(module).items()]
    for each in getattr(module, "_forward_pre_hooks", {}).values():
        if type(each) is WeightNorm:
            found.append(f"WeightNorm {each.name!r} {each.dim!r}")
        elif (type(each).__module__ or "").startswith("torch."):
            numbers = {key: value_of(value) for key, value in vars(each).items()}
            known = sorted((key, value) for key, value in numbers.items() if value is not NotImplemented)
            found.append(f"{type(each).__name__} {known!r}")
    return found


def _weight_norms(module: Any) -> dict[str, int]:
    """Names of tensors and the dimension that is left, where the module has no other parametrizations than these."""
    lists: Any = module._modules.get("parametrizations")
    items: Any = lists.items() if type(lists) is torch.nn.ModuleDict else ()
    found: dict[str, int] = {}
    for name, each in items:
        if len(each) != 1 or type(each[0]).__name__ != "_WeightNorm":
            return {}
        found[name] = each[0].dim
    return found


def operation_name(module: Any) -> str:
    cls = type(module).__mro__[1] if _weight_norms(module) else type(module)
    return str(getattr(module, "original_name", None) or cls.__name__)


def encoded(values: dict[str, Any], wanted: Any) -> tuple[Any, ...]:
    pairs = []
    for name, value in sorted(values.items()):
        if name not in SHAPES and wanted(name):
            if isinstance(value, list):
                value = value[0] if value and all(each == value[0] for each in value) else tuple(value)
            pairs.append((name, value))
    return tuple(pairs)


def definition(module: Any, has_state: Any) -> tuple[str, str, list[str]]:
    """(digest in evaluation, in training, what it is made of)."""
    values = attributes(module)
    names = [name for name, each in module._parameters.items() if each is not None]
    names += [name for name, each in module._buffers.items() if each is not None]
    inner: list[Any] = []
    inner_training: list[Any] = []
    for name, child in module.named_children():
        if has_state(child):
            names.append(name)
        else:
            below = list(torch.nn.Module.modules(child))
            described = [(operation_name(each), attributes(each)) for each in below]
            if not any("dropout" in kind.lower() for kind, _ in described):
                inner.append((name, *((kind, encoded(known, lambda _: True)) for kind, known in described)))
            inner_training.append((name, *((kind, encoded(known, lambda _: True)) for kind, known in described)))
    roles = {name: name for name in names}
    for name in _weight_norms(module):
        # Magnitude and direction: one operation with old-style weight_norm, whose keys torch itself renames.
        roles.pop("parametrizations", None)
        roles[f"{name}_g"] = f"parametrizations.{name}.original0"
        roles[f"{name}_v"] = f"parametrizations.{name}.original1"
    names = [roles[role] for role in sorted(roles)]
    base = ("torch", operation_name(module), tuple(hooks(module)), tuple(sorted(roles)))
    quiet = TRAINING | {"padding_idx"} if isinstance(module, torch.nn.Embedding) else TRAINING
    calm = encode((*base, encoded(values, lambda name: name not in quiet), tuple(inner)))
    busy = encode((*base, encoded(values, lambda name: True), tuple(inner_training)))
    return digest(calm).hex(), digest(busy).hex(), names


def results(run: Any, module: Any, node: Node, kwargs: dict[str, Any]) -> Any:
    def part(index: int) -> Any:
        return run.wrap(Node("output", (node, index)))

    if isinstance(module, torch.nn.LSTM):
        return part(0), (part(1), part(2))
    if isinstance(module, (torch.nn.RNNBase, torch.nn.LSTMCell)):
        return part(0), part(1)
    if isinstance(module, torch.nn.MultiheadAttention):
        return part(0), None if kwargs.get("need_weights") is False else part(1)
    return run.wrap(node)


_OTHER_LAST = (torch.nn.Linear, torch.nn.Bilinear)
_OTHER_BATCH = (torch.nn.modules.conv._ConvNd,)
_SAME = (torch.nn.LayerNorm, torch.nn.GroupNorm, torch.nn.modules.batchnorm._NormBase, torch.nn.PReLU)


def likened(module: Any, node: Node, inputs: tuple[Any, ...]) -> Node:
    """Notes what the shape of the result has in common with that of the first input."""
    value = (
        inputs[0][1] if inputs and isinstance(inputs[0], tuple) and len(inputs[0]) == 2 else inputs[0:1] and inputs[0]
    )
    if not isinstance(value, Node):
        return node
    kinds = (("last", _OTHER_LAST), ("batch", _OTHER_BATCH), ("same", _SAME))
    kind = next((kind for kind, classes in kinds if isinstance(module, classes)), None)
    if kind is not None:
        node.like, node.rank = (kind, value), rank(value)
    elif type(module) is torch.nn.Embedding:
        count = rank(value)
        node.rank = None if count is None else count + 1
        node.like = ("last", value)
    return node


def called(run: Any, module: Any, slot: Any, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if type(module) is torch.nn.Embedding and len(inputs) == 1:
        # Looks up each index by itself: a dimension may as well come after.
        name, value = inputs[0] if isinstance(inputs[0], tuple) else (None, inputs[0])
        if isinstance(value, Node) and value.op == "unsqueeze" and dict(value.args).get("dim") == 0:
            inner = value.args[0][1]
            inner = Node("call", (slot, inner if name is None else (name, inner)))
            return run.wrap(Node("unsqueeze", (("self", inner), ("dim", 0))))
    return results(run, module, likened(module, Node("call", (slot, *inputs)), inputs), kwargs)
