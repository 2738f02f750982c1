"""Definitions of all modules of a model: what each computes, traced alone, with its children as slots."""

from __future__ import annotations

import hashlib
import inspect
import json
import random
from typing import Any, Callable, NamedTuple, Optional

import torch

from . import leaves, source
from .graph import digest, finish
from .hooks import source_of, with_hooks
from .patches import Counts, Patches, explicit_raise, in_assert, user_frame
from .scopes import OutOfTime, Path, Scope, Traced, combined, now
from .signature import Signatures
from .starts import alone
from .state import Snapshot
from .structure import shape
from .values import STATE

#: Seconds. Past them a module, or all that are left of a model, are known by their source alone.
MODULE_TIME = 2.0
MODEL_TIME = 30.0
UNKNOWN = "0" * 16


#: What is known of the values of a tensor from the construction of the model.
Made = Callable[[torch.Tensor], Optional[str]]


class Description(NamedTuple):
    modules: dict[str, str]
    definitions: dict[str, dict[str, Any]]


class Tracer:
    def __init__(self, model: torch.nn.Module, made: Made | None = None, counted: set[str] | None = None) -> None:
        self.model = model
        self._made = made
        self._constants: dict[int, tuple[torch.Tensor, str | None]] = {}
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
        #: By signature: the calls that count, those in evaluation and those in training.
        self.traces: dict[bytes, dict[Any, Traced]] = {}
        self.training: dict[bytes, list[Traced]] = {}
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

    def constant(self, tensor: torch.Tensor) -> str | None:
        """A digest of the values of a tensor that is no key and no buffer, or of how they were made."""
        known = self._constants.get(id(tensor))
        if known is None:
            known = self._constants[id(tensor)] = (tensor, self._made(tensor) if self._made is not None else None)
        return known[1]

    def count(self, key: Any) -> None:
        """A call that a traced forward makes, and those that it makes in turn."""
        stack = [key]
        while stack:
            key = stack.pop()
            found, calls = self.memo[key], self.traces.setdefault(key[0], {})
            if key in calls:
                continue
            calls[key] = found
            stack.extend(found.called)
            if found.trains and found.node is not None:
                STATE.training = True
                try:
                    self.training.setdefault(key[0], []).append(self.trace(*self.how[key])[1])
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
                if known not in self.traces and known not in self.failed:
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

    # Definitions.

    def definition(self, module: Any) -> dict[str, Any]:
        cls = type(module)
        version = getattr(cls, "_version", None)
        made: dict[str, Any] = {
            "class": leaves.public_class(cls),
            "version": version if isinstance(version, int) else None,
            "attributes": {},
            "label": "none",
            "trace": None,
            "train": None,
            "names": [],
            "source": None,
        }
        if leaves.of_torch(module):
            made["attributes"] = leaves.attributes(module)
        if not self.has_state(module):
            return made
        if leaves.is_leaf(module):
            calm, busy, own = leaves.definition(module, self.has_state)
            made.update(label="traced", trace="0" * 8 + calm, train=busy if busy != calm else None, names=own)
            return made
        if self.transparent(module):
            made["names"] = self.children(module, None)
            return made
        if not leaves.of_torch(module):
            made["source"] = source.class_digest(cls, module.forward)
        calls = list(self.traces.get(self.signatures.of(module), {}).values())
        traced = [each for each in calls if each.node is not None]
        if not traced:
            made["source"] = (made["source"] or "") + source_of(module) or None
            made.update(label="source", names=self.children(module, source.mentioned(cls, module.forward)))
            return made
        names: list[str] = []
        calm_digest = finish(combined([each.node for each in traced if each.node is not None]), names)
        tag = digest("".join(sorted({each.tag for each in traced})).encode(), 4).hex()
        partial = len(traced) < len(calls) or any(each.partial for each in traced)
        made.update(label="partial" if partial else "traced", trace=tag + calm_digest.hex())
        training = self.training.get(self.signatures.of(module), [])
        if training:
            usable = [each.node for each in training if each.node is not None]
            if any(each.node is None and (each.error is None or not explicit_raise(each.error)) for each in training):
                made["train"] = UNKNOWN
            elif usable:
                busy_digest = finish(combined(usable), names)
                made["train"] = busy_digest.hex() if busy_digest != calm_digest else None
        made["names"] = names
        return made

    def children(self, module: Any, wanted: set[str] | None) -> list[str]:
        """Slots of a module that was not traced: its tensors and the modules that its source mentions."""
        found: list[str] = []

        def visit(each: Any, prefix: str) -> None:
            for name, tensor in (*each._parameters.items(), *each._buffers.items()):
                if tensor is not None and (wanted is None or prefix or name in wanted):
                    found.append(prefix + name)
            for name, child in each._modules.items():
                if child is None or not self.has_state(child):
                    continue
                if not prefix and wanted is not None and name not in wanted:
                    continue
                if self.transparent(child):
                    visit(child, prefix + name + ".")
                else:
                    found.append(prefix + name)

        visit(module, "")
        if not found and wanted is not None:
            return self.children(module, None)
        return found


def _no_forward(module: Any) -> bool:
    return isinstance(module, leaves.CONTAINERS[1:]) or (
        getattr(type(module).forward, "__name__", "") == "_forward_unimplemented"
    )


def _einops_layer(layer: Any, value: Any) -> Any:
    from .values import call

    kind = type(layer).__name__.lower()
    more = (layer.reduction,) if hasattr(layer, "reduction") else ()
    return call(kind, (value, layer.pattern, *more), dict(layer.axes_lengths))


def identity(definition: dict[str, Any]) -> str:
    text = json.dumps(definition, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _definition(tracer: Tracer, module: Any) -> dict[str, Any]:
    try:
        return tracer.definition(module)
    except Exception:  # one module that answers no question must not cost the others theirs
        cls = type(module)
        state = tracer.has_state(module)
        return {
            "class": leaves.public_class(cls),
            "version": None,
            "attributes": {},
            "label": "source" if state else "none",
            "trace": None,
            "train": None,
            "names": tracer.children(module, None) if state else [],
            "source": source.class_digest(cls, cls.forward) if state and not leaves.of_torch(module) else None,
        }


def describe(model: torch.nn.Module, made: Made | None = None) -> Description:
    """What every module of ``model`` computes. The model is left as it was."""
    counted: set[str] = set()
    tracer = Tracer(model, made)
    while True:
        try:
            tracer.run()
            break
        except Counts as found:
            counted.add(found.name)
            tracer = Tracer(model, made, counted)
    modules: dict[str, str] = {}
    definitions: dict[str, dict[str, Any]] = {}
    known: dict[bytes, str] = {}
    for path, module in tracer.by_path.items():
        key = tracer.signatures.of(module)
        if key not in known:
            definition = _definition(tracer, module)
            known[key] = identity(definition)
            definitions[known[key]] = definition
        modules[path] = known[key]
    return Description(modules, definitions)
