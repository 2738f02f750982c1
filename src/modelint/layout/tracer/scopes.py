"""One module traced: its forward run on values, once per combination of branches, with its children as slots."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial
from typing import Any

import torch

from . import leaves as leaf_modules
from .calls import perform
from .frames import explicit_raise
from .graph import SLOT, Node, digest
from .hooks import with_hooks
from .rank import rank
from .state import Snapshot
from .structure import bound, leaves, output, passed_on, rebuild, shape
from .traces import Traced, tree
from .values import STATE, Scalar, Sizes, TensorValue, Untraceable, Value

#: Combinations of branches that are followed; past them a trace is partial.
MOST_PATHS = 16
#: Runs of a forward in all, those that end in an exception and those that guess a length included.
MOST_RUNS = 40
#: Numbers of dimensions to try where a forward unpacks into something of its own.
GUESSES = (3, 4, 2)


class OutOfTime(BaseException):
    """Passes every ``except Exception`` of a forward."""


class Path:
    """One run of a forward."""

    def __init__(self, scope: Scope, decisions: tuple[bool, ...]) -> None:
        self.scope = scope
        self.given = decisions
        self.decisions: list[tuple[Node, bool]] = []
        self.known: dict[bytes, bool] = {}
        self.slots: dict[int, TensorValue] = {}
        self.foreign: dict[int, Node] = {}
        self.captured: list[Any] = []
        self.called: dict[Any, None] = {}
        #: Modules as they were before this run wrote to them.
        self.touched: dict[int, Snapshot] = {}
        self.starred = 0

    # What calls.py asks for.

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.scope.tracer.tick()
        return perform(self, name, args, kwargs)

    def wrap(self, node: Any) -> Any:
        return TensorValue(node, self) if isinstance(node, Node) else node

    def scalar(self, node: Any) -> Any:
        return Scalar(node, self) if isinstance(node, Node) else node

    def sizes(self, node: Node) -> Any:
        return Sizes(node, self)

    def node_of(self, value: Any) -> Node:
        if value.owner is self:
            return value.node  # type: ignore[no-any-return]
        node = self.foreign.get(id(value))
        if node is None:
            node = self.foreign[id(value)] = Node("captured", (len(self.captured),))
            self.captured.append(value)
        return node

    def tensor(self, tensor: torch.Tensor) -> Any:
        """A tensor of the model, as a value."""
        value = self.slots.get(id(tensor))
        if value is None:
            path = self.scope.tracer.tensor_path(self.scope.module, tensor)
            if path is None:
                node = self.constant(tensor)
            else:
                node = Node(SLOT, ("tensor", path))
                node.rank = _dimensions(tensor)
            value = self.slots[id(tensor)] = TensorValue(node, self)
            value.own = tensor
        return value

    def tensor_node(self, tensor: torch.Tensor) -> Node:
        return self.tensor(tensor).node  # type: ignore[no-any-return]

    def array(self, array: Any) -> str | Node:
        """Of numpy, kept by a module or made in its forward."""
        known = self.scope.tracer.constant(array)
        return "object ndarray" if known is None else Node("constant", ("array", tuple(array.shape), known))

    def layer_of(self, weight: Any) -> Any:
        """The module whose weight this is, as long as nothing wrote to it."""
        own = getattr(weight, "own", None)
        if own is None or weight.owner is not self or weight.node.op != SLOT:
            return None
        tracer = self.scope.tracer
        holders = [tracer.by_path[path.rpartition(".")[0]] for path in tracer.tensors.get(id(own), ())]
        alone = bool(holders) and all(each is holders[0] for each in holders)
        return holders[0] if alone and holders[0] is not self.scope.module else None

    def own_constants(self, modules: Iterable[Any]) -> None:
        """Tensors that modules keep beside their buffers: what is done to them counts as well."""
        for module in modules:
            for name, value in list(module.__dict__.items()):
                if type(value) is torch.Tensor and (value.is_meta or value.dim()):
                    module.__dict__[name] = self.tensor(value)

    def touch(self, module: Any) -> None:
        if id(module) not in self.touched:
            self.touched[id(module)] = Snapshot(module, [])

    def constant(self, tensor: torch.Tensor) -> Node:
        parts: list[Any] = [str(tensor.dtype), tuple(tensor.shape)]
        known = self.scope.tracer.constant(tensor)
        if known is not None:
            parts.append(known)
        elif tensor.device.type == "cpu" and tensor.numel() <= 4096 and tensor.layout is torch.strided:
            parts.append(tuple(tensor.detach().reshape(-1).tolist()))
        return Node("constant", tuple(parts))

    def module_node(self, module: Any) -> Any:
        path = self.scope.tracer.module_path(self.scope.module, module)
        if path == "":
            return "self"
        return Node(SLOT, ("module", path)) if path is not None else "module " + type(module).__name__

    def write(self, value: Any, node: Node) -> None:
        before = self.node_of(value)
        if value.owner is self:
            value.node = node
        else:
            self.foreign[id(value)] = node
        if value.base is not None:
            self.write(value.base, Node("written", (self.node_of(value.base), before, node)))

    def trains(self) -> None:
        self.scope.trains = True

    def decide(self, value: Any) -> bool:
        node = self.node_of(value)
        swap = node.op == "ne"
        if swap:
            node = Node("eq", node.args)
        if node.strict not in self.known:
            index = len(self.decisions)
            made = self.given[index] if index < len(self.given) else self.scope.tracer.asserts() != swap
            self.decisions.append((node, made))
            self.known[node.strict] = made
            if index > 200:
                raise Untraceable("a loop over a tensor's value")
        return self.known[node.strict] != swap

    def length(self, value: Any, count: int | None) -> int | None:
        if count is not None:
            return count
        index = self.starred
        self.starred += 1
        self.scope.starred = True
        return self.scope.lengths.get(index)

    def unpacked(self, value: Any, count: int) -> None:
        """A shape that is unpacked into ``count`` names tells the number of dimensions."""
        if isinstance(value, Sizes) and value.node.op == "shape":
            value.node.args[0].rank = count

    # Calls of other modules.

    def module(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        tracer = self.scope.tracer
        if leaf_modules.is_leaf(module):
            return with_hooks(module, partial(self.leaf, module), args, kwargs)
        arguments = bound(module.forward, args, kwargs)
        slot = self.module_node(module)
        key, traced = tracer.trace(module, args, kwargs, arguments)
        loose = passed_on(module.forward, kwargs)
        if loose and traced.node is not None:
            # A default that a wrapper hands on: the same call without it.
            rest = {name: value for name, value in kwargs.items() if name not in loose}
            fewer = bound(module.forward, args, rest)
            other, without = tracer.trace(module, args, rest, fewer)
            if without.node is not None and without.node.strict == traced.node.strict:
                key, traced, arguments = other, without, fewer
        self.called[key] = None
        if traced.error is not None and traced.node is None and explicit_raise(traced.error):
            raise traced.error
        inputs = tuple(_argument(self, each) for each in arguments)
        extra = tuple(self.node_of(each) for each in traced.captured)
        node = Node("call", (slot, *inputs, *extra))
        node.key = key
        given = leaves([each for _, each in arguments])
        for number in traced.written:
            if (number < len(given) and not isinstance(given[number], torch.Tensor)) or isinstance(
                given[number], TensorValue
            ):
                self.write(given[number], Node("written by", (node, number)))
        if traced.node is None:
            self.scope.vague.append(str(slot.args[1]) if isinstance(slot, Node) else str(slot))
            value = self.wrap(node)
            value.vague = True
            return value
        return unfold(self, node, traced)

    def leaf(self, module: Any, *args: Any, **kwargs: Any) -> Any:
        inputs = tuple(_argument(self, each) for each in bound(module.forward, args, kwargs))
        return leaf_modules.called(self, module, self.module_node(module), inputs, kwargs)


def _dimensions(tensor: torch.Tensor) -> int | None:
    try:
        return tensor.dim()
    except RuntimeError:  # lazy
        return None


def _argument(run: Path, argument: tuple[str, Any]) -> Any:
    name, value = argument
    made = output_argument(run, value)
    return made if name[0] in "#*" else (name, made)


def output_argument(run: Path, value: Any) -> Any:
    return output(run, value) if not callable(value) or isinstance(value, TensorValue) else "function"


def unfold(run: Path, node: Node, traced: Traced) -> Any:
    """The caller's own copy of what a call returned."""
    count = len(leaves(traced.result))
    index = -1
    constants = traced.constants()

    def fresh(value: Any) -> Any:
        nonlocal index
        index += 1
        here = node if count == 1 else Node("output", (node, index))
        here = constants.get(index, here)
        if isinstance(value, Sizes):
            return run.sizes(here)
        if isinstance(value, Scalar):
            return run.scalar(here)
        if isinstance(value, TensorValue):
            here.rank = here.rank or rank(value.node)
        made = run.wrap(here)
        if isinstance(value, TensorValue):
            made.vague, made.count = value.vague, value.count
        return made

    return rebuild(fresh, traced.result)


class Scope:
    """All runs of one call of a module."""

    def __init__(self, tracer: Any, module: Any) -> None:
        self.tracer = tracer
        self.module = module
        self.trains = False
        self.starred = False
        self.lengths: dict[int, int] = {}
        self.vague: list[str] = []
        self.written: set[int] = set()

    def trace(self, args: tuple[Any, ...], kwargs: dict[str, Any], arguments: Any) -> Traced:
        found = self.paths(args, kwargs, arguments)
        for guess in GUESSES:
            if found.node is not None or not self.starred:
                break
            # ``list(x.size()) == [b, n, d]``: perhaps a number of dimensions lets it pass.
            self.lengths = dict.fromkeys(range(64), guess)
            found = self.paths(args, kwargs, arguments)
        return found

    def paths(self, args: tuple[Any, ...], kwargs: dict[str, Any], arguments: Any) -> Traced:
        self.vague, self.written = [], set()
        pending: list[tuple[bool, ...]] = [()]
        finished: list[tuple[list[tuple[Node, bool]], Any, Path, Any]] = []
        result: Any = None
        error: BaseException | None = None
        broken = False
        runs = 0
        seen: set[tuple[bool, ...]] = set()
        while pending and len(finished) < MOST_PATHS and runs < MOST_RUNS:
            pending.sort(key=lambda each: (sum(each), len(each)))
            prefix = pending.pop(0)
            runs += 1
            path = Path(self, prefix)
            try:
                returned, outcome, results = self.run(path, args, kwargs, arguments)
            except (Exception, SystemExit) as caught:
                if self.tracer.learn(self, path, caught):
                    pending.insert(0, prefix)
                    continue
                if not explicit_raise(caught):
                    broken = True
                    error = caught
                elif error is None:
                    error = caught
            else:
                if not finished:
                    result = returned
                finished.append((path.decisions, outcome, path, results))
            for index in range(len(prefix), len(path.decisions)):
                flipped = (*tuple(made for _, made in path.decisions[:index]), not path.decisions[index][1])
                if flipped not in seen:
                    seen.add(flipped)
                    pending.append(flipped)
        tag = digest(repr((shape_text(arguments), sorted(set(self.vague)))).encode(), 4).hex()
        called: dict[Any, None] = {}
        for _, _, path, _ in finished:
            called.update(path.called)
        if not finished:
            return Traced(None, True, tag, None, (), self.trains, (), (), error)
        node = tree([(decisions, outcome) for decisions, outcome, *_ in finished], 0)
        captured = max((path.captured for _, _, path, _ in finished), key=len)
        kept = tuple((tuple(decisions), results, outcome.args[1:]) for decisions, outcome, _, results in finished)
        partial = broken or bool(pending)
        return Traced(
            node, partial, tag, result, tuple(captured), self.trains, tuple(sorted(self.written)),
            tuple(called), error, kept,
        )  # fmt: skip

    def run(self, path: Path, args: Any, kwargs: Any, arguments: Any) -> tuple[Any, Node, tuple[Node, ...]]:
        outer, snapshot = STATE.run, Snapshot(self.module, self.tracer.stateless(self.module))
        inputs: list[Any] = []
        by_value: dict[int, Any] = {}

        def enter(value: Any) -> Any:
            known: Any = by_value.get(id(value))
            if known is None:
                node = Node("input", (len(inputs),))
                known = (
                    Sizes(node, path)
                    if isinstance(value, Sizes)
                    else Scalar(node, path)
                    if isinstance(value, Scalar)
                    else TensorValue(node, path)
                )
                if isinstance(value, TensorValue):
                    known.vague, known.count, known.own = value.vague, value.count, value.own
                inputs.append(known)
                by_value[id(value)] = known
            return known

        # Numbered in the order of the signature, not in that of the call.
        for _, argument in arguments:
            rebuild(enter, argument)
        try:
            STATE.run = path
            path.own_constants((self.module, *self.tracer.stateless(self.module)))
            returned = with_hooks(self.module, self.module.forward, rebuild(enter, args), rebuild(enter, kwargs))
            effects = self.effects(path)
            for number, value in enumerate(inputs):
                if value.node.op != "input":
                    self.written.add(number)
            results = tuple(path.node_of(each) if isinstance(each, Value) else path.tensor_node(each)
                            for each in leaves(returned))  # fmt: skip
            return returned, Node("forward", (output(path, returned), *effects)), results
        finally:
            STATE.run = outer
            for touched in path.touched.values():
                touched.restore()
            snapshot.restore()

    def effects(self, path: Path) -> list[Any]:
        """Tensors of the model that were written to, or replaced."""
        found = []
        for value in list(path.slots.values()):
            if value.node.op != SLOT and value.node.op != "constant" and value.own is not None:
                name = self.tracer.tensor_path(self.module, value.own)
                if name is not None:
                    found.append((Node(SLOT, ("tensor", name)), value.node))
        for name, buffer in self.module._buffers.items():
            cache = id(self.module) in path.touched and path.touched[id(self.module)].buffer(self.module, name) is None
            if isinstance(buffer, TensorValue) and buffer.owner is path and buffer.node.op != SLOT and not cache:
                found.append((Node(SLOT, ("tensor", name)), buffer.node))
        found.sort(key=lambda pair: pair[0].args[1])
        return [pair for index, pair in enumerate(found) if pair not in found[:index]]


def shape_text(arguments: Any) -> Any:
    return [("" if name[0] == "#" else name, shape(value)) for name, value in arguments]


def now() -> float:
    """Of the processor: how far a trace comes must not depend on what else the machine does."""
    return time.thread_time()
