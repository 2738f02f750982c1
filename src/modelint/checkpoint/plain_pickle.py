"""A state dict written by ``pickle.dump``: its storages are legacy streams inside the pickle, or arrays of numpy."""

from __future__ import annotations

from math import prod

from modelint.checkpoint import damage, regular, roots
from modelint.checkpoint.contents import Contents, Stored
from modelint.checkpoint.facts import TrailingBytes
from modelint.checkpoint.inner import Loads
from modelint.checkpoint.limits import Budget
from modelint.checkpoint.numpy_arrays import Array, array_of
from modelint.checkpoint.pickle_machine import Machine
from modelint.checkpoint.pickle_values import Persistent
from modelint.checkpoint.source import InFile
from modelint.checkpoint.storages import Odd, Storage, Storages
from modelint.checkpoint.tensors import Tensors
from modelint.keys.table import Kind

FORMAT = "pickle"


def read(path: str, budget: Budget | None = None) -> Contents:
    """The contents of a pickle. Raises Refused and OSError."""
    budget = budget or Budget()
    with regular.opened(path) as file:
        size = regular.size(file)
        machine = Machine(InFile(file), budget)
        value, end = machine.run(0, size)
        loads = Loads(budget)
        loads.look(machine.loads)
    tensors = _Tensors(loads)
    found = roots.find(value, tensors, budget)
    facts: list[object] = [
        *found.modules,
        *damage.odd(tensors.bad),
        *damage.records(found.roots, tensors.storages.declared, tensors.there, lambda name: f"storage {name}"),
        *damage.views(found.roots, tensors.storages.declared),
    ]
    if end < size:
        facts.append(TrailingBytes(size - end))
    calls = tuple(dict.fromkeys((*machine.calls, *loads.calls)))
    named = tuple(dict.fromkeys((*machine.globals, *loads.globals)))
    return Contents(path, FORMAT, found.roots, found.entries, tensors.there, calls, tuple(facts), size, named)


class _Tensors(Tensors):
    """With storages from inside the pickle, and arrays of numpy beside tensors."""

    def __init__(self, loads: Loads) -> None:
        super().__init__(Storages(), self._loaded)
        self._loads = loads
        #: Storage -> the bytes that it has.
        self.there: dict[str, int] = {}
        self._known: dict[int, Storage] = {}
        self._arrays: dict[int, str] = {}

    def is_tensor(self, node: object) -> bool:
        return super().is_tensor(node) or array_of(node) is not None

    def read(self, node: object, key: str, kind: Kind = "unknown") -> Stored:
        array = array_of(node)
        if array is None:
            return super().read(node, key, kind)
        name = self._arrays.setdefault(id(node), f"array {len(self._arrays)}")
        return self.guarded(lambda: self._array(array, name), key, kind)

    def _array(self, array: Array, name: str) -> Stored:
        spec, _ = self._shaped(array.dtype, array.shape)
        if spec.shape is not None and array.bytes is not None:
            needs = array.width * prod(spec.shape)
            if needs != array.bytes:
                raise Odd(f"such an array needs {needs} bytes, and the file has {array.bytes}", spec.shape)
            self.there[name] = array.bytes
        return Stored(spec, name, form="numpy")

    def _loaded(self, node: object) -> Storage:
        """Each call that loads bytes makes a storage of its own."""
        if isinstance(node, Persistent):
            # The pickle of a zip file, taken out of it: its storages are missing.
            return self.storages.of(node)
        known = self._known.get(id(node))
        if known is not None:
            return known
        inner = self._loads.found.get(id(node))
        if inner is None:
            raise Odd("its storage is not what torch writes into a pickle")
        said = Storages((5, 6))
        described = said.of(inner.persistent)
        storage = self._known[id(node)] = Storage(str(len(self._known)), described.dtype)
        self.storages.declared[storage.name] = said.declared[described.name]
        self.there[storage.name] = inner.bytes
        return storage
