from __future__ import annotations

import io
import json
import re
import subprocess
import sys

import pytest

from modelint import catalogue
from modelint.catalogue import UnknownCode

SECTIONS = ["What it does", "Why it bites", "Example", "Use instead", "When to ignore", "Evidence"]


def listed(format: catalogue.TableFormat) -> str:
    stream = io.StringIO()
    catalogue.list_rules(stream, format=format)
    return stream.getvalue()


def test_rules_are_sorted_and_named_as_their_files() -> None:
    rules = catalogue.rules()
    assert [(rule.code, rule.name) for rule in rules] == list(catalogue.codes().items())
    assert [rule.code for rule in rules] == sorted(rule.code for rule in rules)
    assert all(re.fullmatch(r"MDL\d{3}", rule.code) for rule in rules)
    assert len({rule.name for rule in rules}) == len(rules)


def test_the_codes_of_the_tool_are_there() -> None:
    tool = {rule.code: (rule.name, rule.severity, rule.facts) for rule in catalogue.rules() if rule.code > "MDL9"}
    assert tool == {
        "MDL901": ("unused-ignore", "information", ()),
        "MDL902": ("bare-ignore", "information", ()),
        "MDL903": ("unknown-code", "warning", ()),
        "MDL904": ("file-not-analysed", "information", ()),
    }


@pytest.mark.parametrize("code", catalogue.codes())
def test_pages_have_the_title_and_every_section(code: str) -> None:
    page = catalogue.page(code)
    assert page.startswith(f"# {catalogue.codes()[code]} ({code})\n")
    sections = catalogue.sections(page)
    assert list(sections)[1:] == SECTIONS
    assert all(sections[heading] for heading in SECTIONS)


def test_listing_codes_imports_no_rule() -> None:
    program = (
        "import sys\n"
        "from modelint import catalogue\n"
        "assert catalogue.codes()\n"
        "sys.exit(bool({'libcst', 'rich'} & set(sys.modules)) or any('.mdl' in name for name in sys.modules))\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("text", ["MDL901", "mdl901", " MDL901 ", "unused-ignore", "Unused-Ignore"])
def test_a_page_is_found_by_code_and_by_name(text: str) -> None:
    assert catalogue.page(text).startswith("# unused-ignore (MDL901)")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("MDL9O1", "MDL901 (unused-ignore)"),
        ("MDL909", "MDL90"),
        ("MDL4x", "MDL40"),
        ("MDL499", "MDL40"),
        ("unused-ignores", "MDL901 (unused-ignore)"),
        ("901", "MDL901 (unused-ignore)"),
    ],
)
def test_an_unknown_code_names_the_nearest(text: str, hint: str) -> None:
    with pytest.raises(UnknownCode, match=rf"unknown code '{text}'; did you mean {re.escape(hint)}"):
        catalogue.page(text)


def test_a_code_like_none_points_to_the_list_and_is_shown_escaped() -> None:
    with pytest.raises(UnknownCode) as error:
        catalogue.page("\x1b[31m")
    assert str(error.value) == r"unknown code '\x1b[31m'; `modelint rules` lists the codes"


def test_sections_of_a_page() -> None:
    page = "# name (CODE)\nlead\n\n## One\n\ntext\n\n```python\n## no heading\n```\n## Two\nmore\n"
    assert catalogue.sections(page) == {
        "": "# name (CODE)\nlead",
        "One": "text\n\n```python\n## no heading\n```",
        "Two": "more",
    }


def test_only_python_fences_are_code() -> None:
    text = "a\n```python\nx = 1\n\ny = 2\n```\n```toml\n[a]\n```\n```\nplain\n```\n```py\nz\n```\n"
    assert catalogue.code_fences(text) == ["x = 1\n\ny = 2\n", "z\n"]


def test_explain_prints_markdown_or_renders_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    plain, rendered = io.StringIO(), io.StringIO()
    catalogue.explain("MDL902", plain, color=False)
    catalogue.explain("MDL902", rendered, color=True)
    assert plain.getvalue() == catalogue.page("MDL902")
    assert "\x1b[" in rendered.getvalue() and "## What" not in rendered.getvalue()


def test_the_table_as_json() -> None:
    document = json.loads(listed("json"))
    assert document["schema"] == 1
    assert list(document) == ["schema", "rules"]
    assert document["rules"][-1] == {
        "code": "MDL904",
        "name": "file-not-analysed",
        "summary": "a file that could not be looked at",
        "severity": "information",
        "status": "on",
    }
    assert [rule["code"] for rule in document["rules"]] == list(catalogue.codes())


def test_the_table_as_text_and_as_markdown() -> None:
    lines = listed("text").splitlines()
    assert len(lines) == 1 + len(catalogue.codes())
    assert lines[0].split()[:2] == ["code", "name"]
    assert len({line.index(rule.summary) for line, rule in zip(lines[1:], catalogue.rules(), strict=True)}) == 1
    rows = listed("markdown").splitlines()
    assert rows[-1] == ("| `MDL904` | `file-not-analysed` | information | on | a file that could not be looked at |")
    assert rows[1] == "| --- | --- | --- | --- | --- |"
