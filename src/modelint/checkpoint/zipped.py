"""A zip file: which of torch's kinds it is, by the records in it."""

from __future__ import annotations

from modelint.checkpoint import exported, regular, torch_zip, torchscript
from modelint.checkpoint.archive import Archive, Truncated
from modelint.checkpoint.contents import Contents, Refused
from modelint.checkpoint.limits import Budget
from modelint.checkpoint.pickle_values import Outcome

#: Where versions before 2.8 of torch.export put the weights: a file of torch.save inside.
_STATE_DICTS = (b"serialized_state_dict.pt", b"serialized_state_dict.json")


def read(path: str, budget: Budget | None = None) -> Contents:
    """The contents of a zip file that torch wrote. Raises Refused, for any other too, and OSError."""
    budget = budget or Budget()
    with regular.opened(path) as file:
        size = regular.size(file)
        try:
            archive = Archive(file, 0, size, budget)
        except Truncated:
            return torch_zip.salvage(file, path, size, budget)
        if torch_zip.PICKLE in archive.entries:
            torch_zip.check(archive)
            if torchscript.is_script(archive):
                return torchscript.read(archive, path, size)
            return torch_zip.read(archive, path, size)
        if exported.tables(archive):
            return exported.read(archive, path, size)
        for name in _STATE_DICTS:
            if name in archive.entries:
                return _nested(archive, name, path, size)
        raise Refused(_other(archive))


def value(path: str, budget: Budget | None = None) -> Outcome:
    """What the pickle of a torch zip file describes, for what is no tensor in it. Raises Refused and OSError."""
    with regular.opened(path) as file:
        try:
            archive = Archive(file, 0, regular.size(file), budget or Budget())
        except Truncated:
            raise Refused("truncated: a zip archive without the directory at its end") from None
        if torch_zip.PICKLE not in archive.entries:
            raise Refused(_other(archive))
        torch_zip.check(archive)
        return torch_zip.outcome(archive)


def _nested(archive: Archive, name: bytes, path: str, size: int) -> Contents:
    if archive.entries[name].method != 0:
        raise Refused("a program of torch.export whose weights are compressed; save it anew")
    begin, end = archive.span(name)
    try:
        inner = Archive(archive.file, begin, end, archive.budget)
    except Truncated:
        raise Refused("a program of torch.export whose weights are no file of torch.save") from None
    if torch_zip.PICKLE not in inner.entries:
        raise Refused("a program of torch.export whose weights are no file of torch.save")
    return torch_zip.read(inner, path, size)._replace(format=exported.FORMAT)


def _other(archive: Archive) -> str:
    names = [name.decode("utf-8", "replace") for name in archive.names]
    if names and all(name.endswith(".npy") for name in names):
        return "a NumPy archive (.npz); modelint reads checkpoints of torch"
    if any(name.endswith(".weights.h5") for name in names):
        return "a Keras model; modelint reads checkpoints of torch"
    if b"model.json" in archive.entries:
        return "a TorchScript archive from before torch 1.4; load it with an old torch and save it anew"
    listed = ", ".join(ascii(name)[:60] for name in names[:3]) or "nothing"
    return f"a zip archive, but none that torch wrote (in it: {listed}); unpack it if the checkpoint is inside"
