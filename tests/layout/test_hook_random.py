"""Random classes in random styles, random changes of their keys: the edited class loads what the old one saved.

MODELINT_ORACLE=2000 runs so many.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelint.layout.hooks.edit import edit
from modelint.layout.migrating.migration import (
    Added,
    Change,
    ClassMigration,
    Copied,
    Dropped,
    Joined,
    Permuted,
    Renamed,
    Reset,
    Reshaped,
    Resized,
    Split,
)

torch = pytest.importorskip("torch")
nn = torch.nn

from hooked import filled, placed, run, same, without  # noqa: E402

Draw = Callable[[st.SearchStrategy[Any]], Any]
Shape = tuple[int, ...]

NAMES = [f"{module}{leaf}" for module in ("", "a.", "ab.", "b.") for leaf in ("x", "y", "xy")]
SHAPES = st.sampled_from([(2,), (3,), (2, 3), (3, 3), (4, 2), (2, 3, 2)])


class Story:
    """Keys and shapes, and what becomes of them, one change after the other."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        keys = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True))
        self.old: dict[str, Shape] = {key: draw(SHAPES) for key in keys}
        self.now = dict(self.old)
        #: What a file holds, once it is in the new form; None: what the model was built with.
        self.truth: dict[str, Callable[[Any, Any], Any]] = {key: _taken(key) for key in keys}
        self.changes: list[Change] = []
        #: The model's own tensors are asked for under this name: it stays.
        self.fixed: set[str] = set()
        for _ in range(draw(st.integers(1, 5))):
            getattr(self, draw(st.sampled_from([name for name in vars(Story) if name.startswith("do_")])))()

    def _one(self, *, several_axes: bool = False) -> str | None:
        names = [key for key in self.now if key not in self.fixed and len(self.now[key]) > several_axes]
        return self._draw(st.sampled_from(names)) if names else None

    def _free(self) -> str | None:
        names = [key for key in NAMES if key not in self.now]
        return self._draw(st.sampled_from(names)) if names else None

    def _set(self, name: str, shape: Shape, value: Callable[[Any, Any], Any], *, fixed: bool) -> None:
        self.now[name], self.truth[name] = shape, value
        self.fixed |= {name} if fixed else set()

    def _pop(self, name: str) -> tuple[Shape, Callable[[Any, Any], Any]]:
        return self.now.pop(name), self.truth.pop(name)

    def do_rename(self) -> None:
        name, other = self._one(), self._free()
        if name is not None and other is not None:
            self._set(other, *self._pop(name), fixed=False)
            self.changes.append(Renamed(name, other))

    def do_rename_module(self) -> None:
        modules = [each for each in ("a", "ab", "b") if any(key.startswith(f"{each}.") for key in self.now)]
        free = [each for each in ("a", "ab", "b") if each not in modules]
        if not modules or not free:
            return
        module, other = self._draw(st.sampled_from(modules)), self._draw(st.sampled_from(free))
        keys = [key for key in self.now if key.startswith(f"{module}.")]
        if not self.fixed.intersection(keys):
            for key in keys:
                self._set(other + key[len(module) :], *self._pop(key), fixed=False)
            self.changes.append(Renamed(module, other))

    def do_drop(self) -> None:
        name = self._one()
        if name is not None:
            self._pop(name)
            self.changes.append(Dropped(name))

    def do_add(self) -> None:
        name = self._free()
        if name is not None:
            self._set(name, self._draw(SHAPES), _built(name), fixed=True)
            self.changes.append(Added((name,)))

    def do_join(self) -> None:
        one, name = self._one(), self._free()
        others = [key for key in self.now if key not in self.fixed and one is not None and key != one]
        others = [key for key in others if self.now[key][1:] == self.now[one or key][1:]]
        if one is not None and name is not None and others:
            other = self._draw(st.sampled_from(others))
            (shape, first), (more, second) = self._pop(one), self._pop(other)
            whole = (shape[0] + more[0], *shape[1:])
            self._set(name, whole, lambda old, new: torch.cat([first(old, new), second(old, new)]), fixed=False)
            self.changes.append(Joined((one, other), name))

    def do_split(self) -> None:
        name, one = self._one(), self._free()
        if name is None or one is None:
            return
        shape, value = self._pop(name)
        self._set(one, (1, *shape[1:]), lambda old, new: value(old, new)[:1], fixed=True)
        rest = (shape[0] - 1, *shape[1:])
        other = self._draw(st.sampled_from([key for key in NAMES if key not in self.now]))
        self._set(other, rest, lambda old, new: value(old, new)[1:], fixed=True)
        self.changes.append(Split(name, (one, other), (1, shape[0] - 1)))

    def do_permute(self) -> None:
        name = self._one(several_axes=True)
        if name is not None:
            shape, value = self._pop(name)
            axes = self._draw(st.permutations(range(len(shape))).filter(lambda found: found != sorted(found)))
            turned = tuple(shape[axis] for axis in axes)
            self._set(name, turned, lambda old, new: value(old, new).permute(axes), fixed=True)
            self.changes.append(Permuted(name, tuple(axes), shape, turned))

    def do_reshape(self) -> None:
        name = self._one(several_axes=True)
        if name is not None:
            shape, value = self._pop(name)
            size = torch.Size(shape).numel()
            self._set(name, (size,), lambda old, new: value(old, new).reshape(size), fixed=True)
            self.changes.append(Reshaped(name, shape, (size,)))

    def do_resize(self) -> None:
        name = self._one()
        if name is not None:
            shape, value = self._pop(name)
            rows = shape[0] + self._draw(st.sampled_from([-1, 1, 2]))

            def resized(old: Any, new: Any) -> Any:
                return torch.cat([value(old, new)[:rows], new[name][shape[0] :]])

            self._set(name, (rows, *shape[1:]), resized, fixed=True)
            self.changes.append(Resized(name))

    def do_reset(self) -> None:
        name = self._one()
        if name is not None:
            shape, _ = self._pop(name)
            self._set(name, (*shape, 2), _built(name), fixed=True)
            self.changes.append(Reset(name))

    def do_copy(self) -> None:
        source, name = self._one(), self._free()
        if source is not None and name is not None:
            self._set(name, self.now[source], self.truth[source], fixed=True)
            self.fixed.add(source)
            self.changes.append(Copied(source, name))


def _taken(key: str) -> Callable[[Any, Any], Any]:
    return lambda old, new: old[key]


def _built(key: str) -> Callable[[Any, Any], Any]:
    return lambda old, new: new[key]


class Style:
    """How a file is written."""

    def __init__(self, draw: Draw) -> None:
        self.newline = draw(st.sampled_from(["\n", "\r\n"]))
        self.unit = draw(st.sampled_from(["    ", "  ", "\t", "   "]))
        self.head = draw(
            st.sampled_from(
                [
                    "import torch\nfrom torch import nn\n",
                    "import torch.nn as nn\nfrom torch import randn\n",
                    '"""Doc."""\nfrom __future__ import annotations\n\nimport torch as th\nimport torch.nn as nn\n',
                    "# -*- coding: utf-8 -*-\nimport math, torch\nnn = torch.nn\n",
                ]
            )
        )
        self.doc = draw(st.sampled_from(["", '"""Net."""\n', "'''Net\n\n    of two.\n'''\n\n", "# a comment\n"]))
        self.after = draw(
            st.sampled_from(
                [
                    "",
                    "\n",
                    "\ndef forward(self, x):\n    return x\n",
                    "size = 1\n",
                    "# more\n\n@property\ndef p(self):\n    pass\n",
                ]
            )
        )
        self.constructor = draw(st.sampled_from(["", "return", "# the end", "if self:\n    return"]))
        self.inherits = draw(st.booleans())
        self.tail = draw(st.sampled_from(["", "\n\n# end", "\nnet = Net\n", "\n\n\nclass Other(Net):\n    pass\n"]))
        self.override = draw(
            st.sampled_from(
                [
                    "",
                    "def _load_from_state_dict(self, state_dict, prefix, *args, **kwargs):\n"
                    "    super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)\n",
                    "def _load_from_state_dict(self, own, key, *old):\n"
                    '    """Theirs."""\n'
                    "    return super()._load_from_state_dict(own, key, *old)\n",
                ]
            )
        )
        self.mark = draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))

    def source(self, shapes: dict[str, Shape]) -> bytes:
        modules = sorted({key.split(".")[0] for key in shapes if "." in key})
        body = ["super().__init__()", *(f"self.{each} = nn.Module()" for each in modules)]
        body += [f"self.{key} = nn.Parameter(nn.init.normal_(_empty({shape})))" for key, shape in shapes.items()]
        body += self.constructor.splitlines()
        constructor = "def __init__(self):\n" + _indented("\n".join(body))
        base = f"class Base(nn.Module):\n{_indented(constructor)}\n" if self.inherits else ""
        inner = self.doc + ("" if self.inherits else f"{constructor}\n") + self.override + self.after
        if all(line.lstrip().startswith("#") or not line.strip() for line in inner.splitlines()):
            inner += "pass\n"
        cls = f"class Net({'Base' if self.inherits else 'nn.Module'}):\n{_indented(inner)}"
        text = f"{self.head}\n\nfrom torch import empty as _empty\n{base}\n{cls}{self.tail}"
        text = "\n".join(_with_unit(line, self.unit) for line in text.split("\n"))
        return self.mark + text.replace("\n", self.newline).encode()


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" if line.strip() else "\n" for line in text.splitlines())


def _with_unit(line: str, unit: str) -> str:
    body = line.lstrip(" ")
    return unit * ((len(line) - len(body)) // 4) + body


def _is_subsequence(few: list[bytes], many: list[bytes]) -> bool:
    rest = iter(many)
    return all(line in rest for line in few)


@st.composite
def stories(draw: Draw) -> tuple[Story, Style]:
    return Story(draw), Style(draw)


@settings(
    max_examples=int(os.environ.get("MODELINT_ORACLE", "40")),
    derandomize="MODELINT_ORACLE" not in os.environ,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(stories())
def test_old_files_load_and_new_ones_are_left_alone(drawn: tuple[Story, Style]) -> None:
    story, style = drawn
    source = style.source(story.now)
    migration = ClassMigration("Net", "net.py", 1, tuple(story.changes))
    after = edit(source, migration)
    assert edit(after, migration) == after
    ast.parse(after)
    newline = style.newline.encode()
    lines, more = ((text.removeprefix(style.mark) + newline).split(newline) for text in (source, after))
    assert _is_subsequence(lines, more)
    assert after.startswith(style.mark) and after.endswith(newline) == source.endswith(newline)
    if not story.changes:
        assert after == source
        return

    old = filled(run(style.source(story.old).decode("utf-8-sig"))().state_dict())
    made = run(after.decode("utf-8-sig"))
    model = made()
    built = {key: value.clone() for key, value in model.state_dict().items()}
    truth = {key: value(old, built) for key, value in story.truth.items()}
    model.load_state_dict(old, strict=True)
    same(model, truth)

    saved = model.state_dict()
    again = nn.ModuleList([made()])
    again.load_state_dict(placed(saved, "0."), strict=True)
    same(again, {f"0.{key}": value for key, value in truth.items()})

    for file in (old, saved):
        model = made()
        built = {key: value.clone() for key, value in model.state_dict().items()}
        truth = {key: value(old, built) for key, value in story.truth.items()} if file is old else dict(saved)
        try:
            model.load_state_dict(dict(file), strict=True)
        except RuntimeError as error:
            assert "does not say what version it is of" in str(error)
        else:
            same(model, truth)

    copied = {each.name for each in story.changes if isinstance(each, Copied)}
    for key in [key for key in saved if key not in copied][:2]:
        with pytest.raises(RuntimeError, match=rf'Missing key\(s\) in state_dict: "{key}"'):
            made().load_state_dict(without(saved, key), strict=True)
