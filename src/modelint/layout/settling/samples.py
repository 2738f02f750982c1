"""Inputs for models that declare none: what the project itself shows, and what a trial finds. Nothing is written."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from modelint.layout import building, client
from modelint.layout.declare import Declaration
from modelint.layout.traced import Failure, Numbers, Request

_SIZES = r"(\d+(?:\s*,\s*\d+)*)"
#: ``torch.randn(1, 3, 224, 224)`` and ``torch.randint(0, 50257, (2, 16))``, in code, docstrings and documentation.
_MADE = re.compile(
    rf"torch\.(?:(?:randn|rand|zeros|ones|empty|Tensor|FloatTensor)\(\s*[\[(]?\s*{_SIZES}\s*,?\s*[\])]"
    rf"|randint\(\s*(?:\d+\s*,\s*)?(\d+)\s*,\s*(?:size\s*=\s*)?[\[(]\s*{_SIZES}\s*,?\s*[\])])"
)
_READ = (".py", ".md", ".rst", ".ipynb")
_SKIPPED = frozenset("__pycache__ node_modules build dist site-packages".split())
_MOST_FILES = 3000
_MOST_BYTES = 500_000
#: Tensors so many lines apart may be the arguments of one call.
_NEAR = 3
_MOST = 40


class Proposal(NamedTuple):
    """``inputs`` that the model runs with; none: why not."""

    declaration: Declaration
    inputs: tuple[str, ...]
    #: Where they were found, or why there are none.
    words: str
    failed: bool = False


class Found(NamedTuple):
    inputs: tuple[str, ...]
    where: str


def propose(declarations: Sequence[tuple[str, Declaration]], *, jobs: int) -> Iterator[Proposal]:
    """For each, with the interpreter that builds it."""
    by_python: dict[str, list[Declaration]] = {}
    for python, declaration in declarations:
        by_python.setdefault(python, []).append(declaration)
    for python, own in by_python.items():
        found = {each.shown: shown(each) for each in own}
        by_id = {each.shown: each for each in own}
        requests = [_request(each, found[each.shown]) for each in own]
        try:
            answers = client.answers(python, requests, timeout=building.TIMEOUT, memory=None, jobs=jobs)
            for answer in answers:
                yield _proposal(by_id.pop(answer.id), answer, found[answer.id])
        except client.Unusable as error:
            for each in by_id.values():
                yield Proposal(each, (), building.unusable_words(python, error.reason, error.detail), True)


def _proposal(declaration: Declaration, answer: object, found: Sequence[Found]) -> Proposal:
    if isinstance(answer, Failure):
        return Proposal(declaration, (), answer.message, True)
    assert isinstance(answer, Numbers)
    told = answer.told
    if told["inputs"] is None:
        return Proposal(declaration, (), f"none of {told['tried']} that were tried run; write a callable")
    number = told["candidate"]
    words = "likely for its first layers" if number is None else found[number].where
    return Proposal(declaration, tuple(told["inputs"]), words)


def _request(declaration: Declaration, found: Sequence[Found]) -> Request:
    return Request(
        declaration.shown,
        declaration.factory,
        declaration.args,
        {**declaration.kwargs, **(declaration.probe or {})},
        declaration.folder,
        declaration.pythonpath,
        numbers={"side": "trial", "candidates": [list(each.inputs) for each in found]},
    )


def shown(declaration: Declaration) -> list[Found]:
    """What stands in the files that speak of the model, those of its own module and of tests first."""
    name = declaration.factory.rpartition(":")[2].rpartition(".")[2]
    module = declaration.factory.partition(":")[0].rpartition(".")[2]
    found: dict[tuple[str, ...], Found] = {}
    for path, text in sorted(_files(declaration.folder, name), key=lambda each: _rank(each[0], module)):
        for each in _in_text(text, os.path.relpath(path, declaration.folder).replace(os.sep, "/")):
            found.setdefault(each.inputs, each)
    return list(found.values())[:_MOST]


def _rank(path: str, module: str) -> tuple[int, str]:
    stem = os.path.basename(path).partition(".")[0]
    return 0 if stem == module else 1 if "test" in path else 2, path


def _files(folder: str, name: str) -> Iterator[tuple[str, str]]:
    word = re.compile(rf"\b{re.escape(name)}\b")
    seen = 0
    for place, folders, files in os.walk(folder):
        folders[:] = [
            each
            for each in sorted(folders)
            if not each.startswith(".")
            and each not in _SKIPPED
            and not os.path.lexists(os.path.join(place, each, "pyvenv.cfg"))
        ]
        for file in sorted(files):
            if not file.endswith(_READ):
                continue
            seen += 1
            if seen > _MOST_FILES:
                return
            path = os.path.join(place, file)
            try:
                with open(path, encoding="utf-8", errors="replace") as stream:
                    text = stream.read(_MOST_BYTES)
            except OSError:
                continue
            if "torch." in text and word.search(text):
                yield path, text


def _in_text(text: str, shown: str) -> Iterator[Found]:
    """Each tensor, and those that stand together as one call's arguments: the more the better."""
    tensors: list[tuple[int, str]] = []
    for made in _MADE.finditer(text):
        written = f"float32[{made[1]}]" if made[1] else f"int64[{made[3]}] < {made[2]}"
        tensors.append((text.count("\n", 0, made.start()) + 1, " ".join(written.split())))
    for number, (line, _) in enumerate(tensors):
        together = [each for each in tensors[number : number + 4] if each[0] - line <= _NEAR]
        for size in range(len(together), 0, -1):
            yield Found(tuple(each for _, each in together[:size]), f"{shown}:{line}")
