"""The one entrance to checkpoints: a file, a folder or an index of shards, whatever wrote it.

Readers raise Refused, with one line for the user, or OSError; nothing else.
"""

from __future__ import annotations

import os
import stat

from modelint.checkpoint import (
    dcp,
    deepspeed,
    folders,
    plain_pickle,
    regular,
    safetensors,
    sharded,
    torch_legacy,
    zipped,
)
from modelint.checkpoint.contents import Contents, Refused, Root
from modelint.checkpoint.facts import Called, Named, NoTensors, WrongExtension
from modelint.checkpoint.globals import danger
from modelint.checkpoint.limits import Budget
from modelint.checkpoint.sniff import HEAD, Format, sniff

#: Extensions that promise a format. Those of torch (.pt, .bin, ...) promise all that torch.load takes.
_TORCH = frozenset((".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".pt2"))
_OTHERS = frozenset((".json", ".npz", ".npy", ".h5", ".hdf5", ".gguf", ".onnx", ".pb", ".tflite", ".keras", ".msgpack"))


def read(path: str) -> Contents:
    """What is in a checkpoint file, index of shards, or folder; links are followed.

    Raises Refused for what is no checkpoint, or is not read, and OSError.
    """
    if "\0" in path:
        raise Refused("a path with a NUL character in it")
    if stat.S_ISDIR(os.stat(path).st_mode):
        contents = _of_folder(path)
    else:
        contents = _of_file(path)
    return contents._replace(facts=(*contents.facts, *_observed(contents)))


def pick(contents: Contents, root: str) -> Contents:
    """The same contents with another root first. Raises Refused, naming the candidates, where there is none."""
    wanted = "/" + root.strip("/")
    for each in contents.roots:
        if each.path == wanted:
            return contents._replace(roots=(each, *(other for other in contents.roots if other is not each)))
    paths = [each.path for each in contents.roots]
    listed = ", ".join(paths[:8]) + (f" and {len(paths) - 8} more" if len(paths) > 8 else "")
    raise Refused(f"it has no state dict at {wanted}; there {'is' if len(paths) == 1 else 'are'} {listed or 'none'}")


def _of_folder(folder: str) -> Contents:
    meant = folders.choose(folder)
    try:
        if meant.kind == "index":
            return _of_index(meant.path)
        if meant.kind == "distributed":
            return dcp.read(meant.path)
        if meant.kind == "deepspeed":
            return deepspeed.read(meant.path)
        return _of_file(meant.path)
    except Refused as refused:
        name = os.path.relpath(meant.path, folder)
        raise Refused(str(refused) if name == "." else f"{name}: {refused}") from None


def _of_file(path: str) -> Contents:
    format = _format(path)
    return _of_index(path) if format == "json" else _parsed(path, format, Budget())


def _of_index(path: str) -> Contents:
    budget = Budget()  # one for all shards

    def read_shard(shard: str) -> Contents:
        format = _format(shard)
        if format == "json":
            raise Refused("a JSON file, not a shard")
        return _parsed(shard, format, budget)

    return sharded.read(path, read_shard)


def _format(path: str) -> Format:
    with regular.opened(path) as file:
        return sniff(regular.read(file, 0, HEAD), regular.size(file))


def _parsed(path: str, format: Format, budget: Budget) -> Contents:
    if format == "safetensors":
        contents = safetensors.read(path)
    elif format == "zip":
        contents = zipped.read(path, budget)
    elif format == "legacy":
        contents = torch_legacy.read(path, budget)
    else:
        contents = plain_pickle.read(path, budget)
    return _checked(path, contents)


def _checked(path: str, contents: Contents) -> Contents:
    """With what the name of the file promises."""
    extension = os.path.splitext(path)[1].lower()
    is_safetensors = contents.format == safetensors.FORMAT
    promised = extension in _OTHERS or (extension in _TORCH if is_safetensors else extension == ".safetensors")
    if not promised:
        return contents
    return contents._replace(facts=(*contents.facts, WrongExtension(extension, contents.format)))


def _observed(contents: Contents) -> list[object]:
    """Facts that need no reader to see them."""
    facts: list[object] = [Called(name) for name in contents.calls if danger(name) is not None]
    facts += (Named(name) for name in contents.globals if name not in contents.calls and danger(name) == "runs")
    if not any(root.tensors for root in contents.roots):
        facts.append(NoTensors(_instead(contents.roots, contents)))
    return facts


def _instead(roots: tuple[Root, ...], contents: Contents) -> str:
    names = [f"{path.removeprefix('/')} ({kind})" for path, kind in list(contents.entries.items())[:4]]
    names += [f"{key} ({kind})" for root in roots for key, kind in list(root.extra.items())[: 4 - len(names)]]
    return ", ".join(names[:4]) or "nothing"
