"""Where a meaning parts, by the place in the source: at most one fact a place, what else differs there is a reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from modelint.diagnostics import Severity
from modelint.keys.fold import folded
from modelint.layout import facts, owners
from modelint.layout.causes import Where, where
from modelint.layout.facts import Drifted, MeaningFact, Symbol
from modelint.layout.layout import Layout
from modelint.layout.meaning import Meaning, Part
from modelint.layout.words import short

#: What names the cause best comes first.
_KINDS = ("shifted", "type", "attribute", "forward")


def of_meaning(model: str, old: Layout, layout: Layout, meaning: Meaning) -> Iterator[tuple[MeaningFact, str]]:
    """One fact for each place, in the order of the parts, and the words that say it as a reason of another."""
    found: dict[Where, list[Part]] = {}
    symbols: dict[Where, Symbol] = {}
    for each in meaning.parts:
        part = _of_container(old, layout, each)
        at = _symbol(layout, part)
        symbols.setdefault(where(at), at)
        found.setdefault(where(at), []).append(part)
    for place, parts in found.items():
        yield _fact(model, layout, symbols[place], parts)
    if not meaning.same and not meaning.parts:
        at = owners.symbol(layout, "", "forward")
        yield _fact(
            model, layout, at, [Part("", "", "forward", None, None, None, meaning.training_only, meaning.traced)]
        )


def _fact(model: str, layout: Layout, at: Symbol, parts: Sequence[Part]) -> tuple[MeaningFact, str]:
    """Of what weighs most: a difference in evaluation before one in training, one that was traced before others."""
    serious = [part for part in parts if not part.training_only] or parts
    serious = [part for part in serious if part.traced and not part.optional] or serious
    alike: dict[tuple[str, str | None, str | None, str | None], list[Part]] = {}
    for part in serious:
        alike.setdefault((_kind(layout, part), part.attribute, part.old, part.new), []).append(part)
    first, *rest = sorted(alike.items(), key=lambda each: _KINDS.index(each[0][0]))
    kind, attribute, old, new = first[0]
    part = first[1][0]
    severity: Severity = (
        "warning" if part.training_only else "error" if part.traced and not part.optional else "information"
    )
    paths = [each.path for each in first[1]]
    drift = Drifted(
        model,
        "safe" if part.training_only or part.optional else "silent",
        severity,
        at,
        names=folded(paths),
        total=len(paths),
        old=old,
        new=new,
        reasons=tuple(filter(None, (_words(layout, key[0], each) for key, each in rest))),
    )
    words = _words(layout, kind, first[1])
    cls = short(owners.class_at(layout, part.path) or "the model")
    if kind == "shifted":
        return facts.IndexShifted(drift), words
    if kind == "type":
        return facts.TypeChanged(drift, part.traced, part.training_only), words
    if kind == "attribute" and attribute is not None:
        return facts.HyperParameterChanged(drift, cls, attribute, part.traced, part.training_only), words
    own = not (owners.class_at(layout, part.path) or "").startswith("torch.")
    reordered, same_source = part.what == "order", part.what == "attribute"
    return facts.ForwardChanged(
        drift, cls, reordered, own, same_source, part.traced, part.training_only, part.optional
    ), words


def _of_container(old: Layout, new: Layout, part: Part) -> Part:
    """Where a class calls its modules in another order, and a container of it has the same ones under other numbers,
    the container is it.
    """
    inner = f"{part.path}." if part.path else ""
    if part.what != "order":
        return part
    numbered: dict[str, list[str]] = {}
    for path in new.modules:
        container, _, number = path.rpartition(".")
        name = container[len(inner) :] if container.startswith(inner) else ""
        if number.isdigit() and name and "." not in name:
            numbered.setdefault(container, []).append(number)
    for container, numbers in numbered.items():
        before = f"{part.old_path}.{container[len(inner) :]}" if part.old_path else container[len(inner) :]
        olds = [old.modules.get(f"{before}.{number}", "") for number in numbers]
        news = [new.modules[f"{container}.{number}"] for number in numbers]
        if olds != news and sorted(olds) == sorted(news):
            return part._replace(path=container, old_path=before)
    return part


def _kind(layout: Layout, part: Part) -> str:
    """Modules at other numbers of a container of torch are shifted; calls in another order are another forward."""
    if part.what == "order":
        return "shifted" if (owners.class_at(layout, part.path) or "").startswith("torch.") else "forward"
    return "forward" if part.what == "attribute" and part.attribute is None else part.what


def _symbol(layout: Layout, part: Part) -> Symbol:
    cls = owners.class_at(layout, part.path) or ""
    own = cls != "" and not cls.startswith("torch.")
    if not own or (part.what == "type" and part.path):
        return owners.of_module(layout, part.path)
    if part.what == "type":
        return owners.symbol(layout, "", "")
    return owners.symbol(layout, part.path, "__init__" if part.what == "attribute" else "forward")


def _words(layout: Layout, kind: str, parts: Sequence[Part]) -> str:
    """As a reason; "" for what tells nothing beside another cause."""
    part = parts[0]
    cls = owners.class_at(layout, part.path) or ""
    name = folded(each.path for each in parts)[0] or "the model"
    if kind == "type":
        return f"{name} is {short(part.new or '?')}, was {short(part.old or '?')}"
    if kind == "attribute":
        return f"{part.attribute} of {name} is {part.new}, was {part.old}"
    if kind == "shifted":
        return f"other modules stand at the numbers of {name}"
    return "" if cls.startswith("torch.") or part.what == "attribute" else f"{short(cls)}.forward changed"
