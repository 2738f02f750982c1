"""Why a model does not build: the stage, who is to blame, and the line of the user's own code."""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Iterator
from typing import Any

from .guard import Network
from .uses import is_installed, is_project_file, module_candidates

_META = re.compile(r"\bmeta\b|\bMeta\b")
_GPU = re.compile(r"CUDA|cuda|NVIDIA|\bnvcc\b|\bHIP\b|\bROCm\b|\bMPS\b|\bmps\b|\bXPU\b|\bGPUs?\b|flash_attn_2_cuda")
_NETWORK = re.compile(
    r"offline mode|OfflineMode|LocalEntryNotFound|Max retries exceeded|Connection ?Error|URLError|urlopen error|"
    r"Can't load .* for '|couldn't connect to|couldn't find .* in the cached files|hf\.co|huggingface\.co"
)
_MEMORY = re.compile(r"can't allocate memory|not enough memory|Unable to allocate|out of memory")
_INSTALL = re.compile(r"pip install (?:-U |--upgrade )?[\"'`]?([A-Za-z0-9][A-Za-z0-9._-]*)")
_HINTS = {
    "network": "build it without downloading: pretrained=False, or weights=None",
    "gpu": "models are built on the CPU: do not move them in the constructor",
}


class Failed(Exception):
    """A stage ended badly: ``error`` is what the user's code raised, or None where modelint itself objects."""

    def __init__(self, stage: str, message: str = "", blame: str = "code", error: BaseException | None = None) -> None:
        super().__init__(message)
        self.stage = stage
        self.blame = blame
        self.message = message
        self.error = error
        self.where: dict[str, Any] | None = None


def explain(failed: Failed, model: dict[str, Any], network: Network) -> dict[str, Any]:
    """The fields of the failure event, but for uses and tail."""
    error, blame, package = failed.error, failed.blame, None
    message, where = failed.message, failed.where
    if error is not None:
        where = place(error, model)
        message = f"{message}: {one_line(error)}" if message else one_line(error)
        blame, package = _blame(error, failed, model, network)
        if package is not None and package not in message:
            message += f" ({package} is missing)"
        if where is None and failed.stage == "record":
            message += _own_place(error)
        if blame in _HINTS:
            asked = f" ({', '.join(network.refused[:3])})" if blame == "network" and network.refused else ""
            message += f"{asked}; {_HINTS[blame]}"
    return {
        "event": "failure",
        "id": model["id"],
        "stage": failed.stage,
        "blame": blame,
        "message": message,
        "where": where,
        "package": package,
    }


def one_line(error: BaseException) -> str:
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = "its message cannot be shown"
    name = type(error).__name__
    return f"{name}: {text}"[:400] if text else name


def is_about_meta(error: BaseException) -> bool:
    """Whether it fails because tensors have no values: no other way of building would meet it."""
    return any(_META.search(one_line(each)) for each in _chain(error))


def place(error: BaseException, model: dict[str, Any]) -> dict[str, Any] | None:
    """Where it was raised: the innermost line of the project, else of an installed package that is not torch."""
    if isinstance(error, SyntaxError) and error.filename and is_project_file(error.filename, model):
        return {"path": error.filename, "line": error.lineno or 1, "function": "<module>"}
    frames: list[dict[str, Any]] = []
    for each in _chain(error):
        frames += [
            {"path": frame.filename, "line": frame.lineno or 1, "function": frame.name}
            for frame in traceback.extract_tb(each.__traceback__)
        ]
    own = [each for each in frames if is_project_file(each["path"], model)]
    if own:
        return own[-1]
    other = [each for each in frames if is_installed(each["path"]) and "site-packages/torch/" not in each["path"]]
    return next((each for each in reversed(other) if "site-packages" in each["path"]), None)


def _own_place(error: BaseException) -> str:
    """The innermost line of the tracer, where nothing but the tracer was at work."""
    here = os.path.dirname(os.path.abspath(__file__))
    own = [each for each in traceback.extract_tb(error.__traceback__) if each.filename.startswith(here)]
    return f" (at {os.path.basename(own[-1].filename)}:{own[-1].lineno} of modelint)" if own else ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The causes first, the error itself last."""
    found: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and each not in found and len(found) < 20:
        found.append(each)
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
    return reversed(found)


def _blame(error: BaseException, failed: Failed, model: dict[str, Any], network: Network) -> Any:
    chain = list(_chain(error))
    texts = [one_line(each) for each in chain]
    for each in chain:
        if isinstance(each, ModuleNotFoundError) and each.name:
            if module_candidates(model, each.name):
                return "import", None
            return "missing-package", each.name.partition(".")[0]
    if network.refused and (any(isinstance(each, OSError) for each in chain) or any(map(_NETWORK.search, texts))):
        return "network", None
    if any(isinstance(each, ImportError) for each in chain):
        wish = next((found for text in texts if (found := _INSTALL.search(text))), None)
        return ("missing-package", wish[1]) if wish else ("import", None)
    if any(isinstance(each, (OSError, ValueError, RuntimeError)) for each in chain) and any(
        map(_NETWORK.search, texts)
    ):
        return "network", None
    if any(isinstance(each, MemoryError) for each in chain) or any(map(_MEMORY.search, texts)):
        return "resources", None
    if any(isinstance(each, (RuntimeError, AssertionError, NotImplementedError)) for each in chain) and any(
        map(_GPU.search, texts)
    ):
        return "gpu", None
    if any(isinstance(each, (RuntimeError, NotImplementedError)) for each in chain) and any(map(_META.search, texts)):
        return "meta", None
    if failed.stage == "import" and failed.blame == "code" and isinstance(error, (AttributeError, TypeError)):
        return "import" if error.__traceback__ is None else "code", None
    return failed.blame, None


def origin(factory: Any) -> dict[str, Any] | None:
    """Where a callable is defined."""
    code = getattr(factory, "__code__", None) or getattr(getattr(factory, "__init__", None), "__code__", None)
    if code is None:
        return None
    return {"path": code.co_filename, "line": code.co_firstlineno, "function": code.co_name}
