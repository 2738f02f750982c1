"""Write the generated parts of the documentation: the rules table of README.md and docs/terminal.svg.

Without an argument it writes; with --check it writes nothing, and exits 1 where something is out of date.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from demo import check
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from modelint import catalogue

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PICTURE = ROOT / "docs" / "terminal.svg"
BEGIN, END = "<!-- rules: begin (made by tools/readme.py) -->\n", "<!-- rules: end -->\n"


def with_table(text: str) -> str:
    """README with the table of today's rules between its markers."""
    table = io.StringIO()
    catalogue.list_rules(table, format="markdown")
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"{README.name} lacks the markers of the rules table")
    return before + BEGIN + table.getvalue() + END + after


def picture() -> str:
    """What `modelint check examples` prints on a terminal, as SVG."""
    report = check(ROOT / "examples", "full", color="always").stdout
    console = Console(file=io.StringIO(), record=True, width=118, force_terminal=True)
    console.print(Text("$ modelint check examples", style="bold"))
    console.print(Text.from_ansi(report))
    svg = console.export_svg(title="modelint", theme=MONOKAI, unique_id="modelint", font_aspect_ratio=0.61)
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def main() -> int:
    """Write, or compare."""
    wanted = {README: with_table(README.read_text(encoding="utf-8"))}
    if "--check" not in sys.argv[1:]:
        wanted[PICTURE] = picture()
        for path, text in wanted.items():
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return 0
    stale = [path.name for path, text in wanted.items() if path.read_text(encoding="utf-8") != text]
    # How the picture is drawn is rich's; what it says is ours.
    if spoken(picture()) != spoken(PICTURE.read_text(encoding="utf-8")):
        stale.append(PICTURE.name)
    for name in stale:
        print(f"{name} is out of date: run tools/readme.py")
    return 1 if stale else 0


def spoken(svg: str) -> str:
    """The words of a picture."""
    import re

    pieces: list[str] = re.findall(r"<text [^>]*>([^<]*)</text>", svg)
    return " ".join("".join(pieces).replace("&#160;", " ").split())


if __name__ == "__main__":
    sys.exit(main())
