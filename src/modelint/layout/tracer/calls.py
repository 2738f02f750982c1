"""What is done to values, as nodes: views and writes, sizes, casts, dropout; the rest goes to its normal form."""

from __future__ import annotations

from typing import Any, Callable

import torch

from . import expansion
from .arguments import encoded
from .graph import SLOT, Node
from .layers import FUNCTIONAL, stands_for
from .normal import ALIASES, cast, full_precision, operation
from .rank import rank
from .values import CPU, STATE, Scalar, Sizes, TensorValue, Value

#: Results that share memory with their first argument: a write to one is a write to the other.
VIEWS = frozenset(
    "getitem view reshape transpose permute narrow select squeeze unsqueeze expand chunk split unbind T t mT H flatten "
    "unflatten view_as expand_as diagonal swapaxes swapdims movedim get_T get_mT real imag tensor_split".split()
)
#: Answers about a tensor that are no tensors.
SCALARS = frozenset(
    "item numel nelement dim ndimension is_floating_point is_complex is_nonzero equal allclose element_size "
    "storage_offset get_device contains attribute finfo iinfo result_type promote_types is_same_size min_scalar "
    "isinstance random index".split()
)
#: Operations that yield several tensors, and how many.
SEVERAL: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("topk", "sort", "kthvalue", "mode", "cummax", "cummin"), ("values", "indices")),
    **dict.fromkeys(("max_pool2d_with_indices", "max_pool1d_with_indices"), ("output", "indices")),
    **dict.fromkeys(("var_mean", "std_mean", "frexp", "aminmax", "multi_head_attention_forward"), ("a", "b")),
    **dict.fromkeys(("slogdet", "linalg.slogdet", "linalg.eigh", "linalg.eig", "linalg.qr", "qr"), ("a", "b")),
    **dict.fromkeys(("svd", "linalg.svd"), ("U", "S", "V")),
}
ARITHMETIC = frozenset(
    "add sub mul truediv floordiv mod pow radd rsub rmul rtruediv rfloordiv rmod rpow neg pos abs invert ceil floor "
    "trunc round eq ne lt le gt ge and or xor lshift rshift divmod getitem each len max_of min_of sum_of call_value "
    "int float bool str not".split()
)
CASTS = {
    "float": "float32", "double": "float64", "half": "float16", "bfloat16": "bfloat16", "long": "int64",
    "int": "int32", "short": "int16", "char": "int8", "byte": "uint8", "bool": "bool", "cfloat": "complex64",
}  # fmt: skip
#: Constants of a value that runs on the CPU, in a plain layout.
FIXED = {
    "is_cuda": False, "is_cpu": True, "is_mps": False, "is_xpu": False, "is_meta": False, "is_quantized": False,
    "is_sparse": False, "is_mkldnn": False, "is_nested": False, "is_leaf": False, "requires_grad": False, "grad": None,
    "grad_fn": None, "layout": torch.strided, "device": CPU, "names": (), "is_ipu": False, "is_xla": False,
    "is_sparse_csr": False, "is_hpu": False, "is_vulkan": False, "is_ort": False, "is_maia": False, "is_mtia": False,
}  # fmt: skip
SAME = frozenset(
    "contiguous cuda cpu pin_memory requires_grad_ retain_grad share_memory_ get_data alias get_H_ set_ "
    "resolve_conj resolve_neg positive pos rename refine_names detach_".split()
)
DROPOUT = frozenset(
    "dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout feature_dropout drop_path".split()
)

#: Whose answer depends on the precision.
DTYPES = frozenset("finfo iinfo result_type promote_types".split())


def perform(run: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Records the call, and returns what the forward goes on with."""
    if name.startswith("get "):
        return attribute(run, name[4:], args[0])
    handler = SPECIAL.get(name)
    if handler is not None:
        found = handler(run, args, kwargs)
        if found is not NotImplemented:
            return found
    if name in SAME:
        return args[0]
    if name in FIXED and len(args) == 1:
        return FIXED[name]
    inplace = name.endswith("_") and not name.endswith("__")
    if inplace:
        name = name[:-1]
    elif kwargs.get("inplace") is True or (
        name in ("relu", "relu6", "silu", "hardswish", "mish", "hardsigmoid") and len(args) == 2 and args[1] is True
    ):
        inplace = True
    if name in DROPOUT:
        return dropout(run, name, args, kwargs)
    if name in CASTS and len(args) == 1 and isinstance(args[0], TensorValue):
        return run.wrap(cast(run.node_of(args[0]), "dtype " + CASTS[name]))
    out = kwargs.pop("out", None) if "out" in kwargs else None
    named = {key: encoded(run, each) for key, each in kwargs.items()}
    if name not in DTYPES and full_precision(named.get("dtype")):
        del named["dtype"]
    node = operation(name, [encoded(run, each) for each in args], named)
    if inplace and args and isinstance(args[0], Value):
        run.write(args[0], node)
        return args[0]
    if isinstance(out, Value):
        run.write(out, node)
        return out
    return results(run, name, node, args, kwargs)


def results(run: Any, name: str, node: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if not isinstance(node, Node):
        return node
    if name in ARITHMETIC and not any(isinstance(each, TensorValue) for each in args):
        return run.scalar(node)
    if name in SCALARS or name.startswith(("math.", "numpy.")):
        return run.scalar(node)
    names = several(name, args, kwargs)
    if names is None:
        made = run.wrap(node)
        if ALIASES.get(name, name) in VIEWS and args and isinstance(args[0], TensorValue):
            made.base = args[0]
        if name == "attribute" or name == "call value":
            made.vague = True
        return made
    made = [run.wrap(Node("getitem", (node, (index,)))) for index in range(len(names))]
    if name in VIEWS:
        for each in made:
            each.base = args[0]
    return Several(made, names)


class Several(tuple):  # type: ignore[type-arg]
    """The results of an operation such as ``topk``, by number or by name."""

    def __new__(cls, made: list[Any], names: tuple[str, ...]) -> Any:
        self = super().__new__(cls, made)
        self.__dict__.update(zip(names, made))
        return self


def several(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if name in SEVERAL:
        return SEVERAL[name]
    if name in ("max", "min", "median", "nanmedian"):
        number = (len(args) > 1 and isinstance(args[1], int)) or "dim" in kwargs
        return ("values", "indices") if number else None
    if name in ("chunk", "tensor_split") and (len(args) > 1 or "chunks" in kwargs):
        count = args[1] if len(args) > 1 else kwargs["chunks"]
        return ("",) * count if isinstance(count, int) and count < 1000 else None
    if name in ("split", "split_with_sizes"):
        parts = args[1] if len(args) > 1 else kwargs.get("split_size_or_sections", kwargs.get("split_size"))
        known = isinstance(parts, (list, tuple)) and not isinstance(parts, Sizes)
        return ("",) * len(tuple(parts or ())) if known else None
    if name in ("meshgrid", "broadcast_tensors"):
        tensors = args[0] if len(args) == 1 and isinstance(args[0], (list, tuple)) else args
        return ("",) * len(tensors)
    return None


def attribute(run: Any, name: str, value: Any) -> Any:
    if name == "device" and isinstance(value, TensorValue):
        return CPU
    if name in FIXED:
        return FIXED[name]
    if name in ("data", "H_"):
        return value
    own = getattr(value, "own", None)
    node = run.node_of(value)
    if name == "shape":
        return own.shape if own is not None and not _lazy(own) else run.sizes(Node("shape", (node,)))
    if name == "ndim":
        return own.dim() if own is not None and not _lazy(own) else run.scalar(Node("dim", (node,)))
    if name == "dtype":
        return own.dtype if own is not None else run.scalar(Node("dtype", (node,)))
    if name in ("T", "mT", "H", "mH", "real", "imag"):
        if name == "mT" or (name == "T" and rank(node) == 2):
            node = operation("transpose", (node, -2, -1), {})
        else:
            node = Node(name, (("self", node),))
        made = run.wrap(node)
        made.base = value
        return made
    return run.scalar(Node("attribute", (node, name)))


def _lazy(tensor: Any) -> bool:
    return isinstance(tensor, torch.nn.parameter.UninitializedTensorMixin)  # type: ignore[attr-defined]


def dropout(run: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    value = args[0] if args else kwargs.pop("input")
    rate = args[1] if len(args) > 1 else kwargs.get("p", 0.5)
    training = args[2] if len(args) > 2 else kwargs.get("training", kwargs.get("train", True))
    run.trains()
    if training is False or (isinstance(rate, (int, float)) and rate == 0):
        return value
    return run.wrap(Node(name, (run.node_of(value), encoded(run, rate), encoded(run, training))))


def _to(run: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    value, dtype = args[0], kwargs.get("dtype")
    for each in (*args[1:], kwargs.get("other")):
        if isinstance(each, (torch.dtype, Scalar)):
            dtype = each
        elif isinstance(each, TensorValue):
            dtype = attribute(run, "dtype", each)
        elif isinstance(each, torch.Tensor):
            dtype = each.dtype
    if dtype is None or not isinstance(value, TensorValue):
        return value
    return run.wrap(cast(run.node_of(value), encoded(run, dtype)))


def _type_as(run: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return _to(run, args[:2], {})


def _type(run: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if len(args) == 1 and not kwargs:
        return run.scalar(Node("type", (run.node_of(args[0]),)))
    return _to(run, args, kwargs)


def _size(run: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    shape = attribute(run, "shape", args[0])
    index = args[1] if len(args) > 1 else kwargs.get("dim")
    return shape if index is None else shape[index]


def _getitem(run: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    base, index = args
    if isinstance(base, Sizes) and isinstance(index, slice):
        return run.sizes(operation("getitem", (run.node_of(base), encoded(run, index)), {}))
    if isinstance(base, Sizes) or (isinstance(base, Scalar) and isinstance(index, int)):
        return run.scalar(operation("getitem", (run.node_of(base), encoded(run, index)), {}))
    return NotImplemented


def _setitem(run: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    base, index, value = args
    run.write(base, Node("setitem", tuple(encoded(run, each) for each in (base, index, value))))


def _clone(run: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return run.wrap(run.node_of(args[0])) if isinstance(args[0], TensorValue) else NotImplemented


def _detach(run: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    run.trains()
    node = run.node_of(args[0])
    return run.wrap(Node("detach", (node,)) if STATE.training else node)


def _copy(run: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    run.write(args[0], Node("copy", (encoded(run, args[1]),)))
    return args[0]


def _each(run: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    node = Node("each", (run.node_of(args[0]),))
    return run.wrap(node) if isinstance(args[0], TensorValue) else run.scalar(node)


def _dim(run: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return attribute(run, "ndim", args[0])


def _len(run: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    value = args[0]
    if isinstance(value, TensorValue):
        if value.count is not None:
            return value.count
        return _size(run, (value, 0), {})
    if isinstance(value, Sizes) and value.node.op == "shape":
        return run.scalar(Node("dim", value.node.args))
    return run.scalar(Node("len", (run.node_of(value),)))


def _select(run: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if len(args) == 3 and isinstance(args[1], int) and args[1] >= 0:
        return args[0][(slice(None),) * args[1] + (args[2],)]
    return NotImplemented


def _is_contiguous(run: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return True


def _embedding(run: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The row of the padding, like what is said of gradients, is another one in training only."""
    layered = _functional("embedding")(run, args, kwargs)
    if layered is not NotImplemented:
        return layered
    given = dict(zip(("input", "weight", "padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse"), args))
    given.update(kwargs)
    inputs = [encoded(run, given.pop(name, None)) for name in ("input", "weight")]
    if given.get("max_norm") is None:
        given.pop("norm_type", None)
    gradients = {name: given.pop(name, None) for name in ("padding_idx", "scale_grad_by_freq", "sparse")}
    gradients = {name: each for name, each in gradients.items() if each is not None and each is not False}
    if gradients:
        run.trains()
    if STATE.training:
        given.update(gradients)
    named = {name: encoded(run, each) for name, each in given.items() if each is not None}
    return run.wrap(operation("embedding", inputs, named))


def _uniform(run: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    run.trains()
    return NotImplemented


def _expanding(name: str) -> Callable[..., Any]:
    """Of a tensor of the model, whose shape is known."""

    def handler(run: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        value = args[0]
        own = getattr(value, "own", None)
        if own is None or _lazy(own) or value.owner is not run or value.node.op != SLOT:
            return NotImplemented
        sizes = expansion.sizes(name, tuple(own.shape), args[1:], kwargs)
        if sizes is None:
            return NotImplemented
        made = run.wrap(Node("expand", (("self", value.node), ("size", encoded(run, sizes)))))
        if name == "expand":
            made.base = value
        return made

    return handler


def _functional(name: str) -> Callable[..., Any]:
    """``F.linear(x, self.up.weight, self.up.bias)`` is ``self.up(x)``."""

    def handler(run: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        value, *rest = args if args else (kwargs.get("input"),)
        if not isinstance(value, TensorValue):
            return NotImplemented
        given = dict(zip(FUNCTIONAL[name], rest), **{key: each for key, each in kwargs.items() if key != "input"})
        layer = run.layer_of(given.get("weight"))
        if layer is None or not stands_for(name, layer, given):
            return NotImplemented
        return run.module(layer, (value,), {})

    return handler


SPECIAL: dict[str, Callable[..., Any]] = {
    "to": _to, "type_as": _type_as, "type": _type, "size": _size, "getitem": _getitem, "setitem": _setitem,
    "clone": _clone, "detach": _detach, "copy_": _copy, "each": _each, "dim": _dim, "ndimension": _dim, "len": _len,
    "select": _select, "is_contiguous": _is_contiguous, "rand": _uniform, "randn": _uniform,
    "expand": _expanding("expand"), "repeat": _expanding("repeat"),
    **{name: _functional(name) for name in FUNCTIONAL}, "embedding": _embedding,
}  # fmt: skip
