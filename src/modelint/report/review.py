"""What a change does to a tracked model, for those who review it: what old files will say, what is proved, what is not,
and what accepting means. In Markdown, with the places folded away.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from modelint.diagnostics import Diagnostic, Severity
from modelint.report import Outcome
from modelint.report.markup import cell, code, row
from modelint.report.paths import to_root

#: So many names stand in one line; the places below name the rest.
_MOST = 6
_ROWS = ("| place | code | severity | what |", "| --- | --- | --- | --- |")
_RELEASE = "MDL721"


class Model(NamedTuple):
    """A tracked model, and all that is to be said of it."""

    name: str
    found: Sequence[Diagnostic]
    #: Releases that are proved to load.
    loading: Sequence[str] = ()
    #: What old files are files of.
    old: str = ""
    #: Why the keys differ, in words, and the code that makes old files fit.
    causes: Sequence[str] = ()
    bridge: str = ""


def models(outcome: Outcome) -> Iterator[Model]:
    """Those of which something is to be said, by name; places as they are in the repository."""
    found: dict[str, list[Diagnostic]] = {}
    for each in outcome.diagnostics:
        if each.model is not None:
            found.setdefault(each.model, []).append(each._replace(path=to_root(outcome, each.path)))
    for name in sorted(found):
        yield Model(name, found[name], outcome.loading.get(name, ()))


def lines(model: Model) -> Iterator[str]:
    """The summary of one model, and the places, folded away."""
    yield from (f"### {title(model)}", *summary(model))
    count = f"{len(model.found)} place{'s' * (len(model.found) > 1)}"
    rows = [
        row(f"{each.path}:{each.span.line}", f"`{each.code}` {each.name}", each.severity, each.message, each.help)
        for each in model.found
    ]
    yield from _folded(count, (*_ROWS, *rows))
    if model.bridge:
        yield from _folded("code that makes old files fit", ("```python", model.bridge.rstrip("\n"), "```"))


def summary(model: Model) -> Iterator[str]:
    """What is so, section by section."""
    breaking = [each for each in model.found if _cls(each) == "breaking"]
    silent = [each for each in model.found if _cls(each) == "silent"]
    sections = (
        (f"A file of {_old(model)}, loaded strictly, says:", _says(breaking)),
        ("**Proved**", _proved(model, breaking)),
        ("**Not proved**", _proposed(breaking)),
        ("**What breaks**", [_words(model, each) for each in breaking if each.drift and not each.drift.certainty]),
        ("**With the same weights it computes something else**", [_words(model, each) for each in silent]),
        ("**Releases**", [_words(model, each) for each in model.found if each.code == _RELEASE]),
        ("**Also**", [_words(model, each) for each in model.found if _cls(each) in ("safe", "")]),
        ("**Causes**", [cell(each) for each in model.causes]),
        ("**Accepting**", _accepting(model, breaking, silent)),
    )
    for name, items in sections:
        if items:
            yield from ("", name, "", *(f"- {each}" for each in items))


def title(model: Model) -> str:
    """Whose summary it is, and the worst of it."""
    return f"{code(model.name)}: {_verdict(model)}"


def _folded(name: str, content: Sequence[str]) -> Iterator[str]:
    yield from ("", f"<details><summary>{name}</summary>", "", *content, "", "</details>")


def _old(model: Model) -> str:
    return code(model.old) if model.old else "the manifest"


def _verdict(model: Model) -> str:
    classes = {_cls(each) for each in model.found}
    silent = "silent" in classes
    if "breaking" in classes:
        more = ", and the model computes something else" if silent else ""
        return f"old files do not load{more}"
    if silent:
        return "old files load, and the model computes something else"
    if any(each.code == _RELEASE and each.severity == "error" for each in model.found):
        return "files of a release do not load"
    worst: Severity = max((each.severity for each in model.found), key=("information", "warning", "error").index)
    if worst == "information":
        return "old files load, and compute the same"
    return "to be looked at"


def _says(breaking: Sequence[Diagnostic]) -> list[str]:
    """In the words of ``load_state_dict``."""
    found = []
    for words in ("missing", "unexpected", "reshaped"):
        names = [name for each in breaking if each.drift is not None for name in getattr(each.drift, words)]
        if names:
            found.append(f"{'size mismatch' if words == 'reshaped' else words}: {_listed(names)}")
    if breaking and not found:
        found.append("what the model's load hooks raise (see the places below)")
    return found


def _proved(model: Model, breaking: Sequence[Diagnostic]) -> list[str]:
    found = [
        f"{_renamed(each)}: {cell(each.drift.proof.removeprefix('proved: '))}"
        for each in breaking
        if each.drift is not None and each.drift.certainty == "proved"
    ]
    if model.loading:
        many = "s" if len(model.loading) > 1 else ""
        found.append(f"files of release{many} {_listed(model.loading)} load, and arrive in full")
    return found


def _proposed(breaking: Sequence[Diagnostic]) -> list[str]:
    """Renames that nothing has proved, and why."""
    return [
        f"{_renamed(each)}: {cell(each.drift.proof or 'proposed from names and shapes')}"
        for each in breaking
        if each.drift is not None and each.drift.certainty == "proposed"
    ]


def _accepting(model: Model, breaking: Sequence[Diagnostic], silent: Sequence[Diagnostic]) -> list[str]:
    lock = f"modelint lock {model.name}"
    migrate = f"{code(f'modelint migrate {model.name}')} writes a load hook that lets them load, proves it, and accepts"
    broken = any(each.code == _RELEASE and each.severity == "error" for each in model.found)
    if broken:
        retire = f"{lock} --retire RELEASE --reason TEXT"
        refused = f"{code(lock)} is refused while a release does not load: retire it ({code(retire)})"
        return [migrate, f"{refused}, or give a {code('--reason')}"]
    if breaking:
        renames = any(each.drift is not None and each.drift.certainty for each in breaking)
        record = ", and records the new names" if renames else ""
        return [migrate, f"{code(lock)} accepts it{record}: files of {_old(model)} do not load from then on"]
    if silent:
        return [f"{code(lock)}: old files load, and compute something else from then on"]
    if any(each.drift is not None for each in model.found):
        return [f"{code(lock)} records the new layout"]
    return []


def _cls(diagnostic: Diagnostic) -> str:
    """The class of a drift, or of nothing: what could not be looked at."""
    if diagnostic.code == _RELEASE:
        return "release"
    return diagnostic.drift.cls if diagnostic.drift is not None else ""


def _renamed(diagnostic: Diagnostic) -> str:
    drift = diagnostic.drift
    assert drift is not None
    return f"{code(drift.old or '?')} is now {code(drift.new or '?')}"


def _words(model: Model, diagnostic: Diagnostic) -> str:
    return cell(diagnostic.message.removeprefix(f"{model.name}: "))


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(code, names[:_MOST]))
    return shown + (f" and {len(names) - _MOST} more" if len(names) > _MOST else "")
