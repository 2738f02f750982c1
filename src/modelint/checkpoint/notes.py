"""Advice about a file that is neither dangerous nor damaged: what a load will meet, what is larger than need be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from modelint.checkpoint import dtypes
from modelint.checkpoint.contents import Contents, Note, Root, Stored
from modelint.checkpoint.globals import danger, weights_only_takes
from modelint.checkpoint.words import keys, listed, many, size

#: What wrappers put before every key -> whose it is.
_PREFIXES = {
    "module.": "DataParallel or DistributedDataParallel",
    "_orig_mod.": "torch.compile",
    "_fsdp_wrapped_module.": "FSDP",
    "_forward_module.": "Lightning Fabric",
}
#: A storage counts as larger than its views from so many bytes on, and from twice their size.
_LARGER = 1_000_000
_NAMES = 12
#: What weights_only=True reads of pickle in full.
_PROTOCOL = 3


def notes(contents: Contents) -> tuple[Note, ...]:
    """What is worth knowing of the state dict that is meant, and of the file around it."""
    if not contents.roots:
        return ()
    return tuple(note for find in _NOTES for note in find(contents, contents.roots[0]))


def _refused(contents: Contents, root: Root) -> Iterator[Note]:
    names = [name for name in contents.globals if not weights_only_takes(name)]
    late = contents.protocol > _PROTOCOL
    if not (names or late) or not contents.format.startswith(("torch", "index")):
        return
    message = "torch.load(weights_only=True), the default since torch 2.6, will refuse it: "
    if late:
        message += (
            f"it is pickled with protocol {contents.protocol}, of which that does not know all instructions; save it "
            f"again without pickle_protocol{'; and it names ' if names else ''}"
        )
    message += listed(names, _NAMES) if names else ""
    if names and not any(danger(name) for name in names) and len(names) <= _NAMES:
        allowed = ", ".join(_allowed(name) for name in names)
        message += f"; where you trust the file: torch.serialization.add_safe_globals([{allowed}])"
    yield Note("weights-only-refuses", message)


def _allowed(name: str) -> str:
    """What add_safe_globals is to be given so that a load finds ``name``."""
    if name == "numpy.dtype":
        return "numpy.dtype, *{type(numpy.dtype(code)) for code in '?bhilqBHILQefdU'}"
    if name.startswith("numpy.core."):
        # As numpy 1 named it: the object calls itself otherwise in numpy 2.
        return f"({name.replace('numpy.core.', 'numpy._core.')}, {name!r})"
    return name.removeprefix("builtins.")


def _plain(contents: Contents, root: Root) -> Iterator[Note]:
    if contents.format == "pickle":
        yield Note(
            "plain-pickle",
            "written by pickle.dump: pickle.load reads it, and runs what it calls; torch.load does not",
        )


def _prefixed(contents: Contents, root: Root) -> Iterator[Note]:
    names = [*root.tensors, *root.extra]
    prefix, wrappers = "", []
    while found := next((each for each in _PREFIXES if names and names[0].startswith(prefix + each)), None):
        if not all(name.startswith(prefix + found) for name in names):
            break
        prefix += found
        wrappers.append(_PREFIXES[found])
    if prefix:
        inside = ", inside that ".join(wrappers)
        message = f"every key begins with {prefix!r}: saved from inside {inside}; no bare model has that"
        yield Note("wrapper-prefix", message)


def _share(contents: Contents, root: Root) -> Iterator[Note]:
    total = sum(contents.storages.values())
    held = {
        stored.storage for each in contents.roots for stored in each.tensors.values() if "optim" in each.path.lower()
    }
    held -= {stored.storage for stored in root.tensors.values()}
    share = sum(contents.storages.get(storage, 0) for storage in held if storage is not None)
    if total and share * 10 >= total:
        yield Note("optimizer-share", f"{share / total:.0%} of it is optimizer state: {size(share)} of {size(total)}")


def _larger(contents: Contents, root: Root) -> Iterator[Note]:
    used: Counter[str] = Counter()
    views: dict[str, list[str]] = {}
    for key, stored in root.tensors.items():
        if stored.storage is not None:
            used[stored.storage] += dtypes.size(stored.spec.dtype, stored.spec.shape) or 0
            views.setdefault(stored.storage, []).append(key)
    wide = [name for name, bytes in used.items() if contents.storages.get(name, 0) > max(2 * bytes, bytes + _LARGER)]
    if wide:
        names = [key for name in wide for key in views[name]]
        has, needs = sum(contents.storages[name] for name in wide), sum(used[name] for name in wide)
        verb = "is a view" if len(names) == 1 else "are views"
        yield Note(
            "larger-storage",
            f"{keys(names)} {verb} of {size(needs)}, "
            f"and the whole storage of {size(has)} is in the file; .clone() before saving",
        )


def _mixed(contents: Contents, root: Root) -> Iterator[Note]:
    by_dtype: dict[str, list[str]] = {}
    for key, stored in root.tensors.items():
        if "float" in stored.spec.dtype and "float8" not in stored.spec.dtype and "float4" not in stored.spec.dtype:
            by_dtype.setdefault(stored.spec.dtype, []).append(key)
    if len(by_dtype) > 1:
        most, *rest = sorted(by_dtype, key=lambda dtype: -len(by_dtype[dtype]))
        others = "; ".join(f"{many(len(by_dtype[each]), 'tensor')} {each} ({keys(by_dtype[each])})" for each in rest)
        yield Note("mixed-dtypes", f"{many(len(by_dtype[most]), 'tensor')} {most}, {others}")


def _empty(contents: Contents, root: Root) -> Iterator[Note]:
    shapes = [stored.spec.shape for stored in root.tensors.values()]
    empty = sum(shape == (0,) for shape in shapes)
    if empty > 1 and empty * 2 >= len(shapes):
        yield Note(
            "placeholders",
            f"{many(empty, 'tensor')} of shape [0]: DeepSpeed ZeRO-3 keeps the weights elsewhere; use zero_to_fp32.py",
        )


def _unknown(contents: Contents, root: Root) -> Iterator[Note]:
    names = [key for key, stored in root.tensors.items() if stored.spec.shape is None]
    if names:
        yield Note("unknown-shape", f"the file does not say the shape of {many(len(names), 'tensor')}: {keys(names)}")


def _forms(contents: Contents, root: Root) -> Iterator[Note]:
    by_form: dict[str, list[str]] = {}
    for key, stored in root.tensors.items():
        if stored.form:
            by_form.setdefault(stored.form, []).append(key)
    for form, names in list(by_form.items())[:_NAMES]:
        what = f"{many(len(names), 'key')} of numpy arrays"
        if form != "numpy":
            what = f"{many(len(names), 'tensor')} {form}"
        yield Note("special-tensors", f"{what}: {keys(names)}")


def _scripted(contents: Contents, root: Root) -> Iterator[Note]:
    if contents.format == "TorchScript" and root.tensors:
        yield Note(
            "scripted", "a TorchScript archive keeps non-persistent buffers too: state_dict() may have fewer keys"
        )


_NOTES: tuple[Callable[[Contents, Root], Iterator[Note]], ...] = (
    _refused,
    _plain,
    _prefixed,
    _share,
    _larger,
    _mixed,
    _empty,
    _unknown,
    _forms,
    _scripted,
)


def shared(root: Root) -> dict[str, str]:
    """Key -> the first key that lives in the same storage, for each that is not itself the first."""
    firsts: dict[str, str] = {}
    found = {}
    for key, stored in root.tensors.items():
        if stored.storage is not None and _has_bytes(stored):
            first = firsts.setdefault(stored.storage, key)
            if first is not key:
                found[key] = first
    return found


def _has_bytes(stored: Stored) -> bool:
    return stored.spec.shape is None or 0 not in stored.spec.shape
