"""The code that makes a file fit: one Python function, from the steps of the causes.

Every name of a file goes in by ``ascii``; in comments it goes through ``shown``. What nobody has decided is left out,
so that the strict load at the end stops and names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from modelint.keys.cause import Cause, Explanation
from modelint.keys.situation import Cells, Situation
from modelint.keys.steps import Choose, Merge, Step
from modelint.keys.words import some
from modelint.report.escape import shown

NAME = "load_old"
_WIDTH = 110


class Origin(NamedTuple):
    """What the function is given: a file's name, its format, and where in it the state dict is."""

    source: str
    format: str = "torch zip"
    root: str = "/"


def program(explanation: Explanation, origin: Origin) -> str:
    """The module: imports, one function."""
    body = [*_at_root(origin.root), *_body(explanation)]
    arguments = ["model", "checkpoint"]
    asked = _asked(explanation.steps)
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
    loader = "safetensors.torch.load_file" if origin.format == "safetensors" else "torch.load"
    named = shown(origin.source).replace("\\", "\\\\").replace('"', '\\"')
    if origin.format in ("manifest", "model"):
        return [f'"""Load a state dict of {named} into the model, strictly."""']
    return [f'"""Load what {loader} returns for {named} into the model, strictly."""']


def _at_root(root: str) -> Iterator[str]:
    """How the state dict is reached."""
    path = "".join(f"[{part!a}]" for part in root.split("/") if part)
    yield f"state = dict(checkpoint{path})"


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
