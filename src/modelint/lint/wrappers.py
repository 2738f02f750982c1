"""Wrappers and sanitizers as data: what each does to the keys of a state dict, and what takes it off again.

Measured with torch 2.13. A wrapper whose ``prefix`` is empty leaves the keys of ``state_dict()`` as they are.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Wrapper(NamedTuple):
    """``names``: full dotted names, or last names that only such a wrapper bears. ``child``: the attribute below it."""

    kind: str
    label: str
    prefix: str
    child: str
    names: tuple[str, ...]


_MODULE = "module"

WRAPPERS: tuple[Wrapper, ...] = (
    Wrapper("dp", "DataParallel", "module.", _MODULE, ("DataParallel", "MMDataParallel", "DataParallelModel")),
    Wrapper(
        "ddp", "DistributedDataParallel", "module.", _MODULE,
        ("DistributedDataParallel", "MMDistributedDataParallel", "apex.parallel.DistributedDataParallel"),
    ),
    Wrapper("swa", "AveragedModel", "module.", _MODULE, ("torch.optim.swa_utils.AveragedModel",)),
    Wrapper("compile", "compiled", "_orig_mod.", "_orig_mod", ("torch.compile",)),
)  # fmt: skip

#: Wrappers that add no prefix to ``state_dict()``; FSDP2 and fabric strip their own.
CLEAN_WRAPPERS = frozenset({
    "FullyShardedDataParallel", "FSDP", "fully_shard", "checkpoint_wrapper", "convert_sync_batchnorm", "script",
    "trace", "symbolic_trace", "setup_module",
})  # fmt: skip

#: Those of them that spread one model over many devices, as DataParallel and DDP would.
SHARDING = frozenset({"FullyShardedDataParallel", "FSDP", "fully_shard"})

#: Frameworks whose classes bear the same names and behave otherwise.
OTHER_FRAMEWORKS = frozenset({
    "paddle", "mindspore", "jittor", "flax", "haiku", "jax", "tensorflow", "keras", "mxnet", "oneflow", "tinygrad",
    "mlx", "megengine", "candle", "equinox", "chainer",
})  # fmt: skip

BY_KIND = {w.kind: w for w in WRAPPERS}
_BY_NAME = {name: w for w in WRAPPERS for name in w.names}


def wrapper_of(dotted: str) -> Wrapper | None:
    """The wrapper behind a full dotted name, or None."""
    if dotted.split(".", 1)[0] in OTHER_FRAMEWORKS:
        return None
    return _BY_NAME.get(dotted) or _BY_NAME.get(dotted.rsplit(".", 1)[-1])


#: What a class must be called to be taken for a wrapper in ``isinstance(m, (DDP, DataParallel))`` and type-name tests.
WRAPPER_WORDS = re.compile(r"DataParallel|\bDDP\b|\bDP\b|OptimizedModule|AveragedModel|FSDP")


class Sanitizer(NamedTuple):
    """A function that takes wrappers off: which kinds. ``*`` means every one that it meets."""

    pattern: re.Pattern[str]
    strips: tuple[str, ...]


SANITIZERS: tuple[Sanitizer, ...] = (
    # accelerate keeps torch.compile by default, but not in every version: what it leaves is not known well enough.
    Sanitizer(re.compile(r"^(get_model_state_dict|get_state_dict)$"), ("ddp", "compile")),
    Sanitizer(
        re.compile(
            r"unwrap|de_?parallel|get_raw|raw_model|strip_prefix|consume_prefix|bare_model|remove_ddp|without_ddp"
            r"|get_bare|_orig_mod|get_core_model|get_inner_model|remove_module|strip_module",
            re.IGNORECASE,
        ),
        ("*",),
    ),
)


def sanitized(name: str) -> tuple[str, ...] | None:
    """What a call of the function ``name`` strips from its model, or None if it is no sanitizer."""
    for sanitizer in SANITIZERS:
        if sanitizer.pattern.search(name):
            return sanitizer.strips
    return None


#: Functions that ask whether a model is wrapped.
ASKS_WRAPPED = re.compile(r"^is_?(data_?)?(parallel|ddp|dp|wrapped|dist\w*|compiled|module_wrapper\w*)", re.IGNORECASE)
