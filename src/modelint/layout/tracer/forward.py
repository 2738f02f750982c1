"""Definitions of all modules of a model: what each computes, traced alone, with its children as slots."""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple

import torch

from . import leaves, source
from .frames import explicit_raise
from .graph import Node, digest, exchangeable, finish
from .hooks import source_of
from .outputs import Outputs
from .patches import Counts
from .traces import Traced, combined
from .tracing import Made, Tracer

UNKNOWN = "0" * 16


class Description(NamedTuple):
    modules: dict[str, str]
    definitions: dict[str, dict[str, Any]]


def definition(tracer: Tracer, usual: Outputs, every: Outputs, module: Any) -> dict[str, Any]:
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
        "alike": [],
    }
    if leaves.of_torch(module):
        made["attributes"] = leaves.attributes(module)
    if not tracer.has_state(module):
        return made
    if leaves.is_leaf(module):
        calm, busy, own = leaves.definition(module, tracer.has_state)
        made.update(label="traced", trace="0" * 8 + calm, train=busy if busy != calm else None, names=own)
        return made
    if tracer.transparent(module):
        made["names"] = children(tracer, module, None)
        return made
    if not leaves.of_torch(module):
        made["source"] = source.class_digest(cls, module.forward)
    known = tracer.signatures.of(module)
    chosen, outputs, more = tracer.calls, usual, tracer.extras.calm.get(known, {})
    calls = chosen.calm.get(known, {})
    if not calls:  # its weights are there to be used: what is optional is the way to them
        chosen, outputs, calls = tracer.extras, every, more
    traced = traces(calls)
    if not traced:
        made["source"] = (made["source"] or "") + source_of(module) or None
        made.update(label="source", names=children(tracer, module, source.mentioned(cls, module.forward)))
        return made
    names: list[str] = []
    tag, calm, root = computed(outputs, traced, names, module is tracer.model)
    roots = [root]
    partial = len(traced) < len(calls) or any(each.partial for each in traced.values())
    made.update(label="partial" if partial else "traced", trace=tag + calm)
    training = chosen.training.get(known, {})
    usable = traces(training)
    if any(each.node is None and (each.error is None or not explicit_raise(each.error)) for each in training.values()):
        made["train"] = UNKNOWN
    elif usable:
        _, busy, root = computed(outputs, usable, names)
        made["train"] = busy if busy != calm else None
        roots.append(root)
    extras = traces({key: each for key, each in more.items() if key not in calls})
    if extras:
        count = f"{min(len(names), 0xFFFF):04x}"
        tag, beyond, root = computed(every, extras, names)
        made["trace"] += count + tag + beyond
        roots.append(root)
    made["names"] = names
    if not partial:
        made["alike"] = exchangeable(roots, names)
    return made


def traces(calls: dict[Any, Traced]) -> dict[Any, Traced]:
    return {key: each for key, each in calls.items() if each.node is not None}


def computed(
    outputs: Outputs, calls: dict[Any, Traced], names: list[str], outermost: bool = False
) -> tuple[str, str, Node]:
    """How it was called, and what it computes then, as a digest and as a graph; ``names`` is extended."""
    found = [outputs.node(key, each) for key, each in calls.items()]
    ways = {each.tag for each in calls.values()}
    if not outermost and any(whole for _, whole in found):  # nobody knows what its caller takes of it
        ways.add("whole")
    if any(each.partial for each in calls.values()):
        ways.add("partial")
    tag = digest("".join(sorted(ways)).encode(), 4).hex()
    root = combined([node for node, _ in found])
    return tag, finish(root, names).hex(), root


def children(tracer: Tracer, module: Any, wanted: set[str] | None) -> list[str]:
    """Slots of a module that was not traced: its tensors and the modules that its source mentions."""
    found: list[str] = []

    def visit(each: Any, prefix: str) -> None:
        for name, tensor in (*each._parameters.items(), *each._buffers.items()):
            if tensor is not None and (wanted is None or prefix or name in wanted):
                found.append(prefix + name)
        for name, child in each._modules.items():
            if child is None or not tracer.has_state(child):
                continue
            if not prefix and wanted is not None and name not in wanted:
                continue
            if tracer.transparent(child):
                visit(child, prefix + name + ".")
            else:
                found.append(prefix + name)

    visit(module, "")
    if not found and wanted is not None:
        return children(tracer, module, None)
    return found


def identity(made: dict[str, Any]) -> str:
    own = {field: value for field, value in made.items() if field != "alike"}  # follows from the rest
    text = json.dumps(own, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _definition(tracer: Tracer, usual: Outputs, every: Outputs, module: Any) -> dict[str, Any]:
    try:
        return definition(tracer, usual, every, module)
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
            "names": children(tracer, module, None) if state else [],
            "source": source.class_digest(cls, cls.forward) if state and not leaves.of_torch(module) else None,
            "alike": [],
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
    usual = Outputs(tracer.memo, tracer.calls.roots)
    every = Outputs(tracer.memo, [*tracer.calls.roots, *tracer.extras.roots])
    modules: dict[str, str] = {}
    definitions: dict[str, dict[str, Any]] = {}
    known: dict[bytes, str] = {}
    for path, module in tracer.by_path.items():
        key = tracer.signatures.of(module)
        if key not in known:
            made_of = _definition(tracer, usual, every, module)
            known[key] = identity(made_of)
            definitions[known[key]] = made_of
        modules[path] = known[key]
    return Description(modules, definitions)
