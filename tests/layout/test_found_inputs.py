"""Silent drift without declared inputs: settled by numbers on inputs that are found, or left as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_numbers import (
    DOUBLED,
    FIRST,
    GUARDED,
    RARE,
    RELU,
    RENAMED,
    UNTRACED,
    Variant,
    Verdicts,
    run_variants,
    settled,
    unsettled,
)

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from modelint.layout.settling import changes, doubt  # noqa: E402
from modelint.layout.tracer import likely, sought  # noqa: E402

SHORT = """x = self.first(x)
        if x.shape[0] > FACTOR:
            x = 2 * x
"""
MASKED = (
    ("targets=None", "mask=None"),
    ("targets is not None", "mask is not None"),
    ("F.cross_entropy(x, targets)", "x * mask[..., None]"),
)
ODD = "assert len(x) == 7\n        "
KEPT = ("self.last =", "self.decay = 0.5\n        self.last =")
FOUND = {
    "equal": Variant((DOUBLED,), config=""),
    "relu": Variant((RELU,), config=""),
    "eps": Variant((("LayerNorm(width)", "LayerNorm(width, eps=1e-6)"),), config=""),
    "not_run": Variant(((FIRST, RARE),), config=""),
    "partly": Variant(((FIRST, GUARDED),), config=""),
    "unreached": Variant((("x.nan_to_num()", "x.relu()"),), ((FIRST, GUARDED),), ""),
    "untraced": Variant((("0.5 * float", "0.6 * float"),), ((FIRST, UNTRACED.replace("FACTOR", "0.5")),), ""),
    "kept": Variant(
        (("self.decay = 0.5", "self.decay = 0.6"),), (KEPT, (FIRST, UNTRACED.replace("FACTOR", "self.decay"))), ""
    ),
    "number": Variant((("> 1000", "> 2000"),), ((FIRST, SHORT.replace("FACTOR", "1000")),), ""),
    "test": Variant((("> 1000", ">= 1000"),), ((FIRST, SHORT.replace("FACTOR", "1000")),), ""),
    "nothing_runs": Variant((("F.gelu(self.lin(", "F.relu(self.lin("),), (("(self, x, t", "(self, *, x, t"),), ""),
    "old_fails": Variant((DOUBLED, (ODD, "")), ((FIRST, ODD + FIRST),), ""),
    "renamed": Variant((RENAMED,), config=""),
    "optional_other": Variant((DOUBLED, ("x * mask[..., None]", "x * ~mask[..., None]")), MASKED, ""),
    "optional_same": Variant((DOUBLED, ("x * mask[..., None]", "mask[..., None] * x")), MASKED, ""),
    "dropout": Variant((("Dropout(0.1)", "Dropout(0.2)"),), config=""),
}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Verdicts:
    return run_variants(tmp_path_factory.mktemp("found"), FOUND)


@pytest.mark.slow
def test_what_computes_the_same_is_information(verdicts: Verdicts) -> None:
    found = settled(verdicts, "equal")
    assert (found.code, found.severity, found.cls) == ("MDL713", "information", "safe")
    assert "computes the same on inputs that were found, not declared (float32[2, 16, 4] and " in found.message
    assert "declare `inputs`" in found.help


@pytest.mark.slow
@pytest.mark.parametrize("name", ["relu", "eps"])
def test_what_does_not_stays_an_error_and_says_with_which_inputs(verdicts: Verdicts, name: str) -> None:
    found = settled(verdicts, name)
    assert (found.severity, found.cls) == ("error", "silent")
    assert "computes something else: outputs part first at blocks.0" in found.message
    assert "(with inputs that were found, not declared (float32[2, 16, 4] and " in found.message


@pytest.mark.slow
def test_what_the_inputs_may_lack_settles_nothing(verdicts: Verdicts) -> None:
    assert "but a test of a number changed" not in unsettled(verdicts, "not_run")
    assert "some of the changed lines (not_run.py:32) did not run with these inputs; " in unsettled(verdicts, "not_run")
    assert "but a number changed (Net.forward, line " in unsettled(verdicts, "number")
    assert "but a test of a number changed (Net.forward, line " in unsettled(verdicts, "test")
    assert unsettled(verdicts, "nothing_runs") == "no inputs are declared, and none were found with which it runs"


@pytest.mark.slow
def test_changed_lines_that_do_not_run_are_named_and_no_error(verdicts: Verdicts) -> None:
    found = settled(verdicts, "partly")
    assert (found.severity, found.cls) == ("information", "silent")
    assert "; some of the changed lines (partly.py:32) did not run with them" in found.message
    assert "declare `inputs`" in found.help
    found = settled(verdicts, "unreached")
    assert (found.severity, found.cls) == ("warning", "silent")
    assert "; the changed lines (unreached.py:32) did not run with them" in found.message


@pytest.mark.slow
def test_optional_arguments_are_tried(verdicts: Verdicts) -> None:
    found, other = verdicts["optional_other"][0]
    assert other.severity == "information"
    assert (found.severity, found.cls) == ("warning", "silent")
    assert "computes the same on inputs that were found, not declared (float32[2, 16, 4] and " in found.message
    assert "; called with mask=bool[2, 16]: outputs part first at the end of the forward, by 1.0e+00; " in found.message
    same = settled(verdicts, "optional_same")
    assert (same.severity, same.cls) == ("information", "safe")
    assert "did not run" not in same.message


@pytest.mark.slow
def test_what_cannot_be_traced_is_run(verdicts: Verdicts) -> None:
    for name in ("untraced", "kept"):
        found = settled(verdicts, name)
        assert (found.code, found.severity, found.cls) == ("MDL713", "error", "silent"), name
        assert "computes something else: outputs part first at " in found.message
        assert "(with inputs that were found, not declared (float32[2, 4] and 1 more)" in found.message


@pytest.mark.slow
def test_what_only_the_new_code_takes_settles_nothing(verdicts: Verdicts) -> None:
    words = "the old code does not run with the inputs that were found: AssertionError"
    assert unsettled(verdicts, "old_fails").startswith(words)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["renamed", "dropout"])
def test_nothing_is_looked_for_where_no_silent_drift_is_an_error(verdicts: Verdicts, name: str) -> None:
    said, why = verdicts[name]
    assert said
    assert why == ""
    assert "found, not declared" not in said[0].message


# What is tried


class Embedded(nn.Module):
    """At most 40 places, of which it looks at pairs."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 4)
        self.place = nn.Parameter(torch.zeros(40, 4))

    def forward(self, tokens: Any) -> Any:
        assert tokens.shape[1] % 2 == 0
        return self.embed(tokens) + self.place[: tokens.shape[1]]


class Timed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.classes = nn.Embedding(7, 4)

    def forward(self, x: Any, t: Any, y: Any, mask: Any, cond: Any) -> Any:
        assert t.shape == y.shape == x.shape[:1] and mask.dtype == torch.bool
        return self.conv(x + cond) + self.classes(y)[:, :, None, None] * t[:, None, None, None]


def test_several_sizes_are_found() -> None:
    found = sought.find(Embedded, [["float32[1, 2]"], ["int64[1, 6] < 11"]])
    assert found[0] == (["int64[2, 6] < 11"], 1.0)  # more than one sample
    assert [texts for texts, _ in found[1:]] == [["int64[2, 24] < 11"]]  # as long as it may be, and odd ones fail


def test_one_size_is_tried_with_other_values() -> None:
    class Fixed(nn.Module):
        def forward(self, x: Any) -> Any:
            return x.view(2, 3, 5)

    found = sought.find(Fixed, [["float32[2, 3, 5]"]])
    assert found == [(["float32[2, 3, 5]"], 1.0), (["float32[2, 3, 5]"], 4.0)]
    (quiet, loud) = (sought.maker(*each)()[0][0] for each in found)
    assert torch.equal(4 * quiet, loud)


class Handing(nn.Module):
    """Hands on what it does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Optional()

    def forward(self, x: Any, **kwargs: Any) -> Any:
        return self.inner(x, **kwargs)


class Optional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(4, 4)

    def forward(self, x: Any, cond: Any = None, rate: float = 0.5, double: bool = False, other: Any = None) -> Any:
        assert other is None
        x = self.lin(x) if cond is None else self.lin(x) + cond
        return 2 * x if double else rate * x


@pytest.mark.parametrize("model", [Optional, Handing])
def test_optional_arguments_one_at_a_time(model: type[nn.Module]) -> None:
    found = sought.find(lambda: model().double(), [["float32[2, 4]"]])
    called = [sought.called_with(texts) for texts, _ in found]
    assert [each for each in called if each] == ["cond=float32[2, 16, 4]", "double=True"]
    (args, kwargs) = sought.maker(["float32[2, 4]", "double=True", "cond=float32[2, 4]"], 1.0)()
    assert len(args) == 1
    assert kwargs["double"] is True
    assert kwargs["cond"].shape == (2, 4)


def test_nothing_is_found() -> None:
    assert sought.find(lambda: nn.ModuleList(), [["float32[2]"]]) == []


def test_the_names_of_arguments_tell_what_they_are() -> None:
    every = list(likely.likely(Timed()))
    image = "float32[2, 3, 224, 224]"
    assert every[0] == [image, "int64[2] < 100", "int64[2] < 7", "bool[2, 3]", image]
    assert len({tuple(each) for each in every}) == len(every) <= 120


class Attention(nn.Module):
    """Without a layer of torch, as graph networks are."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(5, 3))

    def forward(self, x: Any, adj: Any) -> Any:
        return (adj > 0).to(x.dtype) @ (x @ self.w)


class Edges(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(5, 3)

    def forward(self, x: Any, edge_index: Any) -> Any:
        source, target = edge_index
        return torch.zeros_like(self.fc(x)).index_add(0, target, self.fc(x)[source])


def test_the_nodes_of_a_graph() -> None:
    assert next(likely.likely(Attention())) == ["float32[16, 5]", "float32[16, 16]"]
    assert next(likely.likely(Edges())) == ["float32[2, 5]", "int64[2, 8] < 2"]
    for model in (Attention, Edges):
        assert len(sought.find(lambda model=model: model().double(), list(likely.likely(model())))) > 1


# What speaks against equal numbers

OLD = """
LIMIT = 8


def forward(x, wide=3):
    if x.shape[1] > LIMIT:
        x = x[:, :4]
    return x * 2 + x
"""


@pytest.mark.parametrize(
    ("edits", "why"),
    [
        ((("return x * 2 + x", "return x + 2 * x"),), None),
        ((("return x * 2 + x", "return x * 3 + x"),), "a number changed (forward, line 8)"),
        ((("return x * 2 + x", "return x * -2 + x"),), "a number changed (forward, line 8)"),
        ((("x[:, :4]", "x[:, :-4]"), ("* 2 + x", "* 2 + x + 0 * x")), "a number changed (forward, line 8)"),
        ((("LIMIT = 8", "LIMIT = 9"), ("x * 2 + x", "x + x * 2")), "a number changed (a.py)"),
        ((("wide=3", "wide=4"), ("x * 2 + x", "x + x * 2")), "a number changed (a.py)"),
        ((("if x.shape[1] > LIMIT", "if LIMIT < x.shape[1]"),), "a test of a number changed (forward, line 6)"),
        ((("if x.shape[1] > LIMIT", "if x.shape[1] == wide"),), "a test of a number changed (forward, line 6)"),
        ((("if x.shape[1] > LIMIT", "if x is not None"),), "a test of a number changed (forward, line 6)"),
        ((), "what changed is not among the statements that ran"),
    ],
)
def test_doubts(tmp_path: Path, edits: tuple[tuple[str, str], ...], why: str | None) -> None:
    old, new = tmp_path / "old.py", tmp_path / "new.py"
    old.write_text(OLD)
    text = OLD
    for before, after in edits:
        assert before in text
        text = text.replace(before, after)
    new.write_text(text)
    files = {"a.py": str(old)}, {"a.py": str(new)}
    ran = [changes.Ran({}, {str(path): range(1, 20)}) for path in (old, new)]
    found = doubt.why(*files, changes.changes(*files, *ran))
    assert found == why or (why is not None and found is not None and found.startswith(why))


def test_weights_in_a_list_tell_what_they_multiply() -> None:
    class Listed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.all = nn.ParameterList([torch.zeros(4, 7)])

        def forward(self, x: Any) -> Any:
            return nn.functional.linear(x, self.all[0])

    assert sought.find(lambda: Listed().double(), [])[0] == (["float32[2, 7]"], 1.0)


# One argument at a time


class Columns(nn.Module):
    """Its inputs stand in no layer: counts of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.named = 3
        self.embed = nn.Embedding(15, 6)
        self.weights = nn.Parameter(torch.randn(5, 6))
        self.head = nn.Linear(6, 2)

    def forward(self, names: Any, numbers: Any) -> Any:
        assert names.shape[-1] == self.named
        rows = torch.cat((self.embed(names + 2), numbers[..., None] * self.weights), dim=1)
        return self.head(rows.mean(dim=1))


class Graph(nn.Module):
    """What the edges are wide tells nothing but the error."""

    def __init__(self) -> None:
        super().__init__()
        self.edge = nn.Linear(8 * 2 + 1 + 3, 8)

    def forward(self, nodes: Any, places: Any, edges: Any = None, mask: Any = None) -> Any:
        count = nodes.shape[1]
        ones, others = nodes[:, :, None].expand(-1, -1, count, -1), nodes[:, None].expand(-1, count, -1, -1)
        away = (places[:, :, None] - places[:, None]).square().sum(dim=-1, keepdim=True)
        parts = [ones, others, away] if edges is None else [ones, others, away, edges]
        return self.edge(torch.cat(parts, dim=-1)).sum(dim=2) + self.near(nodes)

    def near(self, nodes: Any) -> Any:
        assert nodes.shape[-1] == 8
        return nodes


class Codes(nn.Module):
    """Without a layer: a table."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.randn(1, 16, 7))

    def forward(self, x: Any) -> Any:
        assert x.dim() == 3
        return torch.cdist(x, self.table.expand(len(x), -1, -1))


def test_what_lets_the_forward_come_further_is_kept() -> None:
    (found, _), *_ = sought.find(lambda: Columns().double(), [])
    assert [each.partition("[")[2] for each in found] == ["2, 3] < 2", "2, 5]"]
    (found, _), *_ = sought.find(lambda: Codes().double(), [])
    assert found == ["float32[2, 16, 7]"]


def test_an_error_names_sizes() -> None:
    (found, _), *_ = sought.find(lambda: Graph().double(), [], {"width": 8})
    assert len(found) == 3  # the edges may be left out, and then it does not run
    assert found[2].endswith(", 3]")
    assert sought.called_with(found) == ""


# Tests of settings

SETTINGS = """
class Net:
    def __init__(self, count, most=0):
        if most > 3:
            self.most = most
        self.count = count

    def forward(self, x):
        size = self.count + 1
        if self.count > 0:
            x = x + 1
        y = x if size == 4 else -x
        return y * 2 + x
"""


@pytest.mark.parametrize(
    ("edit", "doubted"),
    [
        (("if self.count > 0", "if 0 < self.count"), False),
        (("if self.count > 0", "if self.count >= 1 and len(self.layers) > 2"), False),
        (("size == 4", "4 == size"), False),
        (("if most > 3", "if 3 < most"), False),
        (("if self.count > 0", "if len(x) >= self.count"), True),
        (("if self.count > 0", "if self.norm(self.count) > 0"), True),
        (("size == 4", "x.shape[1] == size"), True),
        (("size == 4", "(4 if x.sum() > size else 3) == 4"), True),
    ],
)
def test_a_test_of_settings_goes_one_way(tmp_path: Path, edit: tuple[str, str], doubted: bool) -> None:
    old, new = tmp_path / "old.py", tmp_path / "new.py"
    assert edit[0] in SETTINGS
    old.write_text(SETTINGS)
    new.write_text(SETTINGS.replace(*edit))
    files = {"a.py": str(old)}, {"a.py": str(new)}
    ran = [changes.Ran({str(path): range(1, 7)}, {str(path): range(8, 14)}) for path in (old, new)]
    found = doubt.why(*files, changes.changes(*files, *ran))
    assert (found is not None and found.startswith("a test of a number changed")) is doubted, found
