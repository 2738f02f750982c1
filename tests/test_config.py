"""[tool.modelint] and modelint.toml: which one counts, and what its errors say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from modelint import catalogue
from modelint.config import TEST_FOLDERS, Config, ConfigError, Configs


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def configs(folder: Path, given: str | None = None) -> Configs:
    return Configs(str(folder), given)


def error(folder: Path, text: str, name: str = "pyproject.toml") -> str:
    write(folder / name, text)
    with pytest.raises(ConfigError) as raised:
        configs(folder).of_folder(str(folder))
    words = str(raised.value)
    assert "\n" not in words
    return words.removeprefix(f"{folder}{os.sep}")


def test_without_any_file_the_defaults_hold(tmp_path: Path) -> None:
    found = configs(tmp_path).of_folder(str(tmp_path))
    assert found._replace(folder="") == Config("")
    assert found.fail_on == "warning"
    assert set(TEST_FOLDERS) == {"tests/", "test/"}
    assert {code for codes in TEST_FOLDERS.values() for code in codes} <= catalogue.codes().keys()


def test_every_key(tmp_path: Path) -> None:
    write(
        tmp_path / "pyproject.toml",
        """
        [tool.modelint]
        select = ["MDL4", "all"]
        extend-select = ["mdl407"]
        ignore = ["MDL401"]
        preview = true
        extend-exclude = ["legacy/"]
        force-exclude = true
        fail-on = "error"
        [tool.modelint.per-file-ignores]
        "scripts/" = ["MDL2"]
        "tests/" = []
        """,
    )
    assert configs(tmp_path).of_file(str(tmp_path / "a.py")) == Config(
        folder=str(tmp_path),
        select=("MDL4", "MDL"),
        extend_select=("MDL407",),
        ignore=("MDL401",),
        preview=True,
        extend_exclude=("legacy/",),
        force_exclude=True,
        per_file_ignores={"tests/": (), "test/": TEST_FOLDERS["test/"], "scripts/": ("MDL2",)},
        fail_on="error",
        path=str(tmp_path / "pyproject.toml"),
    )


def test_the_nearest_file_counts_and_nothing_is_merged(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", "[tool.modelint]\npreview = true\nignore = ['MDL4']\n")
    write(tmp_path / "inner" / "modelint.toml", "ignore = ['MDL2']\n")
    write(tmp_path / "inner" / "deep" / "pyproject.toml", "[project]\nname = 'x'\n")
    found = configs(tmp_path)
    assert found.of_folder(str(tmp_path / "other")).ignore == ("MDL4",)
    inner = found.of_folder(str(tmp_path / "inner"))
    assert (inner.ignore, inner.preview, inner.folder) == (("MDL2",), False, str(tmp_path / "inner"))
    # A pyproject.toml that does not speak of modelint is none of ours.
    assert found.of_folder(str(tmp_path / "inner" / "deep")) == inner


def test_modelint_toml_goes_before_pyproject(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", "[tool.modelint]\nfail-on = 'error'\n")
    write(tmp_path / "modelint.toml", "fail-on = 'information'\n")
    assert configs(tmp_path).of_folder(str(tmp_path)).fail_on == "information"


def test_an_empty_modelint_toml_stops_the_search(tmp_path: Path) -> None:
    write(tmp_path / "modelint.toml", "preview = true\n")
    write(tmp_path / "inner" / "modelint.toml", "")
    assert not configs(tmp_path).of_folder(str(tmp_path / "inner")).preview


def test_a_given_file_replaces_the_search(tmp_path: Path) -> None:
    write(tmp_path / "modelint.toml", "preview = true\n")
    write(tmp_path / "ci" / "strict.toml", "fail-on = 'information'\n")
    found = configs(tmp_path, "ci/strict.toml").of_folder(str(tmp_path / "anywhere"))
    assert (found.preview, found.fail_on, found.folder) == (False, "information", str(tmp_path))
    with pytest.raises(ConfigError, match=r"^ci/none\.toml: no such configuration file$"):
        configs(tmp_path, "ci/none.toml")


def test_a_broken_pyproject_of_others_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", "[project\n")
    assert configs(tmp_path).of_folder(str(tmp_path)).folder


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tool.modelint]\n\nselct = []\n", "pyproject.toml:3: unknown key 'selct'; did you mean 'select'?"),
        ("[tool]\nmodelint.per_file_ignores = {}\n", "pyproject.toml:2: unknown key 'per_file_ignores'; did you mean"),
        ("[tool.modelint.selects]\n", "pyproject.toml:1: unknown key 'selects'; did you mean 'select'?"),
        ("[tool.modelint]\nzzz = 1\n", "pyproject.toml:2: unknown key 'zzz'; the keys are select, "),
        ("x = 1\n[tool.modelint]\nselect = 'MDL4'\n", ":3: 'select' must be a list of strings, not a string"),
        ("[tool.modelint]\nselect = [4]\n", ":2: 'select' must be a list of strings, not a list with other values"),
        (
            "[tool.modelint]\nselect = ['MDL401']\nignore = ['MDL402', 'MDL477']\n",
            ":3: 'ignore': unknown code 'MDL477'",
        ),
        (
            "[tool.modelint]\nignore = ['unchecked-non-strict-load']\n",
            "did you mean MDL401 (unchecked-non-strict-load)",
        ),
        ("[tool.modelint]\nexclude = ['old']\n", ":2: unknown key 'exclude'; did you mean 'extend-exclude'?"),
        ("[tool.modelint]\npreview = 'yes'\n", ":2: 'preview' must be true or false, not a string"),
        ("[tool.modelint]\nfail-on = 'warn'\n", ":2: 'fail-on' must be one of information, warning, error, not 'warn'"),
        ("[tool.modelint]\nfail-on = ['error']\n", ":2: 'fail-on' must be one of"),
        ("[tool.modelint]\nper-file-ignores = ['a']\n", ":2: 'per-file-ignores' must be a table of pattern = [codes]"),
        ("[tool.modelint.per-file-ignores]\n'a/' = ['MDL4']\n'b/' = 'MDL4'\n", ":3: 'b/' must be a list of strings"),
        ("[tool.modelint]\nper-file-ignores = {'b/' = ['MDL9x']}\n", ":2: 'b/': unknown code 'MDL9x'"),
        ("[tool]\nmodelint = 3\n", ":2: 'tool.modelint' must be a table, not a number"),
        ("[tool.modelint]\nselect = \n", "pyproject.toml:2: not valid TOML: "),
        ("[tool.modelint]\nselect = [", "pyproject.toml:2: not valid TOML: "),
    ],
)
def test_errors_name_file_line_key_and_the_nearest_valid_one(tmp_path: Path, text: str, words: str) -> None:
    assert words in error(tmp_path, text)


def test_keys_of_modelint_toml_stand_at_the_top(tmp_path: Path) -> None:
    assert "without [tool.modelint]" in error(tmp_path, "[tool.modelint]\npreview = true\n", "modelint.toml")
    words = error(tmp_path, "preview = true\nfail_on = 'error'\n", "modelint.toml")
    assert words == "modelint.toml:2: unknown key 'fail_on'; did you mean 'fail-on'?"


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b"[tool.modelint]\n# \xff\n")
    with pytest.raises(ConfigError, match=r"pyproject\.toml:2: not UTF-8$"):
        configs(tmp_path).of_folder(str(tmp_path))
