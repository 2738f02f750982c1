"""What is replaced while a forward runs on values, and put back: calls of modules, factories of tensors, builtins."""

from __future__ import annotations

import builtins
import math
import random
import sys
from typing import Any, Callable

import torch
import torch.nn.functional
import torch.utils.checkpoint

from .values import STATE, Scalar, TensorValue, Value, call

FACTORIES = (
    "arange zeros ones full empty rand randn randint randperm linspace logspace tensor as_tensor eye tril_indices "
    "triu_indices from_numpy scalar_tensor range normal bernoulli complex polar hann_window hamming_window "
    "blackman_window bartlett_window kaiser_window empty_strided zeros_like ones_like full_like empty_like rand_like "
    "randn_like randint_like asarray broadcast_shapes cartesian_prod combinations vander"
).split()
#: Those whose own check of arguments refuses a value that stands for a list, or for a number.
LENIENT = "finfo iinfo cat concat concatenate stack hstack vstack dstack column_stack block_diag".split()
EINOPS = "rearrange reduce repeat einsum pack unpack parse_shape".split()


def has_value(args: Any) -> bool:
    for each in args:
        if isinstance(each, Value):
            return True
        if type(each) in (tuple, list) and has_value(each):
            return True
    return False


def recorded(name: str, function: Any) -> Any:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if STATE.run is None:
            return function(*args, **kwargs)
        return call(name, args, kwargs)

    return wrapper


def on_values(name: str, function: Any, made: str | None = None) -> Any:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if STATE.run is not None and (has_value(args) or has_value(kwargs.values())):
            return call(made or name, args, kwargs)
        return function(*args, **kwargs)

    return wrapper


class _Type(type):
    """``int`` and ``float`` as the forward sees them: classes still, that let values pass."""

    real: Any = None

    def __instancecheck__(cls, thing: Any) -> bool:
        if isinstance(thing, Scalar):
            return cls.real is int and thing.node.op not in ("dtype", "attribute", "finfo")
        return isinstance(thing, cls.real)

    def __subclasscheck__(cls, other: Any) -> bool:
        return issubclass(getattr(other, "real", None) or other, cls.real)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if STATE.run is not None and args and isinstance(args[0], Value):
            return call(cls.real.__name__, args[:1])
        return cls.real(*args, **kwargs)

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls.real, name)

    def __eq__(cls, other: Any) -> bool:
        return other is cls.real or other is cls

    def __hash__(cls) -> int:
        return hash(cls.real)


class Int(metaclass=_Type):
    real = int


class Float(metaclass=_Type):
    real = float


def _range(cls: Any, *args: Any) -> Any:
    if STATE.run is not None and has_value(args):
        # One round stands for all of them.
        return [call("each", (call("range_of", args),))]
    return range(*args)


class _RangeType(_Type):
    __call__ = _range


class LazyRange(metaclass=_RangeType):
    real = range


def _length(thing: Any) -> Any:
    if STATE.run is not None and isinstance(thing, Value):
        return call("len", (thing,))
    return builtins.len(thing)


class MathModule:
    def __getattr__(self, name: str) -> Any:
        function = getattr(math, name)
        return on_values("math." + name, function, MATH.get(name)) if callable(function) else function


MATH = {"sqrt": "sqrt", "pow": "pow", "exp": "exp", "ceil": "ceil", "floor": "floor", "log": "log", "prod": "prod"}
MATH_MODULE = MathModule()


def replaced() -> dict[int, Any]:
    """By the identity of a global of the project: what stands there while its forwards run."""
    table: dict[int, Any] = {id(math): MATH_MODULE}
    for name in dir(math):
        if callable(getattr(math, name)) and not name.startswith("_"):
            table[id(getattr(math, name))] = getattr(MATH_MODULE, name)
    einops = sys.modules.get("einops")
    for name in EINOPS:
        function = getattr(einops, name, None)
        if function is not None:
            table[id(function)] = on_values(name, function)
    for name in FACTORIES:
        function = getattr(torch, name, None)
        if function is not None:
            table[id(function)] = recorded(name, function)
    table[id(torch.utils.checkpoint.checkpoint)] = checkpoint
    return table


def _callable(thing: Any) -> bool:
    """Numbers and tensors are not, though the values that stand for them must be."""
    if STATE.run is not None and isinstance(thing, Value):
        return isinstance(thing, Scalar) and thing.node.op in ("attribute", "call value", "each")
    return builtins.callable(thing)


BUILTINS: dict[str, Any] = {
    "callable": _callable,
    "len": _length,
    "int": Int,
    "float": Float,
    "range": LazyRange,
    "max": on_values("max_of", max),
    "min": on_values("min_of", min),
    "round": on_values("round", round),
}


def _stays_on_meta(original: Any) -> Any:
    """Tensors that the model keeps beside its buffers cannot leave the meta device; only their dtype may change."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if STATE.run is None or not self.is_meta or isinstance(self, Value):
            return original(self, *args, **kwargs)
        dtypes = [each for each in (*args, kwargs.get("dtype")) if isinstance(each, torch.dtype)]
        return self.type(dtypes[0]) if dtypes else self

    return method


def _with_functions(name: str) -> Any:
    """A call that takes functions of indices (flex attention): what they compute counts."""

    def symbolic(value: Any) -> Any:
        if not callable(value) or isinstance(value, Value):
            return value
        count = getattr(getattr(value, "__code__", None), "co_argcount", 4)
        return value(*[call("index", (number,)) for number in range(count)])

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        kwargs = {
            key: symbolic(value) for key, value in kwargs.items() if key not in ("device", "BLOCK_SIZE", "_compile")
        }
        return call(name, tuple(symbolic(each) for each in args), kwargs)

    return wrapper


_ARGUMENTS = ("use_reentrant", "preserve_rng_state", "context_fn", "determinism_check", "debug", "early_stop")


def checkpoint(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    for name in _ARGUMENTS:
        kwargs.pop(name, None)
    return function(*args, **kwargs)


class Context:
    """Stands for ``ctx`` of an autograd function."""

    def __getattr__(self, name: str) -> Any:
        if name == "saved_tensors":
            raise AttributeError(name)
        if name == "needs_input_grad":
            return (False,) * 64
        return lambda *args, **kwargs: None


def _apply(cls: Any, *args: Any, **kwargs: Any) -> Any:
    if "setup_context" in cls.__dict__ or cls.forward.__code__.co_argcount == len(args):
        return cls.forward(*args, **kwargs)
    return cls.forward(Context(), *args, **kwargs)


class Patches:
    """Everything that is replaced. ``restore`` puts it back, in reverse."""

    def __init__(self, tracer: Any, unread: set[tuple[type, str]]) -> None:
        self.undo: list[tuple[Any, str, Any, bool]] = []
        self.shadowed: dict[int, Any] = {}
        self.table = replaced()
        module = torch.nn.Module
        original_getattr, original_setattr = module.__getattr__, module.__setattr__
        original_call, original_register = module.__call__, module.register_buffer

        def module_getattr(self: Any, name: str) -> Any:
            value = original_getattr(self, name)
            if STATE.run is not None and isinstance(value, torch.Tensor) and not isinstance(value, TensorValue):
                return STATE.run.tensor(value)
            return value

        def module_call(self: Any, *args: Any, **kwargs: Any) -> Any:
            if STATE.run is None:
                return original_call(self, *args, **kwargs)
            return tracer.module_called(self, args, kwargs)

        def module_setattr(self: Any, name: str, value: Any) -> None:
            if STATE.run is not None:
                STATE.run.touch(self)
                if isinstance(value, Value) and name in self.__dict__.get("_buffers", ()):
                    self.__dict__["_buffers"][name] = value  # a cache, which torch wants to be a tensor
                    return
            original_setattr(self, name, value)

        def module_register(self: Any, name: str, tensor: Any, *args: Any, **kwargs: Any) -> None:
            if STATE.run is None or not isinstance(tensor, Value):
                original_register(self, name, tensor, *args, **kwargs)
            else:
                STATE.run.touch(self)
                self.__dict__["_buffers"][name] = tensor

        def get_training(self: Any) -> bool:
            if STATE.run is None:
                return bool(self.__dict__.get("training", False))
            STATE.run.trains()
            return STATE.training

        def set_training(self: Any, value: Any) -> None:
            if STATE.run is None:
                self.__dict__["training"] = value

        for cls, name in unread:
            if not hasattr(cls, name):
                self.set(cls, name, _guarded(name))
        self.set(module, "__getattr__", module_getattr)
        self.set(module, "__setattr__", module_setattr)
        self.set(module, "register_buffer", module_register)
        self.set(module, "__call__", module_call)
        self.set(module, "training", property(get_training, set_training))
        self.set(torch.nn.ModuleList, "__getitem__", _choose(torch.nn.ModuleList.__getitem__))
        self.set(torch.nn.Sequential, "__getitem__", _choose(torch.nn.Sequential.__getitem__))
        self.set(torch.autograd.Function, "apply", classmethod(_apply))
        self.set(torch.utils.checkpoint, "checkpoint", checkpoint)
        for name in FACTORIES:
            if hasattr(torch, name):
                self.set(torch, name, recorded(name, getattr(torch, name)))
        for name in LENIENT:
            if hasattr(torch, name):
                self.set(torch, name, on_values(name, getattr(torch, name)))
        for name in [name for name in dir(torch) if name.startswith(("_assert", "_check"))]:
            if callable(getattr(torch, name)) and not isinstance(getattr(torch, name), type):
                self.set(torch, name, lambda *args, **kwargs: None)
        for name in ("to", "cpu", "cuda"):
            self.set(torch.Tensor, name, _stays_on_meta(getattr(torch.Tensor, name)))
        flex = sys.modules.get("torch.nn.attention.flex_attention")
        if flex is not None:
            for name in ("flex_attention", "create_block_mask", "create_mask"):
                stand_in = _with_functions(name)
                self.table[id(getattr(flex, name))] = stand_in
                self.set(flex, name, stand_in)
            masks = getattr(flex, "BlockMask", None)
            if hasattr(masks, "from_kv_blocks"):
                self.set(masks, "from_kv_blocks", staticmethod(_with_functions("from_kv_blocks")))
        self.set(torch, "vmap", lambda function, *args, **kwargs: function)
        distributions = sys.modules.get("torch.distributions.distribution")
        if distributions is not None:
            self.set(distributions.Distribution, "_validate_args", False)
        for name in ("random", "uniform", "randint", "randrange", "choice", "gauss"):
            self.set(random, name, recorded("random", getattr(random, name)))

    def set(self, owner: Any, name: str, value: Any) -> None:
        own = name in vars(owner)
        self.undo.append((owner, name, vars(owner).get(name), own))
        setattr(owner, name, value)

    def shadow(self, namespace: dict[str, Any]) -> bool:
        """Lets the builtins and imported functions of one file's globals take values; False: it was done before."""
        if id(namespace) in self.shadowed or namespace.get("__name__", "").split(".")[0] in ("torch", "builtins"):
            return False
        changed: dict[str, Any] = {}
        for name, value in list(namespace.items()):
            stand_in = self.table.get(id(value))
            if stand_in is not None:
                changed[name] = value
                namespace[name] = stand_in
        added = [name for name in BUILTINS if name not in namespace]
        for name in added:
            namespace[name] = BUILTINS[name]
        self.shadowed[id(namespace)] = (namespace, changed, added)
        return True

    def restore(self) -> None:
        for namespace, changed, added in self.shadowed.values():
            namespace.update(changed)
            for name in added:
                namespace.pop(name, None)
        for owner, name, value, own in reversed(self.undo):
            if own:
                setattr(owner, name, value)
            else:
                delattr(owner, name)


class Counts(BaseException):
    """A forward reads an attribute that was left out of the signatures."""

    def __init__(self, name: str) -> None:
        self.name = name


def _guarded(name: str) -> Any:
    def get(self: Any) -> Any:
        if STATE.run is not None:
            raise Counts(name)
        return self.__dict__[name]

    def put(self: Any, value: Any) -> None:
        self.__dict__[name] = value

    return property(get, put)


class Choice:
    """A module picked by a value: any of the list."""

    def __init__(self, modules: Any, index: Any) -> None:
        self.modules = list(modules)
        self.index = index

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        results = [module(*args, **kwargs) for module in self.modules]
        return call("choice", (self.index, *results))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.modules[0], name)


def _choose(original: Any) -> Any:
    def getitem(self: Any, index: Any) -> Any:
        return Choice(self, index) if isinstance(index, Value) else original(self, index)

    return getitem
