"""libcst's parser without libcst's classes.

The parser is compiled, and makes each node by calling a class that it looks up in the module ``libcst``. While it runs
for us it finds plain classes there: a tree of them holds all that a lowered tree needs and takes less time, and
``import libcst``, which takes longer than most files, is not needed. A libcst that is built in another way is used as
it is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import machinery, util
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import libcst as cst

    Parse = Callable[[str], cst.Module]

#: What stands between the parts that matter: of these nodes nothing is kept.
_BETWEEN = (
    "SimpleWhitespace", "ParenthesizedWhitespace", "TrailingWhitespace", "EmptyLine", "Newline", "Comment", "Comma",
    "Dot", "Colon", "Semicolon", "AssignEqual", "LeftParen", "RightParen", "LeftSquareBracket", "RightSquareBracket",
    "LeftCurlyBrace", "RightCurlyBrace",
)  # fmt: skip
#: Tells whether the parser does what is said above.
_PROBE = "class C(B):\n    def f(self, *, a=1): return g(self.b) if a else -x\n"


class Plain(SimpleNamespace):
    """A node: the parts that the parser gives to it. It leaves out those that the text does not have."""

    asname = annotation = default = exc = finalbody = inner_for_in = keyword = lower = name = orelse = None
    star_arg = star_kwarg = type = upper = value = None


class ParserSyntaxError(Exception):
    """The text is no Python, or none that libcst knows."""

    def __init__(self, *args: object, **parts: object) -> None:
        super().__init__(*args)


class Classes(ModuleType):
    """Stands in for the module ``libcst``: it has a class for every name that it is asked for."""

    def __init__(self, spec: machinery.ModuleSpec) -> None:
        super().__init__("libcst")
        self.__spec__ = spec
        self.__path__: list[str] = []  # looked up for every node, like __spec__
        self.ParserSyntaxError = ParserSyntaxError
        # What takes any keywords, makes nothing, and is fast.
        self.__dict__.update(dict.fromkeys(_BETWEEN, "".format))

    def __getattr__(self, name: str) -> type[Plain]:
        made = type(name, (Plain,), {})
        setattr(self, name, made)
        return made


def plain(native: ModuleType | None = None) -> tuple[Any, Parse]:
    """The classes of the nodes, and what gives a module of them.

    Raises whatever a libcst of another build makes of it.
    """
    spec = util.find_spec("libcst")
    if spec is None:
        raise ImportError("libcst is not installed")
    parse_module = (native or _native(spec)).parse_module
    classes = Classes(spec)

    def parse(text: str) -> cst.Module:
        held = sys.modules.get("libcst")
        sys.modules["libcst"] = classes
        try:
            module: cst.Module = parse_module(text, encoding="utf-8")
            return module
        finally:
            if held is None:
                del sys.modules["libcst"]
            else:
                sys.modules["libcst"] = held

    choice = parse(_PROBE).body[0].body.body[0].body.body[0].value  # type: ignore[union-attr]
    if type(choice) is not classes.IfExp or (choice.body.func.value, choice.test.value) != ("g", "a"):
        raise TypeError("libcst makes its nodes in another way")
    return classes, parse


def _native(spec: machinery.ModuleSpec) -> ModuleType:
    """The compiled part of libcst, which may be at hand: it is not loaded twice."""
    found = sys.modules.get("libcst.native")
    if found is not None:
        return found
    inner = machinery.PathFinder.find_spec("libcst.native", spec.submodule_search_locations)
    if inner is None or inner.loader is None:
        raise ImportError("libcst has no compiled part")
    native = util.module_from_spec(inner)
    inner.loader.exec_module(native)
    return sys.modules.setdefault("libcst.native", native)


def whole() -> tuple[Any, Parse]:
    """The same by libcst's own classes."""
    import libcst

    return libcst, libcst.parse_module


def either() -> tuple[Any, Parse]:
    try:
        return plain()
    except Exception:  # whatever another build makes of it
        return whole()


nodes, parse = either()
