"""The code that makes a file fit: one Python function, from the steps of the causes.

Every name of a file goes in by ``ascii``; in comments it goes through ``shown``. What nobody has decided is left out,
so that the strict load at the end stops and names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from modelint.keys.cause import Cause, Explanation
from modelint.keys.fold import is_number
from modelint.keys.situation import Cells, Situation
from modelint.keys.steps import Choose, Merge, Step
from modelint.keys.words import some
from modelint.report.escape import shown

NAME = "load_old"
#: What reads a file of a format that begins so.
_LOADERS = (
    ("torch zip", "torch.load"),
    ("torch legacy", "torch.load"),
    ("pickle", "torch.load"),
    ("safetensors", "safetensors.torch.load_file"),
    ("TorchScript", "torch.jit.load"),
)
_WIDTH = 110


class Origin(NamedTuple):
    """What the function is given: a file's name, its format, and where in it the state dict is."""

    source: str
    format: str = "torch zip"
    #: That of the state dict; several where nothing says which is meant: whoever calls the code does.
    roots: tuple[str, ...] = ("/",)
    #: It holds a pickled module.
    module: bool = False


def program(explanation: Explanation, origin: Origin) -> str:
    """The module: imports, one function."""
    body = [*_at_root(origin), *_body(explanation)]
    arguments = ["model", "checkpoint"]
    asked = [*(["root"] if len(origin.roots) > 1 else []), *_asked(explanation.steps)]
    if asked:
        arguments += ["*", *asked]
    text = "\n".join(body)
    lines = [
        f"import {name}" for name in ("re", "torch") if re.search(rf"^[^#]*\b{name}\.(?!compile)", text, re.MULTILINE)
    ]
    lines += ["", ""] if lines else []
    lines.append(f"def {NAME}({', '.join(arguments)}):")
    lines += [f"    {line}" for line in _doc(origin)]
    lines += [f"    {line}" if line else "" for line in body]
    return "\n".join(lines) + "\n"


def lines_of(cause: Cause, before: Situation) -> list[str]:
    """The lines of one cause, which work on ``state``, ``own`` and ``model``."""
    lines: list[str] = []
    cells = before.cells
    for step in cause.steps:
        lines += step.code(cells, before.new)
        cells = step.apply(cells, before.new)
    return lines


def _doc(origin: Origin) -> list[str]:
    named = shown(origin.source).replace("\\", "\\\\").replace('"', '\\"')
    loader = next((loader for form, loader in _LOADERS if origin.format.startswith(form)), None)
    what = f"what {loader} returns for" if loader is not None else "a state dict of"
    return [f'"""Load {what} {named} into the model, strictly."""']


def _at_root(origin: Origin) -> Iterator[str]:
    """How the state dict is reached."""
    inside = any(origin.format.startswith(form) for form, loader in _LOADERS if loader == "torch.load")
    places = [_place(root) if inside else "checkpoint" for root in origin.roots]
    if len(places) > 1:
        yield "roots = {"
        yield from (f"    {root!a}: {place}," for root, place in zip(origin.roots, places, strict=True))
        yield "}"
        places = ["roots[root]"]
    if origin.module:
        yield f"state = {places[0]}"
        yield 'state = dict(state.state_dict() if hasattr(state, "state_dict") else state)'
    else:
        yield f"state = dict({places[0]})"


def _place(root: str) -> str:
    """``checkpoint['model'][0]``."""
    return "checkpoint" + "".join(f"[{part if is_number(part) else ascii(part)}]" for part in root.split("/") if part)


def _body(explanation: Explanation) -> Iterator[str]:
    lines: list[str] = []
    situation = explanation.before
    for found in explanation.causes:
        cause = found.cause
        code = lines_of(cause, situation)
        if code:
            lines += ["", *_comment(f"{found.name}: {cause.message}"), *code]
        lines += _left_out(cause, situation)
        situation = situation.after(cause.steps)
    lines += _uncovered(situation)
    if any(re.search(r"\bown\b", line) for line in lines if not line.startswith("#")):
        yield "own = model.state_dict()"
    yield from lines
    yield ""
    yield "return model.load_state_dict(state, strict=True)"


def _left_out(cause: Cause, situation: Situation) -> Iterator[str]:
    """What somebody has to decide, as comments."""
    for each in cause.ambiguous:
        if isinstance(cause.steps and cause.steps[-1], Choose):
            continue  # it is asked for
        yield ""
        yield from _comment(f"LEFT OUT, so that the load below stops: {some(each.old)} -> {some(each.new)}: {each.why}")
    if cause.perhaps:
        yield "# Where it is one after the other, in this order:"
        cells: Cells = situation.cells
        for step in cause.perhaps:
            yield from (f"#     {line}" for line in step.code(cells, situation.new))


def _uncovered(situation: Situation) -> Iterator[str]:
    """What no step makes fit: the load names it."""
    left = [
        (f"not in the file: {some(situation.missing)}", situation.missing),
        (f"no place in the model: {some(situation.unexpected)}", situation.unexpected),
        (f"other shapes: {some(situation.reshaped)}", situation.reshaped),
    ]
    lines = [line for words, keys in left if keys for line in _comment(words)]
    if lines:
        yield from ("", "# The load below stops, for nothing makes these fit:", *lines)


def _comment(text: str) -> list[str]:
    import textwrap

    return [f"# {line}" for line in textwrap.wrap(shown(text), _WIDTH, break_on_hyphens=False)]


def _asked(steps: Sequence[Step]) -> list[str]:
    """The arguments that whoever calls it has to give."""
    names = [step.argument for step in steps if isinstance(step, Choose)]
    names += ["scaling" for step in steps if isinstance(step, Merge)]
    return list(dict.fromkeys(names))
