"""Causes: what is folded into one fact, where it stands, and what a load decides."""

from __future__ import annotations

from typing import Any

import pytest

from modelint.diagnostics import Span
from modelint.keys.table import KeyTable, TensorSpec
from modelint.layout import drift
from modelint.layout.diagnose import diagnose
from modelint.layout.facts import InitialValueChanged, KeyAdded, KeyRemoved, KeyRenamed, KeyReshaped, KeyRetyped, Load
from modelint.layout.layout import Constant, Definition, Layout
from modelint.layout.place import Spot

Modules = dict[str, str]
Shapes = dict[str, tuple[int, ...]]


def layout(modules: Modules, shapes: Shapes, dtype: str = "float32", **more: Any) -> Layout:
    definitions = {cls: Definition(cls, None, {}, "none", None, None, (), None) for cls in modules.values()}
    specs = {key: TensorSpec(dtype, shape, "parameter") for key, shape in shapes.items()}
    return Layout(KeyTable(specs, **more), {}, {}, modules, definitions)


def decoder(name: str = "attn", layers: int = 3, width: int = 8) -> Layout:
    modules = {"": "m.Net", "emb": "torch.nn.Embedding", "layers": "torch.nn.ModuleList"}
    shapes: Shapes = {"emb.weight": (100, width)}
    for n in range(layers):
        modules |= {
            f"layers.{n}": "m.Block",
            f"layers.{n}.{name}": "m.Attention",
            f"layers.{n}.{name}.q": "torch.nn.Linear",
        }
        shapes[f"layers.{n}.{name}.q.weight"] = (width, width)
        shapes[f"layers.{n}.{name}.scale"] = (1, 1)
    return layout(modules, shapes)


def without(base: Layout, *endings: str) -> Layout:
    keys = {key: spec for key, spec in base.keys.specs.items() if not key.endswith(endings)}
    modules = {path: cls for path, cls in base.modules.items() if not path.endswith(endings)}
    return base._replace(keys=KeyTable(keys), modules=modules)


def places(found: drift.Drift) -> list[tuple[str, str]]:
    return [fact.drift.at.owners[0] for fact in found.facts]


def test_a_parameter_of_a_class_stands_in_the_class() -> None:
    found = drift.compare("net", decoder(), without(decoder(), "scale"))
    assert places(found) == [("m.Attention", "scale")]
    assert found.facts[0].drift.names == ("layers.{0..2}.attn.scale",)
    assert (found.cls, found.dropped) == ("breaking", tuple(f"layers.{n}.attn.scale" for n in range(3)))


def test_a_module_that_is_gone_stands_where_it_was_assigned() -> None:
    gone = without(decoder(), "attn", ".q", ".q.weight", "scale")
    found = drift.compare("net", decoder(), gone)
    assert places(found) == [("m.Block", "attn")]
    assert isinstance(found.facts[0], KeyRemoved) and found.facts[0].drift.total == 6
    back = drift.compare("net", gone, decoder())
    assert places(back) == [("m.Block", "attn")] and isinstance(back.facts[0], KeyAdded)


def test_fewer_layers_stand_at_their_list() -> None:
    found = drift.compare("net", decoder(), decoder(layers=2))
    assert places(found) == [("m.Net", "layers")]


def test_what_else_changes_below_a_renamed_module_is_told_by_its_new_name() -> None:
    found = drift.compare("net", decoder(), without(decoder("attention"), "scale"))
    assert [type(fact) for fact in found.facts] == [KeyRenamed, KeyRemoved]
    assert places(found) == [("m.Block", "attention"), ("m.Attention", "scale")]


def test_one_width_in_many_places_is_one_cause() -> None:
    found = drift.compare("net", decoder(), decoder(width=16))
    (fact,) = found.facts
    assert isinstance(fact, KeyReshaped) and fact.drift.total == 4
    assert fact.drift.at.owners[0] == ("m.Net", "emb")
    assert [symbol.owners[0] for symbol in fact.drift.also] == [("m.Attention", "q")]


def test_one_dtype_of_the_whole_model_is_one_cause() -> None:
    old = layout({"": "m.Net"}, {f"w{n}": (1,) for n in range(9)})
    new = layout({"": "m.Net"}, {f"w{n}": (1,) for n in range(9)}, "float16")
    (fact,) = drift.compare("net", old, new).facts
    assert isinstance(fact, KeyRetyped) and fact.drift.at.owners == (("m.Net", ""),)
    few = layout({"": "m.Net"}, {f"w{n}": (1,) for n in range(2)})
    (fact,) = drift.compare("net", few, layout({"": "m.Net"}, {"w0": (1,), "w1": (1,)}, "int8")).facts
    assert (fact.drift.at.owners, fact.drift.also[0].owners) == ((("m.Net", "w0"),), (("m.Net", "w1"),))


def test_a_load_that_hooks_make_pass_is_safe() -> None:
    found = drift.compare("net", decoder(), decoder("attention"), Load(True, hooks=True))
    assert [(fact.drift.cls, fact.drift.severity, fact.drift.hooks) for fact in found.facts] == [
        ("safe", "information", True)
    ]
    assert found.cls == "safe"


def test_a_load_that_fails_elsewhere_makes_all_of_it_breaking() -> None:
    load = Load(False, missing=("other.weight",), hooks=True)
    found = drift.compare("net", decoder(), without(decoder(), "scale"), load)
    assert {type(fact): fact.drift.cls for fact in found.facts} == {KeyRemoved: "safe", KeyAdded: "breaking"}
    raised = drift.compare("net", decoder(), without(decoder(), "scale"), Load(False, error="KeyError: 'x'"))
    assert [(fact.drift.cls, fact.drift.error) for fact in raised.facts] == [("breaking", "KeyError: 'x'")]


def test_what_torch_raises_for_its_lists_is_said_by_the_lists() -> None:
    load = Load(False, missing=("other.weight",), error="RuntimeError: Error(s) in loading state_dict for Net: ...")
    (fact,) = drift.compare("net", decoder(), decoder(), load).facts
    assert isinstance(fact, KeyAdded) and fact.drift.error is None


def test_a_load_that_raises_is_said_where_no_key_differs() -> None:
    found = drift.compare("net", decoder(), decoder(), Load(False, hooks=True, error="KeyError: 'version'"))
    (fact,) = found.facts
    assert isinstance(fact, KeyRemoved) and fact.drift.cls == "breaking" and fact.drift.names == ()


def test_without_a_class_of_the_user_all_of_it_is_one_cause_at_the_declaration() -> None:
    old = layout(
        {"": "torch.nn.Sequential", "0": "torch.nn.Linear", "1": "torch.nn.Linear"}, {"0.w": (1,), "1.w": (2,)}
    )
    new = old._replace(keys=KeyTable({"0.w": TensorSpec("float32", (1,))}))
    declaration = Spot("/p/pyproject.toml", Span(4, 1, 4, 1))
    (said,) = diagnose(
        drift.compare("net", old, new).facts,
        declaration,
        model="net",
        manifest="/p/model-manifests/net/layout.json",
        lines={"0.w": 5, "1.w": 6},
    )
    assert (said.path, said.span) == declaration
    assert [(each.path, each.span.line, each.message) for each in said.related] == [
        ("/p/model-manifests/net/layout.json", 6, "in the manifest")
    ]
    assert said.drift is not None and (said.drift.cls, said.drift.keys) == ("breaking", ("1.w",))


@pytest.mark.parametrize(
    ("old", "new", "differs"),
    [
        (Constant("a", "1"), Constant("a", "2"), False),  # the last digit of another machine
        (Constant("a", "1"), Constant("b", "1"), False),
        (Constant("a", "1"), Constant("b", "2"), True),
        (Constant("a", None), Constant("b", None), True),
        (Constant("a", None), Constant(None, "1"), False),
        (Constant("a", "1"), None, False),
    ],
)
def test_constants(old: Constant, new: Constant | None, differs: bool) -> None:
    base = decoder()._replace(buffers={"emb.freq": TensorSpec("float32", (4,), "buffer")})
    before = base._replace(constants={"emb.freq": old})
    after = base._replace(constants={"emb.freq": new} if new else {})
    assert [type(fact) for fact in drift.compare("net", before, after).facts] == [InitialValueChanged] * differs
