"""What is lowered is the same whether the nodes are libcst's own or plain ones."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from modelint.lint import expressions, lower, parser
from modelint.lint import tree as t

EVERYTHING = """\
@decorated
async def f(a, /, b: int = 1, *args: *Ts, c, d=2, **kw) -> None:
    async with a as b, c: pass
    async for x in y: continue
    else: break
    try: raise
    except: return
    finally: del a, b
    try: raise E from e
    except* (E, F) as e: yield
    match x:
        case [1, *_] | {"k": v, **rest} if v: pass
        case C(a, b=-1) as c: pass
    while (n := next(it)): x: int
    global g; assert a, "text"
    if a: pass
    elif b: pass
    else: pass
    return lambda *a, k=1, **kw: (yield from a) or not b and await c
class C(B, *more, metaclass=M): x: int = 1
import a.b as c
from . import (d, e as f)
from .g import *
x[1:2, ::3, ...] @= {**a, "k": 1}, {*b, 2}, [*c], {i: j for i, j in k if l if m}, (i async for i in j)
s = "a" f'b{c!r:>{d}}' u"f" if 1 < 2 <= 3 is not None != 0x1F else -1.5e3 + 2j // ~z ** y
t = rb'e', 'escaped\\n', r'raw\\d', '''long
text''', f(*a, k=1, **b)
"""
FOLDER = Path(lower.__file__).parent


def _dump(node: object) -> object:
    if isinstance(node, t.Node):
        return type(node).__name__, [_dump(getattr(node, each.name)) for each in fields(node)]
    if isinstance(node, list | tuple):
        return [_dump(each) for each in node]
    return sorted(node) if isinstance(node, frozenset) else node


@pytest.fixture
def by_libcst(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module ``lower``, on libcst's own classes."""
    nodes, parse = parser.whole()
    monkeypatch.setattr(parser, "nodes", nodes)
    monkeypatch.setattr(parser, "parse", parse)
    for each in (expressions, lower):
        spec = importlib.util.spec_from_file_location(each.__name__, each.__file__)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
    return module


def test_plain_nodes_are_in_use() -> None:
    assert isinstance(parser.nodes, parser.Classes)


def test_the_same_tree(by_libcst: ModuleType) -> None:
    for text in (EVERYTHING, *(path.read_text() for path in sorted(FOLDER.glob("*.py")))):
        assert _dump(lower.lower_text(text)) == _dump(by_libcst.lower_text(text))


@pytest.mark.parametrize("text", ["x = = 1\n", "(x): int = 1\n"])
def test_a_refusal_has_the_name_that_libcst_gives_it(text: str, by_libcst: ModuleType) -> None:
    kinds = []
    for module in (lower, by_libcst):
        try:
            module.lower_text(text)
        except Exception as error:
            kinds.append(type(error).__name__)
    assert kinds == ["ParserSyntaxError"] * 2


def test_another_build_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    other = SimpleNamespace(parse_module=lambda text, encoding: SimpleNamespace(body=[]))
    with pytest.raises(IndexError):
        parser.plain(other)  # type: ignore[arg-type]
    monkeypatch.setattr(parser, "_native", lambda spec: other)
    nodes, parse = parser.either()
    assert nodes.__name__ == "libcst"
    assert isinstance(parse("x\n"), nodes.Module)


def test_libcst_itself_is_neither_imported_nor_disturbed() -> None:
    code = (
        "import sys; from modelint.lint import lower; lower.lower_text('x = f(y)\\n')\n"
        "assert 'libcst' not in sys.modules, 'imported'\n"
        "import libcst; from libcst import native; from libcst.metadata import MetadataWrapper\n"
        "lower.lower_text('x = f(y)\\n'); assert sys.modules['libcst'] is libcst\n"
        "assert libcst.parse_module('x = 1\\n').code == 'x = 1\\n'\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
