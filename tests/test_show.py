"""`modelint show` as a user meets it: text, JSON, exit codes, and nothing of a file that a terminal obeys."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from jsonschema import validate

from modelint.checkpoint.open import read
from modelint.cli import main
from modelint.keys.fold import fold
from modelint.keys.table import KeyTable, TensorSpec
from modelint.report.contents import Shown, text

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["schema", "source", "format", "root", "other_roots", "tensors", "calls", "findings", "notes"],
    "properties": {
        "schema": {"const": 1},
        "source": {"type": "string"},
        "format": {"type": "string"},
        "root": {"type": "string"},
        "other_roots": {"type": "array", "items": {"type": "string"}},
        "tensors": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["key", "dtype", "shape", "kind", "shares"],
                "properties": {
                    "key": {"type": "string"},
                    "dtype": {"type": "string"},
                    "shape": {"type": ["array", "null"], "items": {"type": "integer"}},
                    "kind": {"enum": ["parameter", "buffer", "unknown"]},
                    "shares": {"type": ["string", "null"]},
                },
            },
        },
        "calls": {"type": "array", "items": {"type": "string"}},
        "findings": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["code", "name", "message"],
                "additionalProperties": {"type": "string"},
            },
        },
        "notes": {
            "type": "array",
            "items": {"type": "object", "required": ["name", "message"], "additionalProperties": {"type": "string"}},
        },
    },
}


def saved(path: Path) -> Path:
    tied = torch.zeros(4, 2)
    state = {"emb.weight": tied, "head.weight": tied, "rows": tied[1:3], "n": torch.tensor(3)}
    torch.save({"epoch": 3, "state_dict": state, "ema": {"n": torch.tensor(1)}}, path)
    return path


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path / "a.pt")
    assert main(["show", str(path), "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    validate(document, SCHEMA)
    assert document["source"] == str(path)
    assert (document["format"], document["root"], document["other_roots"]) == ("torch zip", "/state_dict", ["/ema"])
    assert document["tensors"] == [
        {"key": "emb.weight", "dtype": "float32", "shape": [4, 2], "kind": "unknown", "shares": None},
        {"key": "head.weight", "dtype": "float32", "shape": [4, 2], "kind": "unknown", "shares": "emb.weight"},
        {"key": "rows", "dtype": "float32", "shape": [2, 2], "kind": "unknown", "shares": "emb.weight"},
        {"key": "n", "dtype": "int64", "shape": [], "kind": "unknown", "shares": None},
    ]
    assert document["calls"] == ["collections.OrderedDict", "torch._utils._rebuild_tensor_v2"]


def test_text_root_keys_all_and_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(saved(tmp_path / "a.pt"))
    assert main(["show", path]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0].startswith(f"{path}: torch zip, 4 tensors, 21 elements, ")
    assert "  state dict at /state_dict; others, for --root: /ema (1 tensor)" in said.out
    assert "beside it: /epoch int 3\n" in said.out
    assert "  rows         [2, 2] float32\n" in said.out
    assert "tied: emb.weight = head.weight\n" in said.out
    assert said.err == "4 tensors; nothing to report\n"
    assert main(["show", path, "--keys"]) == 0
    assert capsys.readouterr().out == "emb.weight\nhead.weight\nrows\nn\n"
    assert main(["show", path, "--keys", "--root", "ema", "--output-file", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out").read_text() == "n\n" and capsys.readouterr().out == ""
    assert main(["show", path, "--root", "/no"]) == 3
    assert (
        capsys.readouterr().err
        == f"modelint: {path}: refused: it has no state dict at /no; there are /state_dict, /ema\n"
    )


def test_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"a": 1}, tmp_path / "none.pt")
    assert main(["show", str(tmp_path / "none.pt")]) == 1
    assert "MDL804 [no-tensors]" in capsys.readouterr().out
    (tmp_path / "empty.pt").touch()
    assert main(["show", str(tmp_path / "empty.pt")]) == 3
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and "empty" in said.err
    assert main(["show", str(tmp_path / "gone.pt")]) == 2
    assert main(["show"]) == 2
    assert main(["show", "x", "--keys", "--all"]) == 2


def test_nothing_reaches_the_terminal_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b[31mred\x07\u202e\n\r\x9b\x7f"
    state = {evil + str(n): torch.zeros(2) for n in range(20)} | {evil: 3}
    torch.save(
        {evil: {"x": state}, "other": {evil: torch.zeros(1)}, evil + "entry": evil}, tmp_path / f"a{evil[:5]}.pt"
    )
    for arguments in ([], ["--all"], ["--keys"], ["--format", "json"]):
        assert main(["show", str(tmp_path / f"a{evil[:5]}.pt"), *arguments]) == 0
        said = capsys.readouterr()
        for line in (said.out + said.err).split("\n"):
            assert line.isprintable()


def test_only_what_is_needed_is_imported(tmp_path: Path) -> None:
    program = (
        "import sys; from modelint.cli import main\n"
        "assert main(['show', sys.argv[1]]) == 0\n"
        "bad = {'torch', 'safetensors', 'numpy', 'rich', 'libcst', 'pathspec'} & set(sys.modules)\n"
        "assert not bad, bad\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(saved(tmp_path / "a.pt"))], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def lines(shapes: dict[str, tuple[int, ...]]) -> list[str]:
    """The rows of keys, without the head."""
    table = KeyTable({key: TensorSpec("float32", shape) for key, shape in shapes.items()})
    return [line for line in "".join(text(Shown("x", table))).splitlines()[1:] if line]


def stands_for(rows: list[str]) -> int:
    found = [re.search(r" x([0-9,]+)$", row) for row in rows]
    return sum(int(each[1].replace(",", "")) if each else 1 for each in found)


def llama(layers: int, width: int = 8192) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (128256, width)}
    for n in range(layers):
        below = f"model.layers.{n}."
        shapes |= {f"{below}self_attn.{name}_proj.weight": (width, width) for name in "qo"}
        shapes |= {f"{below}self_attn.{name}_proj.weight": (1024, width) for name in "kv"}
        shapes |= {f"{below}mlp.{name}_proj.weight": (28672, width) for name in ("gate", "up")}
        shapes[f"{below}mlp.down_proj.weight"] = (width, 28672)
        shapes |= {f"{below}{name}_layernorm.weight": (width,) for name in ("input", "post_attention")}
    return {**shapes, "model.norm.weight": (width,), "lm_head.weight": (128256, width)}


def test_llama_70b_is_a_few_lines() -> None:
    shapes = llama(80)
    rows = lines(shapes)
    assert len(shapes) == 723 and len(rows) <= 12 and stands_for(rows) == 723


def test_a_mixture_of_experts_is_a_few_lines() -> None:
    shapes = llama(60, 256)
    for n in range(60):
        for expert in range(500):
            below = f"model.layers.{n}.mlp.experts.{expert}."
            shapes |= {below + "w1.weight": (64, 256), below + "w2.weight": (256, 64), below + "w3.weight": (64, 256)}
    rows = lines(shapes)
    assert len(shapes) > 90_000 and len(rows) <= 15 and stands_for(rows) == len(shapes)


def test_a_densenet_is_folded_over_numbers_inside_names_and_over_widths() -> None:
    shapes: dict[str, tuple[int, ...]] = {"features.conv0.weight": (64, 3, 7, 7)}
    width = 64
    for block, layers in enumerate((6, 12, 48, 32), 1):
        for layer in range(1, layers + 1):
            below = f"features.denseblock{block}.denselayer{layer}."
            for name, size in (("norm1", width), ("norm2", 128)):
                shapes |= {
                    f"{below}{name}.{leaf}": (size,) for leaf in ("weight", "bias", "running_mean", "running_var")
                }
                shapes[f"{below}{name}.num_batches_tracked"] = ()
            shapes |= {below + "conv1.weight": (128, width, 1, 1), below + "conv2.weight": (32, 128, 3, 3)}
            width += 32
        shapes[f"features.transition{block}.conv.weight"] = (width // 2, width, 1, 1)
        width //= 2
    rows = lines(shapes)
    assert len(rows) <= 40 and stands_for(rows) == len(shapes)
    assert any("denselayer{1..6}" in row and "64..224" in row for row in rows)


def test_numbers_inside_names_are_folded_when_asked() -> None:
    keys = [f"block{a}.conv{b}x.w" for a in (1, 2, 3) for b in (1, 2)]
    assert [line.text for line in fold(keys, inside=True)] == ["block{1..3}.conv{1,2}x.w"]
    assert [line.text for line in fold(keys)] != [line.text for line in fold(keys, inside=True)]
    assert sum(len(line.keys) for line in fold(keys, inside=True, names=False)) == 6
    assert [line.parts for line in fold(["a.{0}", "a.1", "a.2"], inside=True)] == [("a", "\\{0\\}"), ("a", "{1,2}")]


def test_a_key_of_dots_and_other_oddities(tmp_path: Path) -> None:
    state = {
        "." * 300_000: torch.zeros(1),
        "": torch.zeros(1),
        "a" * 100_000: torch.zeros(1),
        "1" * 5000: torch.zeros(1),
    }
    state |= {f"k{n}": torch.zeros(1) for n in range(20)}
    torch.save(state, tmp_path / "a.pt")
    table = read(str(tmp_path / "a.pt")).roots[0].table()
    assert list(table.specs) == list(state)
    assert len("".join(text(Shown("x", table)))) < 3_000
