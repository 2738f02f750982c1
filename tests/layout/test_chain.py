"""Accepted steps: how they chain, what they do to keys together, and what is said where the record is broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from modelint import cli
from modelint.keys.table import KeyTable, TensorSpec
from modelint.layout import chain, manifest, release, step
from modelint.layout.layout import Definition, Layout
from modelint.layout.step import Step


def one(before: str, after: str, *, dropped: tuple[str, ...] = (), **renames: str) -> Step:
    return Step(before, after, "breaking", renames, dropped)


def ends(steps: list[Step]) -> str:
    return " ".join(f"{each.before}{each.after}" for each in steps)


def test_the_shortest_way_through_merges() -> None:
    steps = [one("a", "b"), one("a", "c"), one("b", "d"), one("c", "d"), one("d", "e"), one("b", "a"), one("e", "a")]
    assert ends(chain.way(steps, "a", "e")) == "ab bd de"
    assert ends(chain.way(steps, "c", "e")) == "cd de"
    assert chain.way(steps, "c", "c") == []


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([one("a", "b"), one("b", "a")], "the steps go round in a circle of 2 layouts"),
        ([one("a", "b"), one("c", "z")], "no step leads on from layout b"),
        ([one("b", "z")], "no step leads on from layout a"),
    ],
)
def test_a_circle_and_a_missing_link_are_said(steps: list[Step], words: str) -> None:
    with pytest.raises(chain.NoRoute, match=words):
        chain.way(steps, "a", "z")


@pytest.mark.parametrize(
    ("steps", "renames", "dropped"),
    [
        ([one("a", "b", x="y"), one("b", "c", y="z")], {"x": "z"}, ""),
        ([one("a", "b", x="y"), one("b", "c", y="x")], {}, ""),
        ([one("a", "b", x="y"), one("b", "c", dropped=("y",))], {}, "x"),
        ([one("a", "b", dropped=("x",)), one("b", "c", x="y")], {}, "x"),
        ([one("a", "b", x="y"), one("b", "c", x="z")], {"x": "y"}, ""),
        ([one("a", "b", x="y", y="x"), one("b", "c", x="u", y="v")], {"x": "v", "y": "u"}, ""),
        ([one("a", "b"), one("b", "c", k="l", dropped=("m",))], {"k": "l"}, "m"),
        ([one("a", "b", x="y"), one("b", "c", dropped=("x",))], {"x": "y"}, ""),
    ],
)
def test_what_steps_do_together(steps: list[Step], renames: dict[str, str], dropped: str) -> None:
    route = chain.composed(steps)
    assert dict(route.renames) == renames and route.dropped == set(dropped.split())


# End to end


def layout(*names: str, act: str = "0") -> Layout:
    """Two layers of one shape in series, traced, and an embedding."""
    leaf = Definition("torch.nn.Linear", None, {}, "traced", "0" * 8 + "f" * 16, None, ("weight",), None)
    root = Definition("net.Net", None, {}, "traced", "0" * 8 + act * 16, None, names, "s")
    modules = {"": "root"} | dict.fromkeys(names, "leaf")
    specs = {f"{name}.weight": TensorSpec("float32", (4, 4), "parameter") for name in names}
    return Layout(KeyTable(specs), {}, {}, modules, {"root": root, "leaf": leaf})


class Project:
    """A tracked model, its manifest, releases and steps; files made of its layouts."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "model-manifests" / "net"
        for each in ("releases", "steps"):
            (self.home / each).mkdir(parents=True)
        (folder / "pyproject.toml").write_text('[tool.modelint.models.net]\nfactory = "nets:make"\n')

    def lock(self, now: Layout, before: Layout | None = None, **renames: str) -> None:
        manifest.write(str(self.home / "layout.json"), "net", now)
        if before is not None:
            named = {f"{old}.weight": f"{new}.weight" for old, new in renames.items()}
            made = Step(manifest.digest(before), manifest.digest(now), "breaking", named)
            (self.home / "steps" / made.file_name).write_text(step.text(made))

    def release(self, name: str, layout: Layout) -> None:
        Path(release.path(str(self.home), name)).write_text(manifest.text("net", layout))

    def save(self, path: str, layout: Layout, prefix: str = "") -> None:
        specs = layout.keys.specs
        torch.save({prefix + key: torch.zeros(spec.shape or ()) for key, spec in specs.items()}, path)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


Diff = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def diff(capsys: pytest.CaptureFixture[str]) -> Diff:
    def run(*arguments: str) -> tuple[int, Any, str]:
        code = cli.main(["diff", *arguments, "--format", "json"])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, json.loads(out), err

    return run


V1, V2, NOW = layout("a", "b"), layout("c", "d"), layout("trunk", "tail")
RENAMED = {"a.weight": "trunk.weight", "b.weight": "tail.weight"}


def accepted(project: Project) -> None:
    project.release("v1", V1)
    project.lock(V2, V1, a="c", b="d")
    project.lock(NOW, V2, c="trunk", d="tail")


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_file_of_a_release_gets_the_recorded_names(project: Project, diff: Diff, prefix: str) -> None:
    accepted(project)
    project.save("old.pt", V1, prefix)
    code, found, err = diff("old.pt", "manifest:net")
    assert code == 1 and {each["old"]: each["new"] for each in found["renamed"]} == {
        prefix + key: name for key, name in RENAMED.items()
    }
    assert {each["certainty"] for each in found["renamed"]} == {"proved"}
    last = found["causes"][-1]
    assert last["code"] == "MDL860" and "recorded when v1 -> today was accepted; proved" in last["message"]
    assert "modelint:" not in err


def test_a_release_of_another_meaning_is_not_proved(project: Project, diff: Diff) -> None:
    other = layout("a", "b", act="9")
    project.release("v1", other)
    project.lock(V2, other, a="c", b="d")
    project.lock(NOW, V2, c="trunk", d="tail")
    for old in ("old.pt", "manifest:net@v1"):
        project.save("old.pt", other)
        _, found, _ = diff(old, "manifest:net")
        assert {each["new"]: each["certainty"] for each in found["renamed"]} == dict.fromkeys(
            RENAMED.values(), "proposed"
        )


def test_between_releases_and_layouts_without_one(project: Project, diff: Diff) -> None:
    accepted(project)
    project.release("v2", V2)
    _, found, _ = diff("manifest:net@v1", "manifest:net@v2")
    assert {each["old"]: each["new"] for each in found["renamed"]} == {"a.weight": "c.weight", "b.weight": "d.weight"}
    Path(release.path(str(project.home), "v1")).unlink()
    Path(release.path(str(project.home), "v2")).unlink()
    project.save("old.pt", V1)
    _, found, _ = diff("old.pt", "manifest:net")
    assert {each["old"]: each["new"] for each in found["renamed"]} == RENAMED
    assert {each["certainty"] for each in found["renamed"]} == {"proposed"}
    assert f"recorded when layout {manifest.digest(V1)[:8]} -> today" in found["causes"][0]["message"]


def test_what_does_not_fit_is_not_used(project: Project, diff: Diff) -> None:
    accepted(project)
    project.save("other.pt", layout("x", "y"))
    _, found, _ = diff("other.pt", "manifest:net")
    assert found["renamed"] == [] and "MDL860" not in {each["code"] for each in found["causes"]}


def test_a_broken_record_is_said_and_the_rest_is_used(project: Project, diff: Diff) -> None:
    accepted(project)
    steps = project.home / "steps"
    (steps / "torn.json").write_text('{"schema": 1,\n<<<<<<< ours\n')
    (steps / "newer.json").write_text('{\n"schema": 2}')
    project.save("old.pt", V1)
    code, found, err = diff("old.pt", "manifest:net")
    assert code == 1 and {each["old"]: each["new"] for each in found["renamed"]} == RENAMED
    assert "steps/torn.json:2: a merge left conflict markers" in err
    assert "steps/newer.json:2: a newer modelint wrote it (schema 2; this one reads 1)" in err
    first = next(steps.glob(f"{manifest.digest(V1)}-*"))
    first.unlink()
    _, found, err = diff("old.pt", "manifest:net")
    assert f"no way from v1 to today: no step leads on from layout {manifest.digest(V1)[:8]}" in err
    assert "MDL860" not in {each["code"] for each in found["causes"]}
