"""The tracing of a model: each module alone, its calls of others recorded, what was called remembered."""

from __future__ import annotations

import inspect
import random
from typing import Any, Callable, Optional

import torch

from . import leaves
from .frames import explicit_raise, in_assert, user_frame
from .hooks import with_hooks
from .patches import Patches
from .scopes import OutOfTime, Path, Scope, now
from .signature import Signatures
from .starts import alone
from .state import Snapshot
from .structure import shape
from .traces import Traced
from .values import STATE

#: Seconds. Past them a module, or all that are left of a model, are known by their source alone.
MODULE_TIME = 2.0
MODEL_TIME = 30.0

#: What is known of the values of a tensor, or an array of numpy, from the construction of the model.
Made = Callable[[Any], Optional[str]]


class Calls:
    """Calls of modules that were traced, by the signature of the module."""

    def __init__(self) -> None:
        self.calm: dict[bytes, dict[Any, Traced]] = {}
        self.training: dict[bytes, dict[Any, Traced]] = {}
        #: Those that no traced module made.
        self.roots: list[Any] = []


class Tracer:
    def __init__(self, model: torch.nn.Module, made: Made | None = None, counted: set[str] | None = None) -> None:
        self.model = model
        self._made = made
        self._constants: dict[int, tuple[Any, str | None]] = {}
        self.paths: dict[int, list[str]] = {}
        self.by_path: dict[str, Any] = {}
        for path, module in model.named_modules(remove_duplicate=False):
            self.by_path[path] = module
            self.paths.setdefault(id(module), []).append(path)
        self.tensors: dict[int, list[str]] = {}
        self.with_state: set[int] = set()
        for path, module in self.by_path.items():
            own = [*module._parameters.items(), *module._buffers.items()]
            for name, tensor in own:
                if tensor is not None:
                    self.tensors.setdefault(id(tensor), []).append(f"{path}.{name}" if path else name)
            if any(tensor is not None for _, tensor in own):
                parts = path.split(".") if path else []
                for count in range(len(parts) + 1):
                    self.with_state.add(id(self.by_path[".".join(parts[:count])]))
        self.signatures = Signatures(counted or set())
        for module in self.by_path.values():
            self.signatures.of(module)
        self.memo: dict[Any, Traced] = {}
        #: How the memo's keys came about, to make the same call again in training.
        self.how: dict[Any, tuple[Any, ...]] = {}
        #: Those that come of calling the model with its optional arguments left out, and those of giving them.
        self.calls = Calls()
        self.extras = Calls()
        self.failed: set[bytes] = set()
        self.deadline = now() + MODEL_TIME
        self.limits: list[float] = []
        self.ticks = 0
        self._stateless: dict[int, list[Any]] = {}
        self.patches: Any = None

    # What scopes ask for.

    def tick(self) -> None:
        self.ticks += 1
        if self.ticks & 15 == 0:
            time = now()
            if time > self.deadline or (self.limits and time > self.limits[-1]):
                raise OutOfTime

    def asserts(self) -> bool:
        return in_assert()

    def transparent(self, module: Any) -> bool:
        """No step of its own on the way from a caller to what is called."""
        return _no_forward(module) or (leaves.is_chain(module) and module is not self.model)

    def has_state(self, module: Any) -> bool:
        return id(module) in self.with_state

    def stateless(self, module: Any) -> list[Any]:
        found = self._stateless.get(id(module))
        if found is None:
            found = []
            stack = [each for each in module._modules.values() if each is not None]
            while stack:
                each = stack.pop()
                if not self.has_state(each):
                    found.append(each)
                    stack.extend(child for child in each._modules.values() if child is not None)
            self._stateless[id(module)] = found
        return found

    def _below(self, module: Any, paths: list[str] | None) -> str | None:
        if not paths:
            return None
        for prefix in self.paths.get(id(module), ()):
            for path in paths:
                if not prefix or path == prefix or path.startswith(prefix + "."):
                    return path[len(prefix) + 1 :] if prefix and path != prefix else "" if path == prefix else path
        return "^" + paths[0]

    def tensor_path(self, module: Any, tensor: torch.Tensor) -> str | None:
        return self._below(module, self.tensors.get(id(tensor)))

    def module_path(self, module: Any, child: Any) -> str | None:
        return self._below(module, self.paths.get(id(child)))

    def module_called(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if leaves.is_chain(module):
            return module.forward(*args, **kwargs)
        if self.has_state(module):
            return STATE.run.module(module, args, kwargs)
        if type(module).__module__ == "einops.layers.torch":
            return _einops_layer(module, *args)
        return with_hooks(module, module.forward, args, kwargs)

    def learn(self, scope: Scope, path: Path, error: BaseException) -> bool:
        """Whether another run of the same branches can come further."""
        text = str(error)
        if isinstance(error, ValueError) and text.startswith("not enough values to unpack") and path.starred:
            numbers = [int(word.strip("(),")) for word in text.split() if word.strip("(),").isdigit()]
            last = path.starred - 1
            if len(numbers) == 2 and last not in scope.lengths:
                scope.lengths[last] = numbers[0] - numbers[1] + 1
                return True
        frame = user_frame(error)
        if explicit_raise(error) or frame is None:
            return False
        return bool(self.patches.shadow(frame.tb_frame.f_globals))

    def trace(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], arguments: Any) -> tuple[Any, Traced]:
        known = self.signatures.of(module)
        described = tuple([(name, shape(value)) for name, value in arguments])
        key = (known, described, STATE.training)
        found = self.memo.get(key)
        if found is None and STATE.training:
            calm = self.memo.get((known, described, False))
            if calm is not None and calm.node is not None and not calm.trains_below:
                return (known, described, False), calm
        if found is not None:
            return key, found
        scope = Scope(self, module)
        began = now()
        self.limits.append(began + MODULE_TIME)
        run = STATE.run
        try:
            found = scope.trace(args, kwargs, arguments)
        except OutOfTime as error:
            if now() > self.deadline:
                raise
            found = Traced(None, True, "", None, (), False, (), (), error)
        except RecursionError as error:
            found = Traced(None, True, "", None, (), False, (), (), error)
        finally:
            STATE.run = run
            self.limits.pop()
            if self.limits:
                self.limits[-1] += now() - began
        below = found.trains or any(self.memo[each].trains_below for each in found.called)
        found = self.memo[key] = found._replace(trains_below=below)
        self.how[key] = (module, args, kwargs, arguments)
        return key, found

    def constant(self, tensor: Any) -> str | None:
        """A digest of the values of a tensor (or an array) that is no key and no buffer, or of how they were made."""
        known = self._constants.get(id(tensor))
        if known is None:
            known = self._constants[id(tensor)] = (tensor, self._made(tensor) if self._made is not None else None)
        return known[1]

    def count(self, key: Any, into: Calls) -> None:
        """A call that a traced forward makes, and those that it makes in turn."""
        stack = [key]
        while stack:
            key = stack.pop()
            found, calls = self.memo[key], into.calm.setdefault(key[0], {})
            if key in calls:
                continue
            calls[key] = found
            stack.extend(found.called)
            if found.trains and found.node is not None:
                STATE.training = True
                try:
                    into.training.setdefault(key[0], {})[key] = self.trace(*self.how[key])[1]
                finally:
                    STATE.training = False

    def run(self) -> None:
        self.patches = Patches(self, self.signatures.left_out)
        generators = (random.getstate(), torch.get_rng_state())
        gradients = torch.is_grad_enabled()
        whole = Snapshot(self.model, list(self.by_path.values()))
        # Caches of transformers are for generation: they make each layer another one, and compute nothing.
        configs = {id(each): each for each in (m.__dict__.get("config") for m in self.by_path.values())}.values()
        caching = [each for each in configs if getattr(each, "__dict__", {}).get("use_cache") is True]
        for config in caching:
            config.use_cache = False
        try:
            for module in self.by_path.values():
                if not leaves.of_torch(module):
                    for cls in type(module).__mro__:
                        forward = cls.__dict__.get("forward")
                        namespace = getattr(forward and inspect.unwrap(forward), "__globals__", None)
                        if namespace is not None:
                            self.patches.shadow(namespace)
            for module in self.by_path.values():
                if not self.has_state(module) or leaves.is_leaf(module) or self.transparent(module):
                    continue
                known = self.signatures.of(module)
                if not any(known in each for each in (self.calls.calm, self.extras.calm, self.failed)):
                    try:
                        alone(self, module)
                    except Exception:  # what some code does even to the tracer: its source is left
                        self.failed.add(known)
        except OutOfTime:  # what is left has its source
            pass
        finally:
            STATE.run = None
            STATE.training = False
            self.patches.restore()
            whole.restore()
            torch.set_grad_enabled(gradients)
            random.setstate(generators[0])
            torch.set_rng_state(generators[1])
            for config in caching:
                config.use_cache = True


def _no_forward(module: Any) -> bool:
    return isinstance(module, leaves.CONTAINERS[1:]) or (
        getattr(type(module).forward, "__name__", "") == "_forward_unimplemented"
    )


def _einops_layer(layer: Any, value: Any) -> Any:
    from .values import call

    kind = type(layer).__name__.lower()
    more = (layer.reduction,) if hasattr(layer, "reduction") else ()
    return call(kind, (value, layer.pattern, *more), dict(layer.axes_lengths))
