"""What building a model used: project files imported and opened, paths probed in vain, installed packages."""

from __future__ import annotations

import contextlib
import functools
import importlib.machinery
import os
import re
import sys
import sysconfig
from collections.abc import Iterator
from typing import Any, Callable

#: Not the project's, though they stand in its folder.
_FOREIGN = re.compile(r"[/\\](\.git|__pycache__)([/\\]|$)")
_INSTALLED = re.compile(r"[/\\](site|dist)-packages([/\\]|$)")
_TRACER = os.path.dirname(os.path.abspath(__file__))
_STANDARD = tuple(
    os.path.join(os.path.realpath(each), "")
    for each in {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), os.path.dirname(os.__file__)}
    if each
)


def is_installed(path: str) -> bool:
    """Whether a file belongs to the interpreter or to an installed package."""
    return bool(_INSTALLED.search(path)) or path.startswith(_STANDARD) or os.path.realpath(path).startswith(_STANDARD)


def is_project_file(path: str, model: dict[str, Any]) -> bool:
    """Whether a file stands in the folder of the project or on the path given for it, and is not installed there."""
    path = os.path.abspath(path)
    folders = _folders(model["folder"], *model["path"])
    return path.startswith(folders) and not is_installed(path) and not path.startswith(_TRACER + os.sep)


@functools.lru_cache(maxsize=64)
def _folders(*folders: str) -> tuple[str, ...]:
    return tuple(
        {os.path.join(form, "") for each in folders for form in (os.path.abspath(each), os.path.realpath(each))}
    )


class Uses:
    """Watches from ``start`` on. One per process: audit hooks stay."""

    def __init__(self, model: dict[str, Any]) -> None:
        self._model = model
        self._opened: set[str] = set()
        self._probed: set[str] = set()
        self._watching = False

    def start(self) -> None:
        self._watching = True
        sys.addaudithook(self._hear)
        os.stat = _Probing(os.stat, self._note)
        for name in ("exists", "isfile", "isdir"):
            setattr(os.path, name, _Probing(getattr(os.path, name), self._note))
        sys.meta_path.append(_Vain(self._probed, self._model))

    def stop(self) -> None:
        self._watching = False

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or not self._watching:
            return
        path, mode, flags = (*arguments, None, None, None)[:3]
        if isinstance(path, (str, bytes)) and not _writes(mode, flags):
            self._opened.add(os.path.join(os.getcwd(), os.fsdecode(path)))

    def _note(self, path: Any) -> None:
        if self._watching and isinstance(path, (str, os.PathLike)):
            with contextlib.suppress(TypeError, OSError):
                self._probed.add(os.path.join(os.getcwd(), os.fsdecode(path)))

    def found(self) -> dict[str, Any]:
        watching, self._watching = self._watching, False
        try:
            modules = list(_modules())
            python = {path for _, path in modules if not is_installed(path) and not path.startswith(_TRACER + os.sep)}
            python = {path for path in python if path.endswith(".py")}
            data, missing = set(), set()
            opened = {os.path.normpath(each) for each in self._opened}
            for path in opened | {os.path.normpath(each) for each in self._probed}:
                if path in python or _FOREIGN.search(path) or not is_project_file(path, self._model):
                    continue
                if not os.path.lexists(path):
                    missing.add(path)
                elif path in opened and os.path.isfile(path):
                    data.add(path)
            return {
                "python": sorted(python),
                "data": sorted(data),
                "missing": sorted(missing),
                "packages": _packages([each for each in modules if is_installed(each[1])]),
            }
        finally:
            self._watching = watching


def _writes(mode: Any, flags: Any) -> bool:
    if isinstance(mode, str):
        return any(each in mode for each in "wax")
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_CREAT | os.O_TRUNC))


class _Probing:
    """A function, with the paths noted that it is asked for. An object: in a class it must not become a method."""

    def __init__(self, real: Callable[..., Any], note: Callable[[Any], None]) -> None:
        functools.update_wrapper(self, real)
        self._real = real
        self._note = note

    def __call__(self, path: Any, *arguments: Any, **settings: Any) -> Any:
        self._note(path)
        return self._real(path, *arguments, **settings)


class _Vain:
    """The last of the finders: hears of the modules that no other one found, and finds none itself."""

    def __init__(self, probed: set[str], model: dict[str, Any]) -> None:
        self._probed = probed
        self._model = model

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        folders: list[str] = []
        if path is not None:
            folders = [each for each in path if isinstance(each, str)]
        elif self._asked_by_project():
            folders = list(self._model["path"])
        for folder in folders:
            file = os.path.join(folder, name.rpartition(".")[2])
            if is_project_file(file, self._model):
                self._probed.update((file + ".py", os.path.join(file, "__init__.py")))

    def _asked_by_project(self) -> bool:
        frame: Any | None = sys._getframe(2)
        while frame is not None and "importlib" in frame.f_code.co_filename:
            frame = frame.f_back
        return frame is not None and is_project_file(frame.f_code.co_filename, self._model)


def _modules() -> Iterator[tuple[str, str]]:
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str) and os.path.isabs(path) and name != "__main__":
            yield name, os.path.normpath(path)


def _packages(modules: list[tuple[str, str]]) -> dict[str, dict[str, str | None]]:
    """Of the modules imported from installed packages: distribution -> version, and where it says so."""
    tops: dict[str, str] = {}
    for name, path in modules:
        top = name.partition(".")[0]
        if _INSTALLED.search(path) and top not in tops and "." not in name:
            tops[top] = path
    found: dict[str, dict[str, str | None]] = {}
    shelves: dict[str, _Shelf] = {}
    for top, path in tops.items():
        folder = os.path.dirname(path)
        if os.path.basename(path).startswith("__init__."):
            folder = os.path.dirname(folder)
        shelf = shelves.setdefault(folder, _Shelf(folder))
        name, at, version = shelf.distribution_of(top)
        if at is None:
            told = getattr(sys.modules.get(top), "__version__", None)
            name, at, version = top, path, told if isinstance(told, str) else None
        found[name] = {"version": version, "at": at}
    return dict(sorted(found.items()))


class _Shelf:
    """A folder of installed packages, read from the names in it: importlib.metadata would open hundreds of files."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._by_name: dict[str, tuple[str, str]] = {}
        self._by_module: dict[str, str] | None = None
        with contextlib.suppress(OSError):
            for entry in os.listdir(folder):
                stem, suffix = os.path.splitext(entry)
                if suffix in (".dist-info", ".egg-info"):
                    name, _, version = stem.partition("-")
                    self._by_name[_normal(name)] = entry, version.partition("-")[0]

    def distribution_of(self, module: str) -> tuple[str, str | None, str | None]:
        name = _normal(module)
        if name not in self._by_name:
            if self._by_module is None:
                self._by_module = self._read_modules()
            name = self._by_module.get(module, name)
        if name not in self._by_name:
            return module, None, None
        entry, version = self._by_name[name]
        return name, os.path.join(self._folder, entry), version

    def _read_modules(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, (entry, _) in self._by_name.items():
            path = os.path.join(self._folder, entry, "top_level.txt")
            with contextlib.suppress(OSError, UnicodeDecodeError), open(path, encoding="utf-8") as file:
                for line in file:
                    found.setdefault(line.strip(), name)
        return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def module_candidates(model: dict[str, Any], name: str) -> bool:
    """Whether a missing module would be one of the project: its top package stands in the project's folders."""
    top = name.partition(".")[0]
    suffixes = ["", *importlib.machinery.all_suffixes()]
    return any(os.path.lexists(os.path.join(each, top + suffix)) for each in model["path"] for suffix in suffixes)
