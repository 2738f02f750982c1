"""Suppression comments. ``@`` in a source marks the line where the diagnostic under test stands; it is cut out."""

from __future__ import annotations

import pytest

from modelint import catalogue
from modelint.diagnostics import Diagnostic, Related, Span
from modelint.lint.suppress import Applied, apply


def at(line: int, code: str = "MDL401", path: str = "/a.py", related: tuple[Related, ...] = ()) -> Diagnostic:
    return Diagnostic(code, "some-rule", "warning", "message", path, Span(line, 1, line, 5), related=related)


def run(source: str, code: str = "MDL401") -> Applied:
    lines = source.split("\n")
    found = [at(number, code) for number, line in enumerate(lines, start=1) if "@" in line]
    return apply(found, {"/a.py": source.replace("@", "").encode()}, ["/a.py"])


def codes(applied: Applied) -> list[str]:
    return [diagnostic.code for diagnostic in applied.kept]


def in_span(source: str, diagnostic: Diagnostic) -> str:
    """The text that a diagnostic about a comment stands on."""
    return source.split("\n")[diagnostic.span.line - 1][diagnostic.span.column - 1 : diagnostic.span.end_column - 1]


MULTI = (
    "import a\n{before}load(  {first}\n    state,@  {own}\n    strict=False,  {between}\n)  {last}\nx = 1  {after}\n"
)
HERE = "# modelint: ignore[MDL401] the head is new"


@pytest.mark.parametrize("place", ["first", "own", "last"])
def test_counts_on_its_line_and_on_the_ends_of_the_statement(place: str) -> None:
    texts = dict.fromkeys(("before", "first", "own", "between", "last", "after"), "") | {place: HERE}
    applied = run(MULTI.format(**texts))
    assert applied.kept == [] and codes(Applied(applied.suppressed, [])) == ["MDL401"]


@pytest.mark.parametrize("source", [f"load(  {HERE}\n    a,\n    b)@\n", f"load(@\n    a,\n    b)  {HERE}\n"])
def test_counts_at_the_other_end_of_the_statement(source: str) -> None:
    assert run(source).kept == []


@pytest.mark.parametrize("place", ["before", "between", "after"])
def test_does_not_count_elsewhere_and_is_unused_there(place: str) -> None:
    texts = dict.fromkeys(("before", "first", "own", "between", "last", "after"), "")
    texts[place] = HERE + ("\n" if place == "before" else "")
    assert sorted(codes(run(MULTI.format(**texts)))) == ["MDL401", "MDL901"]


@pytest.mark.parametrize(
    "source",
    [
        f"if a:\n    load()@\nelse:  {HERE}\n    pass\n",
        f"class A:  {HERE}\n    def f(self):\n        load()@\n",
        f"def f():\n    load()@\n    return 1  {HERE}\n",
    ],
)
def test_the_statement_is_the_innermost(source: str) -> None:
    assert sorted(codes(run(source))) == ["MDL401", "MDL901"]


@pytest.mark.parametrize(
    "source",
    [
        f"with open(\n    p,@\n) as f:  {HERE}\n    pass\n",
        f"if a: load(@\n    b)  {HERE}\n",
        f"a = 1; load(@  {HERE}\n)\n",
        f"load(\\\n  b)@  {HERE}\n",
        f"load(b)@  {HERE}",  # no newline at the end
        f"\tx = f'''\n'''; load(@\n)  {HERE}".lstrip(),
    ],
)
def test_headers_and_joined_lines(source: str) -> None:
    assert codes(run(source)) == []


@pytest.mark.parametrize(
    "comment",
    [
        "#modelint:ignore[MDL401]",
        "# modelint: ignore [ MDL401 ]",
        "# modelint: ignore[mdl401]",
        "# modelint: ignore[MDL302, MDL401, MDL901]",
        "# noqa: E501  # modelint: ignore[MDL401]",
        "# type: ignore[arg-type] # modelint: ignore[MDL401] because",
        "# modelint: ignore-file[MDL401] all of it",
    ],
)
def test_ways_to_write_it(comment: str) -> None:
    assert codes(run(f"load()@  {comment}\n")) == []


@pytest.mark.parametrize(
    "comment",
    [
        "# modelint: ignores[MDL401]",
        "# modelint: ignore-files[MDL401]",
        "# modelint: never ignore[MDL401]",
        "# notmodelint: ignore[MDL401]",
        "# see modelint: ignore[MDL401]",
    ],
)
def test_what_is_no_directive(comment: str) -> None:
    assert codes(run(f"load()@  {comment}\n")) == ["MDL401"]


@pytest.mark.parametrize("quotes", ['"', '"""', "f'"])
def test_strings_are_not_comments(quotes: str) -> None:
    source = f"load({quotes}# modelint: ignore[MDL401]{quotes.lstrip('f')})@\n"
    assert codes(run(source)) == ["MDL401"]


def test_another_code_hides_nothing() -> None:
    applied = run("load()@  # modelint: ignore[MDL302]\n")
    assert codes(applied) == ["MDL401", "MDL901"]
    assert applied.kept[1].message == "MDL302 is ignored here, but not reported on this line"


def test_ignore_file_counts_anywhere() -> None:
    source = "load()@\nload()@\n# modelint: ignore-file[MDL401] of the old trainer\n"
    assert run(source).kept == []
    assert codes(run(source, "MDL302")) == ["MDL302", "MDL302", "MDL901"]


def test_unused_stands_on_the_comment_or_on_the_code() -> None:
    source = "load()  # modelint: ignore[MDL401] reason\n"
    (unused,) = run(source).kept
    assert (unused.code, unused.name, unused.severity) == ("MDL901", "unused-ignore", "information")
    assert in_span(source, unused) == "# modelint: ignore[MDL401]"
    source = "load()@  # modelint: ignore[MDL401, MDL302]\n"
    (unused,) = run(source).kept
    assert in_span(source.replace("@", ""), unused) == "MDL302"


def test_a_comment_on_its_own_line_is_told_where_to_go() -> None:
    unused = run("# modelint: ignore[MDL401]\nload()@\n").kept[0]
    assert unused.code == "MDL901" and unused.help.startswith("move the comment to the end of the line")


def test_bare_hides_its_line_and_says_so() -> None:
    source = "load()@  # modelint: ignore this\nload()@\n"
    applied = run(source)
    assert [(each.code, each.span.line) for each in applied.kept] == [("MDL902", 1), ("MDL401", 2)]
    bare = applied.kept[0]
    assert (bare.name, bare.severity) == ("bare-ignore", "information")
    assert "hides MDL401" in bare.message and bare.help == "write `# modelint: ignore[MDL401] reason`"
    assert in_span(source.replace("@", ""), bare) == "# modelint: ignore"


def test_bare_names_the_codes_that_are_on_by_default() -> None:
    found = [at(1, "MDL401"), at(1, "MDL406")]
    bare = apply(found, {"/a.py": b"load()  # modelint: ignore\n"}, ["/a.py"]).kept[0]
    assert bare.help == "write `# modelint: ignore[MDL401] reason`"


def test_bare_that_hides_nothing_is_unused() -> None:
    assert codes(run("load()  # modelint: ignore\n")) == ["MDL901"]


@pytest.mark.parametrize(
    ("comment", "why"),
    [
        ("# modelint: ignore-file", "a whole file is ignored only by code"),
        ("# modelint: ignore[]", "the bracket is empty"),
        ("# modelint: ignore[ , ] x", "the bracket is empty"),
        ("# modelint: ignore[MDL401", "the bracket is never closed"),
    ],
)
def test_bare_comments_that_hide_nothing_say_so(comment: str, why: str) -> None:
    applied = run(f"load()@  {comment}\n")
    assert codes(applied) == ["MDL401", "MDL902"]
    assert applied.kept[1].message.endswith(f"hides nothing: {why}")


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("MDL4O1", "did you mean MDL401 (unchecked-non-strict-load)?"),
        ("unchecked-non-strict-load", "did you mean MDL401 (unchecked-non-strict-load)?"),
        ("E501", "`modelint rules` lists the codes"),
    ],
)
def test_unknown_codes_are_a_warning_that_names_the_nearest(code: str, advice: str) -> None:
    source = f"load()@  # modelint: ignore[{code}]\n"
    unknown = run(source).kept[1]
    assert (unknown.code, unknown.name, unknown.severity) == ("MDL903", "unknown-code", "warning")
    assert in_span(source.replace("@", ""), unknown) == code and unknown.help == advice


def test_a_prefix_is_no_code() -> None:
    assert codes(run("load()@  # modelint: ignore[MDL4]\n")) == ["MDL401", "MDL903"]


def test_codes_of_the_tool_can_be_ignored_by_name_only() -> None:
    assert run("load()  # modelint: ignore[MDL401, MDL901] seen with other files only\n").kept == []
    assert run("# modelint: ignore-file[MDL902]\nload()@  # modelint: ignore\n").kept == []
    assert codes(run("load()  # modelint: ignore[MDL4O1]  # modelint: ignore\n")) == ["MDL903", "MDL901"]


def wrapped_elsewhere(save: str, wrap: str, analysed: list[str]) -> Applied:
    related = (Related("/wrap.py", Span(2, 1, 2, 5), "wrapped here"),)
    files = {"/a.py": save.encode(), "/wrap.py": wrap.encode()}
    return apply([at(1, "MDL201", related=related)], files.get, analysed)


def test_a_comment_at_the_related_line_counts_in_another_file() -> None:
    comment = "  # modelint: ignore[MDL201] by design\n"
    assert wrapped_elsewhere("save()\n", "\nwrap(m)" + comment, ["/a.py"]).kept == []
    assert wrapped_elsewhere("save()\n", "\nwrap(m)" + comment, ["/a.py", "/wrap.py"]).kept == []
    # Both are used: removing either would be no mistake, but calling one unused would be.
    assert wrapped_elsewhere("save()" + comment, "\nwrap(m)" + comment, ["/a.py", "/wrap.py"]).kept == []
    assert codes(wrapped_elsewhere("save()\n", "\n\nwrap(m)" + comment, ["/a.py"])) == ["MDL201"]
    assert codes(wrapped_elsewhere("save()\n", "\n\nwrap(m)" + comment, ["/a.py", "/wrap.py"])) == ["MDL201", "MDL901"]


def test_a_file_that_is_gone_hides_nothing() -> None:
    assert codes(apply([at(1)], lambda path: None, ["/a.py"])) == ["MDL401"]


def test_files_without_a_mark_are_not_cut_into_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelint.lint.suppress.read_comments", lambda data: pytest.fail("cut into tokens"))
    assert codes(apply([at(1)], {"/a.py": b"load()  # ignore[MDL401]\n"}, ["/a.py"])) == ["MDL401"]


def test_comments_of_files_not_analysed_are_not_judged() -> None:
    source = b"load()  # modelint: ignore[MDL401]\n"
    assert apply([], {"/a.py": source}, []).kept == []


@pytest.mark.parametrize(
    "data",
    [
        b"load()  # modelint: ignore[MDL401]\nx = (",
        b"load()  # modelint: ignore[MDL401]\nif a:\n        b\n    c\n",
        b"load()  # modelint: ignore[MDL401]\n'''",
    ],
)
def test_a_broken_file_keeps_its_comments_before_the_break(data: bytes) -> None:
    applied = apply([at(1), at(2)], {"/a.py": data}, ["/a.py"])
    assert [each.span.line for each in applied.kept] == [2] and codes(applied) == ["MDL401"]
    # Nor is one called unused where the diagnostic may lie behind the break.
    assert apply([], {"/a.py": data}, ["/a.py"]).kept == []


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe# modelint: ignore[MDL401]\n",
        b"# coding: no-such\n# modelint: ignore[MDL401]\n",
        b"load() # modelint: ignore[MDL4O1]\n\x00",
        b"(" * 100_000 + b"# modelint: ignore[MDL4O1]\n",
        b"# modelint: ignore[MDL4O1]\n" + b"#" * 10_000_000,
    ],
)
def test_bad_input_is_survived(data: bytes) -> None:
    assert "MDL401" in codes(apply([at(1)], {"/a.py": data}, ["/a.py"]))


def test_a_file_too_large_to_be_analysed_is_not_cut_into_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelint.lint.comments.LARGEST", 10)
    assert codes(run("load()@  # modelint: ignore[MDL4O1]\n")) == ["MDL401"]


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_other_newlines_do_not_shift_lines(newline: str) -> None:
    source = newline.join(["x = 1", "\x0c", "load()  # modelint: ignore[MDL401]", ""])
    assert apply([at(3)], {"/a.py": source.encode()}, ["/a.py"]).kept == []


def test_columns_count_characters_after_a_byte_order_mark() -> None:
    source = "s = '模型'  # modelint: ignore[MDL401]\n"
    (unused,) = apply([], {"/a.py": b"\xef\xbb\xbf" + source.encode()}, ["/a.py"]).kept
    assert in_span(source, unused) == "# modelint: ignore[MDL401]"


def test_what_is_kept_is_sorted_by_place() -> None:
    files = {"/a.py": b"\n\nx  # modelint: ignore[MDL401]\n", "/b.py": b"x  # modelint: ignore[MDL4O1]\n"}
    applied = apply([at(5), at(1, path="/b.py")], files, ["/b.py", "/a.py"])
    assert [(each.path, each.span.line, each.code) for each in applied.kept] == [
        ("/a.py", 3, "MDL901"),
        ("/a.py", 5, "MDL401"),
        ("/b.py", 1, "MDL401"),
        ("/b.py", 1, "MDL903"),
    ]


@pytest.mark.parametrize("code", ["MDL901", "MDL902", "MDL903"])
def test_the_examples_of_the_pages_are_true(code: str) -> None:
    sections = catalogue.sections(catalogue.page(code))
    for heading, expected in (("Example", True), ("Use instead", False)):
        fences = catalogue.code_fences(sections[heading])
        assert fences
        for fence in fences:
            saves = [at(n, "MDL204") for n, line in enumerate(fence.split("\n"), start=1) if "torch.save(" in line]
            assert (code in codes(apply(saves, {"/a.py": fence.encode()}, ["/a.py"]))) is expected
