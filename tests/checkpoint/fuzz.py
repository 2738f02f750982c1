"""Spoils valid checkpoints, thousands of them, and looks whether modelint stays upright.

As a program: `python tests/checkpoint/fuzz.py SAMPLES RUNS [SEED] [KEEP]`, where SAMPLES is a folder of valid files
and folders (`oracle/samples.py` makes one) and KEEP one for what went wrong. Prints a JSON summary; exit code 1 if
anything did. All runs are of one process, under a limit on memory, each with a limit on time.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from tempfile import TemporaryDirectory
from types import FrameType

MEMORY = 400_000_000
#: Seconds of CPU for one file.
PATIENCE = 5.0
NUMBERS = (
    b"\0" * 4,
    b"\xff" * 4,
    b"\xff\xff\xff\x7f",
    b"\0\0\0\x80",
    b"\xff" * 8,
    b"\0" * 7 + b"\x80",
    b"\xff" * 7 + b"\x7f",
)
#: Every opcode of pickle, and what structures of zip and JSON are made of.
WORDS = (
    b"(",
    b".",
    b"R",
    b"b",
    b"\x81",
    b"}",
    b"]",
    b"h\0",
    b"PK\x01\x02",
    b"PK\x05\x06",
    b'"',
    b"{",
    b"[",
    b",",
    b"-",
    b"9" * 30,
)


class TooLong(BaseException):
    """A run that used up its time: no handler of errors may catch it."""


def spoiled(data: bytes, chance: random.Random, other: bytes) -> bytes:
    """One of the ways to spoil it, or several."""
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        size = len(data)
        place, how = chance.randrange(size + 1), chance.randrange(10)
        if how == 0:
            data = data[:place]
        elif how in (1, 2, 3) and size:
            bits = bytearray(data)
            for _ in range(chance.choice((1, 1, 1, 4, 30))):
                bits[chance.randrange(size)] ^= 1 << chance.randrange(8)
            data = bytes(bits)
        elif how == 4:
            data = data[:place] + chance.randbytes(chance.choice((1, 2, 8))) + data[place:]
        elif how == 5:
            data = data[:place] + data[place + chance.choice((1, 1, 2, 4, 50)) :]
        elif how == 6:
            word = chance.choice(NUMBERS)
            data = data[:place] + word + data[place + len(word) :]
        elif how == 7:
            word = chance.choice(WORDS) * chance.choice((1, 1, 1, 100))
            data = data[:place] + word + data[place + chance.choice((0, len(word))) :]
        elif how == 8:
            start = chance.randrange(size + 1)
            data = data[:place] + data[start : start + chance.randrange(200)] + data[place:]
        else:
            start = chance.randrange(len(other) + 1)
            data = data[:place] + other[start : start + chance.choice((20, 200, 10**6))]
    return data


def one(path: str) -> str:
    """What went wrong with modelint on it, "" if nothing did."""
    from modelint.cli import main

    arguments = ["show", path]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main(arguments)
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 2
    if status not in (0, 1, 3):
        return f"exit {status}: {err.getvalue()[-400:]}"
    if status == 3 and err.getvalue().count("\n") != 1:
        return f"refused in {err.getvalue().count(chr(10))} lines: {err.getvalue()[:400]!r}"
    text = out.getvalue() + err.getvalue()
    control = next((each for each in text if each != "\n" and (each < " " or "\x7f" <= each < "\xa0")), None)
    return "" if control is None else f"{control!r} was printed"


def ring(signum: int, frame: FrameType | None) -> None:
    raise TooLong


def run(samples: str, runs: int, seed: str, keep: str | None) -> dict[str, object]:
    files = sorted(os.path.join(place, name) for place, _, names in os.walk(samples) for name in names)
    contents = {}
    for path in files:
        with open(path, "rb") as file:
            contents[path] = file.read()
    statuses: Counter[str] = Counter()
    first: dict[str, str] = {}
    slowest = (0.0, "")
    signal.signal(signal.SIGVTALRM, ring)
    start = time.perf_counter()
    with TemporaryDirectory() as place:
        copy = os.path.join(place, "copy")
        shutil.copytree(samples, copy)
        for number in range(runs):
            chance = random.Random(f"{seed} {number}")
            path = chance.choice(files)
            target = os.path.join(copy, os.path.relpath(path, samples))
            with open(target, "wb") as file:
                file.write(spoiled(contents[path], chance, contents[chance.choice(files)]))
            # A file of a folder is read with the folder.
            top = os.path.relpath(path, samples).split(os.sep)[0]
            before = time.process_time()
            signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
            try:
                wrong = one(os.path.join(copy, top))
            except TooLong:
                wrong = f"more than {PATIENCE} s:" + "".join(traceback.format_exc().splitlines(keepends=True)[-8:])
            except BaseException:
                wrong = "".join(traceback.format_exc().splitlines(keepends=True)[-8:])
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            slowest = max(slowest, (time.process_time() - before, f"{seed} {number} {top}"))
            if wrong:
                statuses[wrong] += 1
                if wrong not in first:
                    first[wrong] = f"{number} {os.path.relpath(path, samples)}"
                    if keep is not None:
                        shutil.copy(target, os.path.join(keep, f"{seed}-{number}-{os.path.basename(path)}"))
            with open(target, "wb") as file:
                file.write(contents[path])
    return {
        "runs": runs,
        "faults": [{"count": count, "first": first[wrong], "what": wrong} for wrong, count in statuses.most_common()],
        "slowest": slowest,
        "seconds": round(time.perf_counter() - start, 1),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def program() -> int:
    samples, runs = sys.argv[1], int(sys.argv[2])
    seed = sys.argv[3] if len(sys.argv) > 3 else "0"
    keep = sys.argv[4] if len(sys.argv) > 4 else None
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    summary = run(samples, runs, seed, keep)
    print(json.dumps(summary, indent=1))
    return 1 if summary["faults"] else 0


if __name__ == "__main__":
    sys.exit(program())
