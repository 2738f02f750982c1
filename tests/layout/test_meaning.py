"""Two layouts composed and compared, without torch: which modules count, by which digest, under which names."""

from __future__ import annotations

from modelint.keys.table import KeyTable, TensorSpec
from modelint.layout.layout import Constant, Definition, Label, Layout
from modelint.layout.meaning import compare

TAG = "0" * 8


def definition(
    trace: str | None = "a" * 16,
    *,
    cls: str = "project.Net",
    label: Label = "traced",
    names: tuple[str, ...] = (),
    source: str | None = "s",
    train: str | None = None,
    tag: str = TAG,
    **attributes: float | str,
) -> Definition:
    return Definition(cls, None, attributes, label, tag + trace if trace else None, train, names, source)


def leaf(trace: str = "f" * 16, cls: str = "torch.nn.Linear", **attributes: float | str) -> Definition:
    return definition(trace, cls=cls, names=("weight",), source=None, **attributes)


def layout(**modules: Definition) -> Layout:
    """Paths with ``_`` for the dot; ``root`` for the model."""
    paths = {"" if path == "root" else path.replace("_", "."): each for path, each in modules.items()}
    return Layout(KeyTable({}), {}, {}, {path: path for path in paths}, dict(paths))


def test_the_same() -> None:
    one = layout(root=definition(names=("a",)), a=leaf())
    assert compare(one, layout(root=definition(names=("a",)), a=leaf())).same


def test_the_deepest_place_comes_first() -> None:
    old = layout(root=definition("1" * 16, names=("a",)), a=definition(names=("b",)), a_b=leaf(eps=1e-5))
    new = layout(
        root=definition("2" * 16, names=("a",), source="t"), a=definition(names=("b",)), a_b=leaf("e" * 16, eps=1e-6)
    )
    meaning = compare(old, new)
    assert [(part.path, part.what, part.attribute) for part in meaning.parts] == [
        ("a.b", "attribute", "eps"),
        ("", "forward", None),
    ]
    assert (meaning.same, meaning.training_only, meaning.traced) == (False, False, True)


def holding(buffer: str, value: str, shape: tuple[int, ...] = (8,)) -> Layout:
    """A model with a buffer that no file holds."""
    made = layout(root=definition(names=(buffer, "a")), a=leaf())
    return made._replace(
        buffers={buffer: TensorSpec("float32", shape, "buffer")}, constants={buffer: Constant(None, value)}
    )


def test_the_name_of_a_buffer_that_no_file_holds_does_not_count() -> None:
    assert compare(holding("table", "1" * 16), holding("positions", "1" * 16)).same
    assert not compare(holding("table", "1" * 16), holding("positions", "2" * 16)).same
    assert not compare(holding("table", "1" * 16), holding("positions", "1" * 16, (9,))).same
    unseen = holding("positions", "1" * 16)._replace(constants={})
    assert not compare(holding("table", "1" * 16), unseen).same


def test_other_labels_compare_by_source() -> None:
    old = layout(root=definition("1" * 16, names=("a",)), a=leaf())
    partly = definition("2" * 16, label="partial", names=("a",))
    assert compare(old, layout(root=partly, a=leaf())).same
    edited = compare(old, layout(root=partly._replace(source="t"), a=leaf()))
    assert (edited.same, edited.traced) == (False, False)
    assert compare(old, layout(root=definition(None, label="source", names=("a",)), a=leaf())).same


def test_another_way_of_being_called_is_the_callers_matter() -> None:
    old = layout(root=definition("1" * 16, names=("a",)), a=definition("2" * 16))
    new = layout(root=definition("3" * 16, names=("a",), source="t"), a=definition("4" * 16, tag="1" * 8))
    assert [part.path for part in compare(old, new).parts] == [""]


def test_a_class_of_torch_for_one_of_the_project_is_another_type() -> None:
    """Although each is called in its own way, and the class of torch has no source to compare."""
    own = definition("9" * 16, cls="project.StandardizedConv", names=("weight",), tag="1" * 8)
    root = definition(names=("a",))
    for old, new in ((own, leaf()), (leaf(), own)):
        meaning = compare(layout(root=root, a=old), layout(root=root, a=new))
        told = [(part.path, part.what, part.old, part.new) for part in meaning.parts]
        assert told == [("a", "type", old.cls, new.cls)]
        assert (meaning.same, meaning.traced) == (False, True)
    untraced = own._replace(label="source", trace=None)
    assert compare(layout(root=root, a=untraced), layout(root=root, a=leaf())).same


def test_names_follow_renames() -> None:
    old = layout(root=definition(names=("a", "b")), a=leaf(), b=leaf())
    new = layout(root=definition(names=("z", "b")), z=leaf(), b=leaf())
    assert compare(old, new).parts[0].what == "order"
    assert compare(old, new, {"a.weight": "z.weight"}).same
    assert not compare(old, layout(root=definition(names=("b", "a")), a=leaf(), b=leaf())).same


def test_a_deep_rename() -> None:
    old = layout(root=definition(names=("h.0",)), h_0=definition("1" * 16, names=("attn",)), h_0_attn=leaf())
    new = layout(root=definition(names=("l.0",)), l_0=definition("1" * 16, names=("attn",)), l_0_attn=leaf())
    assert not compare(old, new).same
    assert compare(old, new, {"h.0.attn.weight": "l.0.attn.weight"}).same
    changed = layout(root=definition(names=("l.0",)), l_0=definition("2" * 16, names=("attn",)), l_0_attn=leaf())
    (part,) = compare(old, changed, {"h.0.attn.weight": "l.0.attn.weight"}).parts
    assert (part.path, part.old_path, part.what) == ("l.0", "h.0", "attribute")


def test_what_is_not_called_does_not_count() -> None:
    old = layout(root=definition(names=("a",)), a=leaf(), b=leaf())
    assert compare(old, layout(root=definition(names=("a",)), a=leaf(), b=leaf("0" * 16, cls="torch.nn.GRU"))).same


def test_training_only() -> None:
    old = layout(root=definition(names=("a",), train="1" * 16), a=leaf(), drop=_stateless("torch.nn.Dropout", p=0.1))
    new = layout(root=definition(names=("a",), train="2" * 16), a=leaf(), drop=_stateless("torch.nn.Dropout", p=0.2))
    meaning = compare(old, new)
    assert (meaning.same, meaning.training_only, meaning.traced) == (False, True, True)
    assert [(part.path, part.attribute, part.old, part.new) for part in meaning.parts] == [("drop", "p", "0.1", "0.2")]
    failed = layout(root=definition(names=("a",), train="0" * 16), a=leaf(), drop=old.definitions["drop"])
    assert compare(old, failed).same


def _stateless(cls: str, **attributes: float | str) -> Definition:
    return Definition(cls, None, attributes, "none", None, None, (), None)


def test_modules_without_weights_explain_their_owner() -> None:
    old = layout(root=definition("1" * 16, names=("a",)), a=leaf(), act=_stateless("torch.nn.GELU"))
    new = layout(root=definition("2" * 16, names=("a",)), a=leaf(), act=_stateless("torch.nn.ReLU"))
    (part,) = compare(old, new).parts
    assert (part.path, part.what, part.old, part.new) == ("act", "type", "torch.nn.GELU", "torch.nn.ReLU")
    # The same edit where the forward does not use it.
    same = layout(root=definition("1" * 16, names=("a",)), a=leaf(), act=_stateless("torch.nn.ReLU"))
    assert compare(old, same).same


def test_modules_at_index_keys_in_another_order() -> None:
    norm = leaf("e" * 16, cls="torch.nn.LayerNorm")
    container = definition(cls="torch.nn.Sequential", names=("0", "1"), source=None)
    old = layout(root=container, **{"0": leaf(), "1": norm})
    new = layout(root=container, **{"0": norm, "1": leaf()})
    (part,) = compare(old, new).parts
    assert (part.path, part.what) == ("", "order")


def test_a_class_name_alone_does_not_count() -> None:
    old, new = definition(cls="project.Net"), definition(cls="other.Model")
    assert compare(layout(root=old), layout(root=new)).same
    (part,) = compare(layout(root=old), layout(root=definition("2" * 16, cls="other.Model", source="t"))).parts
    assert (part.what, part.old, part.new) == ("type", "project.Net", "other.Model")
