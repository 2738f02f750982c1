"""What the tests of the rules share: fixtures, examples of the pages, and what the engine finds in them.

A fixture is a file ``mdl401.py`` or ``mdl401_anything.py``, or a folder of such a name that is linted as one project.
Its comments say what its own rule must report there, and no other line may be reported for that rule:

- ``# expect: MDL401`` a diagnostic starts on this line;
- ``# expect-preview: MDL401`` one in the wide form, shown with --preview only;
- ``# either: MDL401`` both are defensible (the snapshot holds what is the case today).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from modelint import catalogue
from modelint.diagnostics import Diagnostic

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.path.join(HERE, "fixtures")
MARK = re.compile(r"# (expect|expect-preview|either): (MDL\d{3})")
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

#: The codes that read source text.
LINT_CODES = [code for code in catalogue.codes() if code < "MDL7"]


class Spot(NamedTuple):
    """Where a diagnostic starts: a path relative to the case, with /, and a line."""

    path: str
    line: int


class Finding(NamedTuple):
    """One diagnostic of a case."""

    spot: Spot
    preview: bool
    diagnostic: Diagnostic


class Case(NamedTuple):
    """A fixture, or a folder made for a test: what is linted together."""

    name: str
    root: str
    files: tuple[str, ...]

    @property
    def code(self) -> str:
        """The rule that the case is for."""
        return self.name[:6].upper()


def fixtures() -> list[Case]:
    cases = []
    for name in sorted(os.listdir(FIXTURES)):
        path = os.path.join(FIXTURES, name)
        if name.endswith(".py"):
            cases.append(Case(name.removesuffix(".py"), FIXTURES, (path,)))
        elif name.startswith("mdl"):
            cases.append(Case(name, path, tuple(_python_files(path))))
    return cases


def written(folder: str, sources: Mapping[str, str], name: str) -> Case:
    """A case of files written into ``folder``."""
    for relative, text in sources.items():
        with open(os.path.join(folder, relative), "w", encoding="utf-8") as file:
            file.write(text)
    return Case(name, folder, tuple(os.path.join(folder, relative) for relative in sources))


def lint(case: Case) -> list[Finding]:
    """Every finding of every rule, on, preview and off alike."""
    from modelint.lint.engine import lint_files

    run = lint_files(case.files, root=case.root)
    assert not run.not_analysed
    return [
        Finding(Spot(_relative(case, found.path), found.span.line), found in run.preview, found)
        for found in run.diagnostics
    ]


def marks(case: Case, kind: str, code: str) -> set[Spot]:
    """The lines of a case that carry ``# kind: code``."""
    return {spot for spot, found_kind, found_code in all_marks(case) if (found_kind, found_code) == (kind, code)}


def all_marks(case: Case) -> Iterator[tuple[Spot, str, str]]:
    for path in case.files:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                for kind, code in MARK.findall(line):
                    yield Spot(_relative(case, path), number), kind, code


def fences(code: str, heading: str) -> list[str]:
    """The code fences below one heading of a page."""
    return FENCE.findall(catalogue.sections(catalogue.page(code))[heading])


def _python_files(folder: str) -> Iterator[str]:
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - {"__pycache__"})
        yield from (os.path.join(here, name) for name in sorted(names) if name.endswith(".py"))


def _relative(case: Case, path: str) -> str:
    return os.path.relpath(path, case.root).replace(os.sep, "/")
