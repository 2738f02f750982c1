"""A TorchScript archive: the attributes of its modules, and the text of its classes, which says what they are.

Buffers that are not persistent stand among the others: nothing in the file tells them apart.
"""

from __future__ import annotations

import re

from modelint.checkpoint import limits, modules, torch_zip
from modelint.checkpoint.archive import Archive
from modelint.checkpoint.contents import Contents, Refused, Root, Stored
from modelint.checkpoint.nodes import named, state_of
from modelint.checkpoint.pickle_values import Call, Global
from modelint.checkpoint.roots import Found
from modelint.checkpoint.storages import Storages
from modelint.checkpoint.tensors import Tensors
from modelint.keys.table import Kind

FORMAT = "TorchScript"
_ROOM = "__torch__"
_TEXT = 4 << 20
_CLASS = re.compile(r"^class (\w+)\((\w*)\):$", re.MULTILINE)
_LIST = re.compile(r"\s*__(parameters|buffers)__ = \[([^\]\n]*)\]")
_NAME = re.compile(r'"([^"]*)"')


def is_script(archive: Archive) -> bool:
    """Whether an archive that has a pickle is one of TorchScript."""
    return b"constants.pkl" in archive.entries


def read(archive: Archive, path: str, size: int) -> Contents:
    """The contents of a TorchScript archive. Raises Refused."""
    described = torch_zip.outcome(archive)
    tensors = Tensors(Storages((5, 6)))
    odd = tensors.storages.declare_all(described.persistents)
    found = _keys(described.value, tensors, _Classes(archive))
    # What has a place under __torch__ is a class of the archive itself, not of Python.
    described = described._replace(calls=_outside(described.calls), globals=_outside(described.globals))
    return torch_zip.contents(path, FORMAT, size, archive, tensors, Found((Root("/", found),), {}, ()), described, odd)


def _outside(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if not name.startswith(f"{_ROOM}."))


def _keys(value: object, tensors: Tensors, classes: _Classes) -> dict[str, Stored]:
    found: dict[str, Stored] = {}
    budget = classes.archive.budget
    todo: list[tuple[str, object, int]] = [("", value, 0)]
    while todo:
        prefix, node, depth = todo.pop()
        kinds = classes.kinds(node)
        if kinds is None:
            continue
        if depth > limits.DEPTH:
            raise Refused(f"holds modules nested deeper than {limits.DEPTH} levels")
        held = named(state_of(node) or [])
        children = []
        for key, attribute in held.items():
            if isinstance(attribute, Call) and not tensors.is_tensor(attribute):
                modules.pay(budget, prefix, key)
                children.append((f"{prefix}{key}.", attribute, depth + 1))
        for key in kinds or held:
            attribute = held.get(key)
            if tensors.is_tensor(attribute):
                modules.pay(budget, prefix, key)
                found[prefix + key] = tensors.read(attribute, prefix + key, kinds.get(key, "unknown"))
        todo.extend(reversed(children))
    return found


class _Classes:
    """What the code of an archive says of its classes."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self._files: dict[str, dict[str, dict[str, Kind] | None]] = {}

    def kinds(self, node: object) -> dict[str, Kind] | None:
        """Attribute -> kind, of a module; empty where the code does not tell; None for what is no module."""
        if not isinstance(node, Call) or not isinstance(node.function, Global):
            return None
        module, name = node.function.module, node.function.name
        if not module.startswith(_ROOM):
            return None
        if module not in self._files:
            self._files[module] = self._parse(module)
        return self._files[module].get(name, {})

    def _parse(self, module: str) -> dict[str, dict[str, Kind] | None]:
        record = b"code/" + module.replace(".", "/").encode("utf-8", "surrogatepass") + b".py"
        if self.archive.find(record) is None:
            return {}
        text = self.archive.read(record, _TEXT).decode("utf-8", "replace")
        starts = list(_CLASS.finditer(text))
        found: dict[str, dict[str, Kind] | None] = {}
        for number, match in enumerate(starts):
            if match[2] != "Module":
                found[match[1]] = None
                continue
            kinds: dict[str, Kind] = {}
            end = starts[number + 1].start() if number + 1 < len(starts) else len(text)
            at = match.end()
            while (listed := _LIST.match(text, at, end)) is not None:
                kind: Kind = "parameter" if listed[1] == "parameters" else "buffer"
                kinds.update((each, kind) for each in _NAME.findall(listed[2]))
                at = listed.end()
            # A module without tensors of its own is one all the same.
            found[match[1]] = kinds
        return found
