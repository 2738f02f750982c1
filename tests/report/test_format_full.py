from __future__ import annotations

import re
import subprocess
import sys

import pytest
from report_samples import BARE, SOURCE, WRAPPED, outcome, rendered

from modelint.diagnostics import Related, Span
from modelint.report.full import WIDEST, mark


def test_shows_the_source_line_the_caret_the_related_line_and_the_help() -> None:
    assert rendered(outcome(WRAPPED), "full") == (
        "pkg/train.py:4:12: MDL201 [save-wrapped-state-dict] every key of this file will begin with `module.`\n"
        "4 | torch.save(model.state_dict(), path)\n"
        "  |            ^^^^^^^^^^^^^^^^^^\n"
        "pkg/train.py:2:9: wrapped here\n"
        "2 | model = nn.DataParallel(model)\n"
        "  |         ^^^^^^^^^^^^^^^^^^^^^^\n"
        "help: save `model.module.state_dict()`\n"
    )


def test_findings_are_set_apart_by_an_empty_line() -> None:
    text = rendered(outcome(WRAPPED, WRAPPED), "full")
    assert text.count("\n\n") == 1 and not text.endswith("\n\n")


def test_nothing_found_prints_nothing() -> None:
    assert rendered(outcome(), "full") == ""


def test_several_related_places_take_one_line_of_words() -> None:
    related = tuple(Related("pkg/train.py", Span(line, 9, line, 31), "wrapped here") for line in (2, 6, 7, 8, 9, 10))
    lines = rendered(outcome(WRAPPED._replace(related=related)), "full").splitlines()
    words = [line for line in lines if not re.match(r" *\d* \|", line)]
    assert len(words) == 3
    assert words[1] == (
        "pkg/train.py:2:9: wrapped here; also pkg/train.py:6, pkg/train.py:7, pkg/train.py:8 and 2 more"
    )


def test_each_related_place_keeps_its_words_and_no_line_is_named_twice() -> None:
    places = ((2, "wrapped here"), (6, "wrapped here"), (9, "saved here"), (4, "saved here"), (2, "reached here"))
    related = tuple(Related("pkg/train.py", Span(line, 9, line, 31), words) for line, words in places)
    text = rendered(outcome(WRAPPED._replace(related=related)), "full")
    assert "pkg/train.py:2:9: wrapped here; also pkg/train.py:6; saved here: pkg/train.py:9\n" in text


def test_a_file_that_is_gone_leaves_the_words() -> None:
    lines = rendered(outcome(WRAPPED, source=None), "full").splitlines()
    assert [line.split(":")[0] for line in lines] == ["pkg/train.py", "pkg/train.py", "help"]


def test_a_line_past_the_end_leaves_the_words() -> None:
    lines = rendered(outcome(WRAPPED._replace(span=Span(99, 1, 99, 2), related=())), "full").splitlines()
    assert len(lines) == 2


def test_a_span_of_several_lines_is_marked_to_the_end_of_the_first() -> None:
    text = rendered(outcome(BARE, source="  first(  \nsecond)\n"), "full")
    assert text.splitlines()[1:3] == ["1 |   first(", "  | ^^^^^^^^"]


def test_line_numbers_of_one_finding_are_aligned() -> None:
    source = "x\n" * 119 + SOURCE
    moved = WRAPPED._replace(span=Span(123, 12, 123, 30), related=(Related("a", Span(1, 1, 1, 2), "here"),))
    lines = rendered(outcome(moved, source=source), "full").splitlines()
    assert lines[1].startswith("123 | torch") and lines[4] == "  1 | x" and lines[5] == "    | ^"


def test_form_feeds_do_not_shift_lines() -> None:
    text = rendered(
        outcome(WRAPPED, source="a = '\x0c\x0b\u2028'\r\n\rx\ntorch.save(model.state_dict(), path)"), "full"
    )
    assert "4 | torch.save(model" in text


@pytest.mark.parametrize(
    ("source", "column", "end", "code", "carets"),
    [
        ("save(m)", 1, 5, "save(m)", "^^^^"),
        ("\tsave(m)", 2, 6, "    save(m)", "    ^^^^"),
        ("a\tb", 3, 4, "a    b", "     ^"),
        ("('模型', m)", 8, 9, "('模型', m)", "         ^"),  # wide characters take two cells
        ("'e\u0301' + m", 8, 9, "'e\u0301' + m", "      ^"),  # a combining one takes none
        ("'\x1b' + m", 7, 8, "'\\x1b' + m", "         ^"),  # an escape takes what it shows
        ("save", 5, 5, "save", "    ^"),  # an empty span
        ("save", 90, 95, "save", "    ^"),  # past the end
        ("save(m)", 6, 99, "save(m)", "     ^^"),
        ("模型(m)", 1, 3, "模型(m)", "^^^^"),
    ],
)
def test_carets_stand_under_the_exact_span(source: str, column: int, end: int, code: str, carets: str) -> None:
    assert mark(source, column, end) == (code, carets)


@pytest.mark.parametrize("before", [0, 10, 100, 5000])
def test_a_very_long_line_is_cut_around_the_span(before: int) -> None:
    source = "a" * before + "TARGET" + "b" * 5000
    code, carets = mark(source, before + 1, before + 7)
    assert len(code) <= WIDEST + 6
    assert code[carets.index("^") : len(carets)] == "TARGET"


def test_control_characters_and_bidi_overrides_are_shown_escaped() -> None:
    nasty = "\x1b[31m\u202e\u2066\x07\x9b\udc80\n"
    bad = WRAPPED._replace(
        path=f"p{nasty}.py",
        message=f"m{nasty}",
        help=f"h{nasty}",
        related=(Related(f"r{nasty}", Span(2, 1, 2, 2), f"w{nasty}"),),
    )
    shown = r"\x1b[31m\u202e\u2066\x07\x9b\udc80"
    for color in (False, True):
        text = rendered(outcome(bad, source="\n\n\nx = '" + nasty), "full", color=color)
        if color:
            text = re.sub(r"\x1b\[[0-9;]*m", "", text)
        assert all(line.isprintable() for line in text.split("\n"))
        for prefix in ("p", "m", "h", "r", "w", "'"):
            assert prefix + shown in text


def test_colour_has_the_same_words_as_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "20")  # nothing is wrapped
    monkeypatch.delenv("NO_COLOR", raising=False)
    colored = rendered(outcome(WRAPPED, BARE), "full", color=True)
    assert "\x1b[" in colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == rendered(outcome(WRAPPED, BARE), "full")


@pytest.mark.parametrize("color", [False, True])
def test_a_terminal_without_the_character_gets_an_escape(color: bool) -> None:
    source = "\n\n\ntorch.save('模型', m)"
    text = rendered(outcome(WRAPPED, source=source), "full", color=color, encoding="ascii")
    assert r"\u6a21\u578b" in text


def test_plain_text_does_not_import_rich() -> None:
    program = (
        "import sys, io\n"
        "from modelint.report import FORMATS, Outcome, render\n"
        "from modelint.diagnostics import Diagnostic, Span\n"
        "found = Diagnostic('MDL901', 'n', 'warning', 'm', 'p', Span(1, 1, 1, 2))\n"
        "for format in FORMATS:\n"
        "    if format != 'sarif':\n"
        "        render(Outcome([found]), format, io.StringIO())\n"
        "sys.exit(bool({'rich', 'libcst', 'torch'} & set(sys.modules)))\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
