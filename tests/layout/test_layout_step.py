from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelint.layout import step
from modelint.layout.document import DocumentError
from modelint.layout.step import Step

STEP = Step("0123456789abcdef", "fedcba9876543210", "breaking", {"head.weight": "fc.weight"}, ("aux.weight",), "v2")


def test_a_step_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / STEP.file_name
    path.write_text(step.text(STEP))
    assert step.read(str(path)) == STEP
    assert list(json.loads(path.read_text())) == ["schema", "from", "to", "class", "renames", "dropped", "reason"]
    assert path.name == "0123456789abcdef-fedcba9876543210.json"


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("schema", 2, "a newer modelint wrote it"),
        ("schema", "1", "it is no step"),
        ("class", "odd", "it is no step"),
        ("renames", {"a": 1}, "it is no step"),
        ("dropped", [1], "it is no step"),
        ("reason", 1, "it is no step"),
        ("from", None, "it is no step"),
    ],
)
def test_what_is_no_step(tmp_path: Path, field: str, value: object, reason: str) -> None:
    path = tmp_path / "step.json"
    path.write_text(json.dumps({**json.loads(step.text(STEP)), field: value}))
    with pytest.raises(DocumentError, match=reason):
        step.read(str(path))


def test_renames_over_several_steps() -> None:
    steps = [
        Step("a", "b", "breaking", {"fc.weight": "proj.weight"}),
        Step("b", "c", "breaking", {"proj.weight": "lin.weight", "head.weight": "out.weight"}),
        Step("x", "c", "breaking", {"fc.weight": "wrong.weight"}),
    ]
    assert step.renames(steps, "a", "c") == {"fc.weight": "lin.weight", "head.weight": "out.weight"}
    assert step.renames(steps, "b", "c") == {"proj.weight": "lin.weight", "head.weight": "out.weight"}
    assert step.renames(steps, "c", "a") == {} == step.renames(steps, "a", "elsewhere")
