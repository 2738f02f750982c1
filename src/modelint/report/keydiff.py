"""What differs between two sources of keys, as text and as JSON, the cause first: for `modelint diff`."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from modelint.keys.cause import Explanation
from modelint.keys.diff import Change, KeyDiff
from modelint.keys.fold import first, fold
from modelint.keys.words import counted, shape
from modelint.report import markup
from modelint.report.escape import shown
from modelint.report.json import to_ascii
from modelint.report.program import Origin, lines_of

_WIDTH = 110
#: Characters of a folded line.
_LONGEST = 400
#: So many folded lines of one kind are shown; --all shows every key.
_LINES = 12
#: And so many in a sentence.
_SOME = 6


class Compared(NamedTuple):
    """The difference, what explains it, and what the two sources are called."""

    diff: KeyDiff
    explanation: Explanation
    origin: Origin
    new: str
    #: The file holds a module, or more than the state dict, and nobody said that this is the one.
    nested: bool = False

    @property
    def loads(self) -> bool:
        """Whether ``load_state_dict`` of NEW takes a file of OLD as it is."""
        return self.diff.loads and not self.nested


def as_json(compared: Compared) -> str:
    """The fields that other programs read, in ASCII."""
    found, explanation = compared.diff, compared.explanation
    proved = explanation.proved()
    document = {
        "schema": 1,
        "same": found.same,
        "loads": compared.loads,
        "missing": list(found.missing),
        "unexpected": list(found.unexpected),
        "reshaped": [_change(each) for each in found.reshaped],
        "retyped": [{"key": each.key, "old": each.old.dtype, "new": each.new.dtype} for each in found.retyped],
        "renamed": [
            {"old": old, "new": new, "certainty": "proved" if old in proved else "proposed"}
            for old, new in explanation.renamed().items()
        ],
        "ambiguous": [
            {"old": list(each.old), "new": list(each.new), "why": each.why} for each in explanation.ambiguous
        ],
        "causes": _causes(explanation),
    }
    return to_ascii(document)


def key_map(compared: Compared) -> str:
    """The renames alone: old key -> new key; what is undecided stands beside them."""
    document = {
        "schema": 1,
        "old": compared.origin.source,
        "new": compared.new,
        "renamed": compared.explanation.renamed(),
        "ambiguous": [
            {"old": list(each.old), "new": list(each.new), "why": each.why} for each in compared.explanation.ambiguous
        ],
    }
    return to_ascii(document)


def key_lines(compared: Compared) -> Iterator[str]:
    """One key that differs a line, for grep."""
    found = compared.diff
    for word, keys in (("missing", found.missing), ("unexpected", found.unexpected)):
        yield from (f"{word} {shown(key)}\n" for key in keys)
    yield from (
        f"reshaped {shown(each.key)} {shape(each.old.shape)} {shape(each.new.shape)}\n" for each in found.reshaped
    )


def text(
    compared: Compared, code: Callable[[Compared], str], *, every: bool = False, beyond: Sequence[str] = ()
) -> Iterator[str]:
    """The report, line by line; ``code`` is asked for where it has something to say.

    ``every``: a line for each key, instead of folding them. ``beyond``: what the keys do not tell.
    """
    found, explanation = compared.diff, compared.explanation
    yield f"{shown(compared.origin.source)} -> {shown(compared.new)}\n"
    yield f"  {_verdict(compared)}\n"
    if explanation.causes:
        yield "\n"
    for each in explanation.causes:
        yield from _wrapped(f"{each.code} {each.name}: {each.cause.message}", "  ", "      ")
        yield from _wrapped(each.cause.help, "      = ", "        ")
    for rivals in explanation.ambiguous:
        yield from _wrapped(f"undecided: {_some(rivals.old)} -> {_some(rivals.new)}: {rivals.why}", "  ", "      ")
    if (not found.loads and not explanation.fits) or every:
        yield from _left(compared, every=every)
    if found.retyped:
        kinds = dict.fromkeys(f"{each.old.dtype} -> {each.new.dtype}" for each in found.retyped)
        yield f"\n  other dtypes, which a load converts: {shown(', '.join(kinds))} ({counted(len(found.retyped))})\n"
    if beyond:
        yield "\n"
    for words in beyond:
        yield from _wrapped(words, "  ", "      ")
    if explanation.steps or (found.loads and (compared.nested or compared.origin.roots != ("/",))):
        yield f"\n  {_what_code_does(explanation)}\n\n"
        yield code(compared)


def markdown(compared: Compared, code: str) -> Iterator[str]:
    """The report for a comment or the summary of a job: what a load says, the causes, and the code, folded away."""
    found, explanation = compared.diff, compared.explanation
    yield f"### {markup.code(compared.origin.source)}: {markup.cell(_verdict(compared))}\n"
    said = (("missing", found.missing), ("unexpected", found.unexpected))
    items = [f"{words}: {_names(keys)}" for words, keys in said if keys]
    items += [
        f"size mismatch: {markup.code(each.key)} {shape(each.old.shape)} -> {shape(each.new.shape)}"
        for each in found.reshaped[:_LINES]
    ]
    causes = [
        f"{each.code} {each.name}: {markup.cell(each.cause.message)}<br>{markup.cell(each.cause.help)}"
        for each in explanation.causes
    ]
    undecided = [markup.cell(each.why) for each in explanation.ambiguous]
    for title, lines in (
        (f"Loaded strictly into {markup.code(compared.new)}, it says:", items),
        ("**Causes**", causes),
        ("**Not decided**", undecided),
    ):
        if lines:
            yield f"\n{title}\n\n"
            yield from (f"- {line}\n" for line in lines)
    if explanation.steps:
        yield f"\n<details><summary>{_what_code_does(explanation).rstrip(':')}</summary>\n\n```python\n{code}```\n"
        yield "\n</details>\n"


def _names(keys: Iterable[str]) -> str:
    lines = fold(keys)
    names = ", ".join(markup.code(_short(line.text)) for line in lines[:_SOME])
    return names + (f" and {len(lines) - _SOME} more" if len(lines) > _SOME else "")


def _verdict(compared: Compared) -> str:
    found, before = compared.diff, compared.explanation.before
    sizes = f"{counted(before.cells)} in OLD, {len(before.new)} in NEW"
    if found.loads and compared.nested:
        return f"does not load as a whole; {inner(compared)} does: {sizes}"
    if found.same:
        return f"the same: {sizes}"
    if found.loads:
        return f"loads unchanged: {sizes}"
    kinds = ((found.missing, "missing"), (found.unexpected, "unexpected"), (found.reshaped, "of another shape"))
    parts = [f"{len(keys)} {words}" for keys, words in kinds if keys]
    return f"does not load: {', '.join(parts)} ({sizes})"


def inner(compared: Compared) -> str:
    """What of the file fits, where the file as a whole does not."""
    path = compared.origin.roots[0]
    if not compared.origin.module:
        return shown(path)
    return f"the state dict of the module {'in it' if path == '/' else f'at {shown(path)}'}"


def _what_code_does(explanation: Explanation) -> str:
    if explanation.fits:
        return "the code that makes it fit, strictly:"
    return "the code that makes fit what can be; its strict load names the rest:"


def _left(compared: Compared, *, every: bool) -> Iterator[str]:
    """What no cause has mended; with ``every`` all that differs, as the sources have it."""
    found, after = compared.diff, compared.explanation.after
    missing: Iterable[str] = found.missing if every else after.missing
    unexpected: Iterable[str] = found.unexpected if every else after.unexpected
    for words, keys in (("missing", missing), ("unexpected", unexpected)):
        lines, more = ([shown(key) for key in keys], 0) if every else _lines(keys)
        yield from _listed(words, lines, len(list(keys)), more)
    changes = {each.key: (each.old.shape, each.new.shape) for each in found.reshaped} if every else dict(after.reshaped)
    folded = []
    for line in fold(changes, changes) if not every else fold(changes, {key: key for key in changes}):
        old, new = changes[line.keys[0]]
        folded.append(f"{shown(_short(line.text))}  {shape(old)} -> {shape(new)}")
    most = len(folded) if every else _LINES
    yield from _listed("of another shape", folded[:most], len(changes), max(len(folded) - most, 0))


def _listed(words: str, lines: list[str], keys: int, more: int) -> Iterator[str]:
    if not lines:
        return
    yield f"\n  {words} ({counted(keys)})\n"
    yield from (f"    {line}\n" for line in lines)
    if more:
        yield f"    and {more} lines more, see --all\n"


def _lines(keys: Iterable[str]) -> tuple[list[str], int]:
    """The first, and how many more there are."""
    lines, more = first(keys, _LINES)
    return [shown(_short(line.text) + (f"  x{len(line.keys):,}" if len(line.keys) > 1 else "")) for line in lines], more


def _short(text: str) -> str:
    """Names that no number tells apart make a line as long as there are names."""
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."


def _some(keys: Iterable[str]) -> str:
    lines, more = first(keys, 2)
    return ", ".join(_short(line.text) for line in lines) + (" ..." if more else "")


def _wrapped(words: str, first: str, then: str) -> Iterator[str]:
    lines = textwrap.wrap(
        shown(words),
        _WIDTH,
        initial_indent=first,
        subsequent_indent=then,
        break_on_hyphens=False,
        break_long_words=False,
    )
    yield from (f"{line}\n" for line in lines)


def _causes(explanation: Explanation) -> list[dict[str, str | None]]:
    situation = explanation.before
    found = []
    for each in explanation.causes:
        code = "\n".join(lines_of(each.cause, situation))
        found.append({"code": each.code, "name": each.name, "message": each.cause.message, "fix": code or None})
        situation = situation.after(each.cause.steps)
    return found


def _change(change: Change) -> dict[str, object]:
    return {"key": change.key, "old": _sizes(change.old.shape), "new": _sizes(change.new.shape)}


def _sizes(size: tuple[int, ...] | None) -> list[int] | None:
    return None if size is None else list(size)
