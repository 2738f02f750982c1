"""The two parents of a manifest that a merge left in conflict."""

from __future__ import annotations

import contextlib
import os
import re
from typing import Literal

from modelint.layout import manifest
from modelint.layout.manifest import Manifest

Side = Literal["ours", "theirs"]
_STAGES: dict[Side, int] = {"ours": 2, "theirs": 3}
_MARKER = re.compile(r"(<{7}|\|{7}|={7}|>{7})(?: .*)?\r?$")


def parents(path: str) -> dict[Side, Manifest]:
    """Those that can be told: as git has them, else as the markers in the file have them. Empty: no conflict."""
    found: dict[Side, Manifest] = {}
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return found
    if not any(_MARKER.match(line) for line in data.decode("utf-8", "replace").split("\n")):
        return found
    for side in _STAGES:
        for text in (_from_git(path, side), _cut(data, side)):
            with contextlib.suppress(manifest.ManifestError):
                if text is not None:
                    found[side] = manifest.parse(path, text)
                    break
    return found


def _from_git(path: str, side: Side) -> bytes | None:
    """The file as that parent has it; None outside a merge."""
    import subprocess

    folder, name = os.path.split(path)
    try:
        ran = subprocess.run(
            ["git", "show", f":{_STAGES[side]}:./{name}"], cwd=folder, capture_output=True, check=False
        )
    except OSError:
        return None
    return ran.stdout if ran.returncode == 0 else None


def _cut(data: bytes, side: Side) -> bytes:
    """The text with one side of every conflict."""
    kept: list[str] = []
    within: str | None = None
    for line in data.decode("utf-8", "replace").split("\n"):
        marker = _MARKER.match(line)
        if marker is not None:
            within = {"<": "ours", "|": "base", "=": "theirs", ">": None}[marker[1][0]]
        elif within in (None, side):
            kept.append(line)
    return "\n".join(kept).encode()
