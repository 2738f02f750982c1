"""Manifests: stable text, exact reading, errors with the line, and merges that git can do."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from modelint.keys.table import KeyTable, TensorSpec
from modelint.layout import manifest
from modelint.layout.layout import Constant, Definition, Layout
from modelint.layout.manifest import ManifestError

LINEAR = Definition("torch.nn.Linear", 1, {"in_features": 8, "bias": True}, "traced", "ab" * 8, None, ("weight",), None)
NORM = Definition("torch.nn.LayerNorm", None, {"eps": 1e-05, "normalized_shape": (8,)}, "none", None, None, (), None)
NET = Definition("model.Net", None, {}, "partial", "cd" * 8, "ef" * 8, ("fc", "norm"), "01" * 8)


def layout(extra_layers: int = 0) -> Layout:
    specs = {}
    modules = {"": "d0"}
    for number in range(4 + extra_layers):
        specs[f"layers.{number}.fc.weight"] = TensorSpec("float32", (8, 8), "parameter")
        specs[f"layers.{number}.norm.weight"] = TensorSpec("float32", (8,), "parameter")
        modules |= {f"layers.{number}.fc": "d1", f"layers.{number}.norm": "d2"}
    specs["lazy"] = TensorSpec("float32", None, "parameter")
    specs['odd "key" \u00e9'] = TensorSpec("int64", (), "buffer")
    return Layout(
        KeyTable(specs, (("layers.0.fc.weight", "layers.1.fc.weight"),), {"quant._extra_state": "dict"}),
        {"mask": TensorSpec("bool", (4, 4), "buffer")},
        {"mask": Constant("aa", None), "table": Constant(None, "bb")},
        modules,
        {"d0": NET, "d1": LINEAR, "d2": NORM},
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "layout.json"
    manifest.write(str(file), "gpt", layout())
    return file


def error(path: Path, change: Callable[[str], str]) -> ManifestError:
    path.write_text(change(path.read_text()))
    with pytest.raises(ManifestError) as raised:
        manifest.read(str(path))
    assert raised.value.path == str(path)
    return raised.value


def changed(path: Path, change: Callable[[Any], Any]) -> ManifestError:
    def rewritten(text: str) -> str:
        document = json.loads(text)
        change(document)
        return json.dumps(document, indent=1)

    return error(path, rewritten)


def test_what_is_written_is_read(path: Path) -> None:
    found = manifest.read(str(path))
    assert (found.model, found.layout) == ("gpt", layout())
    assert list(found.layout.keys.specs) == list(layout().keys.specs)
    assert manifest.text("gpt", found.layout) == path.read_text()


def test_the_text_is_ascii_with_one_key_a_line(path: Path) -> None:
    data = path.read_bytes()
    assert data.isascii() and data.endswith(b"}\n") and b"\r" not in data
    lines = data.decode().split("\n")
    found = manifest.read(str(path))
    assert found.lines.keys() == found.layout.keys.specs.keys() | found.layout.keys.extra.keys()
    for key, number in found.lines.items():
        assert lines[number - 1].strip().startswith(json.dumps(key))
    assert '  "layers.0.fc.weight": {"dtype": "float32", "shape": [8, 8], "kind": "parameter"},' in lines


def test_lines_of_a_file_that_was_formatted_anew(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()), indent=4, sort_keys=True))
    found = manifest.read(str(path))
    lines = path.read_text().split("\n")
    assert all(json.dumps(key) in lines[number - 1] for key, number in found.lines.items())


def test_windows_line_ends_and_a_byte_order_mark_are_read(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert manifest.read(str(path)).layout == layout()


def test_it_is_what_the_schema_says(path: Path) -> None:
    schema = json.loads(resources.files("modelint.layout").joinpath("manifest.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    document = json.loads(path.read_text())
    jsonschema.validate(document, schema)
    assert set(schema["properties"]) == set(document)
    document["keys"]["lazy"]["shape"] = "?"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema)


def test_the_digest_is_of_the_content() -> None:
    base = layout()
    other = base._replace(
        keys=base.keys._replace(specs=dict(reversed(base.keys.specs.items()))),
        definitions={**base.definitions, "unused": NORM},
    )
    assert manifest.digest(base) == manifest.digest(other) != manifest.digest(layout(1))
    assert len(manifest.digest(base)) == 16


def test_json_of_the_tracer() -> None:
    assert manifest.from_json(json.loads(json.dumps(manifest.to_json(layout())))) == layout()
    with pytest.raises(ValueError, match="keys is not there"):
        manifest.from_json({})


@pytest.mark.parametrize(
    ("change", "line", "reason"),
    [
        (lambda text: text.replace('"schema": 1', '"schema": 2'), 2, "a newer modelint wrote it (schema 2; this"),
        (lambda text: text.replace('"schema": 1,', ""), 1, "it is no manifest: it names no schema"),
        (lambda text: text.replace('"schema": 1', '"schema": true'), 2, "it is no manifest: it names no schema"),
        (lambda text: "", 1, "it is empty"),
        (lambda text: "[]", 1, "it is no manifest: no JSON object"),
        (lambda text: text.replace("float32", "float32\\", 1), 5, "it is no JSON: "),
        (lambda text: text.replace("[8, 8]", "[8, NaN]", 1), 1, "it cannot be read: NaN is no number of JSON"),
        (lambda text: text.replace("[8, 8]", "[8, " + "9" * 9999 + "]", 1), 1, "it cannot be read: "),
        (lambda text: "[" * 100_000, 1, "it cannot be read: "),
        (lambda text: text.replace('"ties"', '"tie"'), 16, "'tie' is no field of a manifest"),
    ],
)
def test_what_cannot_be_used(path: Path, change: Callable[[str], str], line: int, reason: str) -> None:
    found = error(path, change)
    assert (found.line, found.reason[: len(reason)]) == (line, reason)


def test_conflict_markers(path: Path) -> None:
    def conflicted(text: str) -> str:
        lines = text.split("\n")
        return "\n".join([*lines[:6], "<<<<<<< HEAD", lines[6], "=======", lines[6], ">>>>>>> topic", *lines[7:]])

    found = error(path, conflicted)
    assert (found.line, found.reason) == (7, "a merge left conflict markers in it")


def test_cut_off_anywhere(path: Path) -> None:
    text = path.read_text()
    for length in range(2, len(text) - 2, 5):
        found = error(path, lambda _, length=length: text[:length])  # type: ignore[misc]
        assert found.line <= text[:length].count("\n") + 1
        assert "cut off" in found.reason or "no JSON" in found.reason, (length, found.reason)


def test_not_utf8(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"norm.weight", b"n\xffrm.weight", 1))
    with pytest.raises(ManifestError) as raised:
        manifest.read(str(path))
    assert (raised.value.line, raised.value.reason) == (6, "it is not UTF-8")


def test_a_key_twice(path: Path) -> None:
    def doubled(text: str, other: str) -> str:
        lines = text.split("\n")
        return "\n".join([*lines[:7], lines[4].replace("[8, 8]", other), *lines[7:]])

    original = path.read_text()
    for other in ("[8, 9]", "[8, 8]"):
        path.write_text(original)
        found = error(path, lambda text, other=other: doubled(text, other))  # type: ignore[misc]
        assert (found.line, found.reason) == (8, "'layers.0.fc.weight' stands in it twice")


def test_the_same_definition_twice_is_what_merges_leave(path: Path) -> None:
    lines = path.read_text().split("\n")
    at = next(number for number, line in enumerate(lines) if line.startswith('  "d1": {'))
    path.write_text("\n".join([*lines[: at + 1], lines[at], *lines[at + 1 :]]))
    assert manifest.read(str(path)).layout == layout()


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.update(model=7),
        lambda document: document.update(keys=[]),
        lambda document: document.pop("modules"),
        lambda document: document["keys"].update(lazy={"dtype": "float32", "shape": [1.5], "kind": "buffer"}),
        lambda document: document["keys"].update(lazy={"dtype": "float32", "shape": [True], "kind": "buffer"}),
        lambda document: document["keys"].update(lazy={"dtype": "float32", "shape": [-1], "kind": "buffer"}),
        lambda document: document["keys"].update(lazy={"dtype": "float32", "shape": [1], "kind": "weight"}),
        lambda document: document["keys"].update(lazy=None),
        lambda document: document.update(ties=[["a"]]),
        lambda document: document.update(extra={"a": 1}),
        lambda document: document.update(buffers={"a": 1}),
        lambda document: document.update(constants={"a": {"made": 1}}),
        lambda document: document["modules"].update(other="d9"),
        lambda document: document["modules"].update(other=[]),
        lambda document: document["definitions"]["d0"].pop("class"),
        lambda document: document["definitions"]["d0"].update(version="1"),
        lambda document: document["definitions"]["d0"].update(label="maybe"),
        lambda document: document["definitions"]["d0"].update(names="fc"),
        lambda document: document["definitions"]["d0"].update(trace=1),
        lambda document: document["definitions"]["d0"].update(attributes=[]),
        lambda document: document["definitions"]["d1"]["attributes"].update(weird={}),
        lambda document: document["definitions"]["d1"]["attributes"].update(weird=[[1]]),
    ],
)
def test_wrong_types(path: Path, change: Callable[[Any], Any]) -> None:
    assert 1 <= changed(path, change).line <= len(path.read_text().split("\n"))


def merged(folder: Path, base: str, ours: str, theirs: str) -> tuple[int, str]:
    files = [folder / name for name in ("ours", "base", "theirs")]
    for file, text in zip(files, (ours, base, theirs), strict=True):
        file.write_text(text)
    ran = subprocess.run(["git", "merge-file", "-p", *map(str, files)], capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout


def test_branches_that_touch_different_keys_merge(tmp_path: Path) -> None:
    base = layout()
    wide = TensorSpec("float32", (16, 8), "parameter")
    other = LINEAR._replace(trace="12" * 8)
    ours = base._replace(
        keys=base.keys._replace(specs={**base.keys.specs, "layers.0.norm.weight": wide}),
        modules={**base.modules, "layers.0.norm": "d8"},
        definitions={**base.definitions, "d8": other},
    )
    specs = dict(base.keys.specs)
    del specs["layers.3.fc.weight"]
    modules = {path: name for path, name in base.modules.items() if path != "layers.3.fc"}
    theirs = base._replace(keys=base.keys._replace(specs=specs), modules=modules)
    both = ours._replace(
        keys=base.keys._replace(specs={**specs, "layers.0.norm.weight": wide}),
        modules={**modules, "layers.0.norm": "d8"},
    )
    code, text = merged(tmp_path, *(manifest.text("gpt", each) for each in (base, ours, theirs)))
    assert (code, manifest.parse("merged", text.encode()).layout) == (0, both)
    assert text == manifest.text("gpt", both)


def test_a_large_manifest_is_read_quickly(tmp_path: Path) -> None:
    from time import process_time

    specs = {f"layers.{n // 384}.experts.{n % 384}.weight": TensorSpec("float32", (8, 8)) for n in range(18_000)}
    modules = {"": "d0"} | {f"layers.{n // 500}.experts.{n % 500}": "d1" for n in range(25_000)}
    large = Layout(KeyTable(specs), {}, {}, modules, {"d0": NET, "d1": LINEAR})
    manifest.write(str(tmp_path / "layout.json"), "moe", large)
    start = process_time()
    assert len(manifest.read(str(tmp_path / "layout.json")).lines) == 18_000
    assert process_time() - start < 1.5  # 0.3 s on a quiet machine
