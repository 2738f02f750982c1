"""Old and new layouts, as data: what each rule over drift is for, and what lies near it.

The name of a pair begins with the code that it is for; ``none`` begins those of which nothing is to be said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

from modelint.keys.table import KeyTable, TensorSpec
from modelint.layout.facts import Load, Misfit
from modelint.layout.layout import Constant, Definition, Layout

Shapes = Mapping[str, tuple[int, ...]]
#: What the pairs are made of.
LAYERS, WIDTH = 4, 8


class Pair(NamedTuple):
    name: str
    old: Layout
    new: Layout
    load: Load | None = None


class Model:
    """A layout, module by module."""

    def __init__(self, **forward: Any) -> None:
        self.modules: dict[str, dict[str, Any]] = {}
        self.specs: dict[str, TensorSpec] = {}
        self.more: dict[str, Any] = {"buffers": {}, "constants": {}}
        self.ties: tuple[tuple[str, ...], ...] = ()
        self.add("", "model.Net", **forward)

    def add(self, path: str, cls: str, tensors: Shapes | None = None, *, dtype: str = "float32", **more: Any) -> Model:
        self.modules[path] = {"cls": cls, **more}
        for leaf, shape in (tensors or {}).items():
            kind: Any = "buffer" if leaf in ("mask", "running_mean") else "parameter"
            self.specs[f"{path}.{leaf}" if path else leaf] = TensorSpec(dtype, shape, kind)
        return self

    def linear(self, path: str, out: int = WIDTH, into: int = WIDTH, bias: bool = True, **more: Any) -> Model:
        tensors = {"weight": (out, into)} | ({"bias": (out,)} if bias else {})
        return self.add(path, "torch.nn.Linear", tensors, **more)

    def norm(self, path: str, **attributes: Any) -> Model:
        return self.add(path, "torch.nn.LayerNorm", {"weight": (WIDTH,), "bias": (WIDTH,)}, attributes=attributes)

    def layout(self) -> Layout:
        modules, definitions = {}, {}
        for path, module in self.modules.items():
            definition = self._definition(path, module)
            identity = digest(definition)
            modules[path], definitions[identity] = identity, definition
        return Layout(KeyTable(self.specs, self.ties), **self.more, modules=modules, definitions=definitions)

    def _definition(self, path: str, module: Mapping[str, Any]) -> Definition:
        """Traced by its class and attributes, unless the module says otherwise."""
        inner = f"{path}." if path else ""
        children = [name[len(inner) :] for name in self.modules if name and name.startswith(inner)]
        leaves = [key[len(inner) :] for key in self.specs if key.startswith(inner)]
        names = (*(name for name in children if "." not in name), *(leaf for leaf in leaves if "." not in leaf))
        names = tuple(module.get("slots", names))
        attributes = module.get("attributes", {})
        if module.get("inlined"):
            return Definition(module["cls"], None, attributes, "none", None, None, (), None)
        does = module.get("does", "")
        kind = module["cls"] if module["cls"].startswith("torch.") else "user"
        trace = "0" * 8 + digest((kind, attributes, does, len(names)))
        label = module.get("label", "traced")
        source = digest((module.get("source", does), len(names))) if kind == "user" else None
        return Definition(
            module["cls"],
            None,
            attributes,
            label,
            trace if label == "traced" else None,
            module.get("train"),
            names,
            source,
        )


def digest(value: object) -> str:
    return blake2b(repr(value).encode(), digest_size=8).hexdigest()


def blocks(model: Model | None = None, *, name: str = "fc", count: int = LAYERS, **linear: Any) -> Model:
    """Blocks with a linear layer each, in a ModuleList."""
    made = (model or Model()).add("layers", "torch.nn.ModuleList")
    for number in range(count):
        made.add(f"layers.{number}", "model.Block").linear(f"layers.{number}.{name}", **linear)
    return made


def norms(*names: str, **forward: Any) -> Model:
    made = Model(**forward).add("layers", "torch.nn.ModuleList")
    for number in range(LAYERS):
        made.add(f"layers.{number}", "model.Block")
        for name in names:
            made.norm(f"layers.{number}.{name}")
    return made


def tied(model: Model, *keys: str) -> Model:
    model.ties = (keys,)
    return model


def buffer(*, persistent: bool, value: str = "aa" * 8) -> Model:
    made = blocks()
    if persistent:
        made.specs["mask"] = TensorSpec("bool", (WIDTH, WIDTH), "buffer")
    else:
        made.more["buffers"] = {"mask": TensorSpec("bool", (WIDTH, WIDTH), "buffer")}
    made.more["constants"] = {"mask": Constant(value, None)}
    return made


def convs(*dilations: int) -> Model:
    made = Model().add("convs", "torch.nn.Sequential")
    for number, dilation in enumerate(dilations):
        tensors = {"weight": (WIDTH, WIDTH, 3, 3)}
        made.add(f"convs.{number}", "torch.nn.Conv2d", tensors, attributes={"dilation": (dilation, dilation)})
    return made


def listed(*dilations: int) -> Model:
    """A list that the forward of its owner walks through."""
    made = convs(*dilations)
    made.modules["convs"] = {"cls": "torch.nn.ModuleList", "inlined": True}
    made.modules[""]["slots"] = [f"convs.{dilations.index(each)}" for each in sorted(dilations)]
    return made


def activated(cls: str) -> Model:
    """The activation has no weights: what it computes is part of the forward of the model."""
    return blocks(Model(does=cls, source="self.act(x)")).add("act", cls, inlined=True)


def normed(**attributes: Any) -> Model:
    return norms().norm("norm", **attributes)


def mlp(width: int, *, out_bias: bool = True) -> Model:
    return Model().linear("up", width, WIDTH).linear("down", WIDTH, width, bias=out_bias)


def lora(model: Model) -> Model:
    return model.add("fc", "model.Lora", {"a": (2, WIDTH), "b": (WIDTH, 2)}).linear("fc.base")


def dictionary(*names: str) -> Model:
    made = Model().add("transformer", "torch.nn.ModuleDict")
    for number, name in enumerate(names):
        made.linear(f"transformer.{name}", WIDTH + number)
    return made


def many() -> Model:
    return blocks().linear("head").linear("stem").linear("neck")


def scaled(shape: tuple[int, ...]) -> Model:
    made = Model()
    return made.add("", "model.Net", {"scale": shape})


def untied() -> Model:
    return Model().linear("embed").linear("head")


def scaled_by(temperature: int) -> Model:
    return blocks(Model(does=f"x / {temperature}", source="x / self.temperature"))


def untraced(source: str) -> Model:
    return blocks(Model(label="source", source=source))


def pairs() -> Iterator[Pair]:
    for name, old, new, *load in _PAIRS:
        yield Pair(name, old().layout(), new().layout(), *load)


def releases() -> Iterator[Pair]:
    """Releases of the old layout, and what loading their files into the new one says."""
    for name, old, new, load in _RELEASES:
        yield Pair(name, old().layout(), new().layout(), load)


_HOOKS = Load(True, hooks=True)
_PAIRS: list[tuple[Any, ...]] = [
    ("none_same", blocks, blocks),
    ("none_class_renamed", lambda: blocks(), lambda: _renamed_class(blocks())),
    ("MDL701_bias", blocks, lambda: blocks(bias=False)),
    ("MDL701_depth", blocks, lambda: blocks(count=2)),
    ("MDL701_item_of_a_dict", lambda: dictionary("wte", "wpe", "head"), lambda: dictionary("wte", "wpe")),
    (
        "MDL701_siblings_of_one_shape",
        lambda: norms("attention_norm", "ffn_norm", label="source"),
        lambda: norms("before", "after", label="source"),
    ),
    ("MDL707+MDL707_siblings_by_flow", lambda: norms("attention_norm", "ffn_norm"), lambda: norms("before", "after")),
    ("MDL707_and_another_layer", blocks, lambda: blocks(name="proj", does="f")),
    ("MDL701_hook_raises", blocks, lambda: blocks(bias=False), Load(False, hooks=True, error="KeyError: 'version'")),
    ("MDL701_hook_raises_and_no_key_differs", blocks, blocks, Load(False, error="KeyError: 'version'")),
    ("MDL701+MDL713_hooks_take_it", blocks, lambda: blocks(bias=False), _HOOKS),
    ("MDL707_replaced", lambda: Model().linear("fc"), lambda: lora(Model())),
    ("MDL702_head", blocks, lambda: blocks().linear("head", 3)),
    (
        "MDL701+MDL702+MDL713_hooks_take_half",
        blocks,
        lambda: blocks(bias=False).linear("head", 3),
        Load(False, missing=("head.weight", "head.bias"), hooks=True),
    ),
    ("MDL702_not_tried", blocks, lambda: blocks().linear("head", 3), Load(False, proved=False, why="reads values")),
    (
        "MDL701+MDL702_a_hook_asks_for_more",
        blocks,
        blocks,
        Load(False, missing=("layers.0.fc.weight",), unexpected=("layers.0.old.weight",), hooks=True),
    ),
    ("MDL703_width", lambda: mlp(16), lambda: mlp(32)),
    ("MDL703+MDL701_width_and_bias", lambda: mlp(16), lambda: mlp(16, out_bias=False).linear("up", 16, 9)),
    ("MDL703_by_a_hook", blocks, blocks, Load(False, reshaped=(Misfit("layers.0.fc.weight", (8, 8), (9, 9)),))),
    ("MDL703_unpacked", lambda: scaled((1,)), lambda: scaled(())),
    ("MDL704_one", lambda: Model().linear("head"), lambda: Model().linear("head", dtype="float16")),
    ("MDL704_whole_model", lambda: many(), lambda: _half(many())),
    ("MDL705_no_longer", lambda: buffer(persistent=True), lambda: buffer(persistent=False)),
    ("MDL705_now", lambda: buffer(persistent=False), lambda: buffer(persistent=True)),
    ("MDL706_tied", untied, lambda: tied(untied(), "embed.weight", "head.weight")),
    ("MDL706_untied", lambda: tied(untied(), "embed.weight", "head.weight"), untied),
    ("MDL707_attribute", blocks, lambda: blocks(name="proj")),
    ("MDL707_hooks_take_it", blocks, lambda: blocks(name="proj"), _HOOKS),
    ("MDL707_prefix", lambda: _below("", blocks()), lambda: _below("backbone.", blocks())),
    ("MDL711_activation", lambda: activated("torch.nn.GELU"), lambda: activated("torch.nn.ReLU")),
    ("MDL712_eps", lambda: normed(eps=1e-05), lambda: normed(eps=1e-06)),
    ("MDL707_and_eps", lambda: normed(eps=1e-05), lambda: norms().norm("final", eps=1e-06)),
    ("MDL713_residual", lambda: blocks(Model(does="x + f(x)")), lambda: blocks(Model(does="f(x)"))),
    ("MDL713_value_from_elsewhere", lambda: scaled_by(2), lambda: scaled_by(3)),
    ("MDL713_source_only", lambda: untraced("x"), lambda: untraced("y")),
    ("MDL713_training_only", lambda: blocks(Model(train="aa" * 8)), lambda: blocks(Model(train="bb" * 8))),
    ("MDL702_and_its_forward", lambda: blocks(Model(does="f")), lambda: blocks(Model(does="g")).linear("aux", 3)),
    ("MDL714_swapped", lambda: convs(1, 2), lambda: convs(2, 1)),
    ("MDL714_swapped_in_a_list", lambda: listed(1, 2), lambda: listed(2, 1)),
    ("MDL715_not_saved", lambda: buffer(persistent=False), lambda: buffer(persistent=False, value="bb" * 8)),
    ("MDL715_saved", lambda: buffer(persistent=True), lambda: buffer(persistent=True, value="bb" * 8)),
]  # fmt: skip


def _renamed_class(model: Model) -> Model:
    for module in model.modules.values():
        module["cls"] = module["cls"].replace("model.", "nets.").replace("Block", "Layer")
    return model


def _half(model: Model) -> Model:
    model.specs = {key: spec._replace(dtype="float16") for key, spec in model.specs.items()}
    return model


def _below(prefix: str, model: Model) -> Model:
    made = Model()
    if prefix:
        made.add(prefix.rstrip("."), "model.Backbone")
    made.modules |= {prefix + path: module for path, module in model.modules.items() if path}
    made.specs = {prefix + key: spec for key, spec in model.specs.items()}
    return made


_WEIGHTS = tuple(f"layers.{number}.fc.weight" for number in range(LAYERS))
_BIASES = tuple(f"layers.{number}.fc.bias" for number in range(LAYERS))
_RELEASES: list[tuple[Any, ...]] = [
    ("none_loads", blocks, blocks, Load(True)),
    ("none_loads_through_hooks", blocks, lambda: blocks(name="proj"), _HOOKS),
    (
        "MDL721_bias_gone_and_head_new",
        blocks,
        lambda: blocks(bias=False).linear("head", 3),
        Load(False, unexpected=_BIASES, missing=("head.weight", "head.bias")),
    ),
    (
        "MDL721_renamed",
        blocks,
        lambda: blocks(name="proj"),
        Load(
            False,
            unexpected=(*_WEIGHTS, *_BIASES),
            missing=tuple(key.replace("fc", "proj") for key in (*_WEIGHTS, *_BIASES)),
        ),
    ),
    (
        "MDL721_reshaped",
        lambda: scaled((3,)),
        lambda: scaled((4,)),
        Load(False, reshaped=(Misfit("scale", (3,), (4,)),)),
    ),
    ("MDL721_hook_raises", blocks, blocks, Load(False, hooks=True, error="KeyError: 'version'")),
    ("MDL721_hook_asks_for_more", blocks, blocks, Load(False, hooks=True, missing=("layers.0.fc.other",))),
    ("MDL721_not_proved", blocks, blocks, Load(False, proved=False, why="loading reads values", hooks=True)),
    ("MDL721_dropped", blocks, lambda: blocks(bias=False), Load(True, hooks=True, dropped=_BIASES)),
    ("MDL721_one_unreached", blocks, blocks, Load(True, hooks=True, unreached=("layers.0.fc.bias",))),
    (
        "MDL721_filled",
        lambda: blocks(bias=False),
        blocks,
        Load(True, hooks=True, dropped=("layers.0.fc.weight",), filled=_BIASES),
    ),
]
