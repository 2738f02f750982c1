"""The forms in which a normalised weight is kept: one tensor, or its length and direction, by the old or new API."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

Form = Literal["plain", "hook", "parametrization"]

_HOOK = re.compile(r"^(|.*\.)([^.]+)_g$")
_PARAMETRIZATION = re.compile(r"^(|.*\.)parametrizations\.([^.]+)\.original0$")


class Weight(NamedTuple):
    """Where the weight ``name`` of the module ``path`` (which ends with a dot, or is empty) is kept."""

    path: str
    name: str

    def keys(self, form: Form) -> tuple[str, ...]:
        """Length and direction; or the one key."""
        if form == "plain":
            return (self.path + self.name,)
        if form == "hook":
            return f"{self.path}{self.name}_g", f"{self.path}{self.name}_v"
        stem = f"{self.path}parametrizations.{self.name}.original"
        return stem + "0", stem + "1"


def normed(keys: Iterable[str]) -> Iterator[tuple[Weight, Form]]:
    """The weights that are kept as length and direction."""
    known = dict.fromkeys(keys)
    for key in known:
        for form, pattern in (("hook", _HOOK), ("parametrization", _PARAMETRIZATION)):
            match = pattern.match(key)
            if match:
                weight = Weight(match[1], match[2])
                if all(each in known for each in weight.keys(form)):  # type: ignore[arg-type]
                    yield weight, form  # type: ignore[misc]
