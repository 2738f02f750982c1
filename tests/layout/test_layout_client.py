"""The tracer from outside: models that misbehave, interpreters that cannot be used, and what is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

pytest.importorskip("torch")

from modelint.layout.client import Unusable, trace
from modelint.layout.traced import Failure, Old, Request, Result

PROJECT = {
    "good.py": """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self, width=4):
                super().__init__()
                self.fc = nn.Linear(width, 2)

            def forward(self, x):
                return self.fc(x)

        def chatty():
            print('{"event":"result","id":"chatty"}')
            import os
            os.system("echo from a shell")
            return Net()

        def careful():
            if Net().fc.weight.sum() > 1e9:
                raise RuntimeError
            return Net()
    """,
    "bad.py": """
        import os, signal, subprocess, sys, time
        from good import Net

        class Boom(Exception):
            pass

        def raises():
            helper()

        def helper():
            raise Boom("no\\nsuch luck")

        def hangs():
            print("about to hang")
            while True:
                time.sleep(0.01)

        def exits():
            sys.exit("goodbye")

        def exits_hard():
            os._exit(3)

        def segfaults():
            os.kill(os.getpid(), signal.SIGSEGV)

        def forks():
            if os.fork() == 0:
                return Net()
            os.wait()
            return Net()

        def daemonises():
            if os.fork() != 0:
                os._exit(0)
            os.setsid()
            return Net()

        def leaves_a_process():
            subprocess.Popen(["sleep", "1000"], start_new_session=True)
            return Net()

        def eats_memory():
            eaten = []
            while True:
                eaten.append(b"x" * (1 << 24))

        def wants_100_gb():
            return bytearray(100 << 40)

        def needs_gpu():
            return Net().cuda()

        def needs_package():
            import absent_package.sub
            return Net()

        def downloads():
            import urllib.request
            urllib.request.urlopen("https://weights.example/model.bin")

        def not_a_module():
            return {"fc.weight": 1}

        def asks():
            return Net(int(input("width? ")))

        def reads_then_fails():
            import torch
            width = int(torch.ones(3).sum())
            return Net(width, 1)

        def leaves_an_alarm():
            signal.alarm(1)
            while True:
                pass
    """,
    "reads.py": """
        import os, pathlib
        from package import helper
        try:
            from package import fast
        except ImportError:
            pass
        try:
            import local_settings
        except ImportError:
            pass

        def net():
            from good import Net
            width = int(open("width.txt").read())
            os.path.exists("override.txt") or pathlib.Path("config").exists()
            os.path.exists(".git/HEAD")
            try:
                open("more.json")
            except FileNotFoundError:
                pass
            with open("log.txt", "w") as log:
                log.write("written")
            class Holder:
                stat = os.stat
            assert Holder().stat(".")
            return Net(width)
    """,
    "package/__init__.py": "",
    "package/helper.py": "",
    "width.txt": "6",
    "import_downloads.py": """
        import socket
        socket.create_connection(("weights.example", 443))
    """,
    "import_exits.py": "raise SystemExit(2)",
    "import_breaks.py": "def f(:\n",
    "import_lacks.py": "import absent_package",
    "import_typo.py": "import good.nothing",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    for name, text in PROJECT.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text))
    return folder


def request_for(
    folder: Path, name: str, factory: str, *args: object, olds: tuple[Old, ...] = (), **kwargs: object
) -> Request:
    return Request(name, factory, args, kwargs, str(folder), [str(folder)], olds)


BAD = [
    *(f"bad:{each}" for each in (
        "raises hangs exits exits_hard segfaults forks daemonises leaves_a_process eats_memory wants_100_gb needs_gpu "
        "needs_package downloads not_a_module asks reads_then_fails leaves_an_alarm absent".split()
    )),
    "import_downloads:f", "import_exits:f", "import_breaks:f", "import_lacks:f", "import_typo:f", "nowhere:f",
    "good:chatty", "good:careful", "good:Net", "reads:net",
]  # fmt: skip


@pytest.fixture(scope="module")
def outcomes(project) -> dict[str, Result | Failure]:
    requests = [request_for(project, each.removeprefix("bad:"), each) for each in BAD]
    requests.append(request_for(project, "arguments", "good:Net", 1, 2, 3))
    requests.append(request_for(project, "inner-arguments", "good:Net", width="wide"))
    hangs = [each for each in requests if each.id == "hangs"]
    others = [each for each in requests if each.id != "hangs"]
    found = {each.id: each for each in trace(sys.executable, others, timeout=60, memory=1 << 29, jobs=2)}
    found.update({each.id: each for each in trace(sys.executable, hangs, timeout=4, memory=None, jobs=1)})
    assert len(found) == len(requests)
    return found


@pytest.mark.parametrize(
    "name, stage, blame, words, where",
    [
        ("raises", "call", "code", "Boom: no such luck", ("bad.py", "helper")),
        ("hangs", "timeout", "code", "took longer than 4 s", ("bad.py", "hangs")),
        ("exits", "exit", "code", "sys.exit('goodbye')", ("bad.py", "exits")),
        ("exits_hard", "exit", "code", "exit code 3", None),
        ("segfaults", "signal", "code", "SIGSEGV", ("bad.py", "segfaults")),
        ("leaves_an_alarm", "signal", "code", "SIGALRM", None),
        ("daemonises", "fork", "code", "forked", None),
        ("eats_memory", "memory", "resources", "more than 0.5 GiB", ("bad.py", "eats_memory")),
        ("wants_100_gb", "call", "resources", "MemoryError", ("bad.py", "wants_100_gb")),
        ("needs_gpu", "call", "gpu", "on the CPU", ("bad.py", "needs_gpu")),
        ("needs_package", "call", "missing-package", "absent_package", ("bad.py", "needs_package")),
        ("downloads", "call", "network", "pretrained=False", ("bad.py", "downloads")),
        ("not_a_module", "not-a-module", "code", "builtins.dict", None),
        ("asks", "call", "code", "EOFError", ("bad.py", "asks")),
        ("reads_then_fails", "call", "code", "positional argument", ("bad.py", "reads_then_fails")),
        ("absent", "import", "import", "'bad' has no 'absent'", None),
        ("import_downloads:f", "import", "network", "weights.example", ("import_downloads.py", "<module>")),
        ("import_exits:f", "exit", "code", "ended the process", ("import_exits.py", "<module>")),
        ("import_breaks:f", "import", "code", "SyntaxError", ("import_breaks.py", "<module>")),
        ("import_lacks:f", "import", "missing-package", "absent_package", ("import_lacks.py", "<module>")),
        ("import_typo:f", "import", "import", "good.nothing", ("import_typo.py", "<module>")),
        ("nowhere:f", "import", "import", "No module named 'nowhere'", None),
        ("arguments", "call", "arguments", "positional argument", ("good.py", "__init__")),
        ("inner-arguments", "call", "code", "TypeError", ("good.py", "__init__")),
    ],
)
def test_what_does_not_build(project, outcomes, name, stage, blame, words, where):
    failure = outcomes[name]
    assert isinstance(failure, Failure), failure
    assert (failure.stage, failure.blame) == (stage, blame), failure
    assert words in failure.message and "\n" not in failure.message
    if where is None:
        assert failure.where is None
    else:
        assert failure.where is not None, failure
        assert (failure.where.path, failure.where.function) == (str(project / where[0]), where[1])
        assert failure.where.line > 0


@pytest.mark.parametrize("name", ["forks", "leaves_a_process", "good:chatty", "good:careful", "good:Net"])
def test_what_builds_all_the_same(outcomes, name):
    result = outcomes[name]
    assert isinstance(result, Result), result
    assert list(result.layout.keys.specs) == ["fc.weight", "fc.bias"]
    assert result.how == ("no-init" if name == "good:careful" else "meta")
    assert result.layout.modules.keys() == {"", "fc"}


def test_the_missing_package_is_named(outcomes):
    assert outcomes["needs_package"].package == outcomes["import_lacks:f"].package == "absent_package"


def test_the_last_words_are_kept(outcomes):
    assert outcomes["hangs"].tail == ("about to hang",)


def test_what_a_failed_model_used_is_known(project, outcomes):
    for name in ("raises", "hangs", "exits_hard"):
        assert {str(project / "bad.py"), str(project / "good.py")} <= set(outcomes[name].uses.python)
    assert str(project / "good" / "nothing.py") not in outcomes["import_typo:f"].uses.python


def test_uses_and_places(project, outcomes):
    result = outcomes["good:Net"]
    assert result.uses.python == (str(project / "good.py"),)
    assert result.uses.packages["torch"].version.startswith("2.")
    assert Path(result.uses.packages["torch"].at).is_dir()
    place = result.classes["good.Net"]
    assert (place.path, place.line, place.end_line) == (str(project / "good.py"), 5, 11)


def test_files_that_were_used(project, outcomes):
    uses = outcomes["reads:net"].uses
    python = ["good.py", "package/__init__.py", "package/helper.py", "reads.py"]
    assert uses.python == tuple(str(project / each) for each in python)
    assert uses.data == (str(project / "width.txt"),)
    missing = ["config", "local_settings.py", "local_settings/__init__.py", "more.json", "override.txt"]
    missing += ["package/fast.py", "package/fast/__init__.py"]
    assert sorted(uses.missing) == sorted(str(project / each) for each in missing)


def test_no_process_is_left(outcomes):
    assert not [each for each in Path("/proc").glob("[0-9]*/cmdline") if _text(each).startswith("sleep\x001000")]


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def test_old_layouts(project, outcomes):
    old = Old("manifest", outcomes["good:Net"].layout)
    requests = [
        request_for(project, "same", "good:Net", olds=(old,)),
        request_for(project, "wider", "good:Net", 5, olds=(old,)),
    ]
    found = {
        each.id: each.loads["manifest"] for each in trace(sys.executable, requests, timeout=60, memory=None, jobs=1)
    }
    assert found["same"].loads and found["same"].proved
    assert not found["wider"].loads
    assert [(each.key, each.old, each.new) for each in found["wider"].reshaped] == [("fc.weight", (2, 4), (2, 5))]


def unusable(python: str, folder: Path) -> Unusable:
    with pytest.raises(Unusable) as raised:
        list(trace(python, [request_for(folder, "m", "good:Net")], timeout=60, memory=None, jobs=1))
    return raised.value


def test_an_interpreter_that_is_gone(project):
    assert unusable("/no/such/python", project).reason == "gone"


def test_an_interpreter_without_torch(project, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    assert unusable(str(tmp_path / "venv" / "bin" / "python"), project).reason == "no-torch"


@pytest.mark.parametrize(
    "text, reason",
    [
        ("__version__ = '2.1.2+cu118'", "old-torch"),
        ("import absent_part", "broken-torch"),
        ("raise OSError('libcudart.so: cannot open')", "broken-torch"),
        ("import os; os._exit(9)", "died"),
    ],
)
def test_a_torch_that_cannot_be_used(project, tmp_path, monkeypatch, text, reason):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert unusable(sys.executable, project).reason == reason


def test_a_python_that_is_too_old(project, tmp_path):
    python = tmp_path / "python"
    lines = [
        f"#!{sys.executable}",
        "import runpy, sys",
        "sys.version_info = (3, 8, 18)",
        "sys.argv = sys.argv[1:]",
        "runpy.run_path(sys.argv[0], run_name='__main__')",
    ]
    python.write_text("\n".join(lines))
    python.chmod(0o755)
    assert unusable(str(python), project).reason == "old-python"


HOST = """
import sys
from modelint.layout.client import trace
from modelint.layout.traced import Request

def tell(event):
    print(event["event"], flush=True)

request = Request("m", "stuck:stuck", (), {}, sys.argv[1], [sys.argv[1]])
list(trace(sys.executable, [request], timeout=100, memory=None, jobs=1, on_event=tell))
"""
STUCK = """
import subprocess, sys, time

def stuck():
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"], start_new_session=True)
    open("running", "w").close()
    time.sleep(1000)
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_behind(tmp_path, number):
    project, scratch = tmp_path / "project", tmp_path / "scratch"
    project.mkdir()
    scratch.mkdir()
    (project / "stuck.py").write_text(STUCK)
    mark = f"MODELINT_TEST={tmp_path}"
    environment = {**os.environ, "TMPDIR": str(scratch), "MODELINT_TEST": str(tmp_path)}
    host = subprocess.Popen(
        [sys.executable, "-c", HOST, project], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert wait_for((project / "running").exists, 60)
    assert len(marked(mark)) == 4  # host, server, child, grandchild
    host.send_signal(number)
    _, errors = host.communicate(timeout=30)
    assert wait_for(lambda: not marked(mark), 10), marked(mark)
    assert list(scratch.iterdir()) == []
    if number == signal.SIGINT:
        assert errors.decode().strip().endswith("KeyboardInterrupt")


def wait_for(condition, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def marked(mark: str) -> list[str]:
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (each / "environ").read_bytes():
                found.append((each / "cmdline").read_text())
        except OSError:
            continue
    return found
