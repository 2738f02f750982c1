"""A fault of modelint's own in one file: said, exit code 2, and the findings of the other files kept."""

from pathlib import Path

import pytest

from modelint.cli import main
from modelint.lint import interpret
from modelint.lint.index import File

BAD = "import torch\n\n\ndef restore(model, state):\n    model.load_state_dict(state, strict=False)\n"


def test_one_file_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fine.py").write_text(BAD)
    (tmp_path / "odd.py").write_text(BAD)
    run = interpret.Interpreter.run

    def failing(self: interpret.Interpreter, file: File, chosen: list[int]) -> None:
        if file.path.endswith("odd.py"):
            raise KeyError("lost")
        run(self, file, chosen)

    monkeypatch.setattr(interpret.Interpreter, "run", failing)
    monkeypatch.chdir(tmp_path)
    assert main(["check", "--no-cache", "--jobs", "1", "."]) == 2
    out, err = capsys.readouterr()
    assert "fine.py:5" in out and "odd.py:5" not in out
    assert "odd.py" in err and "internal error (KeyError" in err
