"""Definitions of all modules of a model: what each computes, traced alone, with its children as slots."""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple

import torch

from . import leaves, source
from .graph import digest, finish
from .hooks import source_of
from .patches import Counts, explicit_raise
from .scopes import Traced, combined
from .tracing import Made, Tracer

UNKNOWN = "0" * 16


class Description(NamedTuple):
    modules: dict[str, str]
    definitions: dict[str, dict[str, Any]]


def definition(tracer: Tracer, module: Any) -> dict[str, Any]:
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
    chosen, more = tracer.calls, tracer.extras.calm.get(known, {})
    calls = chosen.calm.get(known, {})
    if not calls:  # its weights are there to be used: what is optional is the way to them
        chosen, calls = tracer.extras, more
    extras = [each for key, each in more.items() if key not in calls]
    traced = [each for each in calls.values() if each.node is not None]
    if not traced:
        made["source"] = (made["source"] or "") + source_of(module) or None
        made.update(label="source", names=children(tracer, module, source.mentioned(cls, module.forward)))
        return made
    names: list[str] = []
    calm_digest = computed(traced, names)
    partial = len(traced) < len(calls) or any(each.partial for each in traced)
    made.update(label="partial" if partial else "traced", trace=tag(traced) + calm_digest)
    training = list(chosen.training.get(known, {}).values())
    if training:
        usable = [each for each in training if each.node is not None]
        if any(each.node is None and (each.error is None or not explicit_raise(each.error)) for each in training):
            made["train"] = UNKNOWN
        elif usable:
            busy_digest = computed(usable, names)
            made["train"] = busy_digest if busy_digest != calm_digest else None
    traced = [each for each in extras if each.node is not None]
    if traced:
        count = f"{min(len(names), 0xFFFF):04x}"
        unknown = any(each.partial for each in extras)
        made["trace"] += count + tag(traced, "partial" * unknown) + computed(traced, names)
    made["names"] = names
    return made


def computed(calls: list[Traced], names: list[str]) -> str:
    return finish(combined([each.node for each in calls if each.node is not None]), names).hex()


def tag(calls: list[Traced], more: str = "") -> str:
    """How it was called."""
    return digest("".join(sorted({each.tag for each in calls} | {more})).encode(), 4).hex()


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
    text = json.dumps(made, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _definition(tracer: Tracer, module: Any) -> dict[str, Any]:
    try:
        return definition(tracer, module)
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
            made_of = _definition(tracer, module)
            known[key] = identity(made_of)
            definitions[known[key]] = made_of
        modules[path] = known[key]
    return Description(modules, definitions)
