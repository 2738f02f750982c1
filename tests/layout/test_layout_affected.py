"""Good verdicts: what they hang on, and that no file of verdicts can do harm."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from modelint.layout.affected import Uses, Verdicts, code_digest
from modelint.layout.declare import Declaration

MODEL = '''"""A model."""
import torch

class Net(torch.nn.Module):
    """Its page."""
    def __init__(self):
        super().__init__()  # first
        self.head = torch.nn.Linear(3, 4)
'''


class Place:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "cache"
        self.python = self.write("env/bin/python", "")
        self.write("env/pyvenv.cfg", "home = /usr/bin\n")
        self.write("project/model.py", MODEL)
        self.write("project/config.yaml", "width: 3\n")
        self.write("project/model-manifests/net/layout.json", "{}\n")
        self.write("env/lib/torch-2.13.0.dist-info/METADATA", "")
        root = str(folder / "project")
        self.declaration = Declaration(
            "net", "net", "model:Net", (), {}, None, False, root, f"{root}/pyproject.toml", 3,
            f"{root}/model-manifests", (root,), None,
        )  # fmt: skip
        self.uses = Uses(
            (f"{root}/model.py",),
            (f"{root}/config.yaml",),
            (f"{root}/local.py",),
            (str(folder / "env/lib/torch-2.13.0.dist-info"),),
        )

    def write(self, name: str, text: str) -> Path:
        """Written long before the run."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def open(self) -> Verdicts:
        return Verdicts.open(str(self.cache), self.declaration.folder)

    def keep(self, good: bool = True) -> None:
        time.sleep(0.02)
        verdicts = self.open()
        verdicts.keep(self.declaration, str(self.python), self.uses, good=good)
        verdicts.save(["net"])

    def holds(self) -> bool:
        return self.open().is_unaffected(self.declaration, str(self.python))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_good_verdict_holds_while_everything_is_the_same(place: Place) -> None:
    assert not place.holds()
    place.keep()
    assert place.holds()
    assert place.open().uses("net") == place.uses._replace(
        packages=(str(place.folder / "env/lib"), *place.uses.packages)
    )
    assert not list((place.folder / "project").rglob("*cache*"))


def test_a_verdict_that_is_not_good_is_given_again(place: Place) -> None:
    place.keep(good=False)
    assert not place.holds()
    assert place.open().uses("net") is not None


CHANGES: dict[str, Callable[[Place], object]] = {
    "code": lambda place: place.write("project/model.py", MODEL.replace("4", "5")),
    "code gone": lambda place: (place.folder / "project/model.py").unlink(),
    "data": lambda place: place.write("project/config.yaml", "width: 3 # the same\n"),
    "missing appears": lambda place: place.write("project/local.py", ""),
    "manifest": lambda place: place.write("project/model-manifests/net/layout.json", "{} \n"),
    "manifest gone": lambda place: (place.folder / "project/model-manifests/net/layout.json").unlink(),
    "a release": lambda place: place.write("project/model-manifests/net/releases/v1.json", "{}"),
    "interpreter": lambda place: place.write("env/bin/python", "other"),
    "environment": lambda place: place.write("env/pyvenv.cfg", "home = /opt\n"),
    "package": lambda place: (place.folder / "env/lib/torch-2.13.0.dist-info").rename(place.folder / "env/torch-2.14"),
    "a package more": lambda place: place.write("env/lib/xformers/__init__.py", ""),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_it_hangs_on(place: Place, change: str) -> None:
    place.keep()
    CHANGES[change](place)
    assert not place.holds()


@pytest.mark.parametrize(
    "changed",
    [
        {"factory": "model:Other"},
        {"args": (3,)},
        {"kwargs": {"depth": 3}},
        {"inputs": ("float32[2]",)},
        {"silent": "information"},
        {"optional": True},
        {"pythonpath": ("/elsewhere",)},
    ],
)
def test_it_hangs_on_the_declaration(place: Place, changed: dict[str, object]) -> None:
    place.keep()
    place.declaration = place.declaration._replace(**changed)  # type: ignore[arg-type]
    assert not place.holds()


def test_another_interpreter_is_another_verdict(place: Place) -> None:
    place.keep()
    place.python = place.write("other/bin/python", "")
    assert not place.holds()


def test_words_layout_and_times_do_not_matter(place: Place) -> None:
    place.keep()
    text = (
        MODEL.replace("A model.", "Another page.").replace("  # first", "").replace("(3, 4)", "(\n            3, 4\n)")
    )
    place.write("project/model.py", text + "\n\n# the end\n")
    place.declaration = place.declaration._replace(line=17)
    os.utime(place.folder / "project/config.yaml", (1, 1))
    verdicts = place.open()
    assert verdicts.is_unaffected(place.declaration, str(place.python))
    # The next run need not parse the new text.
    verdicts.save(["net"])
    table = json.loads(next((place.cache / "layout").iterdir()).read_text())["table"]
    assert code_digest(text.encode()) == code_digest(MODEL.encode())
    assert place.open()._content(str(place.folder / "project/model.py")) in [content for _, content, _ in table]


def test_code_in_strings_matters() -> None:
    assert code_digest(b"x = 'a'\n") != code_digest(b"x = 'b'\n")
    assert code_digest(b"def f():\n    'page'\n") == code_digest(b"def f():\n    'other'\n")
    assert code_digest(b"x = (\n") != code_digest(b"x = ((\n")


def test_what_was_written_meanwhile_may_not_be_what_was_built(place: Place) -> None:
    verdicts = place.open()
    later = time.time_ns() + 1_000_000_000
    os.utime(place.folder / "project/model.py", ns=(later, later))
    verdicts.keep(place.declaration, str(place.python), place.uses, good=True)
    verdicts.save(["net"])
    assert not place.holds()


def test_models_that_are_not_declared_are_forgotten(place: Place) -> None:
    place.keep()
    verdicts = place.open()
    verdicts.keep(place.declaration._replace(name="other"), str(place.python), place.uses, good=True)
    verdicts.remember("interpreter", {"a": 1})
    verdicts.save(["other"])
    assert place.open().uses("net") is None
    assert place.open().recall("interpreter") == {"a": 1}
    assert place.open().is_unaffected(place.declaration._replace(name="other"), str(place.python))


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"format": 1}',
        b"MODELS:[]",
        b'MODELS:{"net": null}',
        b'MODELS:{"net": {}}',
        b'MODELS:{"net": {"good": true, "data": [9], "python": []}}',
        b"TABLE:[[1]]",
        b"TABLE:7",
    ],
)
def test_damaged_verdicts_are_none(place: Place, damage: bytes) -> None:
    place.keep()
    file = next((place.cache / "layout").iterdir())
    whole = json.loads(file.read_bytes())
    for mark, field in ((b"MODELS:", "models"), (b"TABLE:", "table")):
        if damage.startswith(mark):
            damage = json.dumps({**whole, field: json.loads(damage.removeprefix(mark))}).encode()
    file.write_bytes(damage)
    assert not place.holds()
    place.keep()
    assert place.holds()


def test_another_modelint_has_other_verdicts(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.keep()
    monkeypatch.setattr("modelint.layout.affected.__version__", "9")
    assert not place.holds()


def test_without_a_cache_folder_every_model_is_built(place: Place) -> None:
    for cache in (None, "/dev/null/x", "/proc/none"):
        verdicts = Verdicts.open(cache, place.declaration.folder)
        verdicts.keep(place.declaration, str(place.python), place.uses, good=True)
        verdicts.save(["net"])
        assert not Verdicts.open(cache, place.declaration.folder).is_unaffected(place.declaration, str(place.python))
