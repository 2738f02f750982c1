"""The edit that puts a migration into a class: nothing else in the file moves, and the class still loads files."""

from __future__ import annotations

import ast
import codecs
import subprocess
import sys
import types
from typing import Any

import pytest

from modelint.layout.hooks.edit import EditError, edit
from modelint.layout.migrating.migration import (
    Added,
    Change,
    ClassMigration,
    Dropped,
    Joined,
    Option,
    Permuted,
    Renamed,
    Reset,
    Resized,
    Split,
    Undecided,
)

torch = pytest.importorskip("torch")

RENAMED: tuple[Change, ...] = (Renamed("fc1", "hidden"),)
JOINED: tuple[Change, ...] = (Joined(("q", "k"), "qk"),)

PLAIN = '''\
import torch
from torch import nn


class Net(nn.Module):
    """A net."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(2, 3)

    def forward(self, x):
        return self.hidden(x)


# the end
'''


def put(source: str | bytes, changes: tuple[Change, ...] = RENAMED, qualname: str = "Net", line: int = 0) -> bytes:
    """Edited, and the same when edited again."""
    before = source.encode() if isinstance(source, str) else source
    migration = ClassMigration(qualname, "net.py", line, changes)
    after = edit(before, migration)
    assert edit(after, migration) == after
    ast.parse(after)
    return after


def inserted(before: bytes, after: bytes) -> list[bytes]:
    """The lines that are new; all others are there, in their order."""
    rest = after.splitlines(keepends=True)
    new = []
    for line in before.splitlines(keepends=True):
        while rest and rest[0] != line:
            new.append(rest.pop(0))
        assert rest, line
        rest.pop(0)
    return new + rest


def run(source: bytes, name: str = "Net") -> Any:
    module = types.ModuleType("edited")
    sys.modules["edited"] = module  # where dataclasses look
    exec(compile(source, "net.py", "exec"), vars(module))
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part)
    return found


def loads(model: Any, before: str = "fc1", after: str = "hidden", prefix: str = "") -> None:
    """A file of the old form loads strictly, with its values."""
    state = {
        key.replace(f"{after}.", f"{before}."): torch.randn_like(value) for key, value in model.state_dict().items()
    }
    model.load_state_dict({prefix + key: value for key, value in state.items()}, strict=True)
    for key, value in state.items():
        assert torch.equal(model.state_dict()[key.replace(f"{before}.", f"{after}.")], value)


def test_the_method_stands_behind_the_constructor() -> None:
    after = put(PLAIN)
    lines = [line.decode() for line in inserted(PLAIN.encode(), after)]
    assert "".join(lines) == (
        "    def _load_from_state_dict(self, state_dict, prefix, *args, **kwargs):\n"
        '        """Load files of older versions of this class, too."""\n'
        "        # modelint migration 5c3588f2: fc1 -> hidden\n"
        '        for old, new in {"fc1": "hidden"}.items():\n'
        "            for key in list(state_dict):\n"
        '                if (key + ".").startswith(prefix + old + "."):\n'
        "                    moved = prefix + new + key[len(prefix + old) :]\n"
        "                    if moved not in state_dict:\n"
        "                        state_dict[moved] = state_dict.pop(key)\n"
        "        # end of migration 5c3588f2\n"
        "        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)\n"
        "\n"
    )
    loads(run(after)())


STYLES = {
    "crlf": PLAIN.replace("\n", "\r\n").encode(),
    "bom": codecs.BOM_UTF8 + PLAIN.encode(),
    "bom and crlf": codecs.BOM_UTF8 + PLAIN.replace("\n", "\r\n").encode(),
    "latin-1": ("# coding: latin-1\n" + PLAIN.replace("A net.", "Ein Nëtz.")).encode("latin-1"),
    "tabs": PLAIN.replace("    ", "\t").encode(),
    "two spaces": PLAIN.replace("    ", "  ").encode(),
    "form feeds": PLAIN.replace("class Net", "\f\nclass Net")
    .replace("    def forward", "\f\n    def forward")
    .encode(),
    "no newline at the end": PLAIN.rstrip("\n").encode(),
    "nothing behind the class": PLAIN[: PLAIN.index("\n\n\n# the end")].encode(),
    "constructor at the end": PLAIN[: PLAIN.index("\n    def forward")].encode(),
    "constructor at the end, without a newline": PLAIN[: PLAIN.index("\n\n    def forward")].encode(),
    "no empty lines": PLAIN.replace("\n\n    def", "\n    def").encode(),
    "trailing spaces": PLAIN.replace("\n", "  \n").encode(),
    "comments below the constructor": PLAIN.replace(
        "3)\n", "3)\n        # of the constructor\n\n        # too\n\n    # of forward\n"
    ).encode(),
    "early return": PLAIN.replace(
        "3)\n", "3)\n        if self.training:\n            return\n        self.x = 1\n"
    ).encode(),
    "other imports": PLAIN.replace("from torch import nn", "import torch.nn as nn").encode(),
    "decorated": PLAIN.replace("class Net", "@(lambda cls: cls)\nclass Net")
    .replace("    def __init__", "    @torch.no_grad()\n    def __init__")
    .encode(),
    "of one line each": (
        b"from torch import nn\n\nclass Net(nn.Module):\n"
        b"    def __init__(self): super().__init__(); self.hidden = nn.Linear(2, 3)\n"
        b"    def forward(self, x): return self.hidden(x)\n"
    ),
    "text over lines": PLAIN.replace("2, 3)", '2, 3)\n        self.text = """\n  # no comment\n"""').encode(),
    "backslashes": PLAIN.replace("nn.Linear(2, 3)", "\\\n nn.Linear(2, 3)").encode(),
    "parameters over lines": PLAIN.replace("(self):", "(\n        self,\n        a=1,\n    ) -> None:").encode(),
    "without a constructor": PLAIN.replace("class Net", "class Base")
    .replace("    def forward", "\nclass Net(Base):\n    def forward")
    .encode(),
}


@pytest.mark.parametrize("source", STYLES.values(), ids=STYLES)
def test_all_other_bytes_stay(source: bytes) -> None:
    after = put(source)
    newline = b"\r\n" if b"\r\n" in source else b"\n"
    if source.endswith(b"\n"):
        new = inserted(source, after)
    else:
        assert not after.endswith(b"\n")
        new = inserted(source + newline, after + newline)
    assert all(line.endswith(b"\r\n") == (newline == b"\r\n") for line in new)
    text = newline.join(line.rstrip(b"\r\n") for line in new)
    assert text.count(b"_load_from_state_dict") == 2 and b"\t " not in text
    if b"\t" in source:
        assert b"    " not in text
    loads(run(after)())


def test_carriage_returns_alone_end_lines() -> None:
    source = PLAIN.replace("\n", "\r").encode()
    after = put(source)
    assert b"\n" not in after
    loads(run(after.replace(b"\r", b"\n"))())


def test_a_class_on_one_line() -> None:
    source = (
        "from torch import nn\n\nclass Base(nn.Module):\n    def __init__(self):\n"
        "        super().__init__()\n        self.hidden = nn.Linear(2, 3)\n\n"
        "class Net(Base): note = 'class Net(Base): pass'; pass  # as it is\nafter = 1\n"
    )
    after = put(source).decode()
    assert "class Net(Base):\n    note = 'class Net(Base): pass'; pass  # as it is\n\n    def _load" in after
    assert after.endswith("**kwargs)\nafter = 1\n")
    loads(run(after.encode())())


def test_behind_the_comments_of_the_class() -> None:
    source = (
        "from torch import nn\nclass Base(nn.Module):\n  def __init__(self):\n    super().__init__()\n"
        "    self.hidden = nn.Linear(2, 3)\n"
        "class Net(Base):\n  pass\n  # of the class\n\n  # too\n\n# of the module\n"
    )
    after = put(source).decode()
    assert "  # too\n\n  def _load_from_state_dict" in after and after.endswith("**kwargs)\n\n# of the module\n")
    loads(run(after.encode())())


def test_which_class_is_meant() -> None:
    source = (
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    class Net(nn.Module):\n"
        "        def __init__(self):\n"
        "            super().__init__()\n"
        "            self.hidden = nn.Linear(2, 3)\n"
        "def make():\n"
        "    class Net(nn.Module):\n"
        "        def __init__(self):\n"
        "            super().__init__()\n"
        "            self.hidden = nn.Linear(2, 3)\n"
        "    return Net\n"
    )
    inner = put(source, qualname="Net.Net", line=3)
    assert b"\n        def _load_from_state_dict" in inner and inner.index(b"_load") < inner.index(b"def make")
    loads(run(inner, "Net.Net")())
    local = put(source, qualname="make.<locals>.Net", line=8)
    assert local.index(b"_load") > local.index(b"def make")
    loads(run(local, "make")()())


def test_two_classes_of_one_name_are_told_apart_by_their_lines() -> None:
    body = "    class Net(nn.Module):\n        pass\n"
    source = f"from torch import nn\nif 1:\n{body}else:\n    @a\n{body}"
    for line in (6, 7):
        assert b"_load" in put(source, line=line).split(b"else:")[1]
    assert b"_load" in put(source, line=3).split(b"else:")[0]
    with pytest.raises(EditError, match=r"^net.py:9: Net: there are several classes of that name, none"):
        put(source, line=9)


def test_a_dataclass() -> None:
    source = (
        "import dataclasses\nfrom torch import nn\n\n@dataclasses.dataclass(eq=False)\nclass Net(nn.Module):\n"
        '    """Doc."""\n\n    size: int = 3\n\n    def __post_init__(self):\n        super().__init__()\n'
        "        self.hidden = nn.Linear(2, self.size)\n"
    )
    loads(run(put(source))())


OVERRIDES = {
    "all by name": "state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs",
    "the rest": "state_dict, prefix, *args, **kwargs",
    "other names": "sd, p, /, *more",
    "nothing by name": "*args",
}


@pytest.mark.parametrize("parameters", OVERRIDES.values(), ids=OVERRIDES)
@pytest.mark.parametrize("changes", [RENAMED, (*RENAMED, Added(("scale",)))], ids=["renamed", "added"])
def test_an_override_of_the_user_comes_after(parameters: str, changes: tuple[Change, ...]) -> None:
    call = parameters.replace(" /,", "")
    first = parameters.split(",")[0] if "state_dict" in parameters or "sd" in parameters else "args[0]"
    source = PLAIN.replace("import torch\n", "import torch\nkey = 'hidden.weight'\n").replace(
        "    def forward",
        f"    # theirs\n    @torch.no_grad()\n    def _load_from_state_dict(self, {parameters}):\n"
        f"        '''Theirs.'''\n        assert key in {first}\n        self.seen = sorted({first})\n"
        f"        super()._load_from_state_dict({call})\n\n    def forward",
    )
    source = source.replace(
        "        self.hidden", "        self.scale = nn.Parameter(torch.ones(1))\n        self.hidden"
    )
    after = put(source, changes)
    inserted(source.encode(), after)
    model = run(after)()
    state = {"fc1.weight": torch.randn(3, 2), "fc1.bias": torch.randn(3)}
    if len(changes) == 1:
        state["scale"] = torch.ones(1)
    model.load_state_dict(state, strict=True)
    assert torch.equal(model.hidden.weight, state["fc1.weight"])
    assert model.seen == ["hidden.bias", "hidden.weight", "scale"]


def test_an_override_on_one_line() -> None:
    source = PLAIN.replace(
        "    def forward",
        "    def _load_from_state_dict(self, *a): super()._load_from_state_dict(*a)\n\n    def forward",
    )
    after = put(source)
    assert b"(self, *a):\n        # modelint" in after and b"\n        super()._load_from_state_dict(*a)\n\n" in after
    loads(run(after)())


def test_hooks_that_the_constructor_registers_come_after() -> None:
    source = PLAIN.replace("2, 3)\n", "2, 3)\n        self._register_load_state_dict_pre_hook(self.see)\n").replace(
        "    def forward", "    def see(self, state, *rest):\n        self.seen = list(state)\n\n    def forward"
    )
    model = run(put(source))()
    loads(model)
    assert model.seen == ["hidden.weight", "hidden.bias"]


REFUSED = {
    "    _load_from_state_dict = nn.Linear._load_from_state_dict\n": "_load_from_state_dict that is no plain method",
    "    if True:\n        def _load_from_state_dict(self, *args):\n            pass\n": "no plain method",
    "    @staticmethod\n    def _load_from_state_dict(*args):\n        pass\n": "no plain method",
    "    def _load_from_state_dict(self, state_dict, prefix):\n        pass\n": "neither local_metadata nor",
    "    def _load_from_state_dict(self, **all):\n        pass\n": "neither local_metadata nor",
}


@pytest.mark.parametrize("body", REFUSED)
def test_what_is_refused(body: str) -> None:
    source = PLAIN.replace("    def forward", body + "\n    def forward")
    with pytest.raises(EditError) as caught:
        put(source, line=5)
    text = str(caught.value)
    assert text.startswith("net.py:5: Net: ") and REFUSED[body] in text and "\n" not in text
    assert "by hand" in text


def test_files_that_cannot_be_read() -> None:
    for source in (b"class Net(:\n", b"# coding: nonsense\nclass Net: pass\n", b"\xff\nclass Net: pass\n"):
        with pytest.raises(EditError, match=r"^net.py:0: Net: the file does not parse; mend it"):
            put(source)
    with pytest.raises(EditError, match=r"^net.py:0: Nut: there is no class of that name"):
        put(PLAIN, qualname="Nut")


IMPORTS = {
    "import torch.nn\n": "import torch.nn\n",
    "import torch.nn as nn\n": "import torch\nimport torch.nn as nn\n",
    "from torch import nn\n": "import torch\nfrom torch import nn\n",
    "import math\n\nimport numpy as np\nimport torch.nn as nn\nfrom torch import Tensor\n": (
        "import math\n\nimport numpy as np\nimport torch\nimport torch.nn as nn\nfrom torch import Tensor\n"
    ),
    "import math\n\nimport numpy\nfrom a.b import c\nfrom torch import nn\n\nfrom .mine import x\n": (
        "import math\n\nimport numpy\nimport torch\nfrom a.b import c\nfrom torch import nn\n\nfrom .mine import x\n"
    ),
    "import torch as T\n": "import torch as T\n",
    "try:\n    import torch\nexcept OSError:\n    raise\n": "try:\n    import torch\nexcept OSError:\n    raise\n",
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch\n": (
        "from typing import TYPE_CHECKING\nimport torch\nif TYPE_CHECKING:\n    import torch\n"
    ),
    '"""Doc."""\nfrom __future__ import annotations\n\nfrom .layers import nn\n': (
        '"""Doc."""\nfrom __future__ import annotations\n\nfrom .layers import nn\nimport torch\n'
    ),
    '"""Doc."""\n': '"""Doc."""\n\nimport torch\n',
    "": "import torch\n\n",
}


@pytest.mark.parametrize("before", IMPORTS)
def test_torch_is_found_or_imported(before: str) -> None:
    source = before + "\n\nclass Net(nn.Module):\n    pass\n"
    after = put(source, JOINED).decode()
    assert after.startswith(IMPORTS[before] + "\n")
    name = "T" if "as T" in before else "torch"
    assert f"= {name}.cat(pieces, dim=0)" in after
    assert not put(source, RENAMED).decode().startswith("import torch\n\n")


def test_the_version_is_raised_where_nothing_else_tells() -> None:
    added: tuple[Change, ...] = (Added(("scale",)),)
    assert b"\n    _version = 2\n\n    def _load_from_state_dict" in put(PLAIN, added)
    for line in ("_version = 1", "_version: int = 1"):
        source = PLAIN.replace("    def __init__", f"    {line}  # a\n\n    def __init__")
        after = put(source, added).decode()
        assert f"{line[:-1]}2  # a\n" in after and after.count("_version =") + after.count("_version:") == 1
    source = PLAIN.replace("    def __init__", "    _version = 3\n\n    def __init__")
    assert b"version < 3)" in put(source, added)
    with pytest.raises(EditError, match="_version that is no number"):
        put(PLAIN.replace("    def __init__", "    _version = X\n\n    def __init__"), added)
    method = (
        "    # theirs\n    def _load_from_state_dict(self, *args):\n        super()._load_from_state_dict(*args)\n\n"
    )
    source = PLAIN.replace("    def forward", method + "    def forward")
    assert b"\n\n    _version = 2\n\n    # theirs\n" in put(source, added)


def test_a_file_in_single_quotes_stays_so() -> None:
    source = PLAIN.replace("import torch\n", "import torch\n\nNAME = 'a'\n")
    assert b"{'fc1': 'hidden'}.items()" in put(source)
    assert b'{"fc1": "hidden"}.items()' in put(PLAIN)


FORMATTED: dict[str, tuple[Change, ...]] = {
    "short": (Renamed("a", "b"), Dropped("c"), Added(("d",))),
    "long": (
        *(Renamed(f"encoder.layers.{number}.attention", f"encoder.blocks.{number}.attn") for number in range(4)),
        *(Dropped(f"encoder.layers.{number}.extra_embedding.table") for number in range(4)),
        Added(tuple(f"encoder.blocks.{number}.relative_position_bias" for number in range(9))),
        *(Joined(tuple(f"e.{n}.{name}.weight_of_it" for name in "qkv"), f"e.{n}.qkv.weight_of_it") for n in range(3)),
        *(Split(f"d.{n}.qkv.weight", tuple(f"d.{n}.{name}.weight" for name in "qkv"), (1, 2, 3), 1) for n in range(2)),
        Permuted("f.weight", (1, 0), (2, 3), (3, 2)),
        Permuted("f.kernel", (0, 2, 1), (2, 3, 3), (2, 3, 3)),
        Resized("head.weight"),
        Reset("head.bias"),
    ),
    "very long": (Renamed("a" * 90, "b" * 90), Dropped("c" * 90), Added(("d" * 90,)), Reset("e" * 90)),
    "undecided": (
        Undecided(
            ("a.weight", "b.weight"),
            "both have shape (3, 3), and nothing tells which of them became c and which of them became d",
            (
                Option("a is c, b is d", (Renamed("a", "c"), Renamed("b", "d"))),
                Option("a is d, b is c", (Renamed("a", "d"), Renamed("b", "c"))),
            ),
        ),
    ),
    "by version": (Renamed("a", "t"), Renamed("b", "a"), Renamed("t", "b")),
}


@pytest.mark.parametrize("length", [79, 88, 120])
@pytest.mark.parametrize("changes", FORMATTED.values(), ids=FORMATTED)
def test_a_formatter_leaves_it_alone(changes: tuple[Change, ...], length: int) -> None:
    nested = PLAIN.replace("class Net", "class Outer:\n    class Net").replace("\n    ", "\n        ")
    nested = nested.replace("\n        class Net", "\n    class Net").replace('"""A net."""\n', '"""A net."""\n')
    for source, name in ((PLAIN, "Net"), (nested, "Outer.Net")):
        before = formatted(source.encode(), length)
        after = put(before, changes, name)
        assert formatted(after, length) == after


def formatted(source: bytes, length: int) -> bytes:
    command = [sys.executable, "-m", "ruff", "format", "--isolated", f"--line-length={length}", "-"]
    return subprocess.run(command, input=source, capture_output=True, check=True).stdout
