"""`modelint diff`, end to end: a file, the difference, the cause, the printed code, the strict load."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from modelint import catalogue, cli
from modelint.keys.cause import explain
from modelint.keys.table import KeyTable, TensorSpec
from modelint.layout import manifest
from modelint.layout.layout import Layout
from modelint.rule import CauseRule

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")


class Net(nn.Module):
    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 8)
        self.dense = nn.Linear(8, 8)
        self.wide = nn.Linear(8, 12)
        self.LayerNorm = nn.LayerNorm(12)
        self.head = nn.Linear(12, classes)


class Lightning(nn.Module):
    """What a training framework wraps around a model."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.net = inner
        self.register_buffer("loss_weight", torch.ones(10))


class Ran:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: str) -> Ran:
        code = cli.main(["diff", *arguments])
        out, err = capsys.readouterr()
        assert not CONTROL.search(out + err)
        return Ran(code, out, err)

    return run


def layout_of(module: nn.Module) -> Layout:
    specs = {
        key: TensorSpec("float32", tuple(tensor.shape), "parameter") for key, tensor in module.state_dict().items()
    }
    return Layout(KeyTable(specs), {}, {}, {}, {})


def track(folder: Path, module: nn.Module, name: str = "net") -> None:
    """A project with a committed manifest."""
    home = folder / "model-manifests" / name
    home.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(f'[tool.modelint.models.{name}]\nfactory = "nets:make"\n')
    manifest.write(str(home / "layout.json"), name, layout_of(module))


def load(path: Path) -> Any:
    space: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), space)
    return space["load_old"]


def same(one: nn.Module, other: nn.Module, *but: str) -> bool:
    mine, others = one.state_dict(), other.state_dict()
    return all(torch.equal(mine[key], others[key]) for key in mine if key not in but)


def codes(ran: Ran) -> list[str]:
    return [cause["code"] for cause in json.loads(ran.out)["causes"]]


# The common stories


def test_trained_under_data_parallel_with_other_classes(run: Any, folder: Path) -> None:
    trained, model = Net(), Net(3)
    torch.save(nn.DataParallel(trained).state_dict(), "best.pt")
    track(folder, model)
    ran = run("best.pt", "manifest:net", "--format", "json", "--emit-code", "fit.py")
    assert ran.code == 1 and codes(ran) == ["MDL831", "MDL838"]
    load(folder / "fit.py")(model, torch.load("best.pt", weights_only=True))
    assert same(model, trained, "head.weight", "head.bias")
    shown = run("best.pt", "manifest:net")
    assert shown.code == 1
    for words in ("saved from a model inside DataParallel", "10 in the file, 3 in the model", "def load_old"):
        assert words in shown.out
    assert shown.err == "9 missing, 9 unexpected; 2 causes\n"


def test_one_saved_inside_another(run: Any, folder: Path) -> None:
    trained, model = Net(), Net()
    torch.save({"epoch": 3, "state_dict": Lightning(trained).state_dict(), "optimizer_states": []}, "last.ckpt")
    track(folder, model)
    ran = run("last.ckpt", "manifest:net", "--format", "json", "--emit-code", "fit.py")
    assert ran.code == 1 and codes(ran) == ["MDL836", "MDL841"]
    load(folder / "fit.py")(model, torch.load("last.ckpt", weights_only=True))
    assert same(model, trained)


def test_named_in_tensorflow_fashion(run: Any, folder: Path) -> None:
    trained, model = Net(), Net()
    state = {}
    for key, tensor in trained.state_dict().items():
        dense = key.endswith("weight") and key.split(".")[0] in ("dense", "wide", "head")
        name = key.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        name = name.replace("weight", "kernel") if dense else name.replace("embed.weight", "embed.embeddings")
        state[f"net/{name.replace('.', '/')}"] = tensor.t().contiguous() if dense else tensor
    torch.save(state, "tf.bin")
    track(folder, model)
    ran = run("tf.bin", "manifest:net", "--format", "json", "--emit-code", "fit.py")
    assert ran.code == 1 and sorted(set(codes(ran))) == ["MDL841", "MDL853", "MDL854"]
    load(folder / "fit.py")(model, torch.load("tf.bin", weights_only=True))
    assert same(model, trained)


def test_of_an_older_library_version(run: Any, folder: Path) -> None:
    trained, model = Net(), Net()
    state = {key.replace("dense.", "linear1."): tensor for key, tensor in trained.state_dict().items()}
    torch.save({**state, "embed.position_ids": torch.arange(20)}, "old.pt")
    track(folder, model)
    ran = run("old.pt", "manifest:net", "--format", "json", "--emit-code", "fit.py", "--emit-map", "map.json")
    assert ran.code == 1 and codes(ran) == ["MDL835", "MDL839"]
    assert json.loads((folder / "map.json").read_text())["renamed"] == {
        "linear1.weight": "dense.weight",
        "linear1.bias": "dense.bias",
    }
    load(folder / "fit.py")(model, torch.load("old.pt", weights_only=True))
    assert same(model, trained)


def test_of_two_copies_nobody_is_guessed(run: Any, folder: Path) -> None:
    raw, averaged, model = Net(), Net(), Net()
    torch.save({"model": raw.state_dict(), "model_ema": averaged.state_dict()}, "both.pt")
    track(folder, model)
    ran = run("both.pt", "manifest:net", "--format", "json", "--emit-code", "fit.py")
    assert ran.code == 1 and codes(ran) == ["MDL836", "MDL843"]
    with pytest.raises(TypeError, match="root"):
        load(folder / "fit.py")(model, torch.load("both.pt"))
    load(folder / "fit.py")(model, torch.load("both.pt"), root="/model_ema")
    assert same(model, averaged)
    run("both.pt", "manifest:net", "--root", "/model_ema", "--emit-code", "fit.py")
    load(folder / "fit.py")(model, torch.load("both.pt"))


def test_a_pickled_module_that_fits_is_not_a_state_dict(run: Any, folder: Path) -> None:
    trained, model = Net(), Net()
    torch.save(trained, "whole.pt")
    track(folder, model)
    with pytest.raises(TypeError, match="dict-like"):
        model.load_state_dict(torch.load("whole.pt", weights_only=False))
    ran = run("whole.pt", "manifest:net", "--emit-code", "fit.py")
    assert (ran.code, ran.err) == (1, "does not load as a whole; the state dict of the module in it does\n")
    load(folder / "fit.py")(model, torch.load("whole.pt", weights_only=False))
    assert same(model, trained)
    assert run("whole.pt", "manifest:net", "--root", "/").code == 0


def test_an_entry_that_fits_is_not_the_file(run: Any, folder: Path) -> None:
    """load_state_dict(torch.load(file)) fails; asked about the entry itself, it fits."""
    trained, model = Net(), Net()
    torch.save({"model": trained.state_dict(), "optimizer": {"state": {}, "param_groups": []}}, "last.pt")
    track(folder, model)
    with pytest.raises(RuntimeError, match="Missing key"):
        model.load_state_dict(torch.load("last.pt"))
    ran = run("last.pt", "manifest:net", "--format", "json", "--emit-code", "fit.py")
    document = json.loads(ran.out)
    assert ran.code == 1 and codes(ran) == ["MDL836"] and document["same"] and not document["loads"]
    assert not (document["missing"] or document["unexpected"] or document["reshaped"])
    assert ran.err == "does not load as a whole; /model does\n"
    load(folder / "fit.py")(model, torch.load("last.pt"))
    assert same(model, trained)
    shown = run("last.pt", "manifest:net")
    assert "does not load as a whole; /model does" in shown.out and "def load_old" in shown.out
    chosen = run("last.pt", "manifest:net", "--root", "/model", "--format", "json")
    assert chosen.code == 0 and json.loads(chosen.out)["loads"]


# Sources


def test_a_pickled_module(run: Any, folder: Path) -> None:
    trained, model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)), nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    torch.save(nn.DataParallel(trained), "whole.pt")
    track(folder, model)
    ran = run("whole.pt", "manifest:net", "--emit-code=fit.py")
    assert ran.code == 1
    load(folder / "fit.py")(model, torch.load("whole.pt", weights_only=False))
    assert same(model, trained)


def test_manifests_of_releases_and_revisions(run: Any, folder: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)

    track(folder, Net(10))
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "ten")
    track(folder, Net(3))
    releases = folder / "model-manifests/net/releases"
    releases.mkdir()
    manifest.write(str(releases / "v1.json"), "net", layout_of(Net(5)))
    for old, rows in (("manifest:net@git:HEAD", 10), ("manifest:net@v1", 5)):
        ran = run(old, "manifest:net", "--format", "json")
        document = json.loads(ran.out)
        assert ran.code == 1 and not document["loads"]
        assert document["reshaped"][0] == {"key": "head.weight", "old": [rows, 12], "new": [3, 12]}
    assert run("manifest:net", "manifest:net").code == 0
    (folder / "pyproject.toml").write_text("")
    assert run("manifest:net@v1", "manifest:net").code == 1  # its declaration went


def test_a_model_is_built_now(run: Any, folder: Path) -> None:
    track(folder, nn.Linear(3, 2))
    (folder / "nets.py").write_text("from torch import nn\n\n\ndef make():\n    return nn.Linear(3, 4)\n")
    ran = run("manifest:net", "model:net", "--python", sys.executable, "--format", "json")
    assert ran.code == 1 and [each["key"] for each in json.loads(ran.out)["reshaped"]] == ["weight", "bias"]
    (folder / "nets.py").write_text("def make():\n    raise RuntimeError('no weights today')\n")
    ran = run("manifest:net", "model:net", "--python", sys.executable)
    assert ran.code == 3 and "model:net: does not build: RuntimeError: no weights today" in ran.err
    assert run("manifest:net", "model:net", "--python", str(folder / "nowhere")).code == 3


@pytest.mark.parametrize(
    ("old", "code", "words"),
    [
        ("nowhere.pt", 2, "nowhere.pt: no such file or folder"),
        ("manifest:other", 2, "no model 'other' is tracked; those that are: net"),
        ("model:other", 2, "no model 'other' is tracked"),
        ("manifest:net@v9", 2, "no release 'v9' is kept (releases: none), and . is in no repository of git"),
        ("manifest:net@git:HEAD", 2, "manifest:net@git:HEAD: . is in no repository of git"),
        ("manifest:net@git:--output=x", 2, "is no revision of git"),
        ("broken.pt", 3, "broken.pt: refused: "),
        ("manifest:net", 0, "loads unchanged"),
    ],
)
def test_what_cannot_be_looked_at(run: Any, folder: Path, old: str, code: int, words: str) -> None:
    track(folder, Net())
    (folder / "broken.pt").write_bytes(b"PK\x03\x04" + b"\0" * 100)
    ran = run(old, "manifest:net")
    assert ran.code == code and words in ran.err and "Traceback" not in ran.err
    assert not (folder / "x").exists()


def test_a_manifest_that_is_not_there_or_broken(run: Any, folder: Path) -> None:
    track(folder, Net())
    file = folder / "model-manifests/net/layout.json"
    file.write_text('{"schema": 1,\n<<<<<<< ours\n')
    ran = run("manifest:net", "manifest:net")
    assert ran.code == 3 and "layout.json:2: " in ran.err
    file.unlink()
    ran = run("manifest:net", "manifest:net")
    assert ran.code == 3 and "`modelint lock net` writes it" in ran.err


# What is printed


def test_json_has_the_fields_that_others_read(run: Any, folder: Path) -> None:
    torch.save({"a.weight": torch.zeros(2), "b.weight": torch.zeros(3), "c.weight": torch.zeros(4)}, "one.pt")
    new = {"a.weight": torch.zeros(2, dtype=torch.float16), "b.weight": torch.zeros(5), "d.weight": torch.zeros(9)}
    torch.save(new, "two.pt")
    document = json.loads(run("one.pt", "two.pt", "--format", "json").out)
    assert list(document) == ("schema same loads missing unexpected reshaped retyped renamed ambiguous causes".split())
    assert document["missing"] == ["d.weight"] and document["unexpected"] == ["c.weight"]
    assert document["reshaped"] == [{"key": "b.weight", "old": [3], "new": [5]}]
    assert document["retyped"] == [{"key": "a.weight", "old": "float32", "new": "float16"}]
    assert document["renamed"] == [] and not document["same"] and not document["loads"]
    (cause,) = document["causes"]
    assert cause["code"] == "MDL830" and cause["fix"] is None


def test_text_folds_and_all_and_keys_do_not(run: Any, folder: Path) -> None:
    torch.save({f"layers.{n}.fc.weight": torch.zeros(2, 2) for n in range(6)}, "six.pt")
    torch.save({f"layers.{n}.fc.weight": torch.zeros(2, 2) for n in range(9)}, "nine.pt")
    text = run("six.pt", "nine.pt").out
    assert "layers has 0..5 in the file, 0..8 in the model" in " ".join(text.split())
    assert "missing (3 keys)\n    layers.{6..8}.fc.weight  x3\n" in text and "def load_old" not in text
    assert "    layers.7.fc.weight\n" in run("six.pt", "nine.pt", "--all").out
    assert run("six.pt", "nine.pt", "--keys").out.splitlines() == [f"missing layers.{n}.fc.weight" for n in (6, 7, 8)]


def test_where_the_code_goes(run: Any, folder: Path) -> None:
    torch.save({"module.a": torch.zeros(2)}, "one.pt")
    torch.save({"a": torch.zeros(2)}, "two.pt")
    alone = run("one.pt", "two.pt", "--emit-code")
    assert alone.out.startswith("def load_old(model, checkpoint):\n")
    assert run("--emit-code", "one.pt", "two.pt").out == alone.out
    assert run("--format", "text", "--emit-code", "one.pt", "two.pt").out == alone.out
    both = run("one.pt", "two.pt", "--emit-code", "fit.py", "--output-file", "report.txt")
    assert both.out == "" and (folder / "fit.py").read_text() == alone.out
    assert "MDL831" in (folder / "report.txt").read_text()
    assert run("one.pt", "two.pt", "--emit-code", "no/folder/fit.py").code == 2


EVIL = [
    "module.x'); __import__('os').system('touch owned'); ('",
    'module.y"""\nraise SystemExit(7)\n"""',
    "module.\x1b[31mred\x9b\u202etxet",
    "module.{layers}.{0..3},\\",
    "module.\udcff",
]


@pytest.mark.parametrize("prefix", ["module.", ""])
def test_names_of_a_file_are_never_code(run: Any, folder: Path, prefix: str) -> None:
    """Quotes, line ends, escapes and braces in keys."""
    names = [key.removeprefix("module.") for key in EVIL[:4]]
    from safetensors_like import write

    write(folder / "evil.safetensors", {prefix + name: (2,) for name in names} | {f"{prefix}gone\n\x1b": (3, 3)})
    write(folder / "good.safetensors", {(name if prefix else f"enc.{name}"): (2,) for name in names})
    ran = run("evil.safetensors", "good.safetensors", "--all")
    assert ran.code == 1
    run("evil.safetensors", "good.safetensors", "--emit-code", "fit.py", "--emit-map", "map.json")
    text = (folder / "fit.py").read_text()
    assert not CONTROL.search(text) and "MDL" not in text
    compile(text, "fit.py", "exec")
    load(folder / "fit.py")
    assert not (folder / "owned").exists()


def test_a_part_is_no_cause_where_names_take_the_whole() -> None:
    """One tower of two fits by its prefix alone; with renames all of the file arrives."""
    inner = {"conv.weight": (8, 3, 3, 3), "fc.weight": (9, 8), "fc.bias": (9,), "norm.weight": (8,), "norm.bias": (8,)}
    text = {"embed.weight": (50, 8), "proj.weight": (7, 8), "proj.bias": (7,)}
    parts = [
        ("image.vision", "model.image", inner),
        ("video.vision", "model.video", inner),
        ("text", "model.text", text),
    ]
    old, new = (
        KeyTable(
            {f"{part[at]}.{key}": TensorSpec("float32", shape) for part in parts for key, shape in part[2].items()}
        )
        for at in (0, 1)
    )
    rules = [rule for rule in catalogue.rules("checkpoint") if isinstance(rule, CauseRule)]
    found = explain(old, new, rules)
    assert found.fits and [each.code for each in found.causes] == ["MDL835"]
    assert found.renamed() == dict(zip(old.specs, new.specs, strict=True))


def test_names_without_number_are_compared_and_not_explained(run: Any, folder: Path) -> None:
    from safetensors_like import write

    write(folder / "one.safetensors", {f"{n}x.{n}y": (1,) for n in range(12_000)})
    write(folder / "two.safetensors", {f"{n}u.{n}v": (1,) for n in range(12_000)})
    ran = run("one.safetensors", "two.safetensors")
    assert ran.code == 1
    assert ran.err == ("12000 missing, 12000 unexpected; 0 causes; no cause was looked for among so many keys\n")


def test_a_key_without_a_name(run: Any, folder: Path) -> None:
    """No rule takes the empty name for none."""
    from safetensors_like import write

    names = ["", ".", "..", "..a", "a.", ".weight", ".gamma", "module.", "module..", "_orig_mod.", "b.gamma"]
    write(folder / "odd.safetensors", dict.fromkeys(names, (1,)))
    write(folder / "plain.safetensors", dict.fromkeys(("a", "weight", "b.weight", "module.c"), (1,)))
    for pair in (("odd.safetensors", "plain.safetensors"), ("plain.safetensors", "odd.safetensors")):
        ran = run("--emit-code", *pair)
        assert ran.code == 1 and "internal error" not in ran.err
        compile(ran.out, "fit.py", "exec")
