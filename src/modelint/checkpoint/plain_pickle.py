"""A state dict written by ``pickle.dump``: its storages are legacy streams inside the pickle, or arrays of numpy."""

from __future__ import annotations

from modelint.checkpoint import damage, regular, roots
from modelint.checkpoint.contents import Contents, Stored
from modelint.checkpoint.facts import TrailingBytes
from modelint.checkpoint.inner import Loads
from modelint.checkpoint.limits import Budget
from modelint.checkpoint.numpy_arrays import Array, array_of
from modelint.checkpoint.pickle_machine import Machine
from modelint.checkpoint.source import InFile
from modelint.checkpoint.tensors import Storage, Tensors
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
        *damage.shapes(tensors.bad),
        *damage.records(found.roots, tensors.declared, tensors.there, lambda name: f"storage {name}"),
        *damage.views(found.roots, tensors.declared),
    ]
    if end < size:
        facts.append(TrailingBytes(size - end))
    calls = tuple(dict.fromkeys((*machine.calls, *loads.calls)))
    return Contents(path, FORMAT, found.roots, found.entries, tensors.there, calls, tuple(facts), size)


class _Tensors(Tensors):
    """With storages from inside the pickle, and arrays of numpy beside tensors."""

    def __init__(self, loads: Loads) -> None:
        super().__init__(self._loaded)
        self._loads = loads
        #: Storage -> the bytes that it has.
        self.there: dict[str, int] = {}
        self._storages: dict[int, Storage | None] = {}
        self._arrays: dict[int, str] = {}

    def is_tensor(self, node: object) -> bool:
        return super().is_tensor(node) or array_of(node) is not None

    def read(self, node: object, key: str, kind: Kind = "unknown") -> Stored:
        array = array_of(node)
        if array is None:
            return super().read(node, key, kind)
        self._begin(key)
        return self._array(array, self._arrays.setdefault(id(node), f"array {len(self._arrays)}"))

    def _array(self, array: Array, name: str) -> Stored:
        stored = self._shaped(array.dtype, array.shape, None)
        if stored.spec.shape is not None and array.bytes is not None:
            needs = array.width
            for each in stored.spec.shape:
                needs *= each
            if needs != array.bytes:
                why = f"an array of this shape needs {needs} bytes, and the file has {array.bytes}"
                self._complain(stored.spec.shape, why)
            self.there[name] = array.bytes
        return stored._replace(storage=name, form="numpy")

    def _loaded(self, node: object) -> Storage | None:
        """Each call that loads bytes makes a storage of its own."""
        if id(node) in self._storages:
            return self._storages[id(node)]
        inner = self._loads.found.get(id(node))
        storage = None
        if inner is not None:
            said = Tensors()
            described = said.storage_of(inner.persistent)
            if described is not None:
                name = str(len(self._storages))
                storage = Storage(name, described.dtype)
                self.declared[name] = said.declared[described.name]
                self.there[name] = inner.bytes
        self._storages[id(node)] = storage
        return storage
