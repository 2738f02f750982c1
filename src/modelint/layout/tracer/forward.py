"""Definitions of all modules of a model: what each computes, traced alone, with its children as slots."""

from __future__ import annotations

import hashlib
import inspect
import json
import linecache
import random
import re
from typing import Any, NamedTuple

import torch

from . import leaves, source
from .graph import Node, digest, finish
from .patches import Counts, Patches, explicit_raise, in_assert, user_frame
from .scopes import OutOfTime, Path, Scope, Traced, combined, now
from .signature import Signatures
from .structure import bound, shape, signature
from .values import STATE, TensorValue, Untraceable

#: Seconds. Past them a module, or all that are left of a model, are known by their source alone.
MODULE_TIME = 2.0
MODEL_TIME = 30.0
MOST_ATTEMPTS = 10
UNKNOWN = "0" * 16


class Description(NamedTuple):
    modules: dict[str, str]
    definitions: dict[str, dict[str, Any]]


class Tracer:
    def __init__(self, model: torch.nn.Module, counted: set[str] | None = None) -> None:
        self.model = model
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
        return module.forward(*args, **kwargs)

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

    # Starting points.

    def alone(self, module: Any) -> None:
        """A module that nothing calls, or whose caller could not be traced, called as its signature suggests."""
        known = self.signatures.of(module)
        forward = module.forward
        described = signature(forward)
        parameters = list(described.parameters.values()) if described is not None else []
        positional = [each for each in parameters if each.kind in (0, 1)]
        keywords = [each for each in parameters if each.kind == 3]
        required = sum(each.default is each.empty for each in positional)
        if not positional and any(each.kind == 2 for each in parameters):
            required = 1
        optional = [each.name for each in (*positional[required:], *keywords) if each.default is None]
        given = [each.name for each in keywords if each.default is each.empty]
        for _ in range(MOST_ATTEMPTS):
            error = self.attempt(module, required, given)
            if error is None:
                break
            # What it asks for: named in the message, or in the line that failed for want of it.
            words = set(re.findall(r"\w+", _line(error) + " " + str(error)))
            left = [name for name in optional if name not in given and _may_be_tensor(name)]
            wanted = [name for name in left if name in words]
            if any(name in words for name in given):
                wanted = [name for name in left if name.startswith("decoder_")] or wanted
            wanted = wanted or left
            if not wanted or isinstance(error, OutOfTime):
                self.failed.add(known)
                return
            given = [*given, wanted[0]]
        else:
            self.failed.add(known)
            return
        more = [name for name in optional if name not in given and _may_be_tensor(name)][:8]
        if more and self.ticks < 40_000 and self.attempt(module, required, [*given, *more]) is not None:
            for name in more[:4]:
                self.attempt(module, required, [*given, name])

    def attempt(self, module: Any, count: int, names: list[str]) -> BaseException | None:
        """Traces the call with the first ``count`` arguments, and those named; None: that went well."""
        outer = Path(Scope(self, module), ())
        args = tuple(TensorValue(Node("argument", (index,)), outer) for index in range(count))
        kwargs = {name: TensorValue(Node("argument", (name,)), outer) for name in names}
        key, traced = self.trace(module, args, kwargs, bound(module.forward, args, kwargs))
        if traced.node is None:
            return traced.error or Untraceable()
        self.count(key)
        return None

    def run(self) -> None:
        self.patches = Patches(self, self.signatures.left_out)
        generators = (random.getstate(), torch.get_rng_state())
        gradients = torch.is_grad_enabled()
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
                    self.alone(module)
        except OutOfTime:
            pass
        finally:
            STATE.run = None
            STATE.training = False
            self.patches.restore()
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


def _line(error: BaseException) -> str:
    """The line of the forward in which it was raised."""
    trace = user_frame(error)
    return linecache.getline(trace.tb_frame.f_code.co_filename, trace.tb_lineno) if trace is not None else ""


def _may_be_tensor(name: str) -> bool:
    """Flags and caches default to None as well as masks do."""
    return not name.startswith(("output_", "return_", "use_", "is_")) and not any(
        word in name for word in ("past", "cache", "kwargs", "config", "generator", "callback", "dtype", "device")
    )


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


def describe(model: torch.nn.Module) -> Description:
    """What every module of ``model`` computes. The model is left as it was."""
    counted: set[str] = set()
    tracer = Tracer(model)
    while True:
        try:
            tracer.run()
            break
        except Counts as found:
            counted.add(found.name)
            tracer = Tracer(model, counted)
    modules: dict[str, str] = {}
    definitions: dict[str, dict[str, Any]] = {}
    known: dict[bytes, str] = {}
    for path, module in tracer.by_path.items():
        key = tracer.signatures.of(module)
        if key not in known:
            definition = tracer.definition(module)
            known[key] = identity(definition)
            definitions[known[key]] = definition
        modules[path] = known[key]
    return Description(modules, definitions)
