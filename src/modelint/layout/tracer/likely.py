"""Inputs that a model may take, by its first layers and the names of the arguments of its forward."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Callable, NamedTuple

from torch import nn

from .guided import Options

_BATCH = 2


class Sizes(NamedTuple):
    """In the order in which they are tried."""

    pixels: tuple[int, ...] = (224, 256, 64, 32, 28)
    waves: tuple[int, ...] = (256, 4096)
    lengths: tuple[int, ...] = (16,)
    #: Of features, their axis first.
    grids: tuple[int, ...] = ()


SIZES = Sizes()
#: So many different tensors are tried for one argument, so many combinations of several, and so many in all.
_SHAPES, _COMBINED, _MOST = 48, 6, 160
_TIMES = re.compile(r"t|(time|times|timesteps?|time_?steps?|sigmas?|noise(_levels?|_cond)?|log_snr|steps?|gammas?)")
_CLASSES = re.compile(r"y|c|cls|labels?|classes|class_(labels?|ids?)|targets?")
_TOKENS = re.compile(r"(\w+_)?(tokens?|ids?|idx|indices|text|words?|src|tgt|trg|captions?|seqs?)")
_ADJACENT = re.compile(r"adj(_?mat(rix)?|acency(_matrix)?|_t)?|adjs|a_hat|laplacian")
_EDGES = re.compile(r"edges|edge_(index|list)")


def likely(model: nn.Module, sizes: Sizes = SIZES) -> Iterator[list[str]]:
    """For as many arguments as the forward needs; the likeliest first, each once."""
    names = _needed(model)
    if names is None:
        return
    shapes = list(itertools.islice(_distinct(model, sizes), _SHAPES))
    count = 0
    for main in _indices_first(shapes) if names and _TOKENS.fullmatch(names[0].lower()) else shapes:
        rest = [_options(name, main, shapes) for name in names[1:]]
        for others in itertools.islice(itertools.product(*rest), _COMBINED):
            count += 1
            if count > _MOST:
                return
            yield [main, *others]


def optional(model: nn.Module, given: Sequence[str], sizes: Sizes = SIZES) -> Iterator[list[str]]:
    """For each argument that may be left out, what it may be, beside those that are ``given``: ``name=tensor`` where it
    is None by default, the other value where it is a flag.
    """
    shapes = list(itertools.islice(_distinct(model, sizes), _SHAPES))
    for name, default in _defaults(model).items():
        if isinstance(default, bool):
            yield [f"{name}={not default}"]
        elif default is None:
            yield [f"{name}={text}" for text in _options(name, given[0], shapes)]


def arguments(
    model: nn.Module, sizes: Sizes, known: Sequence[int], named: Callable[[], Sequence[int]], *, more: bool = False
) -> tuple[int, Options] | None:
    """How many arguments are needed, and what each may be beside the others. ``known``: sizes that the model is made
    for; ``named``: those that an error names; ``more``: also the first that may be left out. None: there is no telling.
    """
    names = _needed(model)
    extra = _next(model) if more else None
    if not names or (more and extra is None):
        return None
    names += [extra] if extra is not None else []
    shapes = list(itertools.islice(_distinct(model, sizes), _SHAPES))

    def options(number: int, given: Sequence[str]) -> list[str]:
        near, own = shapes, (*known, *named())
        if number:
            own = (*named(), *known)
            near = [*_options(names[number], given[0], shapes), *_pairs(given[0], own)]
        every = [*near, *_free(own, sizes if number == 0 else sizes._replace(grids=()))]
        if _TOKENS.fullmatch(names[number].lower()):
            every = _indices_first(every)
        elif number:
            every = sorted(every, key=lambda each: "<" in each)
        return list(dict.fromkeys(every))

    return len(names), options


def _free(known: Sequence[int], sizes: Sizes) -> Iterator[str]:
    """Of any use of a size."""
    yield from (f"float32[{_BATCH}, {length}, {size}]" for length in sizes.lengths[:1] for size in known)
    yield from (f"float32[{_BATCH}, {size}]" for size in known)
    yield from (f"float32[{_BATCH}, {size}, {side}, {side}]" for side in sizes.grids for size in known)
    yield from (f"int64[{_BATCH}, {size}] < 2" for size in known)


def _pairs(main: str, known: Sequence[int]) -> list[str]:
    """Of each two of what stands along the axis before the features."""
    sizes = re.findall(r"\d+", main.partition("[")[2].partition("]")[0])
    return [f"float32[{', '.join([*sizes[:-1], sizes[-2], str(each)])}]" for each in known] if len(sizes) > 1 else []


def _next(model: nn.Module) -> str | None:
    """The first argument that may be left out, and is None then."""
    parameters = inspect.signature(model.forward).parameters.values()
    first = next((each for each in parameters if each.default is not each.empty), None)
    return None if first is None or first.default is not None or first.kind is first.KEYWORD_ONLY else first.name


def _defaults(model: nn.Module) -> dict[str, object]:
    """Also those of the modules within, where the forward hands on what it does not know."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    found: dict[str, object] = {}
    for module in nn.Module.modules(model):
        if type(module).__module__.startswith("torch."):
            continue
        try:
            parameters = inspect.signature(module.forward).parameters.values()
        except (TypeError, ValueError):
            continue
        for each in parameters:
            if each.kind in kinds and each.default is not each.empty:
                found.setdefault(each.name, each.default)
        if module is model and all(each.kind is not each.VAR_KEYWORD for each in parameters):
            break
    return found


def _needed(model: nn.Module) -> list[str] | None:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = inspect.signature(model.forward).parameters.values()
    except (TypeError, ValueError):
        return None
    return [each.name for each in parameters if each.default is each.empty and each.kind in kinds]


def _options(name: str, main: str, shapes: Sequence[str]) -> list[str]:
    """What an argument beside the first may be."""
    sizes = re.findall(r"\d+", main.partition("[")[2].partition("]")[0])
    if "mask" in name:
        return [f"bool[{', '.join(sizes[:2])}]", f"bool[{', '.join(sizes)}]"]
    if len(sizes) > 1 and _ADJACENT.fullmatch(name.lower()):
        nodes = sizes[-2]  # before the axis of the features
        return list(dict.fromkeys([f"float32[{', '.join([*sizes[:-1], nodes])}]", f"float32[{nodes}, {nodes}]"]))
    if len(sizes) > 1 and _EDGES.fullmatch(name):
        return [f"int64[2, 8] < {sizes[-2]}"]
    if _TIMES.fullmatch(name):
        return [f"int64[{_BATCH}] < 100", f"float32[{_BATCH}]", main]
    if _CLASSES.fullmatch(name):
        return [*(f"int64[{_BATCH}] <{each.partition('<')[2]}" for each in shapes if "<" in each), main]
    rest = [main, *(each for each in shapes if each != main)]
    return _indices_first(rest) if _TOKENS.fullmatch(name.lower()) else rest


def _indices_first(shapes: Sequence[str]) -> list[str]:
    return sorted(shapes, key=lambda each: "<" not in each)


def _distinct(model: nn.Module, sizes: Sizes) -> Iterator[str]:
    seen: set[str] = set()
    for shapes in (_shapes, _by_weights):
        for module in nn.Module.modules(model):
            for text in shapes(module, sizes):
                if text not in seen:
                    seen.add(text)
                    yield text


def _shapes(module: nn.Module, sizes: Sizes) -> Iterator[str]:
    if isinstance(module, nn.Conv2d):
        yield from (f"float32[{_BATCH}, {module.in_channels}, {size}, {size}]" for size in sizes.pixels)
    elif isinstance(module, nn.Conv1d):
        yield from (f"float32[{_BATCH}, {module.in_channels}, {size}]" for size in sizes.waves)
    elif isinstance(module, nn.Conv3d):
        yield f"float32[{_BATCH}, {module.in_channels}, 16, 32, 32]"
    elif isinstance(module, nn.Embedding):
        yield from (f"int64[{_BATCH}, {length}] < {module.num_embeddings}" for length in sizes.lengths)
    elif isinstance(module, (nn.Linear, nn.RNNBase)):
        size = module.in_features if isinstance(module, nn.Linear) else module.input_size
        yield f"float32[{_BATCH}, {size}]"
        yield from (f"float32[{_BATCH}, {length}, {size}]" for length in sizes.lengths)
        yield from (f"float32[{_BATCH}, {size}, {side}, {side}]" for side in sizes.grids)


def _by_weights(module: nn.Module, sizes: Sizes) -> Iterator[str]:
    """Of a layer of the user's own: features times a matrix; in a list of weights that may be one of a linear layer."""
    listed = isinstance(module, (nn.ParameterList, nn.ParameterDict))
    if type(module).__module__.startswith("torch.") and not listed:
        return
    for parameter in module.parameters(recurse=False):
        if parameter.dim() == 2:
            if listed:
                yield f"float32[{_BATCH}, {parameter.shape[1]}]"
            yield from (f"float32[{length}, {parameter.shape[0]}]" for length in sizes.lengths)
            yield from (f"float32[{_BATCH}, {length}, {parameter.shape[0]}]" for length in sizes.lengths)
