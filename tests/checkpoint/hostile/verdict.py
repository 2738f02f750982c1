"""What a run of modelint may never do, whatever file it was given."""

from __future__ import annotations

import json
import os
import re
import sys
import sysconfig

from hostile.watched import CPU, Run

#: C0 but newline, DEL, C1, line and paragraph separators, marks and overrides of direction, tags, lone surrogates.
CONTROL = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
#: Modules of these are nobody's canary.
OWN = tuple(
    os.path.realpath(path)
    for path in (sysconfig.get_paths()["stdlib"], sysconfig.get_paths()["purelib"], *sys.path)
    if path and os.path.isdir(path)
)
#: A line on stderr for one file.
LINE = 1000


def listing(folder: str) -> dict[str, tuple[int, int, int]]:
    """Everything in it: mode, size, time of its last change."""
    found = {}
    for place, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = os.path.join(place, name)
            status = os.lstat(path)
            found[path] = (status.st_mode, status.st_size, status.st_mtime_ns)
    return found


def opened(act: str, folder: str) -> str:
    """What is wrong with an open: a write, or a path that is neither the file's folder nor Python's."""
    path, flags = act.removeprefix("open ").rsplit(" ", 1)
    if int(flags) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        return f"opened for writing: {path!r}"
    # A link of the folder may lead out of it, to a file; a path that the file names may not.
    full = os.path.normpath(os.path.join(folder, path))
    device = os.path.realpath(full).startswith("/dev/")
    if path.isdigit() or (full.startswith((folder, *OWN)) and not device):
        return ""
    return f"opened from elsewhere: {path!r}"


def faults(
    run: Run, folder: str, before: dict[str, tuple[int, int, int]], exits: frozenset[int], files: int = 1
) -> list[str]:
    """Everything that is wrong with the run, in words; ``before`` is the listing of the folder before it.

    The time is that of each of the ``files`` that it reads.
    """
    found = []
    if run.status not in exits:
        found.append(f"exit {run.status}, not in {sorted(exits)}: {(run.err or run.out)[-300:]!r}")
    if run.cpu >= CPU * files:
        found.append(f"{run.cpu:.1f} s of CPU")
    for name, text in (("stdout", run.out), ("stderr", run.err)):
        if "Traceback (most recent call last)" in text or "Error: " in text.partition("\n")[0][:30]:
            found.append(f"traceback on {name}: {text[-600:]}")
        control = CONTROL.search(text)
        if control:
            found.append(f"{control[0]!r} on {name}: {text[max(control.start() - 60, 0) : control.end() + 20]!r}")
    if run.status == 3 and (run.err.count("\n") != 1 or len(run.err) > LINE):
        found.append(f"refused in {run.err.count(chr(10))} lines, {len(run.err)} characters: {run.err[:300]!r}")
    if listing(folder) != before:
        found.append(f"wrote: {sorted(set(listing(folder)) ^ set(before))}")
    for act in run.acts:
        if act.startswith("open "):
            wrong = opened(act, folder)
        elif act.startswith("import "):
            wrong = f"{act}d" if act.split()[1].partition(".")[0] in ("torch", "numpy", "safetensors", "evil") else ""
        elif act.startswith("exec "):
            # Own modules, and what namedtuple writes.
            wrong = "" if act.removeprefix("exec ").startswith((*OWN, "<string>", "<frozen")) else act
        else:
            wrong = act
        if wrong and wrong not in found:
            found.append(wrong)
    return found


def document(run: Run) -> dict[str, object]:
    """The JSON that `show --format json` wrote; it is ASCII."""
    assert run.out.isascii(), "JSON is not ASCII"
    value = json.loads(run.out)
    assert isinstance(value, dict) and value["schema"] == 1
    return value
