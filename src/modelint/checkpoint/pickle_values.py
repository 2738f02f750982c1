"""What a pickle describes, without being any of it: nothing here is imported, called or looked into.

None, bool, int, float, str and short bytes stand for themselves. The others are nodes, equal only to themselves, and
without a representation: a pickle of a kilobyte nests a million deep or doubles sixty-four times, so that nobody may
compare, hash or print one. Who walks them keeps count.
"""

from __future__ import annotations

from typing import NamedTuple

from modelint.checkpoint.source import Source


class TupleNode(tuple[object, ...]):
    """A tuple, as ``items``."""

    __slots__ = ()
    __hash__ = object.__hash__
    __eq__ = object.__eq__
    __ne__ = object.__ne__
    __repr__ = object.__repr__

    @property
    def items(self) -> tuple[object, ...]:
        return self


class ListNode:
    """A list."""

    __slots__ = ("items",)

    def __init__(self, items: list[object]) -> None:
        self.items = items


class SetNode:
    """A set or frozenset; an item may stand in it twice."""

    __slots__ = ("items",)

    def __init__(self, items: list[object]) -> None:
        self.items = items


class DictNode:
    """A dict: its pairs in the order in which they were set; of two pairs with one key the later holds."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[tuple[object, object]]) -> None:
        self.pairs = pairs


class Global:
    """What ``module`` holds by ``name``, which may have dots. Python 2 names are as Python 3 would look them up."""

    __slots__ = ("last", "module", "name", "said")

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name
        self.said = f"{module}.{name}"
        #: Behind its last dot.
        self.last = name.rpartition(".")[2]


class Call:
    """What a load would make by calling ``function`` with ``args``: an object, nearly always.

    ``state`` is what it would be given by BUILD, ``items`` what would be appended to it, ``pairs`` what would be set.
    """

    __slots__ = ("args", "function", "items", "kwargs", "pairs", "state")

    def __init__(self, function: object, args: object, kwargs: object = None) -> None:
        self.function = function
        #: Nearly always a TupleNode; whatever the file has.
        self.args = args
        self.kwargs = kwargs
        self.state: object = None
        self.items: list[object] | None = None
        self.pairs: list[tuple[object, object]] | None = None

    @property
    def name(self) -> str:
        """Of the function, with its module; "" if it has none."""
        function = self.function
        if type(function) is Persistent:
            function = function.named
        return function.said if type(function) is Global else ""

    @property
    def last(self) -> str:
        """The same behind its last dot."""
        function = self.function
        return function.last if type(function) is Global else self.name.rpartition(".")[2]


class Persistent:
    """What stands outside the pickle, by ``id``: a storage, or a class whose source is in the file."""

    __slots__ = ("id",)

    def __init__(self, id: object) -> None:
        self.id = id

    @property
    def named(self) -> Global | None:
        """The class that ``("module", class, file, source)`` stands for, as torch wrote classes before version 1.6."""
        items = self.id if isinstance(self.id, TupleNode) else ()
        return items[1] if len(items) == 4 and items[0] == "module" and isinstance(items[1], Global) else None


class Blob:
    """Bytes too long to be kept: from ``start`` to ``end`` of ``source``. ``text`` if they are a string in UTF-8."""

    __slots__ = ("end", "source", "start", "text")

    def __init__(self, source: Source, start: int, end: int, text: bool = False) -> None:
        self.source = source
        self.start = start
        self.end = end
        self.text = text

    @property
    def size(self) -> int:
        return self.end - self.start


class Outcome(NamedTuple):
    """Of one pickle: the value, where the next byte is, and the names that it calls and that it mentions."""

    value: object
    end: int
    calls: tuple[str, ...]
    globals: tuple[str, ...]
    #: What it says stands outside, in the order of the file.
    persistents: list[Persistent]
    #: The calls that load bytes which stand in the pickle itself.
    loads: list[Call]
    protocol: int = 0
