"""Which models are tracked, and how: what [tool.modelint.models] and a modelint_models.py declare.

Discovery proposes, it never tracks. This is on the path of a hook with nothing to say: nothing heavy is imported, and
modelint_models.py is read, never run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

#: Zero-argument functions for models whose making needs code.
MODELS_FILE = "modelint_models.py"
MANIFESTS = "model-manifests"

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
#: ``package.module:callable``, which may be an attribute of a class.
FACTORY = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*(?:\.[^\W\d]\w*)*")
#: ``float32[2, 3, 224, 224]``, and for indices ``int64[2, 16] < 50257``.
TENSOR = re.compile(r"\s*(\w+)\s*\[\s*((?:\d+\s*(?:,\s*\d+\s*)*,?\s*)?)\]\s*(?:<\s*(\d+)\s*)?")

DTYPES = (
    "float32 float64 float16 bfloat16 complex32 complex64 complex128 int8 int16 int32 int64 uint8 uint16 uint32 uint64 "
    "bool float8_e4m3fn float8_e5m2"
).split()

Silent = Literal["error", "information"]
MissingInterpreter = Literal["error", "skip"]


class DeclarationError(Exception):
    """One line: the file, the line, what is wrong, and what to write instead."""


class Declared(NamedTuple):
    """One model as its place says it."""

    name: str
    factory: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    #: Tensors to run the model with, or the callable that makes them; None: none are given.
    inputs: tuple[str, ...] | str | None
    #: A model that cannot be imported (an extra that is not installed) is information.
    optional: bool
    path: str
    line: int
    #: Keywords that make a smaller model of the same code, to be run; None: the model itself is run.
    probe: Mapping[str, Any] | None = None


class Settings(NamedTuple):
    """What one configuration says of the tracked models below its folder."""

    python: str | None = None
    pythonpath: tuple[str, ...] = ()
    manifests: str = MANIFESTS
    #: Severity of drift that loads and computes something else.
    silent: Silent = "error"
    missing_interpreter: MissingInterpreter = "error"
    #: Seconds and bytes for each model; None: what the tracer takes for enough.
    timeout: float | None = None
    memory: int | None = None
    models: tuple[Declared, ...] = ()


class Project(NamedTuple):
    """A folder whose models are tracked, with one interpreter and one folder of manifests."""

    folder: str
    #: The configuration file; of a folder with nothing but a modelint_models.py that file.
    path: str
    settings: Settings


class Declaration(NamedTuple):
    """A tracked model, ready to be built. Paths are absolute."""

    name: str
    #: As the user reads it: ``sub/dir:name`` where the project is not that of the working directory.
    shown: str
    factory: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    inputs: tuple[str, ...] | str | None
    optional: bool
    folder: str
    path: str
    line: int
    #: The folder that holds the manifests of the project's models, each in a folder of its own.
    manifests: str
    #: Put first on sys.path.
    pythonpath: tuple[str, ...]
    python: str | None
    silent: Silent = "error"
    timeout: float | None = None
    memory: int | None = None
    probe: Mapping[str, Any] | None = None

    @property
    def home(self) -> str:
        """The folder of its manifest."""
        return os.path.join(self.manifests, self.name)

    @property
    def manifest(self) -> str:
        """The file of its manifest."""
        return os.path.join(self.home, "layout.json")


def declarations(projects: Iterable[Project], cwd: str) -> tuple[Declaration, ...]:
    """Every tracked model of the projects, in the order of their declaration. Raises DeclarationError."""
    found: list[Declaration] = []
    for project in projects:
        written = _written(os.path.join(project.folder, MODELS_FILE))
        declared = [*project.settings.models, *written]
        _refuse_doubles(declared)
        found += (_complete(each, project, cwd) for each in declared)
    return tuple(found)


def _complete(declared: Declared, project: Project, cwd: str) -> Declaration:
    settings, folder = project.settings, project.folder
    paths = (folder, os.path.join(folder, "src"), *(os.path.join(folder, each) for each in settings.pythonpath))
    return Declaration(
        **declared._asdict(),
        shown=shown_name(declared.name, folder, cwd),
        folder=folder,
        manifests=os.path.normpath(os.path.join(folder, settings.manifests)),
        pythonpath=tuple(dict.fromkeys(os.path.normpath(each) for each in paths)),
        python=settings.python,
        silent=settings.silent,
        timeout=settings.timeout,
        memory=settings.memory,
    )


def shown_name(name: str, folder: str, cwd: str | None = None) -> str:
    """``sub/dir:name``, and ``name`` alone in the project of the working directory."""
    relative = os.path.relpath(folder, cwd or os.curdir).replace(os.sep, "/")
    return name if relative == "." or relative.startswith("..") else f"{relative}:{name}"


def _refuse_doubles(declared: Iterable[Declared]) -> None:
    """Names are folders: on some file systems two that differ by case alone are one."""
    by_name: dict[str, Declared] = {}
    for each in declared:
        first = by_name.setdefault(each.name.lower(), each)
        if first is not each:
            other = f"line {first.line}" if first.path == each.path else f"{place(first.path)}:{first.line}"
            same = "" if first.name == each.name else f" as {first.name!r}"
            raise DeclarationError(
                f"{place(each.path)}:{each.line}: model {each.name!r} is declared twice; "
                f"the other time{same} at {other}; give one of them another name"
            )


def _written(path: str) -> Iterator[Declared]:
    """The zero-argument functions of a modelint_models.py. Those whose name starts with ``_`` are helpers."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return
    except OSError as error:
        raise DeclarationError(f"{place(path)}:1: cannot be read: {error.strerror}") from None
    import _ast
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # The flag is ``ast.PyCF_ONLY_AST``; ``ast`` itself is not needed.
            tree = compile(data, path, "exec", flags=0x400, dont_inherit=True)
            assert isinstance(tree, _ast.Module)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise DeclarationError(f"{place(path)}:{line}: not valid Python: {getattr(error, 'msg', error)}") from None
    module = MODELS_FILE.removesuffix(".py")
    for node in tree.body:
        if isinstance(node, _ast.FunctionDef) and not node.name.startswith("_") and not _required(node.args):
            if NAME.fullmatch(node.name) is None:
                raise DeclarationError(f"{place(path)}:{node.lineno}: {name_words(node.name)}")
            yield Declared(node.name, f"{module}:{node.name}", (), {}, None, False, path, node.lineno)


def _required(arguments: Any) -> int:
    positional = len(arguments.posonlyargs) + len(arguments.args) - len(arguments.defaults)
    return positional + sum(default is None for default in arguments.kw_defaults)


def name_words(name: str) -> str:
    """Why this is no name of a model."""
    return (
        f"{name!r} is no name of a model: it names a folder, so it starts with a letter or digit, "
        "and letters, digits, '.', '_' and '-' follow"
    )


def tensor_words(text: str) -> str | None:
    """What is wrong with the text of a tensor; None: nothing."""
    found = TENSOR.fullmatch(text)
    if found is None:
        return f"{text!r} is no tensor; write it as 'float32[2, 3, 224, 224]' or 'int64[2, 16] < 50257'"
    if found[1] not in DTYPES:
        from difflib import get_close_matches

        near = get_close_matches(found[1], DTYPES, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"the dtypes are {', '.join(DTYPES)}"
        return f"unknown dtype {found[1]!r} in {text!r}; {hint}"
    if found[3] is not None and (not found[1].startswith(("int", "uint")) or int(found[3]) < 1):
        return f"{text!r}: '< N' bounds indices: it goes with whole numbers, and N is at least 1"
    return None


def place(path: str) -> str:
    """A path as the errors of the configuration name it."""
    try:
        relative = os.path.relpath(path)
    except (OSError, ValueError):  # no working directory; another drive
        return path
    return path if relative.startswith("..") else relative
