"""Which changed statements ran: what numbers cannot speak for."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelint.layout.settling.changes import Missed, Ran, changes, missed

CODE = """
class Block:
    def __init__(self, width, flag=False):
        self.width = width
        self.flag = flag

    def forward(self, x, mask=None):
        if self.flag:
            return x * 3
        if mask is not None:
            x = x * 2
        return self.inner(x)

    def inner(self, x):
        return x + 1

    def loss(self, x):
        return x.sum()

    def summary(self):
        return self.width


class Other:
    def forward(self, x):
        return x - 1


def helper(x):
    return x
"""


def _lines(text: str, parts: tuple[str, ...]) -> frozenset[int]:
    return frozenset(n for n, line in enumerate(text.split("\n"), 1) if any(part in line for part in parts))


class Pair:
    def __init__(self, folder: Path) -> None:
        self.old, self.new = folder / "old.py", folder / "new.py"

    def ran(self, *parts: str) -> Ran:
        """With the inputs."""
        return Ran({}, {str(path): _lines(path.read_text(), parts) for path in (self.old, self.new)})

    def missed(self, edits: list[tuple[str, str]], *ran: str) -> list[str]:
        """The statements of the new side that did not run; ``ran``: parts of the lines that did."""
        text = CODE
        for before, after in edits:
            assert before in text
            text = text.replace(before, after)
        self.old.write_text(CODE)
        self.new.write_text(text)
        found = missed(changes({"a.py": str(self.old)}, {"a.py": str(self.new)}, self.ran(*ran), self.ran(*ran)))
        lines = text.split("\n")
        return [lines[line - 1].strip() for path, line in found.places if path == str(self.new)]


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


RAN = ("self.width = width", "self.flag = flag", "if self.flag:", "if mask", "self.inner(x)", "x + 1", "x + 2", "1 + x")


def test_what_ran_is_not_missed(pair: Pair) -> None:
    assert pair.missed([("x + 1", "x + 2")], *RAN) == []


def test_what_did_not_run_is(pair: Pair) -> None:
    assert pair.missed([("x = x * 2", "x = x * 4")], *RAN) == ["x = x * 4"]


def test_comments_docstrings_and_layout_are_no_change(pair: Pair) -> None:
    assert pair.missed([("x = x * 2", "'''Words.'''\n            x = (x\n            * 2)  # more")], *RAN) == []


def test_a_branch_ruled_out_by_settings_does_not_count(pair: Pair) -> None:
    assert pair.missed([("x * 3", "x * 5")], *RAN) == []


def test_a_method_that_nothing_mentions_does_not_count(pair: Pair) -> None:
    assert pair.missed([("return self.width", "return -self.width"), ("x.sum()", "x.mean()")], *RAN) == []


def test_a_method_that_is_mentioned_where_it_was_not_reached_counts(pair: Pair) -> None:
    edits = [("x.sum()", "x.mean()"), ("x = x * 2", "x = x * 2 + self.loss(x)")]
    assert pair.missed(edits, *RAN) == ["x = x * 2 + self.loss(x)", "return x.mean()"]


def test_a_class_that_was_not_made_does_not_count(pair: Pair) -> None:
    edits = [("x - 1", "x - 2"), ("return x\n", "return -x\n"), ("x + 1", "x + 2 if isinstance(x, Other) else x + 1")]
    assert pair.missed(edits, *RAN) == []


def test_a_class_and_a_function_that_are_mentioned_count(pair: Pair) -> None:
    edits = [("x - 1", "x - 2"), ("return x\n", "return -x\n"), ("x = x * 2", "x = helper(Other()(x))")]
    assert pair.missed(edits, *RAN) == ["x = helper(Other()(x))", "return x - 2", "return -x"]


def test_lines_that_went_count_on_the_old_side(pair: Pair) -> None:
    new = CODE.replace("        if mask is not None:\n            x = x * 2\n", "")
    pair.old.write_text(CODE)
    pair.new.write_text(new)
    ran = pair.ran(*RAN)
    found = missed(changes({"a.py": str(pair.old)}, {"a.py": str(pair.new)}, ran, ran))
    assert found == Missed(((str(pair.old), 11),), True)


def test_a_function_that_moved_and_has_another_name_is_the_same_one(pair: Pair) -> None:
    pair.old.write_text(CODE)
    pair.new.write_text(CODE.replace("class Block", "class Part").replace("x + 1", "x + 2"))
    ran = pair.ran(*RAN)
    assert missed(changes({"a.py": str(pair.old)}, {"package/b.py": str(pair.new)}, ran, ran)) == Missed((), True)


def test_a_statement_of_many_lines_ran_if_one_of_them_did(pair: Pair) -> None:
    assert pair.missed([("return x + 1", "return (\n            1 + x\n            + 0 * 2\n        )")], *RAN) == []


def test_a_file_that_is_no_python_has_no_functions(pair: Pair) -> None:
    pair.old.write_text("def f(:\n")
    pair.new.write_text("def f(:\n    x\n")
    assert missed(changes({"a.py": str(pair.old)}, {"a.py": str(pair.new)}, Ran({}, {}), Ran({}, {}))) == Missed(
        (), False
    )


def test_a_branch_that_waits_for_a_new_parameter_does_not_count(pair: Pair) -> None:
    branch = "if twice:\n            x = x + x\n        return self.inner(x)"
    edits = [("mask=None)", "mask=None, twice=False)"), ("return self.inner(x)", branch)]
    assert pair.missed(edits, *RAN, "if twice") == []
    assert pair.missed([*edits, ("if twice", "if twice or mask")], *RAN, "if twice") == ["x = x + x"]


def test_a_constructor_tests_settings_alone(pair: Pair) -> None:
    branch = "self.flag = flag\n        if width > 3:\n            self.width = helper(3)\n"
    pair.missed([("self.flag = flag\n", branch), ("return x\n", "return -x\n")])
    files = {"a.py": str(pair.old)}, {"a.py": str(pair.new)}
    paths = (str(pair.old), str(pair.new))
    made = {path: {4, 5, 6} for path in paths}
    assert missed(changes(*files, Ran(made, {}), Ran(made, {}))) == Missed((), True)
    assert missed(changes(*files, Ran({}, made), Ran({}, made))).places == ((paths[1], 7), (paths[1], 32))


def test_a_class_of_the_same_name_in_another_file_is_another_one(pair: Pair, tmp_path: Path) -> None:
    other, changed = tmp_path / "other.py", tmp_path / "changed.py"
    other.write_text("class Block:\n    def forward(self, x):\n        return x ** 2\n")
    changed.write_text("class Block:\n    def forward(self, x):\n        return x ** 3\n")
    use = ("x = x * 2", "x = Block(x)")
    assert pair.missed([use], *RAN) == ["x = Block(x)"]
    olds = {"a.py": str(pair.old), "b.py": str(other)}
    news = {"a.py": str(pair.new), "b.py": str(changed)}
    found = missed(changes(olds, news, pair.ran(*RAN), pair.ran(*RAN)))
    assert {path for path, _ in found.places} == {str(pair.new), str(pair.old)}


SETTINGS = """
class Net:
    def forward(self, x, wide=None):
        kinds = (self.kinds, self.sizes)
        for number, (kind, size) in enumerate(zip(*kinds)):
            if kind == "a":
                x = x + 1
            elif kind == "c":
                x = x - 1
            if not self.deep:
                continue
            x = x * 5
        size = wide or size
        if size:
            x = x * 3
        return x
"""


@pytest.mark.parametrize(
    ("edit", "counts"), [(("x - 1", "x - 2"), False), (("x * 5", "x * 6"), False), (("x * 3", "x * 4"), True)]
)
def test_a_local_name_made_of_settings_is_a_setting(tmp_path: Path, edit: tuple[str, str], counts: bool) -> None:
    """Of what the function is given it is none."""
    old, new = tmp_path / "old.py", tmp_path / "new.py"
    old.write_text(SETTINGS)
    new.write_text(SETTINGS.replace(*edit))
    lines = {
        number for number, line in enumerate(SETTINGS.splitlines(), 1) if "x - 1" not in line and "x *" not in line
    }
    lines -= {number for number, line in enumerate(SETTINGS.splitlines(), 1) if "continue" in line}
    ran = Ran({}, {str(old): lines, str(new): lines})
    found = missed(changes({"a.py": str(old)}, {"a.py": str(new)}, ran, ran))
    assert bool(found.places) == counts


def test_a_parameter_is_no_mention_of_a_method(pair: Pair) -> None:
    """``loss`` here is what the function is given."""
    edits = [("return x + 1", "loss = x\n        return loss + 1"), ("x.sum()", "x.mean()")]
    assert pair.missed(edits, *RAN, "loss = x", "loss + 1") == []


def test_a_function_whose_body_went_elsewhere_is_found_there(tmp_path: Path) -> None:
    body = "        x = x + 1\n        x = x * 2\n        return x\n"
    old, new = tmp_path / "old.py", tmp_path / "new.py"
    old.write_text(f"class Self:\n    def forward(self, x):\n{body}")
    new.write_text(
        f"class Any:\n    def forward(self, x):\n{body}\n\n"
        "class Self(Any):\n    def forward(self, x):\n        return super().forward(x)\n"
    )
    ran = Ran({}, {str(old): range(1, 5), str(new): range(1, 11)})
    found = changes({"a.py": str(old)}, {"a.py": str(new)}, ran, ran)
    assert [each.statement.line for each in found] == [10]
