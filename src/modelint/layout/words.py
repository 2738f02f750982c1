"""What the messages of drift have in common: what an old checkpoint will do on load, and how to go on."""

from __future__ import annotations

from collections.abc import Sequence

from modelint.layout.facts import Drifted

#: A list in a message names so many, and counts the rest.
_MOST = 3
_LONG = 110


def listed(names: Sequence[str], most: int = _MOST) -> str:
    shown = [name if len(name) <= _LONG else name[: _LONG - 3] + "..." for name in names[:most]]
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


def many(count: int, noun: str = "key") -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def says(drift: Drifted, fact: str) -> str:
    """The message: the model, what is so, what it does to an old checkpoint, and what else is of the same cause."""
    return f"{drift.model}: {fact}: {effect(drift)}{also(drift)}"


def effect(drift: Drifted) -> str:
    """What a strict load of a checkpoint of the manifest's layout does."""
    if drift.cls != "breaking":
        loads = "an old checkpoint loads" + (", through the model's own load hooks" if drift.hooks else "")
        if drift.numbers is not None and drift.numbers.renamed:
            loads = "under the new names an old checkpoint loads"
        return f"{loads}{_computes(drift)}"
    if drift.error is not None:
        raised = listed([" ".join(drift.error.split())])
        return f"an old checkpoint does not load (the model's load hook raises {raised})"
    told = [
        f"{word} key{'s' * (drift.total > 1)}" if names == drift.names else f"{word} {listed(names)}"
        for word, names in (("missing", drift.missing), ("unexpected", drift.unexpected))
        if names
    ]
    return f"an old checkpoint does not load ({'; '.join(told) or 'size mismatch'})"


def _computes(drift: Drifted) -> str:
    """What an old checkpoint that loads computes then."""
    if drift.numbers is None:
        return "" if drift.hooks else ", and computes something else"
    outcome, words, found = drift.numbers.outcome, drift.numbers.words, drift.numbers.found
    inputs = f"inputs that were found, not declared ({listed(found, 1)})" if found else "the declared inputs"
    if outcome == "different":
        return f", and computes something else: {words}" + (f" (with {inputs})" if found else "")
    if outcome == "training":
        return f", and evaluates to the same on {inputs}; training goes another way: {words}"
    if outcome in ("partly", "unreached"):
        return f", and computes the same on {inputs}; {words} did not run with them"
    in_evaluation = "" if drift.numbers.trained else " in evaluation"
    return f", and computes the same{in_evaluation} on {inputs}"


def way_on(drift: Drifted, revert: str, keep: str = "") -> str:
    """The help: how to undo it, how to keep old checkpoints, how to accept."""
    same = drift.numbers is not None and drift.numbers.outcome in ("equal", "partly")
    if drift.cls != "breaking" and (same or (drift.hooks and drift.severity == "information")):
        found = drift.numbers is not None and drift.numbers.found
        sure = "; declare `inputs` to have the model compared on inputs of your choice" if found else ""
        return f"`modelint lock {drift.model}` records the new layout{sure}"
    middle = f", or {keep}" if keep else ""
    writes = f"`modelint migrate {drift.model}` writes the hook, " if keep and drift.cls == "breaking" else ""
    return f"{revert}{middle}; {writes}`modelint lock {drift.model}` accepts it"


def also(drift: Drifted) -> str:
    return f"; also: {listed(drift.reasons, 2)}" if drift.reasons else ""


def meaning(drift: Drifted, what: str, traced: bool, training_only: bool, optional: bool = False) -> str:
    """The message of a silent drift, as sure as it is."""
    if drift.numbers is not None:
        does = effect(drift)
    elif optional:
        does = "an old checkpoint loads, and computes the same with the model's optional arguments at their defaults"
    elif training_only:
        does = "an old checkpoint loads and computes the same; training goes another way"
    elif traced:
        does = effect(drift)
    else:
        does = "an old checkpoint loads; whether it computes the same could not be traced"
    return f"{drift.model}: {what}: {does}{also(drift)}"


def short(cls: str | None) -> str:
    """``Conv2d`` of ``torch.nn.Conv2d``."""
    return (cls or "another type").rpartition(".")[2]


def shortened(text: str | None) -> str:
    return listed([text or ""])
