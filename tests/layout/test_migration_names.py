"""Which old key is which key of today, where names and shapes alone do not say."""

from __future__ import annotations

from modelint.keys.table import TensorSpec
from modelint.layout.migrating import siblings


def specs(**shapes: tuple[int, ...]) -> dict[str, TensorSpec]:
    return {name.replace("__", "."): TensorSpec("float32", shape) for name, shape in shapes.items()}


OLD = specs(l__0__fn__norm__w=(3,), l__0__fn__norm__b=(3,), l__1__fn__norm__w=(3,), l__1__fn__norm__b=(3,))
NEW = specs(l__0__norm__w=(3,), l__0__norm__b=(3,), l__1__net__0__w=(3,), l__1__net__0__b=(3,))
#: Modules of both sides: ``fn`` went, ``net`` came.
PLACES = (
    {"", "l", "l.0", "l.1", "l.0.fn", "l.1.fn", "l.0.fn.norm", "l.1.fn.norm"},
    {"", "l", "l.0", "l.1", "l.0.norm", "l.1.net", "l.1.net.0"},
)


def test_what_went_and_came_in_one_module_is_one() -> None:
    (way,) = siblings.by_place(OLD, NEW, OLD, NEW, PLACES)
    assert way == {
        "l.0.fn.norm.w": "l.0.norm.w",
        "l.0.fn.norm.b": "l.0.norm.b",
        "l.1.fn.norm.w": "l.1.net.0.w",
        "l.1.fn.norm.b": "l.1.net.0.b",
    }


def test_several_in_one_module_are_taken_in_their_order() -> None:
    old, new = specs(m__fn__0__w=(3,), m__fn__3__w=(3,)), specs(m__1__w=(3,), m__4__w=(3,))
    (way,) = siblings.by_place(old, new, old, new, ({"", "m", "m.fn"}, {"", "m", "m.1", "m.4"}))
    assert way == {"m.fn.0.w": "m.1.w", "m.fn.3.w": "m.4.w"}


def test_two_that_came_in_one_module_or_another_shape_are_not() -> None:
    two = {**NEW, **specs(l__1__net__1__w=(3,), l__1__net__1__b=(3,))}
    assert not list(siblings.by_place(OLD, two, OLD, two, PLACES))
    other = {**NEW, **specs(l__1__net__0__b=(4,))}
    assert not list(siblings.by_place(OLD, other, OLD, other, PLACES))
    less = {key: spec for key, spec in NEW.items() if key != "l.1.net.0.b"}
    assert not list(siblings.by_place(OLD, less, OLD, less, PLACES))
