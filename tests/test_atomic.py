from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from modelint import atomic


def test_a_new_file_gets_the_mode_of_the_umask(tmp_path: Path) -> None:
    (tmp_path / "by_hand").write_bytes(b"")
    atomic.write(str(tmp_path / "new"), b"report")
    assert (tmp_path / "new").read_bytes() == b"report"
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "by_hand").stat().st_mode


def test_the_mode_of_an_old_file_is_kept_and_nothing_else_is_left(tmp_path: Path) -> None:
    target = tmp_path / "old"
    target.write_bytes(b"old")
    target.chmod(0o751)
    atomic.write(str(target), b"new")
    assert target.read_bytes() == b"new" and stat.S_IMODE(target.stat().st_mode) == 0o751
    assert os.listdir(tmp_path) == ["old"]


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    atomic.write(str(tmp_path / "link"), b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_bytes() == b"new"


def test_a_failure_keeps_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "old"
    target.write_bytes(b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        atomic.write(str(target), b"new")
    assert target.read_bytes() == b"old" and os.listdir(tmp_path) == ["old"]


def test_a_device_is_written_to() -> None:
    atomic.write(os.devnull, b"x")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_a_stream_that_leads_to_a_file_is_not_replaced(tmp_path: Path) -> None:
    code = "import os; from modelint import atomic; atomic.write('/dev/stdout', b'two\\n'); os.write(1, b'three\\n')"
    with open(tmp_path / "log", "wb") as log:
        log.write(b"one\n")
        log.flush()
        subprocess.run([sys.executable, "-c", code], stdout=log, check=True)
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\nthree\n"


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        atomic.write(str(tmp_path / "no" / "file"), b"x")
