"""The catalogue of codes: which rules there are, and the page of each.

A rule is one module ``mdl401_some_name`` of a package below ``modelint.rules``. The file name alone tells code and
name, so that ``codes`` imports no rule (rules import libcst); ``rules`` and ``page`` do.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import IO, TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from modelint.rule import CauseRule, FileRule, LayoutRule, Rule

#: The packages below ``modelint.rules`` that hold rules; ``tool`` has the 9xx codes, which no predicate reports.
PACKAGES = ("lint", "layout", "checkpoint", "tool")

TableFormat = Literal["text", "json", "markdown"]

_codes: dict[str, str] = {}
_rules: dict[str, list[Rule | LayoutRule | FileRule | CauseRule]] = {}


class UnknownCode(ValueError):
    """A code that is in no catalogue; its text names the nearest one that is."""


def _modules(packages: Sequence[str] = PACKAGES) -> Iterator[tuple[str, str]]:
    """(code, full module name) of every rule."""
    for package in packages:
        for folder in import_module(f"modelint.rules.{package}").__path__:
            # Not pkgutil: it imports inspect, which costs more than all of this.
            for file in os.listdir(folder):
                module, extension = os.path.splitext(file)
                if extension == ".py" and module.startswith("mdl"):
                    yield module.partition("_")[0].upper(), f"modelint.rules.{package}.{module}"


def codes() -> dict[str, str]:
    """Code -> name, sorted by code. Imports no rule."""
    if not _codes:
        found = {code: module.rpartition(".")[2].partition("_")[2].replace("_", "-") for code, module in _modules()}
        _codes.update(sorted(found.items()))
    return _codes


def rules(package: str | None = None) -> list[Rule | LayoutRule | FileRule | CauseRule]:
    """Every rule, the 9xx codes of the tool among them (they ask for no facts), or those of one package; by code."""
    packages = PACKAGES if package is None else (package,)
    for each in packages:
        if each not in _rules:
            _rules[each] = [import_module(module).RULE for _, module in _modules((each,))]
    return sorted((rule for each in packages for rule in _rules[each]), key=lambda rule: rule.code)


def rule(code: str) -> Rule | LayoutRule | FileRule | CauseRule | None:
    """The rule of one code; imports no other."""
    module = next((module for found, module in _modules() if found == code), None)
    return None if module is None else import_module(module).RULE


def resolve(text: str) -> str:
    """The code that ``text`` (a code or a name, in any case) stands for."""
    known = codes()
    wanted = text.strip()
    if wanted.upper() in known:
        return wanted.upper()
    for code, name in known.items():
        if name == wanted.lower():
            return code
    hint = nearest(wanted)
    words = f"did you mean {hint} ({known[hint]})?" if hint else "`modelint rules` lists the codes"
    raise UnknownCode(f"unknown code {text!a}; {words}")


def nearest(text: str) -> str | None:
    """The known code that is written most like ``text``, by its code or by its name."""
    from difflib import SequenceMatcher, get_close_matches

    by_spelling = {code.lower(): code for code in codes()} | {name: code for code, name in codes().items()}
    wanted = text.strip().lower()

    def likeness(spelling: str) -> tuple[float, int]:
        """Of two that are as close, the one that begins alike: a code of the same hundred."""
        alike = (length for length in range(len(wanted), 0, -1) if spelling.startswith(wanted[:length]))
        return SequenceMatcher(None, spelling, wanted).ratio(), next(alike, 0)

    hundred = [code.lower() for code in codes() if wanted[3:4].isdigit() and code.lower().startswith(wanted[:4])]
    close = get_close_matches(wanted, hundred or by_spelling, n=5, cutoff=0.5)
    return by_spelling[max(close, key=likeness)] if close else None


def page(code: str) -> str:
    """The page of one code in markdown. Raises UnknownCode."""
    from inspect import cleandoc

    wanted = resolve(code)
    module = next(module for found, module in _modules() if found == wanted)
    return cleandoc(import_module(module).__doc__ or "") + "\n"


def sections(text: str) -> dict[str, str]:
    """A page cut at its ``## `` headings: heading -> text below it. The title line stands under ""."""
    found: dict[str, list[str]] = {"": []}
    heading, fenced = "", False
    for line in text.splitlines():
        fenced ^= line.lstrip().startswith("```")
        if line.startswith("## ") and not fenced:
            heading = line[3:].strip()
            found[heading] = []
        else:
            found[heading].append(line)
    return {heading: "\n".join(lines).strip() for heading, lines in found.items()}


def code_fences(text: str) -> list[str]:
    """The contents of the ```python fences of a page, or of one of its sections."""
    fences: list[tuple[str, str]] = re.findall(r"^```(\w*)[^\n]*\n(.*?)^```[ \t]*$", text, re.MULTILINE | re.DOTALL)
    return [body for language, body in fences if language in ("python", "py")]


def explain(code: str, stream: IO[str], *, color: bool) -> None:
    """Print the page of one code: rendered on a terminal, as markdown otherwise. Raises UnknownCode."""
    text = page(code)
    if not color:
        stream.write(text)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    # Whether to colour has been decided: rich is not to ask NO_COLOR and TERM again.
    Console(file=stream, force_terminal=True, no_color=False, color_system="standard").print(Markdown(text))


def list_rules(stream: IO[str], *, format: TableFormat = "text") -> None:
    """Print the table of all rules."""
    listed = rules()
    if format == "json":
        import json

        fields = ("code", "name", "summary", "severity", "status")
        rows = [{field: getattr(rule, field) for field in fields} for rule in listed]
        stream.write(json.dumps({"schema": 1, "rules": rows}, indent=2) + "\n")
        return
    cells = [(rule.code, rule.name, rule.severity, rule.status, rule.summary) for rule in listed]
    heads = ("code", "name", "severity", "status", "what it finds")
    if format == "markdown":
        lines = [heads, ("---",) * len(heads), *((f"`{code}`", f"`{name}`", *rest) for code, name, *rest in cells)]
        stream.writelines("| " + " | ".join(text.replace("|", "\\|") for text in line) + " |\n" for line in lines)
        return
    widths = [max(len(row[column]) for row in (heads, *cells)) for column in range(len(heads))]
    for row in (heads, *cells):
        stream.write("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() + "\n")
