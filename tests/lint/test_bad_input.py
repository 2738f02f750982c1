"""No input makes the engine crash, hang or take a gigabyte; what it could not look at, it says.

Each run is a process of its own, under limits of memory and CPU time that an ordinary run stays far below.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

MEMORY = 1_000_000_000
SECONDS = 240

ENGINE = """
import json, resource, sys
from modelint.lint.engine import lint_files
asked = json.load(sys.stdin)
run = lint_files(asked["files"], root=asked["root"], triage=asked["triage"])
print(json.dumps({
    "not_analysed": [[each.path, each.reason, each.line, each.syntax] for each in run.not_analysed],
    "diagnostics": [[each.path, each.code, each.span.line] for each in run.diagnostics],
    "files": run.files,
    "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
}))
"""


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def run(command: list[str], folder: Path, text: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONWARNINGS": "always"}
    return subprocess.run(
        [sys.executable, *command],
        input=text,
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        preexec_fn=limited,
        timeout=2 * SECONDS,
        check=False,
    )


def lint(files: list[str], root: Path, *, triage: bool = True) -> dict[str, Any]:
    done = run(["-c", ENGINE], root, json.dumps({"files": files, "root": str(root), "triage": triage}))
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


#: Has one finding (MDL201, line 4), unless something is wrong with the file.
GOOD = """import torch
from torch import nn
model = nn.DataParallel(nn.Linear(1, 1))
torch.save(model.state_dict(), "model.pt")
"""

BRACKETS = "x = " + "(" * 100_000 + ")" * 100_000 + "\n"

#: Name of the file -> content, what the reason says.
REFUSED: dict[str, tuple[bytes, str]] = {
    "latin.py": (GOOD.encode() + b"x = '\xe9'\n", "not UTF-8: byte 0xe9"),
    "binary.py": (b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 40 + b"torch.save", "NUL"),
    "nul.py": (GOOD.encode() + b"x = '\0'\n", "NUL"),
    "utf16.py": (GOOD.encode("utf-16"), "NUL"),
    "cookie.py": (b"# coding: klingon\n" + GOOD.encode(), "unknown encoding"),
    "rot13.py": (b"# coding: rot13\n" + GOOD.encode(), "not a text encoding"),
    "lying_cookie.py": (b"# coding: ascii\n" + GOOD.encode() + "x = 'é'\n".encode(), "not ascii"),
    "bom_cookie.py": (b"\xef\xbb\xbf# coding: latin-1\n" + GOOD.encode(), "byte order mark"),
    "surrogates.py": (b"# coding: utf-7\n" + GOOD.encode() + b"x = '+2AA-'\n", "surrogates"),
    "python2.py": (GOOD.encode() + b"print 'saved'\n", "syntax error"),
    "tabs.py": (GOOD.encode() + b"if model:\n\tx = 1\n        y = 2\n", "syntax error"),
    "unfinished.py": (GOOD.encode() + b"x = (1,\n", "syntax error"),
    "brackets.py": ((GOOD + BRACKETS).encode(), "nested too deeply"),
    "open_brackets.py": ((GOOD + "x = " + "[" * 100_000).encode(), "nested too deeply"),
    "dicts.py": ((GOOD + "x = " + "{1:" * 100_000).encode(), "nested too deeply"),
    "unary.py": ((GOOD + "x = " + "-" * 100_000 + "1\n").encode(), "nested too deeply"),
    "sum.py": ((GOOD + "x = a" + " + a" * 100_000 + "\n").encode(), "nested too deeply"),
    "expression.py": ((GOOD + "x = a" + " + a" * 2_490_000 + "\n").encode(), "too large"),
    "list.py": ((GOOD + "x = [" + "model, " * 1_400_000 + "]\n").encode(), "too large"),
    "blocks.py": ((GOOD + "".join(" " * n + "if a:\n" for n in range(200))).encode(), "nested too deeply"),
    "lines.py": (GOOD.encode() + b"x=1\n" * 2_400_000, "too large"),
    "large.py": (GOOD.encode() + b"# \n" * 4_000_000, "too large"),
}

#: Refused in one statement only, which is named: the rest has its finding.
LEFT_OUT: dict[str, tuple[str, str]] = {
    "chain.py": ("def f(a):\n    return a" + ".b()" * 1_000, "chained"),
    "calls.py": ("def f():\n    return " + "f(" * 180 + "1" + ")" * 180, "nested"),
    "many_calls.py": ("def f():\n" + ("    f(" * 1 + "f(" * 60 + "1" + ")" * 61 + "\n") * 300, "nested"),
    "lambdas.py": ("f(" + "lambda: " * 500 + "1)", "nested"),
    "strings.py": ("f(" + "'a'\n" * 3_000 + ")", "nested"),
    "elifs.py": ("if f(): pass\n" + "elif f(): pass\n" * 900, "nested"),
    "function.py": ("def f():\n" + "    x = 1\n" * 100_000, "tokens"),
    "elements.py": ("x = f([" + "1, " * 100_000 + "])", "tokens"),
}

#: Odd, but legal: nothing is lost.
KEPT: dict[str, bytes] = {
    "bom.py": b"\xef\xbb\xbf" + GOOD.encode(),
    "cr.py": GOOD.replace("\n", "\r").encode(),
    "crlf.py": GOOD.replace("\n", "\r\n").encode(),
    "form_feed.py": GOOD.replace("model =", "\fmodel =").encode(),
    "cookie_latin.py": b"# coding: latin-1\n" + GOOD.encode() + b"x = '\xe9'\n",
    "no_newline.py": GOOD.rstrip().encode(),
    " space first.py": GOOD.encode(),
    "-dash.py": GOOD.encode(),
    "--select.py": GOOD.encode(),
    "new\nline.py": GOOD.encode(),
    "data.py": (GOOD + "x = {" + "'a': [1, -2], " * 30_000 + "}\n").encode(),
    "string.py": (GOOD + "x = '" + "a" * 9_000_000 + "'\n").encode(),
    "escapes.py": (GOOD + "x = '\\d'\nassert (x, 1)\n1 is 1\n").encode(),
    "empty.py": b"",
    "semicolons.py": GOOD.replace("\nmodel", "; model").encode(),
}


def write(folder: Path, name: str, content: bytes) -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


def test_whole_files_are_refused_with_the_reason(tmp_path: Path) -> None:
    files = [write(tmp_path, name, content) for name, (content, _) in REFUSED.items()]
    found = lint(files, tmp_path)
    reasons = {Path(path).name: reason for path, reason, _, _ in found["not_analysed"]}
    assert {name: reasons.get(name, "") for name in REFUSED if REFUSED[name][1] not in reasons.get(name, "")} == {}
    assert found["diagnostics"] == []
    syntax = {Path(path).name for path, _, _, syntax in found["not_analysed"] if syntax}
    assert syntax == {name for name, (_, reason) in REFUSED.items() if reason == "syntax error"}


def test_one_bad_statement_costs_only_itself(tmp_path: Path) -> None:
    files = [write(tmp_path, name, f"{GOOD}{text}\n".encode()) for name, (text, _) in LEFT_OUT.items()]
    for triage in (True, False):
        found = lint(files, tmp_path, triage=triage)
        reasons = {Path(path).name: (reason, line) for path, reason, line, _ in found["not_analysed"]}
        for name, (_, reason) in LEFT_OUT.items():
            assert reason in reasons[name][0], name
            assert reasons[name][1] == 5
        assert sorted(found["diagnostics"]) == sorted([path, "MDL201", 4] for path in files)


def test_odd_files_lose_nothing(tmp_path: Path) -> None:
    files = [write(tmp_path, name, content) for name, content in KEPT.items()]
    found = lint(files, tmp_path, triage=False)
    assert found["not_analysed"] == []
    lines = {Path(path).name: line for path, _, line in found["diagnostics"]}
    moved = {"cookie_latin.py": 5, "semicolons.py": 3}
    assert lines == {name: moved.get(name, 4) for name in KEPT if name != "empty.py"}


def test_what_cannot_be_read(tmp_path: Path) -> None:
    good = write(tmp_path, "good.py", GOOD.encode())
    (tmp_path / "loop.py").symlink_to("loop.py")
    (tmp_path / "dangling.py").symlink_to("nowhere.py")
    (tmp_path / "folder.py").mkdir()
    os.mkfifo(tmp_path / "fifo.py")
    (tmp_path / "loop").symlink_to(".")
    names = ["loop.py", "dangling.py", "folder.py", "fifo.py", "gone.py"]
    if os.geteuid() != 0:  # root reads all
        (tmp_path / "secret.py").write_bytes(GOOD.encode())
        (tmp_path / "secret.py").chmod(0)
        names.append("secret.py")
    found = lint([good, *(str(tmp_path / name) for name in names)], tmp_path)
    assert {Path(path).name for path, *_ in found["not_analysed"]} == set(names)
    assert found["diagnostics"] == [[good, "MDL201", 4]]


def test_imports_of_bad_files_and_in_circles(tmp_path: Path) -> None:
    """What is read for the sake of an import is no better than what was asked for."""
    names = [name for name in {**REFUSED, **LEFT_OUT} if name.removesuffix(".py").isidentifier()]
    for name in names:
        content = REFUSED[name][0] if name in REFUSED else LEFT_OUT[name][0].encode()
        write(tmp_path, name, content)
    imports = "".join(f"from {name.removesuffix('.py')} import Net{n}\n" for n, name in enumerate(names))
    classes = "".join(f"class A{n}(Net{n}): pass\n" for n in range(len(names)))
    write(tmp_path, "ring_a.py", b"from ring_b import B\nclass A(B): pass\n")
    write(tmp_path, "ring_b.py", b"from ring_a import A\nfrom ring_b import B as C\nclass B(A, C): pass\n")
    good = write(tmp_path, "good.py", (GOOD + imports + classes + "from ring_a import A\nclass D(A): pass\n").encode())
    assert lint([good], tmp_path)["diagnostics"] == [[good, "MDL201", 4]]


def test_the_command_survives_it_all(tmp_path: Path) -> None:
    contents = {name: content for name, (content, _) in REFUSED.items()}
    contents |= {name: f"{GOOD}{text}\n".encode() for name, (text, _) in LEFT_OUT.items()} | KEPT
    for name, content in contents.items():
        write(tmp_path, name, content)
    (tmp_path / "loop").symlink_to(".")
    (tmp_path / "loop.py").symlink_to("loop.py")
    command = ["-m", "modelint", "check", "--no-cache", "--format", "json", "--select", "MDL201"]
    done = run([*command, "."], tmp_path)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    report = json.loads(done.stdout)
    not_analysed = {Path(each["path"]).name for each in report["not_analysed"]}
    assert not_analysed - {"loop.py"} == {*REFUSED, *LEFT_OUT}
    found = {Path(each["path"]).name for each in report["diagnostics"]}
    assert found == {*LEFT_OUT, *KEPT} - {"empty.py"}
    named = run([*command, "--", "-dash.py", " space first.py", "--select.py"], tmp_path)
    assert len(json.loads(named.stdout)["diagnostics"]) == 3


def test_pythons_own_tests(tmp_path: Path) -> None:
    """A sample, triage off; run as a program, this module takes all of them."""
    files = standard_tests()
    if not files:
        pytest.skip("this Python comes without its tests")
    chosen = sorted({*files[::40], *(each for each in files if Path(each).name in NOTABLE)})
    found = lint(chosen, tmp_path, triage=False)
    assert found["files"] == len(chosen)
    refused = {Path(path).name for path, *_ in found["not_analysed"]}
    assert "test_grammar.py" in refused  # (x): int = 1, which libcst cannot parse
    bad = [name for name in refused if not name.startswith("bad") and name != "test_grammar.py"]
    assert len(bad) <= len(chosen) // 20, bad


#: Files known to be hard for parsers.
NOTABLE = {"test_grammar.py", "test_fstring.py", "test_patma.py", "test_unicode_identifiers.py", "bad_coding.py"}


def standard_tests() -> list[str]:
    return sorted(str(path) for path in Path(sysconfig.get_path("stdlib"), "test").rglob("*.py"))


if __name__ == "__main__":
    whole = lint(standard_tests(), Path(sysconfig.get_path("stdlib")), triage=False)
    for path, reason, line, _ in whole["not_analysed"]:
        print(f"{path}:{line}: {reason}")
    print(f"{whole['files']} files, {len(whole['not_analysed'])} not analysed; peak {whole['peak'] // 1024} MB")
    print(f"{len(whole['diagnostics'])} diagnostics")
