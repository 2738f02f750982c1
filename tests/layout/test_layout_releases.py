"""Releases end to end: lock keeps and retires them, check proves that their files load, and what that asks for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from modelint.cli import main

NET = """
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.last = nn.Linear(8, 2)

    def forward(self, x):
        return self.last(self.first(x))
"""
RENAMED = NET.replace("self.last", "self.head")
HOOK = '''        self.register_load_state_dict_pre_hook(self._take_v1)

    @staticmethod
    def _take_v1(module, state, prefix, *rest):
        """Files of v1 call it last."""
        for leaf in ("weight", "bias"):
            if prefix + "last." + leaf in state:
                state[prefix + "head." + leaf] = state.pop(prefix + "last." + leaf)
'''
MIGRATED = RENAMED.replace("(8, 2)\n", "(8, 2)\n" + HOOK)
CONFIG = "[tool.modelint.models.net]\nfactory = 'net:Net'\n"
HOME = Path("model-manifests/net")


class Shell:
    """`modelint ...` in this process."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture
        self.err = ""

    def run(self, *arguments: str) -> tuple[int, str]:
        self._capture.readouterr()
        code = main(list(arguments))
        out, self.err = self._capture.readouterr()
        assert "Traceback" not in self.err
        return code, out

    def check(self) -> tuple[int, list[dict[str, Any]]]:
        code, out = self.run("check", "--only", "layout", "--format", "json")
        found: list[dict[str, Any]] = json.loads(out)["diagnostics"]
        return code, found

    def codes(self) -> tuple[int, list[str]]:
        code, found = self.check()
        return code, [f"{each['code']} {each['severity']}" for each in found]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a release."""
    folder = tmp_path_factory.mktemp("template")
    (folder / "net.py").write_text(NET)
    (folder / "pyproject.toml").write_text(CONFIG)
    environment = {**os.environ, "MODELINT_PYTHON": sys.executable, "MODELINT_CACHE_DIR": str(folder / "cache")}
    command = [sys.executable, "-m", "modelint", "lock", "net", "--release", "v1"]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == (
        "net: new, 4 keys in model-manifests/net/layout.json\n"
        "  kept as release v1 in model-manifests/net/releases/v1.json\n"
    )
    shutil.rmtree(folder / "cache")
    return folder


@pytest.fixture
def shell(tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    folder = tmp_path / "project"
    shutil.copytree(template, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MODELINT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("MODELINT_PYTHON", sys.executable)
    return Shell(capsys)


@pytest.fixture
def no_tracer(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr("modelint.layout.client.trace", None)
    return monkeypatch


def write(text: str) -> None:
    Path("net.py").write_text(text)


def contents() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def test_a_release_is_the_manifest_of_that_day(shell: Shell) -> None:
    assert Path(HOME, "releases/v1.json").read_bytes() == Path(HOME, "layout.json").read_bytes()
    assert shell.codes() == (0, [])


def test_a_rename_breaks_it_and_a_hook_mends_it(shell: Shell) -> None:
    write(RENAMED)
    code, found = shell.check()
    assert (code, [each["code"] for each in found]) == (1, ["MDL707", "MDL721"])
    of_release = found[1]
    assert of_release["message"] == (
        "net: files of release v1 do not load (missing keys, unexpected keys): "
        "last.{weight,bias} is now head.{weight,bias}"
    )
    assert (of_release["path"], of_release["line"], of_release["model"]) == ("net.py", 9, "net")
    assert of_release["drift"]["class"] == "breaking"
    assert [each["path"] for each in of_release["related"]] == ["model-manifests/net/releases/v1.json"]
    before = contents()
    code, out = shell.run("lock")
    assert code == 1 and contents() == before
    assert out.startswith("net: not accepted: files of release v1 would no longer load; nothing is written\n")
    assert "modelint migrate net" in out and "--retire v1 --reason TEXT" in out and "or --reason TEXT" in out
    assert shell.err == "1 model: 1 not accepted\n"
    write(MIGRATED)
    assert shell.codes() == (0, ["MDL707 information"])
    assert shell.run("lock", "--release", "v2")[0] == 0
    assert shell.codes() == (0, [])
    assert Path(HOME, "releases/v1.json").read_bytes() == before[str(HOME / "releases/v1.json")]


def test_a_reason_accepts_and_does_not_silence(shell: Shell) -> None:
    write(RENAMED)
    code, out = shell.run("lock", "--reason", "v1 was never published")
    assert code == 0 and out.startswith("net: accepted: breaking, 4 keys")
    assert shell.codes() == (1, ["MDL721 error"])
    code, out = shell.run("lock", "net", "--retire", "v1", "--reason", "v1 was never published")
    assert (code, out) == (0, "net: unchanged\n  release v1 is retired: v1 was never published\n")
    record = json.loads(Path(HOME, "releases/retired/v1.json").read_text())
    assert record == {"schema": 1, "release": "v1", "reason": "v1 was never published"}
    assert Path(HOME, "releases/v1.json").is_file()
    assert shell.codes() == (0, [])
    again = ("lock", "net", "--retire", "v1", "--reason", "one of two")
    assert shell.run(*again)[0] == 2 and "is retired already" in shell.err
    Path(HOME, "releases/retired/v1.json").write_text("<<<<<<< HEAD\n")
    assert shell.codes() == (3, ["MDL733 error"])
    assert shell.run(*again)[0] == 0
    assert shell.codes() == (0, [])


def test_one_is_retired_and_another_one_still_asks(shell: Shell) -> None:
    assert shell.run("lock", "--release", "v2")[0] == 0
    write(RENAMED)
    before = contents()
    code, out = shell.run("lock", "net", "--retire", "v1", "--reason", "gone")
    assert code == 1 and "files of release v2 would no longer load" in out
    assert contents() == before
    code, out = shell.run("lock", "net", "--retire", "v1", "--retire", "v2", "--reason", "gone", "--release", "v3")
    assert code == 0 and out.endswith(
        "  release v1 is retired: gone\n  release v2 is retired: gone\n"
        "  kept as release v3 in model-manifests/net/releases/v3.json\n"
    )
    assert shell.codes() == (0, [])


def test_what_does_not_arrive_is_told_until_it_is_accepted(shell: Shell) -> None:
    write(MIGRATED.replace('state[prefix + "head." + leaf] = state.pop(prefix + "last." + leaf)', "pass"))
    assert [each["code"] for each in shell.check()[1]] == ["MDL707", "MDL721"]
    lossy = MIGRATED.replace(
        'state[prefix + "head." + leaf] = state.pop(prefix + "last." + leaf)',
        'state[prefix + "head." + leaf] = getattr(module.head, leaf); del state[prefix + "last." + leaf]',
    )
    write(lossy)
    code, found = shell.check()
    assert (code, [f"{each['code']} {each['severity']}" for each in found]) == (
        1,
        ["MDL707 information", "MDL721 warning"],
    )
    assert found[1]["message"] == (
        "net: files of release v1 load, but last.{weight,bias} are lost; head.{weight,bias} keep their initial values"
    )
    assert found[1]["drift"]["class"] == "silent"
    code, out = shell.run("lock")
    assert code == 0 and out.startswith("net: accepted: safe") and "MDL721" in out
    losses = json.loads(Path(HOME, "releases/losses/v1.json").read_text())
    assert losses["dropped"] == ["last.weight", "last.bias"]
    assert losses["unreached"] == ["head.weight", "head.bias"]
    assert "  what of release v1 does not arrive is accepted\n" in out
    assert shell.codes() == (0, [])
    record = Path(HOME, "releases/losses/v1.json")
    text = record.read_text()
    record.write_text(f"<<<<<<< HEAD\n{text}")
    assert shell.codes() == (3, ["MDL733 error"])
    assert shell.run("lock")[0] == 0
    assert record.read_text() == text


def test_verdicts_hang_on_every_file_of_a_release(shell: Shell) -> None:
    """Adding, changing or deleting one makes the model affected; nothing else does."""
    release = HOME / "releases/v1.json"
    assert shell.codes() == (0, [])

    def is_built() -> bool:
        code, _ = shell.codes()
        assert code == 0
        return "1 built" in shell.err

    assert not is_built()
    text = release.read_text()
    release.with_name("v2.json").write_text(text)
    assert is_built() and not is_built()
    release.write_text(text.replace("\n  ", "\n   "))
    assert is_built() and not is_built()
    release.unlink()
    assert is_built() and not is_built()
    (HOME / "releases/retired").mkdir()
    (HOME / "releases/retired/v2.json").write_text('{"schema": 1, "release": "v2", "reason": "gone"}')
    assert is_built() and not is_built()


def test_after_lock_nothing_is_built(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (Path("net.py"), HOME / "layout.json", HOME / "releases/v1.json"):
        os.utime(path, (1, 1))
    assert shell.run("lock")[0] == 0
    monkeypatch.setattr("modelint.layout.client.trace", None)
    assert shell.codes() == (0, [])


def test_a_release_that_cannot_be_read(shell: Shell) -> None:
    path = HOME / "releases/v1.json"
    path.write_text(path.read_text()[:100])
    code, found = shell.check()
    assert (code, [each["code"] for each in found]) == (3, ["MDL733"])
    assert found[0]["path"] == str(path) and "its release v1 cannot be used: " in found[0]["message"]
    assert shell.codes()[0] == 3  # it is no good verdict
    code, _ = shell.run("lock")
    assert code == 2 and "--retire v1 --reason TEXT" in shell.err
    assert shell.run("lock", "net", "--retire", "v1", "--reason", "damaged")[0] == 0
    assert shell.codes() == (0, [])


def test_a_release_that_cannot_be_proved(shell: Shell) -> None:
    """Its hook reads values, and there is no memory for them."""
    reads = """        self.register_load_state_dict_pre_hook(self._look)

    @staticmethod
    def _look(module, state, prefix, *rest):
        assert state[prefix + "first.weight"].sum() == 0
"""
    net = NET.replace("(8, 2)\n", "(WIDTH, 2)\n" + reads).replace("(4, 8)", "(4, WIDTH)")
    write(net.replace("WIDTH", "8"))
    assert shell.codes() == (0, [])
    shutil.rmtree(HOME)
    Path("pyproject.toml").write_text("[tool.modelint]\nmemory = '2 GB'\n" + CONFIG)
    write(net.replace("WIDTH", "200_000_000"))
    assert shell.run("lock", "--release", "v1")[0] == 0
    code, found = shell.check()
    assert (code, [(each["code"], each["severity"]) for each in found]) == (3, [("MDL721", "warning")])
    assert "not proved that files of release v1 load: loading reads values" in found[0]["message"]
    assert found[0]["drift"] is None
    assert shell.codes()[0] == 3  # it is no good verdict


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("--release", "v1"), "net has a release v1 already"),
        (("--release", "V1"), "net has a release v1 already"),
        (("--release", "../v2"), "is no name of a release"),
        (("net", "--retire", "v1"), "--retire goes with --reason TEXT"),
        (("--retire", "v1", "--reason", "x"), "--retire goes with the name of a model"),
        (("net", "--retire", "v2", "--reason", "x"), "net has no release 'v2'; those that there are: v1"),
        (("net", "--retire", "v2", "--release", "v2", "--reason", "x"), "name the same release"),
        (("--remove", "net", "--release", "v2"), "--remove and --rename go without"),
    ],
)
def test_what_is_refused_before_anything_is_built(
    shell: Shell, no_tracer: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    before = contents()
    assert shell.run("lock", *arguments) == (2, "")
    assert words in shell.err and shell.err.count("\n") == 1
    assert contents() == before


def test_dry_runs_write_nothing(shell: Shell) -> None:
    before = contents()
    code, out = shell.run("lock", "--check", "--release", "v2")
    assert (code, contents()) == (1, before)
    assert "would be kept as release v2" in out
    assert shell.run("lock", "--check")[0] == 0


def test_releases_go_where_their_model_goes(shell: Shell, no_tracer: pytest.MonkeyPatch) -> None:
    (HOME / "releases/retired").mkdir()
    (HOME / "releases/retired/v1.json").write_text('{"schema": 1, "release": "v1", "reason": "gone"}')
    Path("pyproject.toml").write_text(CONFIG.replace("models.net", "models.other"))
    assert shell.run("lock", "--rename", "net", "other")[0] == 0
    home = HOME.with_name("other")
    assert json.loads((home / "releases/v1.json").read_text())["model"] == "other"
    assert (home / "releases/v1.json").read_bytes() == (home / "layout.json").read_bytes()
    assert (home / "releases/retired/v1.json").is_file()
    Path("pyproject.toml").write_text("[tool.modelint]\n")
    assert shell.run("lock", "--remove", "other")[0] == 2
    assert "other has 1 released layout, which" in shell.err
    assert shell.run("lock", "--remove", "other", "--reason", "gone")[0] == 0
    assert not home.exists()
