"""What is tracked: tables of models, functions of modelint_models.py, and the errors of both."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelint.config import ConfigError, Configs
from modelint.layout.declare import Declaration, Settings
from modelint.projects import declared, find


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def models(folder: Path) -> tuple[Declaration, ...]:
    cwd = str(folder)
    return declared(find(cwd, Configs(cwd), staged=False), cwd)


def error(folder: Path) -> str:
    with pytest.raises(ConfigError) as raised:
        models(folder)
    words = str(raised.value)
    assert "\n" not in words
    return words.removeprefix(f"{folder}/")


def test_a_model_with_everything(tmp_path: Path) -> None:
    write(
        tmp_path / "pyproject.toml",
        """
        [tool.modelint]
        python = ".venv/bin/python"
        pythonpath = ["lib", "../shared"]
        manifests = "checks/manifests"
        silent = "information"
        missing-interpreter = "skip"
        timeout = 30
        memory = "4GB"
        [tool.modelint.models.gpt]
        factory = "my.pkg:Models.gpt"
        args = [1, "two", [3.5, true]]
        kwargs = { depth = 12, nested = { a = [1] } }
        inputs = ["float32[2, 3, 224, 224]", "int64[2, 16] < 50257", "bool[]"]
        optional = true
        [tool.modelint.models."v1.5"]
        factory = "other:make"
        inputs = "other:inputs"
        [tool.modelint.models."v1.5".probe]
        depth = 2
        """.replace("        ", ""),
    )
    gpt, other = models(tmp_path)
    folder = str(tmp_path)
    assert gpt == Declaration(
        name="gpt",
        shown="gpt",
        factory="my.pkg:Models.gpt",
        args=(1, "two", [3.5, True]),
        kwargs={"depth": 12, "nested": {"a": [1]}},
        inputs=("float32[2, 3, 224, 224]", "int64[2, 16] < 50257", "bool[]"),
        optional=True,
        folder=folder,
        path=f"{folder}/pyproject.toml",
        line=10,
        manifests=f"{folder}/checks/manifests",
        pythonpath=(folder, f"{folder}/src", f"{folder}/lib", f"{tmp_path.parent}/shared"),
        python=".venv/bin/python",
        silent="information",
        timeout=30.0,
        memory=4_000_000_000,
    )
    assert gpt.manifest == f"{folder}/checks/manifests/gpt/layout.json"
    assert (other.name, other.inputs, other.line) == ("v1.5", "other:inputs", 16)
    assert (gpt.probe, other.probe) == (None, {"depth": 2})


def test_nothing_is_tracked_without_being_declared(tmp_path: Path) -> None:
    write(tmp_path / "model.py", "import torch\n\n\nclass Net(torch.nn.Module):\n    pass\n")
    write(tmp_path / "pyproject.toml", "[tool.modelint]\nselect = ['MDL4']\n")
    assert models(tmp_path) == ()
    assert Configs(str(tmp_path)).of_folder(str(tmp_path)).layout == Settings()


def test_functions_of_modelint_models(tmp_path: Path) -> None:
    write(
        tmp_path / "modelint_models.py",
        "raise SystemExit('it is read, not run')\n\n\ndef gpt(): ...\n\n\ndef _helper(): ...\n\n\n"
        "def sized(n): ...\n\n\ndef keyword(*, n): ...\n\n\ndef small(n=3, *, m=4): ...\n\n\nasync def never(): ...\n",
    )
    found = models(tmp_path)
    assert [(each.name, each.factory, each.line) for each in found] == [
        ("gpt", "modelint_models:gpt", 4),
        ("small", "modelint_models:small", 16),
    ]
    write(tmp_path / "modelint.toml", "silent = 'information'\n[models.vit]\nfactory = 'vit:ViT'\n")
    assert [(each.name, each.silent) for each in models(tmp_path)] == [
        ("vit", "information"),
        ("gpt", "information"),
        ("small", "information"),
    ]


@pytest.mark.parametrize("repository", [False, True])
def test_every_project_under_the_working_directory(tmp_path: Path, repository: bool) -> None:
    if repository:
        import subprocess

        subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
        write(tmp_path / ".gitignore", "/generated\n")
        write(tmp_path / "generated/pyproject.toml", "[tool.modelint.models.no]\nfactory = 'a:B'\n")
    text = "[tool.modelint]\npython = '{}'\n[tool.modelint.models.net]\nfactory = 'net:Net'\n"
    write(tmp_path / "pyproject.toml", text.format("a") + "[tool.modelint.models.more]\nfactory = 'net:More'\n")
    write(tmp_path / "sub/dir/pyproject.toml", text.format("b"))
    write(tmp_path / "lone/modelint_models.py", "def net(): ...\n")
    write(tmp_path / "other/pyproject.toml", "[project]\nname = 'modelint-user'\n")
    for left_out in ("vendor/pyproject.toml", ".venv/pyproject.toml", "node_modules/a/pyproject.toml"):
        write(tmp_path / left_out, text.format("c"))
    found = models(tmp_path)
    assert [(each.shown, each.python) for each in found] == [
        ("net", "a"),
        ("more", "a"),
        ("lone:net", f"{tmp_path}/a"),
        ("sub/dir:net", "b"),
    ]
    assert found[3].manifests == f"{tmp_path}/sub/dir/model-manifests"
    # The configuration above holds in a folder below, as it does for lint.
    assert [each.shown for each in models(tmp_path / "other")] == ["net", "more"]


def test_what_the_configuration_excludes_declares_nothing(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", "[tool.modelint]\nextend-exclude = ['examples/']\n")
    write(tmp_path / "examples/pyproject.toml", "[tool.modelint.models.net]\nfactory = 'net:Net'\n")
    assert models(tmp_path) == ()
    assert [each.shown for each in models(tmp_path / "examples")] == ["net"]


def test_two_models_of_one_name(tmp_path: Path) -> None:
    table = "[tool.modelint.models.{}]\nfactory = 'a:B'\n"
    write(tmp_path / "pyproject.toml", table.format("gpt") + table.format("GPT"))
    assert error(tmp_path) == (
        "pyproject.toml:3: model 'GPT' is declared twice; the other time as 'gpt' at line 1; "
        "give one of them another name"
    )
    write(tmp_path / "pyproject.toml", table.format("gpt") + table.format('"gpt"'))
    assert error(tmp_path) == (
        "pyproject.toml:3: not valid TOML: [tool.modelint.models.gpt] is declared twice, on lines 1 and 3"
    )
    write(tmp_path / "pyproject.toml", table.format("gpt"))
    write(tmp_path / "modelint_models.py", "\n\ndef gpt(): ...\n")
    assert error(tmp_path).startswith("modelint_models.py:3: model 'gpt' is declared twice; the other time at ")
    assert "pyproject.toml:1" in error(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tool.modelint.models.a]\n", ":1: model 'a' has no factory; write factory = \"package.module:callable\""),
        ("[tool.modelint.models]\na = 3\n", ":2: model 'a' must be a table with a factory, not a number"),
        ("[tool.modelint]\nmodels = 3\n", ":2: 'models' must hold one table for each model, not a number"),
        ("[tool.modelint.models._a]\nfactory = 'a:B'\n", ":1: '_a' is no name of a model: it names a folder"),
        ("[tool.modelint.models.'a b']\nfactory = 'a:B'\n", ":1: 'a b' is no name of a model"),
        ("[tool.modelint.models.'..']\nfactory = 'a:B'\n", ":1: '..' is no name of a model"),
        ("[tool.modelint.models.a]\nfactory = 'a.B'\n", ":2: 'factory' must be \"package.module:callable\", not 'a.B'"),
        ("[tool.modelint.models.a]\nfactory = 'a.B'\n", "; did you mean 'a:B'?"),
        ("[tool.modelint.models.a]\nfactory = 3\n", "not a number"),
        ("[tool.modelint.models.a]\nfactroy = 'a:B'\n", ":2: unknown key 'factroy'; did you mean 'factory'?"),
        (
            "[tool.modelint.models.a]\nx = 1\n",
            ":2: unknown key 'x'; the keys are factory, args, kwargs, ",
        ),
        ("[tool.modelint.models.a]\nfactory = 'a:B'\nargs = 3\n", ":3: 'args' must be a list, not a number"),
        ("[tool.modelint.models.a]\nfactory = 'a:B'\nkwargs = []\n", ":3: 'kwargs' must be a table, not a list"),
        ("[tool.modelint.models.a]\nfactory = 'a:B'\nargs = [1979-05-27]\n", ":3: 'args': a date or time cannot be"),
        ("[tool.modelint.models.a]\nfactory = 'a:B'\noptional = 1\n", ":3: 'optional' must be true or false"),
        ("[tool.modelint.models.a]\nfactory = 'a:B'\ninputs = ['float33[2]']\n", "did you mean 'float32'?"),
        ("[tool.modelint.models.a]\nfactory = 'a:B'\ninputs = ['2, 3']\n", ":3: 'inputs': '2, 3' is no tensor; write"),
        ("[tool.modelint.models.a]\nfactory = 'a:B'\ninputs = ['float32[2] < 3']\n", "'< N' bounds indices"),
        ("[tool.modelint.models.a]\nfactory = 'a:B'\ninputs = 3\n", ":3: 'inputs' must be a list of strings"),
        ("[tool.modelint]\nsilent = 'warning'\n", ":2: 'silent' must be one of error, information, not 'warning'"),
        ("[tool.modelint]\nmissing-interpreter = 1\n", "must be one of error, skip, not 1"),
        ("[tool.modelint]\ntimeout = -1\n", ":2: 'timeout' must be a number of seconds, not -1"),
        ("[tool.modelint]\nmemory = '4 GiB'\n", ":2: 'memory' must be a size such as '4GB' or '800MB', not '4 GiB'"),
        ("[tool.modelint]\npython = ''\n", ":2: 'python' must be a string with something in it"),
        ("[tool.modelint]\nmanifest = 'x'\n", ":2: unknown key 'manifest'; did you mean 'manifests'?"),
    ],
)
def test_errors_name_the_line(tmp_path: Path, text: str, words: str) -> None:
    write(tmp_path / "pyproject.toml", text)
    assert words in error(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def f(:\n", "modelint_models.py:1: not valid Python: invalid syntax"),
        ("x = 1\n\n\ndef été(): ...\n", "modelint_models.py:4: 'été' is no name of a model"),
        (
            "def f(): ...\n\n\ndef f(): ...\n",
            "modelint_models.py:4: model 'f' is declared twice; the other time at line 1",
        ),
    ],
)
def test_errors_of_modelint_models(tmp_path: Path, text: str, words: str) -> None:
    write(tmp_path / "modelint_models.py", text)
    assert error(tmp_path).startswith(words)
