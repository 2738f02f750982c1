"""Forms: what is done to a key, as a function here and as the Python that does the same in somebody's code.

Names of a file go into code by ``ascii`` alone, so that nothing of them is read as code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

#: More keys than these are not listed one by one where a pattern can say which they are.
_FEW = 4
#: So many endings make a pattern; more are a list.
_ENDINGS = 8


class Form(Protocol):
    """One way to change keys."""

    def of(self, key: str) -> str:
        """What becomes of ``key``; itself where the form does not concern it."""

    def setup(self) -> list[str]:
        """Lines that stand before the expression."""

    def expression(self) -> str:
        """Python: the new name of the variable ``key``."""


class Strip(NamedTuple):
    prefix: str

    def of(self, key: str) -> str:
        return key.removeprefix(self.prefix)

    def setup(self) -> list[str]:
        return []

    def expression(self) -> str:
        return f"key.removeprefix({self.prefix!a})"


class Add(NamedTuple):
    prefix: str

    def of(self, key: str) -> str:
        return self.prefix + key

    def setup(self) -> list[str]:
        return []

    def expression(self) -> str:
        return f"{self.prefix!a} + key"


class Without(NamedTuple):
    """Leaves out path components, wherever they stand."""

    parts: tuple[str, ...]

    def of(self, key: str) -> str:
        return ".".join(part for part in key.split(".") if part not in self.parts)

    def setup(self) -> list[str]:
        return []

    def expression(self) -> str:
        if len(self.parts) == 1:
            return f'".".join(part for part in key.split(".") if part != {self.parts[0]!a})'
        return f'".".join(part for part in key.split(".") if part not in {self.parts!a})'


class Patterns(NamedTuple):
    """Regular expressions, one after the other."""

    pairs: tuple[tuple[str, str], ...]

    def of(self, key: str) -> str:
        for pattern, replacement in self.pairs:
            key = re.sub(pattern, replacement, key)
        return key

    def setup(self) -> list[str]:
        if len(self.pairs) == 1:
            return []
        lines = ["def renamed(key):"]
        lines += [f"    key = re.sub({pattern!a}, {other!a}, key)" for pattern, other in self.pairs]
        return [*lines, "    return key", ""]

    def expression(self) -> str:
        if len(self.pairs) == 1:
            return f"re.sub({self.pairs[0][0]!a}, {self.pairs[0][1]!a}, key)"
        return "renamed(key)"


class ByModel(NamedTuple):
    """Names that are made of the keys of the model; looked up backwards."""

    #: Of a key of the model, the name in the file.
    made: Callable[[str], str]
    #: The same as Python, of the variable ``key``.
    python: str
    #: Name in the file -> key of the model.
    names: Mapping[str, str]

    @classmethod
    def over(cls, keys: Iterable[str], made: Callable[[str], str], python: str) -> ByModel:
        return cls(made, python, {made(key): key for key in keys})

    def of(self, key: str) -> str:
        return self.names.get(key, key)

    def setup(self) -> list[str]:
        return [f"names = {{{self.python}: key for key in own}}"]

    def expression(self) -> str:
        return "names.get(key, key)"


def chosen(keys: Sequence[str], universe: Iterable[str], table: str = "state") -> list[str]:
    """Python: the list of ``keys``, which stand in ``table`` among ``universe``; in lines, the first without indent."""
    wanted = dict.fromkeys(keys)
    every = list(universe)
    if len(wanted) == len(every):
        return [f"list({table})"]
    if len(wanted) > _FEW:
        for depth in (1, 2, 3):
            endings = tuple(dict.fromkeys("." + ".".join(key.split(".")[-depth:]) for key in wanted))
            if len(endings) <= _ENDINGS and [key for key in every if key.endswith(endings)] == [
                key for key in every if key in wanted
            ]:
                test = ascii(endings[0]) if len(endings) == 1 else ascii(endings)
                return [f"[key for key in {table} if key.endswith({test})]"]
        starts = tuple(dict.fromkeys(key.split(".")[0] + "." for key in wanted))
        if len(starts) <= _ENDINGS and sum(key.startswith(starts) for key in every) == len(wanted):
            test = ascii(starts[0]) if len(starts) == 1 else ascii(starts)
            return [f"[key for key in {table} if key.startswith({test})]"]
    line = "[" + ", ".join(map(ascii, wanted)) + "]"
    if len(line) < 80:
        return [line]
    return ["[", *(f"    {key!a}," for key in wanted), "]"]
