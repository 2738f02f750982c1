"""The command line as users and other programs meet it: exit codes, streams, formats, and errors of one line."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE
from typing import NamedTuple

import pytest

from modelint import __version__, catalogue
from modelint.cli import main

LOAD = "def load(model, state):\n    model.load_state_dict(state, strict=False)\n"
FIXED = "def load(model, state):\n    print(model.load_state_dict(state, strict=False))\n"
#: Off by default.
PICKLE = "import torch\n\nstate = torch.load('a.pt', map_location='cpu', weights_only=False)\n"


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def codes(self) -> list[str]:
        return [line.split()[1] for line in self.out.splitlines()]


class Shell:
    """Runs `modelint ...` in this process, in a folder of its own."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capture = capture

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def run(self, *arguments: str) -> Ran:
        self._capture.readouterr()
        code = main(list(arguments))
        out, err = self._capture.readouterr()
        assert "Traceback" not in err
        return Ran(code, out, err)

    def check(self, *arguments: str) -> Ran:
        return self.run("check", "--format", "concise", *arguments)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MODELINT_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return Shell(folder, capsys)


# What is reported, and where


def test_a_diagnostic_and_the_last_line(shell: Shell) -> None:
    shell.write("src/a.py", LOAD)
    shell.write("b.py", "x = 1\n")
    ran = shell.check()
    assert ran.code == 1
    assert ran.out.startswith("src/a.py:2:5: MDL401 [unchecked-non-strict-load] ")
    assert ran.err == "2 files; 1 warning\n"


def test_nothing_to_report(shell: Shell) -> None:
    shell.write("a.py", FIXED)
    assert shell.check() == (0, "", "1 file; nothing to report\n")


def test_an_empty_folder(shell: Shell) -> None:
    assert shell.check() == (0, "", "no Python files found\n")


def test_full_is_the_default(shell: Shell) -> None:
    shell.write("a.py", LOAD)
    ran = shell.run("check")
    assert "2 |     model.load_state_dict(state, strict=False)\n" in ran.out
    assert "^^^^^" in ran.out and "\nhelp: " in ran.out and "\x1b" not in ran.out


def test_paths_are_relative_to_the_working_directory(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.write("src/a.py", LOAD)
    shell.write("other/b.py", LOAD)
    monkeypatch.chdir(shell.folder / "src")
    ran = shell.check("..", str(shell.folder / "src" / "a.py"))
    assert [line.partition(":")[0] for line in ran.out.splitlines()] == ["../other/b.py", "a.py"]


def test_names_that_start_with_a_space_or_a_dash(shell: Shell) -> None:
    shell.write(" a.py", LOAD)
    shell.write("-b.py", LOAD)
    assert shell.check("./-b.py", " a.py").code == 1
    ran = shell.check("--", "-b.py", " a.py")
    assert (ran.code, ran.err) == (1, "2 files; 2 warnings\n")


def test_control_characters_of_a_name_are_escaped(shell: Shell) -> None:
    shell.write("a\x1b[31m\n.py", LOAD)
    shell.write("b\x1b.py", b"\0")
    ran = shell.check()
    assert ran.code == 1
    assert "\x1b" not in ran.out + ran.err and "a\\x1b[31m\\n.py:2:5" in ran.out and "b\\x1b.py:1: not" in ran.err


def test_a_name_that_is_no_text(shell: Shell) -> None:
    os.makedirs(os.path.join(os.fsencode(shell.folder), b"\xff"))
    with open(os.path.join(os.fsencode(shell.folder), b"\xff", b"a\xfe.py"), "w") as file:
        file.write(LOAD)
    for name in ("full", "concise", "json", "sarif", "github"):
        assert shell.run("check", "--format", name).code == 1


# Selection


def test_select_ignore_and_extend_select(shell: Shell) -> None:
    shell.write("a.py", LOAD + PICKLE)
    assert shell.check().codes == ["MDL401"]
    assert shell.check("--select", "MDL2,MDL3").codes == []
    assert shell.check("--select", "MDL2", "--select", "MDL401").codes == ["MDL401"]
    assert shell.check("--ignore", "MDL4").codes == []
    assert shell.check("--extend-select", "MDL407").codes == ["MDL401", "MDL407"]
    assert shell.check("--extend-select", "MDL4").codes == ["MDL401"]
    assert shell.check("--select", "MDL407").codes == ["MDL407"]
    assert shell.check("--preview").codes == ["MDL401", "MDL407"]


@pytest.mark.parametrize("option", ["--select", "--ignore", "--extend-select"])
def test_an_unknown_code(shell: Shell, option: str) -> None:
    ran = shell.check(option, "MDL2,MDL411")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("modelint: unknown code 'MDL411'; did you mean MDL401 (")
    assert ran.err.count("\n") == 1


def test_configuration_and_per_file_ignores(shell: Shell) -> None:
    shell.write("pyproject.toml", "[tool.modelint]\nper-file-ignores = {'scripts/*.py' = ['MDL4']}\n")
    for name in ("a.py", "scripts/b.py", "scripts/deep/c.py", "tests/d.py", "src/test/e.py", "test_f.py"):
        shell.write(name, LOAD)
    reported = [line.partition(":")[0] for line in shell.check().out.splitlines()]
    assert sorted(reported) == ["a.py", "scripts/deep/c.py", "test_f.py"]
    shell.write(
        "pyproject.toml", "[tool.modelint]\nignore = ['MDL4']\n[tool.modelint.per-file-ignores]\n'tests/' = []\n"
    )
    assert shell.check().codes == []
    assert shell.check("--select", "MDL4", "tests").codes == ["MDL401"]


def test_each_file_has_its_nearest_configuration(shell: Shell) -> None:
    shell.write("a.py", LOAD)
    shell.write("inner/modelint.toml", "ignore = ['MDL401']\n")
    shell.write("inner/b.py", LOAD)
    shell.write("strict.toml", "fail-on = 'error'\n")
    assert [line.partition(":")[0] for line in shell.check().out.splitlines()] == ["a.py"]
    ran = shell.check("--config", "strict.toml")
    assert (ran.code, ran.codes) == (0, ["MDL401", "MDL401"])


def test_an_error_in_the_configuration(shell: Shell) -> None:
    shell.write("pyproject.toml", "[tool.modelint]\nselct = []\n")
    shell.write("a.py", "x = 1\n")
    for arguments in (["a.py"], ["."]):
        ran = shell.check(*arguments)
        assert ran == (2, "", "modelint: pyproject.toml:2: unknown key 'selct'; did you mean 'select'?\n")


def test_suppression_comments(shell: Shell) -> None:
    shell.write("a.py", LOAD.replace("False)", "False)  # modelint: ignore[MDL401] compared below"))
    assert shell.check() == (0, "", "1 file; nothing to report\n")
    shell.write("a.py", "x = 1  # modelint: ignore[MDL401] nothing here\n")
    ran = shell.check()
    assert (ran.code, ran.codes, ran.err) == (0, ["MDL901"], "1 file; 1 information\n")
    assert shell.check("--fail-on", "information").code == 1
    assert shell.check("--ignore", "MDL9").codes == []
    shell.write("a.py", "x = 1  # modelint: ignore[MDL461] no such code\n")
    assert (shell.check().code, shell.check().codes) == (1, ["MDL903"])


def test_a_comment_counts_on_either_line_of_a_defect_in_two_files(shell: Shell) -> None:
    wrap, save = "    save(DataParallel(net))", "    torch.save(model.state_dict(), 'a.pt')"
    comment = "  # modelint: ignore[MDL201] read by the same launcher"
    for in_wrap, in_save, expected in (("", "", ["MDL201"]), (comment, "", []), ("", comment, [])):
        shell.write("io.py", "import torch\n\n\ndef save(model):\n" + save + in_save + "\n")
        text = "from torch.nn import DataParallel\n\nfrom .io import save\n\n\ndef main(net):\n"
        shell.write("main.py", text + wrap + in_wrap + "\n")
        for paths in (["."], ["main.py"], ["main.py", "io.py"]):
            assert shell.check(*paths).codes == expected, (in_wrap, in_save, paths)


# Exit codes


def test_exit_zero_and_fail_on(shell: Shell) -> None:
    shell.write("a.py", LOAD)
    assert shell.check("--exit-zero").code == 0
    assert shell.check("--fail-on", "error").code == 0
    assert shell.check("--fail-on", "information").code == 1
    shell.write("modelint.toml", "fail-on = 'error'\n")
    assert shell.check().code == 0
    assert shell.check("--fail-on", "warning").code == 1


def test_what_cannot_be_analysed(shell: Shell) -> None:
    shell.write("a.py", LOAD)
    shell.write("nul.py", b"import torch\0\n")
    ran = shell.check()
    assert ran.code == 1
    assert ran.err == "nul.py:1: not analysed: contains NUL bytes\n2 files; 1 warning; 1 not analysed\n"
    assert shell.check("nul.py").code == 0
    assert shell.check("--fail-on", "information", "nul.py").code == 1
    # 3 goes before 1, and what was found is printed all the same.
    ran = shell.check("--fail-on-unanalysed", ".")
    assert (ran.code, ran.codes) == (3, ["MDL401"])
    assert shell.check("--fail-on-unanalysed", "--exit-zero", ".").code == 3
    assert shell.check("--fail-on-unanalysed", "a.py").code == 1
    # As the hook asks for it.
    assert shell.check("--fail-on-unanalysed=syntax", "nul.py").code == 0
    shell.write("broken.py", "import torch\ntorch.save(\n")
    assert shell.check("--fail-on-unanalysed=syntax", "broken.py").code == 3
    assert shell.check("broken.py").code == 0


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"s = '\xff'  # torch.save\n", "not UTF-8: byte 0xff"),
        (b"x = '\xff'\n", "not UTF-8: byte 0xff"),  # also without a candidate
        (LOAD.encode("utf-16"), "contains NUL bytes"),
        (b"# coding: klingon\nimport torch\n", "unknown encoding in its coding cookie: klingon"),
        (b"import torch\nprint 'model.load_state_dict(s)'\n", "syntax error: Missing parentheses"),
        (b"import torch\n" + b"(" * 100_000, "nested too deeply"),
    ],
)
def test_bad_input_has_a_reason(shell: Shell, data: bytes, reason: str) -> None:
    shell.write("a.py", data)
    ran = shell.check()
    assert ran.code == 0
    assert ran.err.startswith("a.py:") and reason in ran.err
    document = json.loads(shell.run("check", "--format", "json").out)
    assert [skipped["path"] for skipped in document["not_analysed"]] == ["a.py"]


def test_a_pipe_and_a_link_to_itself_do_not_block(shell: Shell) -> None:
    os.mkfifo(shell.folder / "pipe.py")
    (shell.folder / "loop.py").symlink_to("loop.py")
    (shell.folder / "gone.py").symlink_to("nowhere.py")
    ran = shell.check("pipe.py", "loop.py", "gone.py")
    assert ran.code == 0
    assert ran.err.count(": not analysed: ") == 3


def test_a_path_that_does_not_exist(shell: Shell) -> None:
    shell.write("a.py", LOAD)
    assert shell.check("a.py", "b.py") == (2, "", "modelint: b.py: no such file or folder\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "no command given"),
        (["chekc"], "invalid choice: 'chekc'"),
        (["check", "--formt", "json"], "`modelint check --help` lists the options"),
        (["check", "-a.py"], "unrecognized arguments: -a.py; a file of such a name goes after --"),
        (["check", "--select", " ,"], "--select names no code"),
        (["check", ""], "'': no such file or folder"),
        (["check", "--format", "xml"], "invalid choice: 'xml'"),
        (["check", "--only", "checkpoint"], "argument --only: invalid choice: 'checkpoint'"),
        (["check", "--jobs", "0"], "argument --jobs: invalid number of processes"),
        (["check", "--jobs", "many"], "argument --jobs: invalid number of processes"),
        (["check", "--config", "none.toml"], "none.toml: no such configuration file"),
        (["check", "--statistics", "--format", "sarif"], "--statistics goes with"),
        (["check", "--stdin-filename", "a.py", "b.py"], "stdin and other paths"),
        (["explain", "MDL999"], "unknown code 'MDL999'"),
        (["explain", "wheels"], "unknown code 'wheels'; `modelint rules` lists the codes"),
        (["explain"], "the following arguments are required: CODE"),
    ],
)
def test_wrong_usage_is_one_line(shell: Shell, arguments: list[str], words: str) -> None:
    ran = shell.run(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err and ran.err.count("\n") == 1 and ran.err.startswith("modelint: ")


def test_an_error_of_our_own(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError("wheels")

    monkeypatch.setattr("modelint.lint.engine.lint_files", fail)
    shell.write("a.py", LOAD)
    ran = shell.check()
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("modelint: internal error at test_cli.py:") and ran.err.count("\n") == 1


# Output


def test_json(shell: Shell) -> None:
    shell.write("a.py", LOAD)
    ran = shell.run("check", "--format", "json")
    document = json.loads(ran.out)
    assert ran.code == 1
    assert document["summary"] == {"files": 1, "diagnostics": 1, "models": 0}
    assert [(each["path"], each["line"], each["column"]) for each in document["diagnostics"]] == [("a.py", 2, 5)]
    shell.write("a.py", FIXED)
    assert json.loads(shell.run("check", "--format", "json").out)["diagnostics"] == []


def test_sarif_and_github_are_relative_to_the_repository(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["git", "init", "-q", "."], cwd=shell.folder, check=True)
    shell.write("src/a.py", LOAD)
    monkeypatch.chdir(shell.folder / "src")
    assert "file=src/a.py,line=2" in shell.run("check", "--format", "github").out
    result = json.loads(shell.run("check", "--format", "sarif").out)["runs"][0]["results"][0]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "src/a.py"


def test_output_file(shell: Shell) -> None:
    shell.write("a.py", LOAD)
    ran = shell.run("check", "--format", "json", "--output-file", "report.json")
    assert (ran.code, ran.out, ran.err) == (1, "", "1 file; 1 warning\n")
    assert json.loads((shell.folder / "report.json").read_text())["summary"]["diagnostics"] == 1
    ran = shell.run("check", "--output-file", "none/report.txt")
    assert (ran.code, ran.err) == (2, "modelint: none/report.txt: cannot be written: No such file or directory\n")


def test_statistics(shell: Shell) -> None:
    shell.write("a.py", LOAD + LOAD)
    ran = shell.check("--statistics")
    assert (ran.code, ran.out) == (1, "2  MDL401  unchecked-non-strict-load\n")
    document = json.loads(shell.run("check", "--statistics", "--format", "json").out)
    assert document["statistics"] == [{"code": "MDL401", "name": "unchecked-non-strict-load", "count": 2}]


def test_color(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.write("a.py", LOAD)
    assert "\x1b[" in shell.run("check", "--color", "always").out
    assert "\x1b[" not in shell.run("check").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in shell.run("check").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in shell.run("check").out
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b[1;33m" in shell.run("check", "--color", "always").out


def test_stdin(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(text: str, *arguments: str) -> Ran:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        return shell.check(*arguments)

    shell.write("src/a.py", "x = 1\n")
    ran = check(LOAD, "--stdin-filename", "src/a.py", "-")
    assert (ran.code, ran.err) == (1, "1 file; 1 warning\n")
    assert ran.out.startswith("src/a.py:2:5: MDL401 ")
    assert check(LOAD, "--stdin-filename", "tests/a.py", "-").code == 0  # per-file-ignores hold for its name
    assert check(FIXED, "-").code == 0
    assert check(LOAD, "-").out.startswith("stdin.py:2:5: ")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LOAD.encode())))
    assert "2 |     model.load_state_dict(state" in shell.run("check", "-").out
    shell.write("modelint.toml", "extend-exclude = ['src/']\nforce-exclude = true\n")
    assert check(LOAD, "--stdin-filename", "src/a.py", "-").code == 0


def test_the_work_tree_is_left_as_it_was(shell: Shell) -> None:
    shell.write("a.py", LOAD)
    shell.check("--jobs", "2")
    assert os.listdir(shell.folder) == ["a.py"]


# The other commands


def test_explain(shell: Shell) -> None:
    for text in ("MDL401", "mdl401", "unchecked-non-strict-load"):
        ran = shell.run("explain", text)
        assert ran.code == 0
        assert ran.out.startswith("# unchecked-non-strict-load (MDL401)\n")
    assert "\x1b[" in shell.run("explain", "MDL401", "--color", "always").out
    ran = shell.run("explain", "MDL461")
    assert (ran.code, ran.out) == (2, "") and "did you mean MDL" in ran.err


def test_rules(shell: Shell) -> None:
    listed = json.loads(shell.run("rules", "--format", "json").out)["rules"]
    assert [rule["code"] for rule in listed] == list(catalogue.codes())
    text = shell.run("rules").out
    assert all(f"{code}  {name}" in text for code, name in catalogue.codes().items())


def test_version_and_help(shell: Shell) -> None:
    assert shell.run("--version") == (0, f"modelint {__version__}\n", "")
    for arguments in (["--help"], ["check", "--help"], ["explain", "-h"]):
        ran = shell.run(*arguments)
        assert ran.code == 0 and ran.out.startswith("usage: modelint")


# As a process


def start(folder: Path, *arguments: str, **pipes: int) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", "modelint", *arguments], cwd=folder, text=True, **pipes)


def test_python_dash_m(shell: Shell) -> None:
    shell.write("a.py", LOAD)
    with start(shell.folder, "check", stdout=PIPE, stderr=PIPE) as process:
        out, err = process.communicate()
    assert (process.returncode, err) == (1, "1 file; 1 warning\n") and "MDL401" in out


def test_a_reader_that_leaves(shell: Shell) -> None:
    shell.write("a.py", LOAD * 3000)
    with start(shell.folder, "check", stdout=PIPE, stderr=PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 1 and err == "1 file; 3000 warnings\n"
    with start(shell.folder, "rules", stdout=PIPE, stderr=PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 141 and err == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize("arguments", [["check", "a.py"], ["rules"], ["explain", "MDL401"]])
def test_streams_that_cannot_be_used(shell: Shell, arguments: list[str]) -> None:
    shell.write("a.py", LOAD)
    with open("/dev/full", "w") as full, start(shell.folder, *arguments, stdout=full.fileno(), stderr=PIPE) as process:
        _, err = process.communicate()
    assert (process.returncode, err) == (2, "modelint: stdout cannot be written: No space left on device\n")
    closed = ["sh", "-c", 'exec "$0" -m modelint "$@" >&- <&-', sys.executable]
    ran = subprocess.run([*closed, *arguments], cwd=shell.folder, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (2, "modelint: stdout is closed\n")
    ran = subprocess.run([*closed, "check", "-"], cwd=shell.folder, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (2, "modelint: stdin is closed\n")


def test_a_working_directory_that_is_gone(shell: Shell) -> None:
    (shell.folder / "gone").mkdir()
    remove = ["sh", "-c", 'cd gone && rmdir ../gone && exec "$0" -m modelint check', sys.executable]
    ran = subprocess.run(remove, cwd=shell.folder, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "modelint: the working directory cannot be used: No such file or directory\n"


def test_ctrl_c(shell: Shell) -> None:
    program = "import sys, modelint.cli as cli; print('up', flush=True); sys.exit(cli.main(['check', '-']))"
    pipes = {"stdin": PIPE, "stdout": PIPE, "stderr": PIPE}
    with subprocess.Popen([sys.executable, "-c", program], cwd=shell.folder, text=True, **pipes) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "up\n"
        time.sleep(0.3)  # it now waits for its stdin
        process.send_signal(signal.SIGINT)
        err = process.stderr.read()
    assert (process.returncode, err) == (130, "modelint: interrupted\n")


HEAVY = ("libcst", "torch", "rich", "pathspec", "dataclasses", "pathlib", "subprocess", "inspect", "tomllib")


@pytest.mark.parametrize("configured", [False, True])
def test_a_hook_with_nothing_to_say_imports_nothing_heavy(shell: Shell, configured: bool) -> None:
    shell.write("a.py", "import os\n\n\ndef f() -> int:\n    return os.getpid()\n")
    shell.write("b.py", "x = 'é'\n")
    text = "[tool.modelint]\nselect = ['MDL4']\nextend-exclude = ['c/']\n" if configured else "[tool.other]\nx = 1\n"
    shell.write("pyproject.toml", text)
    # What was there before is the interpreter's own, or finds an editable install.
    program = (
        "import sys\nbefore = set(sys.modules)\nfrom modelint.cli import main\n"
        "code = main(['check', '--only', 'lint', '--fail-on-unanalysed=syntax', '--', 'a.py', 'b.py'])\n"
        "print(code, *(name for name in sys.argv[1:] if name in sys.modules and name not in before))\n"
    )
    command = [sys.executable, "-c", program, *HEAVY]
    ran = subprocess.run(command, cwd=shell.folder, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == (["0", "tomllib"] if configured else ["0"])


def test_a_comment_is_called_unused_only_where_the_whole_project_was_seen(shell: Shell) -> None:
    shell.write("pyproject.toml", "")
    shell.write("a.py", "x = 1  # modelint: ignore[MDL401]\ny = 2  # modelint: ignore\n")
    shell.write("sub/b.py", "x = 1  # modelint: ignore[MDL401]\n")
    assert shell.check("a.py").codes == []
    assert shell.check("sub").codes == []
    assert shell.check(".").codes == ["MDL901"] * 3
    assert shell.check("a.py", "sub", ".").codes == ["MDL901"] * 3
    shell.write("sub/c.py", "import torch\nx = (\n")
    assert shell.check(".").codes == []
