"""How PEFT names what it wraps: the prefix of the whole, the weights below ``base_layer``, the adapters beside them."""

from __future__ import annotations

import re

from modelint.keys.forms import ByModel, Patterns
from modelint.keys.situation import Situation
from modelint.keys.steps import Adapted

PREFIX = "base_model.model."
_ADAPTER = re.compile(r"(^|\.)(lora_\w+|ia3_l|hada_w\w+|lokr_w\w+|vera_lambda_\w+|oft_r|prompt_encoder)(\.|$)")
_PATTERNS = (
    (r"^base_model\.model\.", ""),
    (r"\.base_layer\.", "."),
    (r"\.modules_to_save\.[^.]+\.", "."),
)
#: The adapter's name behind the matrix: `lora_A.default.weight`; none in the file of an adapter.
_NAMED = re.compile(r"\.(lora_(?:embedding_)?[AB])\.(?:[^.]+\.)?(weight|bias)$")


def is_adapter(key: str) -> bool:
    return bool(_ADAPTER.search(key))


def plain(key: str) -> str:
    """The key as it is without PEFT."""
    for pattern, replacement in _PATTERNS:
        key = re.sub(pattern, replacement, key)
    return key


def unwrapped(at: Situation) -> tuple[dict[str, str], Patterns]:
    """The names of the file without PEFT; only what the model does not have itself goes."""
    patterns = tuple(
        each
        for each in _PATTERNS
        if any(re.search(each[0], key) for key in at.cells) and not any(re.search(each[0], key) for key in at.new)
    )
    form = Patterns(patterns)
    mapping = {key: form.of(key) for key in at.cells}
    return {key: name for key, name in mapping.items() if key != name}, form


def wrapped(at: Situation) -> tuple[dict[str, str], ByModel]:
    """The names of the file as they are inside PEFT."""
    python = r"re.sub(r'\.(base_layer|modules_to_save\.[^.]+)\.', '.', re.sub(r'^base_model\.model\.', '', key))"
    form = ByModel.over((key for key in at.new if ".original_module." not in key), plain, python)
    mapping = {key: form.names[key] for key in at.unexpected if form.names.get(key) in at.missing}
    return mapping, form


def adapted(at: Situation) -> tuple[Adapted, ...]:
    """Weights with the two matrices of their adapter; empty unless all adapters are of this kind, and of one name."""
    adapters = {key for key in at.cells if is_adapter(key)}
    found: list[Adapted] = []
    endings = set()
    for down in adapters:
        stem, _, ending = down.partition(".lora_A.")
        if not ending:
            continue
        group = Adapted(f"{stem}.weight", down, f"{stem}.lora_B.{ending}")
        if not all(key in at.cells for key in group):
            return ()
        weight, one, other = (at.cells[key].spec.shape or () for key in group)
        if len(weight) != 2 or len(one) != 2 or len(other) != 2 or weight != (other[0], one[1]) or one[0] != other[1]:
            return ()
        endings.add(ending)
        found.append(group)
    order = {key: place for place, key in enumerate(at.cells)}
    found.sort(key=lambda group: order[group.down])
    return tuple(found) if len(endings) == 1 and len(adapters) == 2 * len(found) else ()


def other_names(at: Situation) -> dict[str, str]:
    """Adapters of the file -> the model's under another adapter name; empty unless all find one."""
    news: dict[str, list[str]] = {}
    for key in at.missing:
        if _NAMED.search(key):
            news.setdefault(_NAMED.sub(r".\1.\2", key), []).append(key)
    found: dict[str, str] = {}
    for key in at.unexpected:
        if not is_adapter(key):
            continue
        targets = news.get(_NAMED.sub(r".\1.\2", key), [])
        if len(targets) != 1:
            return {}
        found[key] = targets[0]
    return found
