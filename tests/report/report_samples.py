"""Hand-made outcomes for the tests of the formats."""

from __future__ import annotations

from modelint.diagnostics import Diagnostic, Edit, Fix, NotAnalysed, Related, Span
from modelint.report import Outcome, render, render_statistics

SOURCE = "import torch\nmodel = nn.DataParallel(model)\n\ntorch.save(model.state_dict(), path)\n"

WRAPPED = Diagnostic(
    code="MDL201",
    name="save-wrapped-state-dict",
    severity="warning",
    message="every key of this file will begin with `module.`",
    path="pkg/train.py",
    span=Span(4, 12, 4, 30),
    help="save `model.module.state_dict()`",
    related=(Related("pkg/train.py", Span(2, 9, 2, 31), "wrapped here"),),
)
BARE = Diagnostic(
    code="MDL902",
    name="bare-ignore",
    severity="information",
    message="this comment names no code",
    path="pkg/other.py",
    span=Span(1, 1, 2, 3),
    fix=Fix(True, "name the code", (Edit(Span(1, 5, 1, 5), "[MDL201]"),)),
)
BROKEN = NotAnalysed("pkg/bad, file.py", "invalid syntax: 100%", line=7, syntax=True)


def outcome(*diagnostics: Diagnostic, source: str | None = SOURCE, root: str = "", cwd: str = "") -> Outcome:
    return Outcome(diagnostics, (), files=2, sources=lambda path: source, root=root, cwd=cwd)


class Sink:
    """A stream that only collects: rich asks it for no more."""

    encoding = "utf-8"

    def __init__(self, encoding: str = "utf-8") -> None:
        self.encoding = encoding
        self.text = ""

    def write(self, text: str) -> int:
        text.encode(self.encoding)  # as a real stream does
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass


def rendered(outcome: Outcome, format: str, *, color: bool = False, encoding: str = "utf-8") -> str:
    sink = Sink(encoding)
    render(outcome, format, sink, color=color)  # type: ignore[arg-type]
    return sink.text


def counted(outcome: Outcome, format: str) -> str:
    sink = Sink()
    render_statistics(outcome, format, sink)  # type: ignore[arg-type]
    return sink.text
