"""`modelint migrate`: what is written where, what is proved, what is put back."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from modelint.cli import main

NET = """import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fc = nn.Linear(dim, dim)

    def forward(self, x):
        return x + self.fc(self.norm(x))


class Net(nn.Module):
    def __init__(self, depth=3):
        super().__init__()
        self.blocks = nn.ModuleList(Block(8) for _ in range(depth))
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(x)
"""
CONFIG = "[tool.modelint.models.net]\nfactory = 'net:Net'\n"
RENAMED = (("self.fc", "self.proj"), ("self.blocks", "self.layers"))


class Shell(NamedTuple):
    folder: Path
    capture: pytest.CaptureFixture[str]

    def run(self, *arguments: str) -> tuple[int, str]:
        self.capture.readouterr()
        code = main(list(arguments))
        out, err = self.capture.readouterr()
        assert "Traceback" not in err and "internal error" not in err
        return code, out + err

    def write(self, text: str, name: str = "net.py") -> Path:
        path = self.folder / name
        path.write_bytes(text.encode())
        return path

    def edit(self, *pairs: tuple[str, str], name: str = "net.py") -> None:
        text = (self.folder / name).read_bytes().decode()
        for before, after in pairs:
            assert before in text
            text = text.replace(before, after)
        self.write(text, name)

    def contents(self) -> dict[str, bytes]:
        files = (path for path in self.folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in files}

    def loads(self, code: str) -> str:
        """What some Python prints that has the models of the project at hand."""
        ran = subprocess.run([sys.executable, "-c", code], cwd=self.folder, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    (folder / "net.py").write_text(NET)
    (folder / "pyproject.toml").write_text(CONFIG)
    environment = {**os.environ, "MODELINT_PYTHON": sys.executable}
    command = [sys.executable, "-m", "modelint", "lock", "--release", "v1"]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return folder


@pytest.fixture
def shell(tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """The model above, locked, and kept as release v1."""
    folder = tmp_path / "project"
    shutil.copytree(template, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MODELINT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("MODELINT_PYTHON", sys.executable)
    return Shell(folder, capsys)


def lock(shell: Shell, text: str, config: str = CONFIG) -> None:
    """Another model than that of the template."""
    shutil.rmtree(shell.folder / "model-manifests")
    shell.write(text)
    shell.write(config, "pyproject.toml")
    assert shell.run("lock")[0] == 0


TWINS = """import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.p = nn.Linear(8, 8)
        self.q = nn.Linear(8, 8)

    def forward(self, x):
        return self.p(x) - self.q(x).exp()
"""


def lock_with_inputs(shell: Shell, text: str) -> None:
    """Locked and committed: numbers need the code of before."""
    lock(shell, text, f"{CONFIG}inputs = ['float32[2, 8]']\n")
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    for command in (("init", "-q"), ("add", "-A"), (*who, "commit", "-q", "-m", "locked")):
        subprocess.run(["git", *command], cwd=shell.folder, check=True)


def test_hooks_go_into_the_classes_that_changed(shell: Shell) -> None:
    shell.edit(*RENAMED)
    code, out = shell.run("migrate", "net")
    assert code == 0, out
    assert "files of the manifest's layout and of release v1 load" in out
    text = (shell.folder / "net.py").read_text()
    block, net = text.split("class Net")
    assert '{"fc": "proj"}' in block and '{"blocks": "layers"}' in net
    assert shell.run("check", "--only", "layout")[0] == 0
    before = shell.contents()
    code, out = shell.run("migrate", "net")
    assert code == 0 and out.startswith("net: nothing to migrate")
    assert shell.contents() == before


def test_old_and_new_keys_mixed_and_the_model_inside_another(shell: Shell) -> None:
    old = shell.folder / "old.pt"
    shell.loads("import torch, net; torch.manual_seed(0); torch.save(net.Net().state_dict(), 'old.pt')")
    shell.edit(*RENAMED)
    assert shell.run("migrate", "net")[0] == 0 and old.exists()
    code = """
import torch, net
old = torch.load("old.pt")
class Outer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = net.Net(), net.Net()
outer = Outer()
new = outer.a.state_dict()
mixed = {"a." + key: value for key, value in old.items()}
mixed |= {"b." + (key.replace("blocks.0.fc", "layers.0.proj")): value for key, value in old.items()}
mixed = {key.replace("a.blocks.1", "a.layers.1"): value for key, value in mixed.items()}
print(outer.load_state_dict(mixed))
for part in (outer.a, outer.b):
    for key, value in old.items():
        here = key.replace("blocks", "layers").replace("fc", "proj")
        assert torch.equal(part.state_dict()[here], value)
again = net.Net()
print(again.load_state_dict(outer.a.state_dict()))
"""
    assert shell.loads(code).splitlines() == ["<All keys matched successfully>"] * 2


def test_a_later_rename_goes_on_top_of_an_earlier_one(shell: Shell) -> None:
    shell.loads("import torch, net; torch.save(net.Net().state_dict(), 'v1.pt')")
    shell.edit(*RENAMED)
    assert shell.run("migrate", "net")[0] == 0
    assert shell.run("lock", "net", "--release", "v2")[0] == 0
    shell.loads("import torch, net; torch.save(net.Net().state_dict(), 'v2.pt')")
    shell.edit(("self.proj", "self.lin"), ("self.head", "self.out"))
    code, out = shell.run("migrate", "net")
    assert code == 0 and "of releases v1, v2 load" in out, out
    assert shell.run("check", "--only", "layout")[0] == 0
    loads = "import torch, net; print(net.Net().load_state_dict(torch.load('{}')))"
    for name in ("v1.pt", "v2.pt"):
        assert "All keys matched" in shell.loads(loads.format(name))


def test_a_release_that_the_manifest_does_not_speak_for(shell: Shell) -> None:
    """v1 was let go once; what leads from it to today is on record."""
    shell.edit(("self.fc", "self.proj"))
    assert shell.run("lock", "net", "--reason", "later")[0] == 0
    shell.edit(("self.proj", "self.lin"))
    code, out = shell.run("migrate", "net")
    assert code == 0 and "release v1 load" in out, out
    text = (shell.folder / "net.py").read_text()
    assert '"fc": "lin"' in text and '"proj": "lin"' in text


def test_a_class_that_wants_it_in_one_place_alone_is_left_alone(shell: Shell) -> None:
    """In its other modules the old name is that of today: a hook of the class would break them."""
    named = NET.replace("def __init__(self, dim):", 'def __init__(self, dim, name="fc"):')
    named = named.replace(
        "self.fc = nn.Linear(dim, dim)", "self.add_module(name, nn.Linear(dim, dim))\n        self.name = name"
    )
    named = named.replace("self.fc(self.norm(x))", "getattr(self, self.name)(self.norm(x))")
    lock(shell, named)
    shell.edit(("Block(8) for _ in range(depth)", 'Block(8, "fc" if at else "proj") for at in range(depth)'))
    code, out = shell.run("migrate", "net")
    assert code == 0, out
    block, net = (shell.folder / "net.py").read_text().split("class Net")
    assert "_load_from_state_dict" not in block and '"blocks.0.fc": "blocks.0.proj"' in net
    assert shell.run("check", "--only", "layout")[0] == 0


def test_tabs_and_carriage_returns_stay(shell: Shell) -> None:
    text = NET.replace("    ", "\t").replace("\n", "\r\n")
    lock(shell, text)
    shell.edit(("self.fc", "self.proj"))
    before = (shell.folder / "net.py").read_bytes()
    assert shell.run("migrate", "net")[0] == 0
    after = (shell.folder / "net.py").read_bytes()
    assert after.count(b"\n") == after.count(b"\r\n") > before.count(b"\n")
    lines = after.decode().splitlines()
    assert [line for line in lines if line in before.decode().splitlines()].count("\tdef __init__(self, dim):") == 1
    assert not any(line.startswith(" ") for line in lines)


def test_dry_run_shows_the_edit_and_writes_nothing(shell: Shell) -> None:
    shell.edit(("self.fc", "self.proj"))
    before = shell.contents()
    code, out = shell.run("migrate", "net", "--dry-run")
    assert code == 0 and "+++ b/net.py" in out and "+    def _load_from_state_dict" in out
    assert "to be proved: files of the manifest's layout and of release v1" in out
    assert shell.contents() == before


def test_nothing_to_migrate(shell: Shell) -> None:
    before = shell.contents()
    code, out = shell.run("migrate", "net")
    assert code == 0 and "nothing to migrate" in out
    shell.edit(("x + self.fc", "x - self.fc"))  # silent: what it computes is for lock to accept
    before = shell.contents()
    code, out = shell.run("migrate", "net")
    assert code == 0 and "nothing to migrate" in out
    assert shell.contents() == before


def test_another_architecture_is_refused(shell: Shell) -> None:
    shell.write(
        "from torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.stem = nn.Conv2d(3, 8, 3)\n        self.tail = nn.GRU(8, 8)\n"
    )
    before = shell.contents()
    code, out = shell.run("migrate", "net")
    assert code == 1 and "another architecture: the model has a place for 0 of the 14 keys" in out
    assert shell.contents() == before


def test_what_nothing_decides_stops_until_somebody_has_chosen(shell: Shell) -> None:
    shell.edit(("nn.Linear(8, 4)", "nn.Linear(8, 6)"))
    code, out = shell.run("migrate", "net")
    assert code == 1 and "UNDECIDED" in out, out
    text = (shell.folder / "net.py").read_text()
    assert "CHOOSE" in text
    written = shell.contents()
    assert shell.run("migrate", "net")[0] == 1
    assert shell.contents() == written
    assert shell.run("check", "--only", "layout")[0] == 1


def choose(text: str, which: int) -> str:
    """As the comment says: the comment signs of one option are taken off, and what stops is deleted."""
    block, found, within = text.split("\n"), [], 0
    while block:
        line = block.pop(0)
        bare = line.strip()
        if option := re.match(r"# (\d+)\. ", bare):
            within = int(option[1])
        elif within and not bare.startswith("#"):
            within = 0
            while block.pop(0).strip() != "raise RuntimeError(":
                pass
            while block.pop(0).strip() != ")":
                pass
            continue
        elif within == which:
            line = line.replace("# ", "", 1)
        found.append(line)
    return "\n".join(found)


@pytest.mark.parametrize(("which", "rows"), [(1, 4), (2, 0)])
def test_what_somebody_has_chosen_is_proved_and_accepted(shell: Shell, which: int, rows: int) -> None:
    """A head of another size: the rows that both have are kept, or all starts anew."""
    made = "import torch, net; m = net.Net(); [torch.nn.init.normal_(p) for p in m.parameters()]"
    shell.loads(f"{made}; torch.save(m.state_dict(), 'v1.pt')")
    shell.edit(("nn.Linear(8, 4)", "nn.Linear(8, 6)"))
    assert shell.run("migrate", "net")[0] == 1
    shell.write(choose((shell.folder / "net.py").read_text(), which))
    code, out = shell.run("migrate", "net")
    assert code == 0 and "net: accepted: safe" in out, out
    assert shell.run("check", "--only", "layout")[0] == 0
    loaded = shell.loads(
        "import torch, net; m = net.Net(); was = m.head.weight.clone(); old = torch.load('v1.pt')['head.weight']\n"
        "m.load_state_dict(torch.load('v1.pt')); now = m.head.weight\n"
        "print([n for n in range(7) if torch.equal(now[:n], old[:n]) and torch.equal(now[n:], was[n:])])"
    )
    assert loaded == f"[{rows}]"
    before = shell.contents()
    assert shell.run("migrate", "net")[0] == 0
    assert shell.contents() == before


def test_a_choice_that_computes_something_else_is_not_accepted(shell: Shell) -> None:
    """Numbers know; both of two siblings load."""
    lock_with_inputs(shell, TWINS)
    shell.edit(*((f"self.{old}{end}", f"self.{new}{end}") for old, new in ("px", "qy") for end in (" =", "(")))
    hook = (
        "    def _load_from_state_dict(self, state_dict, prefix, *args, **kwargs):\n"
        "        for key in list(state_dict):\n"
        "            name = key[len(prefix) :].partition('.')[0]\n"
        "            if name in NAMES:\n"
        "                state_dict[key.replace(name + '.', NAMES[name] + '.')] = state_dict.pop(key)\n"
        "        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)\n\n"
    )
    text = (shell.folder / "net.py").read_text().replace("    def forward", hook + "    def forward", 1)
    shell.write(text.replace("class ", "NAMES = {'p': 'y', 'q': 'x'}\n\n\nclass ", 1))
    code, out = shell.run("migrate", "net")
    assert code == 1 and "old files load, and compute something else: " in out, out
    shell.edit(("{'p': 'y', 'q': 'x'}", "{'p': 'x', 'q': 'y'}"))
    code, out = shell.run("migrate", "net")
    assert code == 0 and "numbers: equal" in out and "accepted: safe" in out, out


def test_what_cannot_be_proved_is_put_back(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook is right by its names, and the class does away with what it loads."""
    shell.edit(
        ("self.fc", "self.proj"),
        (
            "    def forward(self, x):\n        for",
            "    def load_state_dict(self, state_dict, strict=True, assign=False):\n"
            '        state_dict = {key: value for key, value in state_dict.items() if "blocks.0.fc" not in key}\n'
            "        return super().load_state_dict(state_dict, strict, assign)\n\n"
            "    def forward(self, x):\n        for",
        ),
    )
    before = shell.contents()
    code, out = shell.run("migrate", "net")
    assert (
        code == 1 and "put back: files of the manifest's layout do not load: lack blocks.0.proj.{weight,bias}" in out
    ), out
    assert shell.contents() == before


def test_a_file_that_cannot_be_written(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.edit(("self.fc", "self.proj"))
    before = shell.contents()
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and real(path, mode))
    code, out = shell.run("migrate", "net")
    assert code == 1 and "net.py: cannot be written; `modelint migrate net --loader FILE`" in out, out
    assert shell.contents() == before


def test_a_class_of_another_repository(shell: Shell) -> None:
    library = shell.folder / "library"
    library.mkdir()
    (library / ".git").mkdir()
    block, net = NET.split("\n\nclass Net")
    (library / "parts.py").write_text(block)
    lock(shell, "from library.parts import Block, nn\n\n\nclass Net" + net)
    shell.edit(("self.fc", "self.proj"), name="library/parts.py")
    code, out = shell.run("migrate", "net")
    assert code == 0, out  # it goes to the class outside of it
    assert '"blocks.0.fc": "blocks.0.proj"' in (shell.folder / "net.py").read_text()
    assert "_load_from_state_dict" not in (library / "parts.py").read_text()


def test_no_class_of_the_project(shell: Shell) -> None:
    factory = "from torch import nn\n\n\ndef Net():\n    return nn.Sequential({})\n"
    lock(shell, factory.format("nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4)"))
    shell.write(factory.format("nn.Linear(8, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 4)"))
    code, out = shell.run("migrate", "net")
    assert code == 1 and "torch.nn.Sequential is no class of the project; `modelint migrate net --loader FILE`" in out
    code, out = shell.run("migrate", "net", "--loader", "old_nets.py")
    assert code == 0 and "written: old_nets.py (load_old), old_nets.json" in out, out
    done = """
import torch, net, old_nets
nn = torch.nn
old, new = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4)), net.Net().eval()
print(old_nets.load_old(new, old.state_dict()))
x = torch.randn(2, 8)
assert torch.equal(new(x), old(x))
"""
    assert "All keys matched" in shell.loads(done)
    assert shell.run("check", "--only", "layout")[0] == 0


def test_a_name_that_went_to_another_layer(shell: Shell) -> None:
    """``norm`` is the last layer now, and was the first: names mislead, the forward tells."""
    layers = NET.replace(
        "self.blocks = ", "self.norm = nn.LayerNorm(8)\n        self.last = nn.LayerNorm(8)\n        self.blocks = "
    )
    layers = layers.replace("        for block", "        x = self.norm(x)\n        for block").replace(
        "self.head(x)", "self.head(self.last(x))"
    )
    lock(shell, layers)
    shell.edit(
        ("self.norm = nn.LayerNorm(8)", "self.stem = nn.LayerNorm(8)"),
        ("x = self.norm(x)\n", "x = self.stem(x)\n"),
        ("self.last", "self.norm"),
    )
    shell.write(layers, "before.py")
    code, out = shell.run("check", "--only", "layout")
    assert code == 1 and out.count("proved: under the new names the forward is the same") == 2, out
    code, out = shell.run("migrate", "net")
    assert code == 0 and "    norm -> stem\n    last -> norm\n" in out, out
    done = """
import torch, net, before
old, new = before.Net().eval(), net.Net().eval()
for p in old.parameters(): torch.nn.init.normal_(p)
new.load_state_dict(old.state_dict(), strict=True)
x = torch.randn(2, 8)
assert torch.equal(new(x), old(x))
again = net.Net().eval()
again.load_state_dict(new.state_dict(), strict=True)
assert torch.equal(again(x), old(x))
"""
    shell.loads(done)


def test_what_nothing_decides_is_one_choice_for_all_modules_of_a_class(shell: Shell) -> None:
    two = NET.replace(
        "self.blocks = nn.ModuleList(Block(8) for _ in range(depth))", "self.one, self.other = Block(8), Block(8)"
    )
    two = two.replace("for block in self.blocks:", "for block in (self.one, self.other):")
    two = two.replace(
        "self.norm = nn.LayerNorm(dim)", "self.a = nn.BatchNorm1d(dim)\n        self.b = nn.BatchNorm1d(dim)"
    )
    lock(shell, two.replace("self.norm(x)", "self.b(self.a(x))"))
    shell.edit(("BatchNorm1d(dim)", "GroupNorm(2, dim)"), ("self.a", "self.first"), ("self.b", "self.second"))
    code, out = shell.run("migrate", "net")
    assert code == 1 and out.count("UNDECIDED") == 1, out
    assert "or: a -> first, b -> second\n" in out and "or: a -> second, b -> first\n" in out, out


def commit(shell: Shell) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for arguments in (["init", "-q"], ["add", "*.py", "*.toml", "model-manifests"], ["commit", "-qm", "old"]):
        subprocess.run([*git, *arguments], cwd=shell.folder, check=True, capture_output=True)


def test_a_loader_is_compared_by_numbers(shell: Shell) -> None:
    inputs = "inputs = ['float32[2, 8]']\n"
    lock(shell, NET, CONFIG + inputs)
    commit(shell)
    shell.edit(*RENAMED)
    code, out = shell.run("migrate", "net", "--loader", "old_nets.py")
    assert code == 0 and "  numbers: equal, old files compute what they did\n" in out, out
    # The same names, and another activation beside them.
    lock(shell, NET, CONFIG + inputs)
    (shell.folder / "old_nets.py").unlink()
    (shell.folder / "old_nets.json").unlink()
    shell.edit(*RENAMED, ("x + self.proj(", "x - self.proj("))
    before = shell.contents()
    code, out = shell.run("migrate", "net", "--loader", "old_nets.py")
    assert code == 1 and "not written: old files would load, and compute something else: outputs part first" in out, out
    assert {name: text for name, text in shell.contents().items() if ".git" not in name} == {
        name: text for name, text in before.items() if ".git" not in name
    }
    assert shell.run("migrate", "net", "--loader", "old_nets.py", "--reason", "a minus was meant")[0] == 0


def test_a_loader_of_what_computes_something_else_is_not_accepted_without_inputs(shell: Shell) -> None:
    shell.edit(*RENAMED, ("x + self.proj(", "x - self.proj("))
    code, out = shell.run("migrate", "net", "--loader", "old_nets.py")
    assert code == 1 and "by its traces the model computes something else with them: the layout is not accepted" in out
    assert (shell.folder / "old_nets.py").exists()
    assert shell.run("check", "--only", "layout")[0] == 1


def test_what_the_hook_does_not_survive_is_said_where_the_project_does_it(shell: Shell) -> None:
    shell.write("import torch\nfrom net import Net\n\n\nserved = torch.jit.script(Net())\n", "serve.py")
    full = "from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict\n"
    full += "from net import Net\nset_model_state_dict(Net(), {}, options=StateDictOptions(full_state_dict=True))\n"
    shell.write(full, "train.py")
    shell.write("import torch\n\n\ndef gelu(x):\n    return x\n\n\nfast = torch.jit.script(gelu)\n", "fast.py")
    shell.write("import torch\nother = torch.jit.script(Other())\n", "another.py")
    shell.edit(("self.fc", "self.proj"))
    code, out = shell.run("migrate", "net")
    assert code == 0 and "note: serve.py:5: torch.jit.script loses load hooks" in out, out
    assert "note: train.py:3: full_state_dict puts" in out and out.count("note: ") == 2, out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_everything_is_put_back(shell: Shell, number: signal.Signals) -> None:
    shell.edit(("self.fc", "self.proj"))
    # It builds twice: the second time, with the hook, it takes long.
    waits = (
        'import pathlib, time\n\nif "def _load" "_from" in pathlib.Path(__file__).read_text():\n    time.sleep(60)\n'
    )
    shell.write(waits + (shell.folder / "net.py").read_text())
    before = shell.contents()
    ran = subprocess.Popen(
        [sys.executable, "-m", "modelint", "migrate", "net"], cwd=shell.folder, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while shell.contents() == before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert shell.contents() != before
    time.sleep(0.5)
    ran.send_signal(number)
    _, err = ran.communicate(timeout=60)
    assert ran.returncode == 128 + number and "Traceback" not in err
    assert shell.contents() == before


def test_names_and_manifests(shell: Shell) -> None:
    code, out = shell.run("migrate", "nett")
    assert code == 2 and "did you mean 'net'?" in out
    shell.edit(("self.fc(", "self.fc(("))
    code, out = shell.run("migrate", "net")
    assert code == 3 and out.startswith("net: could not be built: net.py:12: ")
    shutil.rmtree(shell.folder / "model-manifests")
    code, out = shell.run("migrate", "net")
    assert code == 1 and "`modelint lock net` writes one" in out


def test_the_forward_decides_which_of_two_siblings_is_which(shell: Shell) -> None:
    """Names that say nothing, and names that say the wrong thing."""
    text = NET.replace(
        "self.fc = nn.Linear(dim, dim)", "self.a = nn.Linear(dim, dim)\n        self.b = nn.Linear(dim, dim)"
    )
    lock(shell, text.replace("self.fc(self.norm(x))", "self.b(self.a(self.norm(x)).relu())"))
    shell.edit(("self.a", "self.second"), ("self.b ", "self.first "), ("self.b(", "self.first("))
    code, out = shell.run("migrate", "net")
    assert code == 0 and "    a -> second\n    b -> first\n" in out, out
    assert "accepted: safe" in out and "silent" not in out
    shell.edit(("self.second", "self.first_2"), ("self.first ", "self.second_1 "), ("self.first(", "self.second_1("))
    code, out = shell.run("migrate", "net")
    assert code == 0 and "    second -> first_2\n    first -> second_1\n" in out, out
    assert "accepted: safe" in out and "silent" not in out


CONV1D = """

class Conv1D(nn.Module):
    def __init__(self, wide, narrow):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(narrow, wide))

    def forward(self, x):
        return x @ self.weight


class Block"""


def test_square_weights_are_transposed_where_their_class_says_so(shell: Shell) -> None:
    text = NET.replace("\n\nclass Block", CONV1D).replace("self.fc = nn.Linear(dim, dim)", "self.fc = Conv1D(16, dim)")
    text = text.replace(
        "        self.fc =",
        "        self.down = Conv1D(dim, 16)\n        self.square = Conv1D(dim, dim)\n        self.fc =",
    )
    lock_with_inputs(shell, text.replace("self.fc(self.norm(x))", "self.square(self.down(self.fc(self.norm(x))))"))
    made = "import torch, net; torch.manual_seed(0); m = net.Net(); [torch.nn.init.normal_(p) for p in m.parameters()]"
    shell.loads(f"{made}; torch.save((m.state_dict(), m(torch.ones(1, 8))), 'v1.pt')")
    shell.edit(
        ("Conv1D(16, dim)", "nn.Linear(dim, 16, bias=False)"),
        ("Conv1D(dim, 16)", "nn.Linear(16, dim, bias=False)"),
        ("Conv1D(dim, dim)", "nn.Linear(dim, dim, bias=False)"),
    )
    code, out = shell.run("migrate", "net")
    assert code == 0 and "square.weight with its axes in the order 1, 0" in out, out
    assert "numbers: equal" in out, out
    # float32 sums in another order: sums of large values that leave little are apart by more than allclose grants
    alike = "assert (m(torch.ones(1, 8)) - y).abs().max() < 1e-4 * y.abs().max()"
    code = f"import torch, net; m = net.Net(); state, y = torch.load('v1.pt'); m.load_state_dict(state); {alike}"
    shell.loads(f"{code}; m.load_state_dict(m.state_dict()); {alike}")


def test_weights_that_went_beside_others_that_came_are_a_choice(shell: Shell) -> None:
    shell.edit(("self.head = nn.Linear(8, 4)", "self.tail = nn.Conv1d(8, 4, 3)"), ("self.head(x)", "self.tail(x)"))
    code, out = shell.run("migrate", "net")
    assert code == 1 and "UNDECIDED: weights went and others came" in out, out
    assert "or: leave them out; what is new stays as the model was built" in out


def test_modules_are_known_by_their_classes(shell: Shell) -> None:
    """Of the keys below a list that has another name too few are as they were for names alone."""
    shell.edit(
        ("self.blocks", "self.layers"),
        (
            "self.fc = nn.Linear(dim, dim)",
            "self.one = nn.Linear(dim, dim, bias=False)\n        self.gain = nn.Parameter(torch.ones(dim))",
        ),
        ("self.fc(self.norm(x))", "self.one(self.norm(x)) * self.gain"),
    )
    code, out = shell.run("migrate", "net")
    assert code == 1 and "    blocks -> layers\n" in out, out


def test_what_one_class_renames_in_two_steps_meets_no_other_name(shell: Shell) -> None:
    """The norm before a layer goes into it: what was the first of its list is the second."""
    lock(
        shell,
        "import torch\nfrom torch import nn\n\n\nclass PreNorm(nn.Module):\n    def __init__(self, dim, fn):\n"
        "        super().__init__()\n        self.norm, self.fn = nn.LayerNorm(dim), fn\n\n"
        "    def forward(self, x):\n        return self.fn(self.norm(x))\n\n\n"
        "class Feed(nn.Module):\n    def __init__(self, dim):\n        super().__init__()\n"
        "        self.net = nn.Sequential(nn.Linear(dim, 7), nn.GELU(), nn.Linear(7, dim))\n\n"
        "    def forward(self, x):\n        return self.net(x)\n\n\n"
        "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.layers = nn.ModuleList([PreNorm(4, Feed(4)) for _ in range(2)])\n\n"
        "    def forward(self, x):\n        for layer in self.layers:\n            x = x + layer(x)\n"
        "        return x\n",
    )
    shell.edit(
        ("nn.Sequential(nn.Linear(dim, 7)", "nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, 7)"),
        ("PreNorm(4, Feed(4))", "Feed(4)"),
    )
    code, out = shell.run("migrate", "net")
    assert code == 0, out
    assert "    fn.net.0 -> net.1\n" in out and "    norm -> net.0\n" in out
