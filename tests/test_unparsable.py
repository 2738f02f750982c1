"""A file that is no Python is said, also where no rule could report anything in it."""

from pathlib import Path

import pytest

from modelint.cli import main


@pytest.mark.parametrize(("flag", "code"), [([], 0), (["--fail-on-unanalysed"], 3)])
def test_a_syntax_error_without_a_word_of_torch(
    flag: list[str], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fine.py").write_text("x = 1\n")
    (tmp_path / "broken.py").write_text("x = 1\ndef f(:\n")
    monkeypatch.chdir(tmp_path)
    assert main(["check", "--no-cache", *flag, "."]) == code
    err = capsys.readouterr().err
    assert "broken.py:2: not analysed: syntax error" in err
    assert "fine.py" not in err
